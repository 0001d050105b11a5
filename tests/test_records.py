"""Verdicts, records that are written and resumed, and lessons that must state what their records say."""

import io
import json
import re

import jupytext
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from rich.console import Console

from course_utils import claims as claims_of_lessons
from course_utils import records
from course_utils.claims import check_claims, check_text, claims_page
from course_utils.errors import CourseError
from course_utils.records import load_record, measure, restate, verdict

MEASURE = '''
from pathlib import Path
from course_utils.experiments import paired_difference
from course_utils.records import Claim, Measurement

LOG = Path(__file__).with_name("runs.log")

def run(seed, strategy, n):
    """Full is 2 points + seed/10 above the probe at n=20, and 0.1 points ± seed around it at n=50."""
    with LOG.open("a") as log:
        log.write(f"{seed} {strategy} {n}\\n")
    if LOG.with_name("stop").exists() and len(LOG.read_text().splitlines()) == 7:
        raise KeyboardInterrupt
    gain = (2 + seed / 10) if n == 20 else 0.1 + (seed - 2) / 5
    return {"accuracy": 0.9 + (gain / 100 if strategy == "full" else 0.0)}

def difference(n):
    a, b = ({"strategy": s, "n": n} for s in ("full", "probe"))
    return lambda frame: 100 * paired_difference(frame, "accuracy", a, b)

MEASUREMENTS = [
    Measurement(
        id="01.curves",
        protocol="""Logistic regression
        against full fine-tuning.""",
        run=run,
        conditions=[{"strategy": s, "n": n} for s in ("full", "probe") for n in (20, 50)],
        seeds=range(5),
        metrics=["accuracy"],
        claims=[
            Claim(id="01.full_beats_probe", statement="Full beats the probe at 20 labels.", effect=difference(20)),
            Claim(id="01.full_at_50", statement="Full beats the probe at 50 labels.", effect=difference(50)),
            Claim(id="01.by_three", statement="Full gains 3 points.", effect=difference(20), at_least=3.0),
            Claim(id="01.equal", statement="About equal at 50.", effect=difference(50), within=(-1.0, 1.0)),
        ],
    )
]
'''
STATED = (
    "[held: 01.full_beats_probe]",
    "[held weakly: 01.full_at_50]",
    "[did not hold here: 01.by_three]",
    "[held: 01.equal]",
)


@pytest.fixture
def course(tmp_path, monkeypatch):
    lesson = tmp_path / "solutions" / "01_topic"
    lesson.mkdir(parents=True)
    (tmp_path / "data" / "records").mkdir(parents=True)
    (lesson / "measure.py").write_text(MEASURE)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setenv("COURSE_PROFILE", "laptop")
    return lesson


def runs(course):
    return (course / "runs.log").read_text().splitlines()


def lesson(course, *paragraphs):
    path = course / "01_topic.py"
    notebook = new_notebook(cells=[new_markdown_cell(p) for p in paragraphs])
    jupytext.write(notebook, path, fmt="py:percent")
    return path


def messages(problems, level="error"):
    return [p.message for p in problems if p.level == level]


@pytest.mark.parametrize(
    ("values", "options", "want"),
    [
        ([1, 1.1, 0.9, 1, 1], {}, "held"),
        ([5, -1, 4, -2, 3], {}, "held weakly"),
        ([-1, -1.1, -0.9], {}, "did not hold here"),
        ([0, 0, 0], {}, "did not hold here"),
        ([1, 1.1, 0.9, 1, 1], {"at_least": 0.5}, "held"),
        ([1, 1.1, 0.9, 1, 1], {"at_least": 0.95}, "held weakly"),
        ([1, 1.1, 0.9, 1, 1], {"at_least": 1.5}, "did not hold here"),
        ([0.1, -0.1, 0.2, -0.2], {"within": (-1, 1)}, "held"),
        ([2, -2, 3, -3], {"within": (-1, 1)}, "held weakly"),
        ([0.5, 1.2, 0.6, 1.1], {"within": (-1, 1)}, "held weakly"),
        ([2, 2, 2], {"within": (-1, 1)}, "did not hold here"),
        ([1.0], {}, "held weakly"),
    ],
)
def test_verdicts(values, options, want):
    assert verdict(values, **options) == want


def test_a_record_holds_what_the_claims_rest_on(course):
    record = measure("01.full_at_50")
    text = (course.parents[1] / "data/records/01.curves.json").read_text()
    assert json.loads(text) == record == load_record("01.curves")
    assert list(json.loads(text)) == sorted(record)
    claims = {c["id"]: c for c in record["claims"]}
    assert claims["01.full_beats_probe"]["per_seed"] == pytest.approx({str(s): 2 + s / 10 for s in range(5)}, rel=1e-4)
    assert [c["verdict"] for c in record["claims"]] == ["held", "held weakly", "did not hold here", "held"]
    assert claims["01.equal"]["within"] == [-1.0, 1.0] and claims["01.by_three"]["at_least"] == 3.0
    assert len(record["rows"]) == 20 and len(record["summary"]) == 4
    assert record["summary"][0]["runs"] == 5
    assert record["protocol"] == "Logistic regression against full fine-tuning."
    assert {"python", "torch", "course"} <= record["versions"].keys()
    assert record["hardware"]["cpu"] and record["profile"] == "laptop"
    assert records.record_frame("01.curves")["accuracy"].max() == pytest.approx(0.924)


def test_an_interrupted_measurement_goes_on_where_it_was(course):
    (course / "stop").touch()
    with pytest.raises(KeyboardInterrupt):
        measure("01.curves")
    assert not (course.parents[1] / "data/records/01.curves.json").exists()
    (course / "stop").unlink()
    measure("01.curves")
    assert len(runs(course)) == 7 + 20 - 6
    measure("01.curves")
    assert len(runs(course)) == 21
    measure("01.curves", fresh=True)
    assert len(runs(course)) == 41


def test_another_profile_does_not_use_its_runs(course, monkeypatch):
    measure("01.curves")
    monkeypatch.setenv("COURSE_PROFILE", "ci")
    measure("01.curves")
    assert len(runs(course)) == 40
    assert "was measured with the profile ci" in " ".join(messages(check_claims([])))


def test_a_lesson_that_states_its_records_has_no_problem(course):
    measure("01.curves")
    path = lesson(
        course,
        f"Full is 2.2 points better, 92.2 % against 90.0 %, at n = 20 {STATED[0]}. At 50 labels it may be "
        f"{STATED[1]}.\n\nIt gains no 3 points {STATED[2]}.",
        f"The two are within 1 point {STATED[3]}. Published: 89.1 % [2].",
    )
    assert check_claims([path]) == []
    notebook = path.with_suffix(".ipynb")
    jupytext.write(jupytext.read(path), notebook)
    assert check_claims([notebook]) == []


def test_claims_nobody_states_and_measurements_not_done_are_warnings(course):
    assert messages(check_claims([]), "warning") == ["not measured yet: run course measure 01.curves."]
    measure("01.curves")
    problems = check_claims([lesson(course, STATED[0])])
    assert messages(problems) == []
    assert len(messages(problems, "warning")) == 3


def edit(course, change):
    path = course.parents[1] / "data/records/01.curves.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["claims"][1].update(verdict="held"), "was edited: its seeds give verdict held weakly, not held"),
        (lambda r: r["claims"][0].update(mean=3.0), "was edited: its seeds give mean 2.2, not 3.0"),
        (lambda r: r["claims"][0]["per_seed"].update({"0": 9.0}), "was edited"),
        (lambda r: r["rows"][0].update(accuracy=0.99), r"stale \(summary, claims\): run course measure 01.curves"),
        (lambda r: r["summary"][0].update(mean=0.99), r"stale \(summary\)"),
        (lambda r: [r["claims"][0]["per_seed"].pop(s) for s in "01"], "rests on 3 seeds"),
        (lambda r: r.update(id="01.other"), "which is not its file's name"),
        (lambda r: r.pop("claims"), "is no record"),
        (lambda r: r["rows"].clear(), "its rows do not fit"),
    ],
)
def test_an_edited_record_is_noticed(course, change, message):
    measure("01.curves")
    edit(course, change)
    assert any(re.search(message, m) for m in messages(check_claims([])))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("range(5)", "range(6)", "stale (seeds): run course measure 01.curves."),
        ("(20, 50)]", "(20, 50, 100)]", "stale (conditions): run course measure 01.curves."),
        ("seeds=range(5),", "seeds=range(5), version='2',", "stale (version): run course measure 01.curves."),
        ("at_least=3.0", "at_least=1.0", "stale (claims): run course measure 01.curves --restate."),
        ("effect=difference(50), within", "effect=difference(20), within", "stale (claims): run course measure"),
        ("Logistic", "Linear", "stale (protocol): run course measure 01.curves --restate."),
        ('id="01.curves"', 'id="01.lines"', "no measure.py has this measurement"),
    ],
)
def test_a_changed_measure_py_makes_its_record_stale(course, old, new, message):
    measure("01.curves")
    (course / "measure.py").write_text(MEASURE.replace(old, new))
    found = messages(check_claims([]))
    assert len(found) == 1 and message in found[0]
    if "--restate" in message:
        before = load_record("01.curves")
        restate("01.curves")
        assert messages(check_claims([])) == []
        assert load_record("01.curves")["date"] == before["date"] and len(runs(course)) == 20
    elif "stale (" in message and "--" not in message and "measure 01" in message:
        with pytest.raises(CourseError, match="another protocol"):
            restate("01.curves")


@pytest.fixture
def claims():
    claim = {"id": "01.gain", "verdict": "held", "mean": 2.24, "low": 1.96, "high": 2.44, "at_least": 0.0}
    rows = [
        {"metric": "accuracy", "strategy": "full", "n": 200, "mean": 0.9217, "low": 0.91, "high": 0.9333},
        {"metric": "accuracy", "strategy": "probe", "n": 200, "mean": 0.8994, "low": 0.88, "high": 0.9188},
        {"metric": "loss", "strategy": "full", "n": 200, "mean": 4.19, "low": 3.9, "high": 4.5},
    ]
    conditions = [{"strategy": s, "n": 200, "lr": 0.0025} for s in ("full", "÷2.6")]
    record = {"id": "01.curves", "summary": rows, "conditions": conditions}
    other = {"id": "01.none", "verdict": "did not hold here", "mean": -0.3, "low": -1.1, "high": 0.5, "at_least": 0.0}
    return {"01.gain": (claim, record), "01.none": (other, record)}


@pytest.mark.parametrize(
    "text",
    [
        "Full fine-tuning gains 2.2 points (95 % interval 2.0 to 2.4) [held: 01.gain].",
        "At n = 200 it reaches 92 % against 89.9 % [held: 01.gain].",
        "With 200 labels, lr 0.0025 and decay ÷2.6 it gains 2.24 points [held: 01.gain].",
        "It reaches 91–93 % [held: 01.gain], and a loss of 4.2 [held: 01.gain].",
        "It loses 0.3 points [did not hold here: 01.none].",
        "Published is 95.1 % [3], here 92.2 % [held: 01.gain].",
        "- 92.2 % [held: 01.gain]\n- 40 % masking [12, 13]",
        "The option `dropout=0.15` and $p = 0.15$ and 15 of 20 [held: 01.gain].",
        "Wettig et al. [3] mask 40 % of the tokens.",
        "Linked: 92.2 % [held: 01.gain](../data/records/01.curves.json); 40 % [3](#references).",
        "**Difficulty ●○○ · 10 points · 8 minutes**",
        "```\n50 % of nothing\n```\nIn `80 %` of cells and <div style='width: 50%'>here</div>.",
        "BERT-base has 110 million parameters, 12 layers.",
        "A table:\n| full | 92.2 % |\n| probe | 89.9 % [held: 01.gain] |",
    ],
)
def test_texts_that_state_what_was_measured(text, claims):
    assert check_text(text, claims) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("It gains 2.3 points [held: 01.gain].", "2.3 points is not among"),
        ("It gains 2.5 points [held: 01.gain].", "2.5 points is not among"),
        ("It reaches 93 %, then 92.1 % [held: 01.gain].", "92.1 % is not among"),
        ("It reaches 90–97 % [held: 01.gain].", "97 % is not among"),
        ("It reaches 81–92 % [held: 01.gain].", "81 is not among"),
        ("It is 3× as good [held: 01.gain].", "3× is not among"),
        ("A loss of 4.3 [held: 01.gain].", "4.3 is not among"),
        ("First 92.2 % [held: 01.gain], then 12.2 % [held: 01.gain].", "12.2 % is not among"),
        ("Better by 2.2 points [held weakly: 01.gain].", "the record 'held'"),
        ("It helps [held: 01.none].", "the record 'did not hold here'"),
        ("It helps [held: 01.nothing].", "claim without a record"),
        ("It helps [holds: 01.gain].", "is no marker"),
        ("It helps [Held: 01.gain].", "is no marker"),
        ("It helps [held 01.gain].", "is no marker"),
        ("Full fine-tuning reaches 92 %.", "without a record or a source: 92 %"),
        ("It gains 2.2 points [held: 01.gain], and 40 % of the time.", "without a record or a source: 40 %"),
        ("Paragraph [held: 01.gain].\n\nAnd 17 percentage points more.", "without a record or a source: 17 percentage"),
        ("- 92.2 % [held: 01.gain]\n- 50 % more", "without a record or a source: 50 %"),
    ],
)
def test_texts_that_do_not(text, message, claims):
    problems = check_text(text, claims, "cell 1")
    assert [message in p.message for p in problems] == [True]


def test_the_page_and_the_table_show_every_claim(course):
    measure("01.curves")
    page = claims_page()
    assert "## Lesson 01" in page
    assert (
        "| Full gains 3 points. (`01.by_three`) | 2.2 points | 2 to 2.4 | 5 | **did not hold here** "
        "| [01.curves](01.curves.json) |"
    ) in page
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(claims_of_lessons.claims_table())
    shown = console.export_text()
    assert all(claim in shown for claim in records.all_claims()["claim"]) and "did not hold here" in shown


def test_what_cannot_be_measured_is_named(course):
    with pytest.raises(CourseError, match="no measurement or claim '01.none'"):
        measure("01.none")
    with pytest.raises(CourseError, match="no record '01.none'"):
        load_record("01.none")
    other = course.with_name("02_other")
    other.mkdir()
    (other / "measure.py").write_text(MEASURE.replace('id="01.curves"', 'id="02.curves"'))
    with pytest.raises(CourseError, match="a second time: .*01.equal"):
        records.find_measurements()
    (other / "measure.py").write_text("import nothing_of_that_name")
    with pytest.raises(CourseError, match="ModuleNotFoundError"):
        records.find_measurements()
    (other / "measure.py").unlink()
    (course / "measure.py").unlink()
    with pytest.raises(CourseError, match="instructor's copy"):
        measure("01.curves")
