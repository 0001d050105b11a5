"""Rules for lesson notebooks that nbgrader does not enforce but silently punishes: `lint(notebook)`."""

import ast
import builtins
import contextlib
import re
import symtable
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nbformat import NotebookNode

from course_utils.authoring.lessons import (
    BEGIN_HIDDEN,
    BEGIN_SOLUTION,
    END_HIDDEN,
    END_SOLUTION,
    Exercise,
    exercises,
    grade_id,
    has_tag,
    is_graded,
    is_solution,
    place,
    setup_cell,
)
from course_utils.errors import CourseError

POINTS = 100
SECONDS = 2.0
TRAINING_SECONDS = 10.0  # of a cell tagged `trains`, whose points are for what training reaches
KERNEL_NAMES = {*dir(builtins), "get_ipython", "display", "__name__"}
TORCH_SEEDS = {"torch.manual_seed", "seed_everything"}
NUMPY_SEEDS = {"np.random.seed", "numpy.random.seed", "seed_everything"}
LAYERS = r"Linear|Bilinear|Conv\dd|ConvTranspose\dd|Embedding|RNN|LSTM|GRU|MultiheadAttention|Transformer\w*"
# What draws from a global generator, and the calls that seed it. A new layer draws its weights from torch's generator.
RANDOM = {
    r"torch\.(rand|randn|randint|randperm|normal|bernoulli|multinomial|poisson|(rand|randn|randint)_like)": TORCH_SEEDS,
    rf"(torch\.)?nn\.({LAYERS})": TORCH_SEEDS,
    r"(np|numpy)\.random\.(?!default_rng|Generator|SeedSequence|RandomState|seed|PCG64)\w+": NUMPY_SEEDS,
    r"random\.(?!Random|seed|SystemRandom)\w+": {"random.seed", "seed_everything"},
    r"((np|numpy)\.random\.)?(default_rng|RandomState)|random\.Random": set(),
}


@dataclass(frozen=True)
class Problem:
    """One broken rule: the cell as messages call it, the rule's short name, and what is wrong."""

    cell: str
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.cell}: {self.text} [{self.rule}]"


def lint(notebook: NotebookNode, timings: Mapping[str, float] | None = None) -> list[Problem]:
    """Every broken rule of a lesson read by `lessons.read`, in the order of the cells.

    Args:
        timings: seconds each cell took, by grade id, where they were measured.
    """
    problems = [Problem(place(cell), *found) for cell in notebook.cells for found in _cell(cell, timings or {})]
    problems += [Problem(*found) for found in _structure(notebook)]
    return problems


def stderr_problems(notebook: NotebookNode) -> list[Problem]:
    """A problem for each executed cell that wrote to standard error: nbgrader gives such a cell no points."""
    return [
        Problem(place(cell), "stderr", f"writes to standard error: {output.text.strip().splitlines()[0][:120]!r}")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr" and output.text.strip()
    ]


def python(cell: NotebookNode) -> str:
    """The cell's source with IPython's line magics and shell lines blanked, so that line numbers stay."""
    return "\n".join("" if re.match(r"\s*[%!]", line) else line for line in cell.source.split("\n"))


def bound_names(source: str) -> set[str]:
    """Names that a cell defines at its top level."""
    table = symtable.symtable(source, "cell", "exec")
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def free_names(source: str) -> set[str]:
    """Names that a cell, or a function in it, looks up but does not define."""
    top = symtable.symtable(source, "cell", "exec")
    used, tables = set(), [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        used |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (table is top or s.is_global())}
    return used - bound_names(source)


def stub_problems(notebook: NotebookNode, release: NotebookNode) -> list[str]:
    """How the stubs in `release` differ from their solutions in more than the body; one sentence each."""
    stubs = {cell.metadata.nbgrader.grade_id: cell for cell in release.cells if is_solution(cell)}
    problems = []
    for exercise in exercises(notebook):
        if exercise.solution.cell_type != "code":
            continue
        stub, name = stubs.get(exercise.name), exercise.name
        if stub is None:
            problems.append(f"{name} is missing from the release")
            continue
        try:
            ours, theirs = (_definitions(python(cell)) for cell in (exercise.solution, stub))
        except SyntaxError as error:
            problems.append(f"the stub of {name} is no valid Python: {error.msg}")
            continue
        if set(ours) != set(theirs):
            problems.append(
                f"{name}: solution and stub define different names: {', '.join(sorted(set(ours) ^ set(theirs)))}"
            )
        for part in ours.keys() & theirs.keys():
            for what in ("signature", "docstring"):
                if ours[part][what] != theirs[part][what]:
                    problems.append(f"{name}: the {what} of {part} is {theirs[part][what]!r} in the stub, "
                                    f"{ours[part][what]!r} in the solution")  # fmt: skip
            if ours[part]["returns"] is None and not part.endswith("__init__"):
                problems.append(f"{name}: {part} has no return annotation")
            if not ours[part]["docstring"] and "." not in part:
                problems.append(f"{name}: {part} has no docstring")
            if ours[part]["body"] != theirs[part]["body"] and not theirs[part]["raises"]:
                problems.append(f"{name}: the stub of {part} does not raise NotImplementedError")
        if "raise NotImplementedError" not in stub.source:
            problems.append(f"{name}: the stub leaves nothing to do")
    return problems


def _cell(cell: NotebookNode, timings: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Rules that need no other cell, as (rule, text)."""
    if cell.cell_type != "code":
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(python(cell))
    except SyntaxError as error:
        yield "syntax", f"is no valid Python in line {error.lineno} of the cell: {error.msg}"
        return
    for module in _imported_modules(tree):
        if re.match(r"course_utils\.(authoring|grading)\b", module):
            yield "import", f"imports {module}, which students do not have"
    if is_graded(cell):
        yield from _graded(cell, tree, timings)


def _graded(cell: NotebookNode, tree: ast.Module, timings: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    if has_tag(cell, "experiment"):
        yield "experiment", "gives points but is tagged `experiment`, so grading would skip it"
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        yield "trailing-expression", "ends in an expression; nbgrader takes a numeric one for the score"
    calls = sorted((n for n in ast.walk(tree) if isinstance(n, ast.Call)), key=lambda n: (n.lineno, n.col_offset))
    names = {ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Attribute)}
    names |= set(_imported_modules(tree))
    for pattern, what in ((r"sys\.stderr", "sys.stderr"), (r"warnings\.warn\w*", "warnings"),
                          (r"tqdm\b.*", "tqdm, which writes to standard error"),
                          (r"logging\..+", "logging, which writes to standard error")):  # fmt: skip
        if any(re.fullmatch(pattern, name) for name in names):
            yield "stderr", f"uses {what}; nbgrader gives no points to a cell that writes to standard error"
    seeded = set()
    for call in calls:
        name = ast.unparse(call.func)
        for pattern, seeds in RANDOM.items():
            given = any(k.arg in ("generator", "rng") for k in call.keywords) or (
                not seeds and (call.args or call.keywords)
            )
            if re.fullmatch(pattern, name) and not given and not seeded & seeds:
                yield "seed", f"calls {name} in its line {call.lineno} without a generator or a seed set earlier in it"
        if call.args or call.keywords:
            seeded.add(name)
    seconds = timings.get(grade_id(cell), 0.0)
    limit = TRAINING_SECONDS if has_tag(cell, "trains") else SECONDS
    if seconds > limit:
        yield "slow", f"took {seconds:.1f} s; graded cells have {limit:g} s"


def _structure(notebook: NotebookNode) -> Iterator[tuple[str, str, str]]:
    """Rules across cells, as (cell, rule, text)."""
    from nbgrader.nbgraderformat import MetadataValidator, SchemaTooNewError, SchemaTooOldError, ValidationError

    cells = notebook.cells
    for cell in cells:
        if "nbgrader" in cell.metadata.get("incorrectly_encoded_metadata", ""):
            yield place(cell), "metadata", "its nbgrader metadata are not valid JSON"
        try:
            MetadataValidator().validate_cell(cell)
        except (ValidationError, SchemaTooNewError, SchemaTooOldError) as error:
            text = getattr(error, "message", str(error)).splitlines()[0]
            yield place(cell), "metadata", f"its nbgrader metadata are not valid: {text}"
    for name, count in Counter(filter(None, map(grade_id, cells))).items():
        if count > 1:
            yield name, "duplicate-id", f"the grade id is used {count} times"
    found = exercises(notebook)
    theirs = {grade_id(cell) for exercise in found for cell in exercise.checks + exercise.hidden}
    for cell in filter(is_graded, cells):
        if grade_id(cell) not in theirs and not is_solution(cell):
            yield (
                place(cell),
                "grade-id",
                "is not called <exercise>_check or <exercise>_hidden after a solution cell's id",
            )
    points = sum(exercise.points for exercise in found)
    if points != POINTS:
        yield "lesson", "points", f"the exercises give {points:g} points together, not {POINTS}"
    try:
        setup = setup_cell(notebook)
        if setup is not next(cell for cell in cells if cell.cell_type == "code"):
            yield place(setup), "setup", "the cell tagged `setup` is not the first code cell"
        given = bound_names(python(setup)) | KERNEL_NAMES
        if re.search(r"^\s*from .+ import \*", setup.source, re.M):
            yield place(setup), "setup", "imports with *, so nobody can tell which names it defines"
    except CourseError as error:
        yield "lesson", "setup", str(error)
        given = set(KERNEL_NAMES)
    except SyntaxError:
        return
    start = 0
    earlier: set[str] = set()
    for exercise in found:
        for rule, text in _exercise(exercise, given, earlier):
            yield place(exercise.solution), rule, text
        with contextlib.suppress(SyntaxError):
            earlier |= bound_names(python(exercise.solution))
        own = [cells.index(c) for c in [exercise.solution, *exercise.checks, *exercise.hidden]]
        first_check = min(own[1:], default=own[0] + 1)
        prose = "\n".join(c.source for c in cells[start:first_check] if c.cell_type == "markdown")
        for text in _heading(prose):
            yield place(exercise.solution), "heading", text
        start = max(own) + 1


def _exercise(exercise: Exercise, given: set[str], earlier: set[str]) -> Iterator[tuple[str, str]]:
    # A solution may fall back on an earlier exercise; that no check makes it do so shows in the audit, which runs each
    # exercise without the others.
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(exercise.name)):
        yield "grade-id", f"the grade id '{exercise.name}' is not lower_case_with_underscores"
    if not exercise.checks:
        yield "no-check", "has no visible check cell"
    if not exercise.hidden:
        yield "no-hidden", "has no hidden check cell"
    for cell in exercise.checks:
        if BEGIN_HIDDEN in cell.source:
            yield "hidden", f"{grade_id(cell)} holds hidden tests; call it {exercise.name}_hidden"
    for cell in exercise.hidden:
        before, marker, rest = cell.source.partition(BEGIN_HIDDEN)
        if not marker or END_HIDDEN not in rest:
            yield "hidden", f"{grade_id(cell)} does not enclose its tests in {BEGIN_HIDDEN} and {END_HIDDEN}"
        elif not re.search(r"^\s*#", before + rest.partition(END_HIDDEN)[2], re.M):
            yield (
                "hidden",
                f"{grade_id(cell)} has no comment outside the hidden region, so a student sees an empty cell",
            )
    for cell in exercise.checks + exercise.hidden:
        for other in re.findall(r"\bcheck\(\s*[\"']([^\"']*)[\"']", cell.source):
            if other.partition(".")[2] != exercise.name:
                yield "check-id", f'{grade_id(cell)} reports as "{other}", not as "NN.{exercise.name}"'
    if exercise.solution.cell_type != "code":
        return
    if BEGIN_SOLUTION not in exercise.solution.source or END_SOLUTION not in exercise.solution.source:
        yield "solution", f"does not enclose the solution in {BEGIN_SOLUTION} and {END_SOLUTION}"
    try:
        own = bound_names(python(exercise.solution))
        for cell in [exercise.solution, *exercise.checks, *exercise.hidden]:
            unknown = free_names(python(cell)) - given - (earlier if cell is exercise.solution else own)
            if unknown:
                names = ", ".join(sorted(unknown))
                yield (
                    "free-names",
                    f"{grade_id(cell)} needs {names}, defined neither in the setup cell nor in its exercise",
                )
    except SyntaxError:
        return  # reported with its cell


def _heading(prose: str) -> Iterator[str]:
    if not re.search(r"Difficulty[\s:*]*●[●○]{2}", prose):
        yield "its text lacks `Difficulty ●○○`"
    if not re.search(r"Importance[\s:*]*●", prose):
        yield "its text lacks `Importance ●`"
    if not re.search(r"\d\s*min", prose):
        yield "its text does not say how many minutes it takes"
    hints = prose.count("<details")
    if hints < 3:
        yield f"it has {hints} of three hints in <details>"
    if hints != prose.count("</details>"):
        yield "a <details> is not closed"


def _imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _definitions(source: str) -> dict[str, dict]:
    """What a stub must share with its solution, for each top-level function, class and method."""
    found = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            is_class = isinstance(node, ast.ClassDef)
            signature = [ast.unparse(b) for b in node.bases] if is_class else ast.unparse(node.args)
            returns = "" if is_class else node.returns and ast.unparse(node.returns)
            found[prefix + node.name] = {
                "signature": str(signature) if is_class else f"({signature}) -> {returns}",
                "returns": returns,
                "docstring": ast.get_docstring(node),
                # A class differs where its methods do, and they are compared themselves.
                "body": "" if is_class else ast.unparse(node),
                "raises": "raise NotImplementedError" in ast.unparse(node),
            }
            if is_class:
                visit(node.body, f"{prefix}{node.name}.")

    visit(ast.parse(source).body, "")
    return found
