"""The `course` command. Each command imports what it needs when it runs, so that `course --help` is quick."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated, Literal, Optional

import typer
from typer.core import TyperGroup

from course_utils import __version__
from course_utils.errors import CourseError


class _Commands(TyperGroup):
    """An error that the user can mend is shown as two lines, and Ctrl-C as one."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except CourseError as error:
            self._stop("\n".join(error._render_traceback_()), 1)
        except KeyboardInterrupt:
            self._stop(
                "\nStopped. Nothing half-written is left; measure, compare and pretrain resume when run again, "
                "grade does with --resume.",
                130,
            )
        except ModuleNotFoundError as error:
            needs = _instructor_part(error.name)
            if not needs:
                raise
            self._stop(needs, 1)

    @staticmethod
    def _stop(message: str, code: int):
        print(message, file=sys.stderr)
        raise typer.Exit(code) from None


app = typer.Typer(
    cls=_Commands,
    help="A course on transfer learning whose autograder knows why an answer is wrong.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
LessonName = Annotated[Optional[str], typer.Argument(help="A lesson's number or name, such as 01. Default: all.")]  # noqa: UP045


def main() -> None:
    """Entry point of the `course` command."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a class name must not end a long run
    app()


def _instructor_part(module: str | None) -> str | None:
    """What to tell a user who misses this module, or None if nothing better than the error itself is known."""
    if module and module.startswith(("course_utils.authoring", "course_utils.grading", "course_utils.backbones.pre")):
        return "This command needs the instructor's copy of the course; the student handout does not hold it."
    if module in ("nbgrader", "jupytext", "alembic", "sqlalchemy"):
        return f"This command needs {module}.\nWhat to do: pip install -c constraints.txt -e '.[grading]'"
    return None


def _lessons(which: str | None):
    from course_utils.authoring.lessons import find_lessons
    from course_utils.settings import home

    return find_lessons(home(), which)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the class; made if missing.")] = Path("demo-class"),
    jobs: Annotated[int, typer.Option(help="Notebooks graded at the same time.", min=1)] = 2,
) -> None:
    """Grade a made-up class of lesson 01: submissions, scores, feedback pages, misconceptions."""
    from course_utils.grading.demo import demo

    demo(out, jobs=jobs)


@app.command()
def build(
    lesson: LessonName = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if a generated file is stale.")] = False,
) -> None:
    """Make the executed solution and the release of each lesson from its source."""
    from course_utils.authoring.build import build_all
    from course_utils.settings import home

    build_all(home(), lesson, check=check)


@app.command()
def audit(
    lesson: LessonName = None,
    exercise: Annotated[Optional[str], typer.Option(help="Only this exercise.")] = None,  # noqa: UP045
) -> None:
    """Run the bank of wrong and right answers through the real check cells."""
    from rich.console import Console

    from course_utils.authoring.audit import audit, report_table

    reports = []
    for each in _lessons(lesson):
        reports.append(audit(each, exercise=exercise))
        Console().print(report_table(reports[-1]))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


@app.command()
def collect(
    lesson: Annotated[str, typer.Argument(help="The lesson's number or name, such as 01.")],
    zips: Annotated[list[Path], typer.Argument(help="What the LMS gave you: zips of the submissions.")],
    folder: Annotated[Path, typer.Option(help="nbgrader's course folder; made if missing.")] = Path("."),
    replace: Annotated[bool, typer.Option("--replace", help="Replace submissions that differ.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Unpack submissions from Moodle, Canvas or any zip into `submitted/STUDENT/LESSON/`, safely."""
    import shlex

    from rich.console import Console

    from course_utils.grading.intake import REFUSED, collect, collected_table

    name = _lessons(lesson)[0].name
    rows = collect(name, zips, folder, replace=replace, dry_run=dry_run)
    Console().print(collected_table(rows))
    print(
        "Nothing was written." if dry_run else f"Next: {shlex.join(['course', 'grade', name, '--folder', str(folder)])}"
    )
    if any(row.state == REFUSED for row in rows):
        raise typer.Exit(1)


@app.command()
def grade(
    lesson: Annotated[str, typer.Argument(help="The lesson's number or name, such as 01.")],
    folder: Annotated[Path, typer.Option(help="nbgrader's course folder, which holds submitted/.")] = Path("."),
    student: Annotated[Optional[list[str]], typer.Option(help="Only this student (repeat for more).")] = None,  # noqa: UP045
    jobs: Annotated[Optional[int], typer.Option(help="Processes. Default: one per core, at most 4.", min=1)] = None,  # noqa: UP045
    scheduler: Annotated[Optional[str], typer.Option(help="Run on a Dask cluster: tls://HOST:8786.")] = None,  # noqa: UP045
    db: Annotated[Optional[str], typer.Option(help="The gradebook: postgresql://USER@HOST/DATABASE.")] = None,  # noqa: UP045
    resume: Annotated[bool, typer.Option("--resume", help="Keep what an interrupted run has graded.")] = False,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Run submissions unsandboxed, with your rights.")] = False,
    cold: Annotated[bool, typer.Option("--cold", help="Start kernels from nothing: slower, same scores.")] = False,
    no_feedback: Annotated[bool, typer.Option("--no-feedback", help="Write no feedback pages.")] = False,
) -> None:
    """Grade what lies in `submitted/STUDENT/LESSON/` with nbgrader; write feedback pages, a table and a CSV."""
    from course_utils.grading.run import grade_class

    options = {"jobs": jobs, "scheduler": scheduler, "db": db, "resume": resume, "unsafe": unsafe, "cold": cold}
    grade_class(_lessons(lesson)[0], folder, student, pages=not no_feedback, **options)


@app.command()
def bench(
    what: Annotated[Literal["grading", "class"], typer.Argument(help="Speed, or kills and resumes.")],
    lesson: Annotated[str, typer.Option(help="The lesson's number or name.")] = "01",
    students: Annotated[Optional[int], typer.Option(help="Default: 20, and 300 for class.")] = None,  # noqa: UP045
) -> None:
    """Measure how fast a class is graded, or that a killed and resumed run loses nothing (minutes)."""
    from course_utils.grading.bench import bench_class, bench_grading

    if what == "grading":
        bench_grading(_lessons(lesson)[0], students or 20)
    else:
        bench_class(_lessons(lesson)[0], students or 300)


@app.command()
def measure(
    claim: Annotated[Optional[str], typer.Argument(help="A measurement's or a claim's id.")] = None,  # noqa: UP045
    every: Annotated[bool, typer.Option("--all", help="All measurements.")] = False,
    fresh: Annotated[bool, typer.Option(help="Forget runs finished earlier.")] = False,
    restate: Annotated[bool, typer.Option(help="Only judge the recorded runs again.")] = False,
) -> None:
    """Run a measurement's conditions and seeds and write its record (resumes after Ctrl-C)."""
    from course_utils import records

    if (claim is None) == (not every):
        raise CourseError(
            "Name one measurement, or give --all.", f"There are: {', '.join(sorted(records.find_measurements()))}."
        )
    for name in sorted(records.find_measurements()) if every else [claim]:
        record = records.restate(name) if restate else records.measure(name, fresh=fresh)
        print(f"{record['id']}: {len(record['rows'])} runs, {len(record['claims'])} claims recorded.")


@app.command()
def claims(
    check: Annotated[
        bool, typer.Option("--check", help="Fail if a lesson states what its record does not say.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the page of all claims.")] = False,
) -> None:
    """List what the course claims: held, held weakly, did not hold here."""
    from rich.console import Console

    from course_utils import claims as of_lessons
    from course_utils.records import all_claims
    from course_utils.settings import data_dir, replacing

    page = data_dir() / "records" / "README.md"
    if write:
        with replacing(page) as new:
            new.write_text(of_lessons.claims_page(), encoding="utf-8")
    if check:
        problems = of_lessons.check_claims([each.source for each in _lessons(None)])
        if not page.is_file() or page.read_text(encoding="utf-8") != of_lessons.claims_page():
            problems.append(of_lessons.Problem(page.name, "The page of claims is stale: run course claims --write."))
        for problem in problems:
            print(problem)
        if any(problem.level == "error" for problem in problems):
            raise typer.Exit(1)
        print(f"{len(all_claims())} claims, each as its record says.")
    elif not write:
        Console().print(of_lessons.claims_table())


@app.command()
def pretrain(
    what: Annotated[Literal["text", "vision"], typer.Argument(help="Which world.")],
    name: Annotated[Optional[str], typer.Option(help="vision: resnet, resnet_gn or vit. Default: all.")] = None,  # noqa: UP045
    out: Annotated[Optional[Path], typer.Option(help="Folder for the checkpoint. Default: the embedded one.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(help="Seed of data, weights and order.")] = 0,
    steps: Annotated[Optional[int], typer.Option(help="Fewer steps, for a trial.")] = None,  # noqa: UP045
) -> None:
    """Make an embedded backbone again (minutes; resumes after Ctrl-C; installed only if its probe passes)."""
    from course_utils.settings import data_dir

    if what == "text":
        from course_utils.backbones.pretrain_text import pretrain_text

        pretrain_text(out, seed=seed, steps=steps)
        return
    from course_utils.backbones.pretrain_vision import RECIPES, pretrain_vision

    for each in [name] if name else RECIPES:
        pretrain_vision(each, (out / each if out else data_dir() / "backbones" / each), seed=seed, steps=steps)


@app.command()
def compare(
    data: Annotated[Optional[Path], typer.Option(help="A CSV of texts with labels, or an .npz with x and y.")] = None,  # noqa: UP045
    images: Annotated[Optional[Path], typer.Option(help="A folder with a subfolder of images per class.")] = None,  # noqa: UP045
    text_column: Annotated[str, typer.Option(help="The column of the texts.")] = "text",
    label_column: Annotated[str, typer.Option(help="The column of the classes.")] = "label",
    strategies: Annotated[Optional[str], typer.Option(help="Some of baseline,probe,lora,full,gradual.")] = None,  # noqa: UP045
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of folds, draw and training.")] = 0,
    max_rows: Annotated[int, typer.Option(help="Where there are more, this many are drawn.")] = 2000,
    max_steps: Annotated[Optional[int], typer.Option(help="Of each training. Default: 150 or 3 epochs.")] = None,  # noqa: UP045
    budget_minutes: Annotated[Optional[float], typer.Option(help="Stop in time, after 2 folds or more.")] = None,  # noqa: UP045
    model: Annotated[Optional[str], typer.Option(help="A local folder or a hub id. Default: the course's.")] = None,  # noqa: UP045
    out: Annotated[Path, typer.Option(help="Folder for figure, tables and report.")] = Path("comparison"),
) -> None:
    """Compare strategies on your own data and recommend one (resumes after Ctrl-C)."""
    if (data is None) == (images is None):
        raise CourseError("Name your data.", "Give either --data FILE.csv (or .npz) or --images FOLDER.")
    if images and not images.is_dir():
        raise CourseError(f"There is no folder {images}.", "Arrange the images as FOLDER/CLASS/IMAGE.png.")
    from course_utils.compare import compare

    columns = {"text_column": text_column, "label_column": label_column}
    limits = {"max_rows": max_rows, "max_steps": max_steps, "budget_minutes": budget_minutes}
    names = strategies.replace(",", " ").split() if strategies else None
    print(compare(data or images, strategies=names, folds=folds, seed=seed, model=model, out=out, **columns, **limits))
    print(f"\nWritten to {out}: comparison.png, table.csv, folds.csv, report.txt")


@app.command()
def handout(
    out: Annotated[Path, typer.Option(help="The zip file to write.")] = Path("handout.zip"),
) -> None:
    """Zip what a student gets: notebooks, data and course_utils, without solutions and hidden tests."""
    from course_utils.authoring.handout import handout
    from course_utils.settings import home

    print(handout(out, home()))


@app.command()
def doctor() -> None:
    """Print what a bug report needs, and name what is missing."""
    from course_utils.doctor import report

    more = []
    with contextlib.suppress(ModuleNotFoundError):  # a student's copy holds nothing to grade with
        from course_utils.grading.sandbox import findings

        more = findings()
    if not report(more):
        raise typer.Exit(1)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"transfer-learning-course {__version__}")
        raise typer.Exit
