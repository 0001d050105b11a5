"""What a person should look at in a student's code: things that no exercise asks for and that could bend a score.

A look at the text only. It has no effect on points, and who wants to hide finds ways; so it is one sign among others.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from nbformat import NotebookNode

from course_utils.authoring.lessons import grade_id, is_graded, is_solution

# What is used, by its full name → what to say.
USES = {
    r"sys\._(getframe|current_frames)|inspect\.(stack|currentframe|getouterframes|trace)|traceback\.walk_stack": (
        "looks at the frames of whoever calls it"
    ),
    r"gc\.get_(objects|referrers|referents)": "searches Python's memory",
    r"sys\.(settrace|setprofile|modules|meta_path|path_hooks|monitoring|displayhook|excepthook)(\..*)?": (
        "hooks into Python itself"
    ),
    r"threading\.set(trace|profile)": "hooks into Python itself",
    r"ctypes\..*": "calls C functions directly",
    r"atexit\..*|weakref\.finalize|signal\..*|faulthandler\..*": "leaves something behind that runs later",
    r"os\.(_exit|abort|kill|killpg|fork|forkpty|exec\w*|spawn\w*|posix_spawnp?|system|popen|setsid)": (
        "starts or ends processes"
    ),
    r"(subprocess|multiprocessing|pty)\..*": "starts or ends processes",
    r"(socket|urllib\.request|requests|http\.client|zmq)\..*": "uses the network",
    r"(get_ipython\(\)|IPython\.core|ipykernel)\..*|.*\.(set_custom_exc|showtraceback|ast_transformers|user_ns)": (
        "reaches into the notebook's kernel"
    ),
    r"(.*\.)?__import__|importlib\.(import_module|reload)|(builtins\.)?(eval|exec|compile)": "runs code made of text",
    r"_?In|_ih|_dh|_oh|_ii?i?|_i\d+": "reads the code of other cells",
    r".*\.__(globals|code|closure|subclasses|builtins)__": "reaches into the inner parts of functions or classes",
    r"globals\(\)\.(update|setdefault|pop)": "writes into Python's tables of names",
    r"unittest\.mock\.patch(\..*)?|mock\.patch(\..*)?": "replaces a part of a library",
}
MAGICS = re.compile(r"get_ipython\(\)\.(run_line_magic|run_cell_magic|system|getoutput)")
TIMED = re.compile(r"(?m)^([ \t]*)%%?(?:time|timeit|prun|capture)\b(?:[ \t]+-\w+(?:[ \t]+\d+)?)*[ \t]*")
# `%magic`, `!command`, `name = !command`, `name?`
MAGIC = re.compile(r"^([ \t]*)([\w.,\[\] \t]+=)?[ \t]*(?:[%!].*|\??[\w.]+\?{1,2}[ \t]*$)")
PATHS = re.compile(r"^(/proc|/sys|/etc|/dev/(?!null|shm)|/home|/root|/run|/var|\.\./)|gradebook\.db")
# Whose attributes are not the student's to set, and names that checks rely on.
LIBRARIES = {"torch", "numpy", "math", "builtins", "__builtins__", "course_utils", "random", "sklearn"}
SETUP_NAMES = {"np": "numpy", "F": "torch.nn.functional", "nn": "torch.nn", "pd": "pandas"}
SETTINGS = re.compile(r"torch\.backends\..*")
TABLES = {"globals()", "sys.modules", "vars()", "__builtins__"}
MAX_HELPERS, MAX_SOURCE, TRIES = 100, 300_000, 20
RELIED_ON = {"check", "float", "int", "bool", "isinstance", "abs", "len", "all", "any", "round", "AssertionError"}


def suspects(notebook: NotebookNode, folder: Path | None = None) -> Iterator[tuple[str, str | None]]:
    """(flag, name of the exercise it stands in or None) for a canonical notebook, each kind once per cell.

    Modules in `folder`, where the notebook runs, are looked at as well.
    """
    exercise = None
    for number, cell in enumerate(notebook.cells, start=1):
        exercise = grade_id(cell) if is_solution(cell) else exercise
        if cell.cell_type == "code" and not is_graded(cell):
            where = f"`{grade_id(cell)}`" if grade_id(cell) else f"cell {number}, outside the exercises,"
            yield from ((f"{where} {text}", exercise) for text in _told(cell.source))
    for path in islice(sorted(folder.rglob("*.py")), MAX_HELPERS) if folder else ():
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                source = file.read(MAX_SOURCE + 1).decode(errors="replace")
            yield from ((f"{path.name} {text}", None) for text in _told(source))


def _told(source):
    """What to say about a cell, each kind once with its first line."""
    try:
        found = dict(reversed(list(findings(source))))
    except RecursionError:
        found = {"is nested too deeply to be looked through": 1}
    return [f"{what} (line {line})" for what, line in found.items()]


def findings(source: str) -> Iterator[tuple[str, int]]:
    """(what to say, line) of everything suspicious in a cell."""
    if len(source) > MAX_SOURCE:
        yield "is too long to be looked through", 1
        return
    tree = _parsed(source)
    names, used = dict(SETUP_NAMES), []  # what a name stands for; (full name, line) of what is used
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                full = alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
                short = isinstance(node, ast.Import) and not alias.asname
                names[alias.asname or alias.name.split(".")[0]] = full.split(".")[0] if short else full
                used.append((full, node.lineno))
    if names.get("check", "course_utils.checks.check") != "course_utils.checks.check":
        yield "gives `check` another meaning", 1
    stores = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    counters = {name for name in stores if name.startswith("_i")}  # `for _i in …`
    for node in ast.walk(tree):
        full = _full_name(node, names)
        stored = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
        if full and stored and isinstance(node, ast.Attribute):
            if _of_library(full):
                yield f"replaces `{full}`", node.lineno
            elif full.startswith("get_ipython()"):
                yield "reaches into the notebook's kernel", node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
            target = _full_name(node.args[0], names) if node.args else None
            if target and _of_library(target):
                yield f"replaces a part of `{target}`", node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and PATHS.search(node.value):
            yield f"names the file {node.value[:40]!r}", node.lineno
        elif isinstance(node, ast.Subscript) and stored:
            table = _full_name(node.value, names) or ""
            if table in TABLES or (table.endswith(".__dict__") and _of_library(table)):
                yield "writes into Python's tables of names", node.lineno
        elif isinstance(node, ast.Global) and RELIED_ON & set(node.names):
            yield f"gives `{min(RELIED_ON & set(node.names))}` another meaning", node.lineno
        if full and not stored and full not in counters and not MAGICS.match(full):
            used.append((full, node.lineno))
    for full, line in used:
        yield from ((what, line) for pattern, what in USES.items() if re.fullmatch(pattern, full))
    for statement in tree.body:
        for name in bound(statement) & RELIED_ON:
            yield f"gives `{name}` another meaning", statement.lineno


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of a cell binds."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    return {node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)}


def _of_library(full):
    return full.split(".")[0] in LIBRARIES and not SETTINGS.fullmatch(full)


def _parsed(source):
    """The syntax tree without what is no Python, such as lines of IPython's own; empty where little else is left."""
    lines = TIMED.sub(r"\1", source).split("\n")
    for attempt in range(TRIES if len(source) < MAX_SOURCE // 10 else 2):
        try:
            with warnings.catch_warnings(action="ignore"):
                return ast.parse("\n".join(lines))
        except SyntaxError as error:
            if attempt == 0:
                lines = [MAGIC.sub(lambda found: found[1] + (found[2] + "0" if found[2] else "pass"), x) for x in lines]
            else:
                number = min(error.lineno or 1, len(lines)) - 1
                lines[number] = re.match(r"\s*", lines[number])[0] + "pass"
        except (ValueError, RecursionError, MemoryError):
            break
    return ast.Module(body=[], type_ignores=[])


def _full_name(node, names) -> str | None:
    """ "numpy.allclose" for the expression `np.allclose`; None for what is no such name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_full_name(node.value, names) or '?'}.{node.attr}"
    if isinstance(node, ast.Call):
        root = _full_name(node.func, names)
        if root == "getattr" and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            return _full_name(ast.Attribute(node.args[0], str(node.args[1].value)), names)
        return f"{root}()" if root else None
    return None
