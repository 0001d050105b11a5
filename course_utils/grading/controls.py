"""Does the judge in a student's kernel still tell right from wrong? Known wrong answers are put through its checks.

Student code and checks share one process, which can forge anything in principle. These controls detect what changes how
checks compare or how errors show; they prove nothing.
"""

import ast
import random
from queue import Empty
from time import monotonic

from nbformat import NotebookNode

from course_utils.authoring.answers import is_specific, read_answers
from course_utils.authoring.lessons import Lesson, exercises
from course_utils.grading.suspects import bound

SECONDS = 20
# What checks rely on, as MODULE:NAME. What is another object at the end than after the setup cell was replaced.
WATCHED = """
builtins:float builtins:int builtins:bool builtins:str builtins:list builtins:tuple builtins:dict builtins:set
builtins:isinstance builtins:abs builtins:len builtins:all builtins:any builtins:round builtins:sum builtins:max
builtins:min builtins:zip builtins:range builtins:print builtins:getattr builtins:AssertionError builtins:Exception
math:isclose math:sqrt math:log numpy:allclose numpy:isclose numpy:array_equal numpy:asarray numpy:abs numpy:where
numpy:isnan numpy:argmax numpy:testing.assert_allclose numpy:testing.assert_array_equal
torch:equal torch:allclose torch:isclose torch:tensor torch:manual_seed torch:Tensor.__eq__ torch:Tensor.item
torch:Tensor.numpy torch:Tensor.tolist torch:testing.assert_close
course_utils.checks:check course_utils.checks:Check course_utils.checks:Verdict course_utils.checks:Wrong
course_utils.checks:Check.__enter__ course_utils.checks:Check.__exit__ course_utils.checks:Check.expect
course_utils.checks:Check.that course_utils.checks:Check.fail course_utils.checks:Check.raises
course_utils.checks:Check.own_work course_utils.checks:Check._control course_utils.checks:_difference
course_utils.checks:_array
""".split()  # noqa: SIM905
_LOOK = """(lambda sys, ip, get, reduce: {
    **{name: (lambda found: found is not None and (id(found), id(get(found, '__code__', None))))(
        reduce(lambda at, key: at and get(at, key, None), 
               name.split(':')[1].split('.'), sys.modules.get(name.split(':')[0])))
       for name in NAMES},
    'the way this notebook runs cells': (
        len(ip.ast_transformers), len(ip.input_transformers_cleanup), len(ip.input_transformers_post),
        len(ip.custom_exceptions), *(id(get(get(type(ip), name), '__code__', None)) for name in
        ('run_cell', 'run_cell_async', 'run_code', 'showtraceback', '_showtraceback', 'run_ast_nodes')),
        sorted(set(vars(ip)) & {'run_cell', 'run_cell_async', 'run_code', 'showtraceback', '_showtraceback',
        'run_ast_nodes'}), id(sys.gettrace()), id(sys.getprofile())),
})(__import__('sys'), get_ipython(), getattr, __import__('functools').reduce)""".replace("NAMES", repr(WATCHED))


def known_wrong(lesson: Lesson, notebook: NotebookNode) -> dict[str, str]:
    """For each exercise of the lesson's source one answer of its bank whose mistake the checks name."""
    found = {}
    for exercise in exercises(notebook):
        path = lesson.answers / f"{exercise.name}.py"
        for answer in read_answers(path, lesson.number, exercise.solution.source) if path.is_file() else ():
            if answer.kind == "wrong" and is_specific(answer.verdict):
                found.setdefault(exercise.name, answer.code)
    return found


async def fingerprint(client) -> dict | None:
    """What everything watched is at this moment; None if the kernel does not say."""
    [reply] = await _ask(client, ["pass"], SECONDS, {"look": _LOOK})
    try:
        found = ast.literal_eval(reply["content"]["user_expressions"]["look"]["data"]["text/plain"])
    except Exception:  # whatever the kernel says instead
        return None
    return found if isinstance(found, dict) else None


def replaced(before: dict | None, after: dict | None) -> list[str]:
    """What was replaced between two fingerprints, in words."""
    if before is None or after is None:
        return ["the notebook's kernel did not say whether it is as it was"]
    # Modules that were imported in between are no replacements.
    changed = [name.replace(":", ".") for name in before if before[name] and after.get(name) != before[name]]
    return [f"{'`' + name + '`' if '.' in name else name} was replaced while it ran" for name in changed[:5]]


async def accepted_wrong(client, controls: dict[str, tuple[str, list[str]]]) -> list[str] | None:
    """The exercises whose checks accept a known wrong answer; "" among them if even a bare error does not show.

    Args:
        client: a kernel client whose kernel has run the notebook.
        controls: exercise → (known wrong answer, sources of its check cells).

    Returns None if the kernel did not answer all of it.
    """
    parts = [("", ["assert False"])]
    for name, (wrong, checks) in controls.items():
        names = sorted(set().union(*map(bound, ast.parse(wrong).body)))
        forget = f"for _name in {names!r}: globals().pop(_name, None)\n"
        parts.append((name, [forget + wrong, *checks]))
    random.shuffle(parts)
    replies = iter(await _ask(client, [source for _, sources in parts for source in sources], SECONDS))
    passed = []
    for name, sources in parts:
        mine = [next(replies) for _ in sources]
        if None in mine:
            return None
        failed = [reply["content"].get("status") == "error" for reply in mine]
        if not (all(failed) if name == "" else any(failed[1:])):
            passed.append(name)
    return passed


async def _ask(client, sources, seconds, expressions=None):
    """The kernel's replies to these cells, None where there is none in time; sent at once, which is quick."""
    ids = [client.execute(source, stop_on_error=False, user_expressions=expressions) for source in sources]
    replies, deadline = {}, monotonic() + seconds
    while len(replies) < len(ids) and monotonic() < deadline:
        try:
            message = await client.shell_channel.get_msg(timeout=0.5)
        except Empty:
            if not await client.is_alive():
                break
            continue
        replies.setdefault(message["parent_header"].get("msg_id"), message)
    return [replies.get(id) for id in ids]
