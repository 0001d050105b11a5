"""What a person should look at in a student's code: things that no exercise asks for and that could bend a score.

A look at the text only. It has no effect on points, and who wants to hide finds ways; so it is one sign among others.
"""

import ast
import re
from collections.abc import Iterator

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
    r"(.*\.)?__import__|importlib\.(import_module|reload)|eval|exec": "runs code made of text",
    r"_?In|_ih|_dh|_oh|_ii?i?|_i\d+": "reads the code of other cells",
    r"unittest\.mock\.patch(\..*)?|mock\.patch(\..*)?": "replaces a part of a library",
}
MAGICS = re.compile(r"get_ipython\(\)\.(run_line_magic|run_cell_magic|system|getoutput)")
PATHS = re.compile(r"^(/proc|/sys|/etc|/dev/(?!null|shm)|/home|/root|/run|/var|\.\./)|gradebook\.db")
# Whose attributes are not the student's to set, and names that checks rely on.
LIBRARIES = {"torch", "numpy", "math", "builtins", "__builtins__", "course_utils", "random", "sklearn"}
SETUP_NAMES = {"np": "numpy", "F": "torch.nn.functional", "nn": "torch.nn", "pd": "pandas"}
SETTINGS = re.compile(r"torch\.backends\..*")
TABLES = ("globals()", "sys.modules")
RELIED_ON = {"check", "float", "int", "bool", "isinstance", "abs", "len", "all", "any", "round", "AssertionError"}


def suspects(notebook: NotebookNode) -> Iterator[tuple[str, str | None]]:
    """(flag, name of the exercise it stands in or None) for a canonical notebook, each kind once per cell."""
    exercise = None
    for number, cell in enumerate(notebook.cells, start=1):
        exercise = grade_id(cell) if is_solution(cell) else exercise
        if cell.cell_type == "code" and not is_graded(cell):
            where = f"`{grade_id(cell)}`" if grade_id(cell) else f"cell {number}, outside the exercises,"
            try:
                found = dict(reversed(list(findings(cell.source))))
            except RecursionError:
                found = {"is nested too deeply to be looked through": 1}
            for what, line in found.items():
                yield f"{where} {what} (line {line})", exercise


def findings(source: str) -> Iterator[tuple[str, int]]:
    """(what to say, line) of everything suspicious in a cell."""
    tree = _parsed(source)
    names = dict(SETUP_NAMES)  # what a name stands for
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                full = alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
                short = isinstance(node, ast.Import) and not alias.asname
                names[alias.asname or alias.name.split(".")[0]] = full.split(".")[0] if short else full
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
        elif (
            isinstance(node, ast.Subscript) and stored and _full_name(node.value, names) in ("globals()", "sys.modules")
        ):
            yield "writes into Python's tables of names", node.lineno
        elif full and not stored and not MAGICS.match(full):
            for pattern, what in USES.items():
                if re.fullmatch(pattern, full):
                    yield what, node.lineno
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
    """The syntax tree without lines of IPython's own; empty where there is none."""
    plain = re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", source)
    try:
        return ast.parse(plain)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


def _full_name(node, names) -> str | None:
    """ "numpy.allclose" for the expression `np.allclose`; None for what is no such name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        root = _full_name(node.value, names)
        return f"{root}.{node.attr}" if root else None
    if isinstance(node, ast.Call):
        root = _full_name(node.func, names)
        return f"{root}()" if root else None
    return None
