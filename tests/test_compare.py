"""Strategies compared on a user's own data: real runs on little, closed forms of the verdict, files as they come."""

import fnmatch
import math
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image
from scipy import stats

from course_utils import cli
from course_utils.compare import STRATEGIES, Comparison, compare, strategies
from course_utils.compare.data import Data, find_backbone, read_images, read_texts
from course_utils.compare.run import _splits
from course_utils.errors import CourseError

WORDS = {
    "ja 🙂": ("schön", "tief", "你好", "warm"),
    "nein": ("öde", "lang", "kalt", "шум"),
    "naja": ("so", "mal", "eben"),
}


def table_of(counts, seed=0):
    """Rows of texts that tell their label, no two alike."""
    draw = np.random.default_rng(seed)
    rows = [
        (f"Nr {i}{label} {' '.join(draw.choice(WORDS[label], 6))}", label)
        for label, n in counts.items()
        for i in range(n)
    ]
    return pd.DataFrame(rows, columns=["text", "label"]).sample(frac=1, random_state=seed, ignore_index=True)


def csv_of(tmp_path, table, name="own.csv", **options):
    table.to_csv(tmp_path / name, index=False, **options)
    return tmp_path / name


def images_of(n, classes=3):
    """Bright squares in one of `classes` places, with noise."""
    draw, y = np.random.default_rng(0), np.arange(n) % classes
    x = draw.integers(0, 60, (n, 28, 28), dtype=np.uint8)
    for image, place in zip(x, y, strict=True):
        image[8 * place : 8 * place + 8, 8 * place : 8 * place + 8] += 150
    return x, y


def found_with(values, planned=5, tested=1000):
    """A Comparison of strategies with these accuracies per fold."""
    rows = [
        {"strategy": s, "fold": fold, "accuracy": a, "macro_f1": a, "parameters": 10, "seconds": 1.0}
        for s, accuracies in values.items()
        for fold, a in enumerate(accuracies)
    ]
    labels = {s: s for s in values}
    return Comparison("t", pd.DataFrame(rows), "accuracy", labels, planned, tested, "no", "5 folds")


@pytest.fixture
def count_runs(monkeypatch):
    """The strategies and folds' sizes that are really run; `stop_at` makes one of the runs an interrupt."""
    calls, real = [], strategies.run_fold

    def counted(data, strategy, train, test, *rest):
        if len(calls) == counted.stop_at:
            raise KeyboardInterrupt
        calls.append((strategy, len(train), len(test)))
        return real(data, strategy, train, test, *rest)

    counted.stop_at, counted.calls = None, calls
    monkeypatch.setattr(strategies, "run_fold", counted)
    return counted


# The verdict


def test_table_and_differences_are_student_s_and_nadeau_and_bengio_s():
    a, b = [0.6, 0.62, 0.58, 0.61, 0.59], [0.9, 0.8, 0.95, 0.85, 0.9]
    found = found_with({"majority": [0.5] * 5, "baseline": a, "full": b})
    want = stats.ttest_1samp(b, 0).confidence_interval()
    row = found.table.set_index("strategy").loc["full"]
    assert (row.accuracy, row.accuracy_half) == pytest.approx((np.mean(b), (want.high - want.low) / 2))
    points = 100 * (np.array(b) - a)
    half = stats.t.ppf(0.975, 4) * math.sqrt((1 / 5 + 1 / 4) * points.var(ddof=1))  # n_test / n_train = 1 / 4
    row = found.differences.set_index("strategy").loc["baseline"]
    assert (row["mean"], row.low, row.high) == pytest.approx(
        (points.mean(), points.mean() - half, points.mean() + half)
    )
    assert found.widening == pytest.approx(1.5) and row.clear


def test_fewer_folds_than_planned_overlap_less():
    assert found_with({"majority": [0.1, 0.2, 0.3]}, planned=5).widening == pytest.approx(math.sqrt(1 + 3 / 4))


def test_folds_that_agree_by_chance_do_not_make_a_difference_clear():
    values = {"majority": [0.5, 0.5], "probe": [7 / 12, 7 / 12]}
    few, many = (found_with(values, planned=2, tested=n) for n in (24, 2400))
    assert (few.recommended, many.recommended) == ("majority", "probe")
    row, d = few.differences.iloc[0], 1 / 12  # two of 24 samples
    assert row.high - row["mean"] == pytest.approx(196 * math.sqrt((d - d * d) / 24))


FLOOR, LOW, HIGH = [0.5] * 5, [0.7, 0.72, 0.71, 0.69, 0.7], [0.9, 0.91, 0.92, 0.9, 0.89]


@pytest.mark.parametrize(
    ("values", "best", "taken", "says"),
    [
        (
            {"majority": FLOOR, "probe": LOW, "full": HIGH},
            "full",
            "full",
            "clearly behind full, in points: majority 40.4 (",
        ),
        (
            {"majority": FLOOR, "probe": HIGH, "full": LOW},
            "probe",
            "probe",
            "Recommended: probe. Its accuracy of 90.4 %",
        ),
        (
            {"majority": FLOOR, "probe": HIGH, "full": [0.93, 0.9, 0.91, 0.95, 0.87]},
            "full",
            "probe",
            "no clear difference, take the cheaper one",
        ),
        ({"majority": FLOOR, "probe": HIGH, "full": HIGH}, "probe", "probe", "the highest"),
        ({"majority": FLOOR, "probe": [0.4, 0.8, 0.5, 0.6, 0.5]}, "probe", "majority", "none yet"),
        ({"majority": FLOOR, "probe": [0.4] * 5}, "majority", "majority", "answering 'no' every time. Check"),
    ],
)
def test_the_cheapest_that_is_not_clearly_beaten_is_recommended(values, best, taken, says):
    found = found_with(values)
    assert (found.best, found.recommended) == (best, taken)
    assert says in found.recommendation and "5 folds" in found.recommendation
    assert all(len(line) <= 79 for line in str(found).splitlines())


# Texts


def test_texts_as_they_come(tmp_path, capfd):
    table = table_of({"ja 🙂": 30, "nein": 9, "naja": 4})
    table = pd.concat([table, pd.DataFrame({"text": ["", "x", "nan"], "label": ["nein", " ", "naja"]}), table[:2]])
    found = compare(csv_of(tmp_path, table), folds=3, max_steps=2, out=tmp_path / "out")
    folds = found.folds
    assert list(found.table.strategy) == ["majority", "baseline", "probe", "lora", "full"]
    assert len(folds) == 15 and folds[["accuracy", "macro_f1"]].apply(lambda v: v.between(0, 1).all()).all()
    said = capfd.readouterr()
    assert said.err == "" and "Rows dropped: 3 of 48 (no text: 2, no label: 1)." in found.notes
    assert any(note.startswith("Copies among the samples: 2.") for note in found.notes)
    assert any("unknown to the backbone" in note for note in found.notes)
    assert any("Hardly better than the majority class after 2 steps: " in note for note in found.notes)
    assert found.metric == "macro_f1" and found.majority == "ja 🙂"  # more than 2 to 1
    found_f1 = found.table.set_index("strategy").macro_f1
    assert found_f1["baseline"] > found_f1["majority"]
    parameters = found.table.set_index("strategy").parameters
    assert parameters["probe"] == 3 * 128 + 3 and parameters["probe"] < parameters["lora"] < parameters["full"]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"folds.csv", "table.csv", "report.txt", "comparison.png"}
    assert (tmp_path / "out" / "report.txt").read_text(encoding="utf-8") == f"{found}\n"
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "folds.csv"), folds.reset_index(drop=True))
    assert Image.open(tmp_path / "out" / "comparison.png").width > 600


def test_ten_thousand_rows_are_bounded_with_the_shares_of_the_classes(tmp_path):
    file = csv_of(tmp_path, table_of({"ja 🙂": 8900, "nein": 1097, "naja": 3}))
    rows, notes = read_texts(file, "text", "label", 500, 0, find_backbone("text", None))
    counts = dict(zip(rows.names, np.bincount(rows.labels), strict=True))
    assert sum(counts.values()) == 500 and counts["ja 🙂"] == pytest.approx(445, abs=2) and counts["naja"] >= 2
    assert "500 of 10,000 rows are used, each class with its share (--max-rows takes more)." in notes
    found = compare(file, strategies=["baseline"], folds=2, out=tmp_path / "out")
    assert "10,000 rows are used" in str(found) and "2,000 texts, 3 classes (ja 🙂: 89 %" in found.title


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("", {}, "is empty"),
        ("text,label\n", {}, "no rows"),
        ("text,label\n,a\nx,\n", {}, "No row of"),
        ("review,stars\na,1\n", {}, "no column 'text'; it has: review, stars"),
        ("text;label\na;1\n", {}, "Its columns are separated by ';'"),
        ("text\tlabel\na\t1\n", {}, "Its columns are separated by '\\t'"),
        ("text,label\na,x\nb,x\n", {}, "only one class: 'x'"),
        ("text,label\na,x\nb,x\nc,y\nd,x\n", {}, "Class 'y' has only one sample, which"),
        ("text,label\na,x\nb,x\nc,y\nC ,y\nd,x\n", {}, "Class 'y' has only one sample that is no copy"),
        ("text,label\na,x\nb,x\nc,x\nd,y\ne,z\nf,x\n", {}, "So has z."),
        ("text,label\n" + "".join(f"t{i},{i}\n" for i in range(20)), {}, "20 different labels for 20 samples"),
        ("text,label\na,x\nb,x\nc,y\nd,y\n", {"folds": 1}, "folds is 1"),
        ("text,label\na,x\nb,x\nc,y\nd,y\n", {"budget_minutes": 0}, "budget_minutes is 0"),
        ("text,label\na,x\nb,x\nc,y\nd,y\n", {"strategies": ["probe", "magic"]}, "no strategy 'magic'"),
        ("text,label\na,x\nb,x\nc,y\nd,y\n", {"strategies": ["majority"]}, "nothing to compare"),
        ("text,label\na,x\nb,x\nc,y\nd,y\n", {"model": "./nowhere"}, "no model folder './nowhere'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(tmp_path, count_runs, content, options, says):
    (tmp_path / "own.csv").write_text(content, encoding="utf-8")
    with pytest.raises(CourseError) as caught:
        compare(tmp_path / "own.csv", out=tmp_path / "out", **options)
    assert says in str(caught.value) and caught.value.mend and not count_runs.calls


def test_encodings_missing_files_and_folders(tmp_path):
    file = csv_of(tmp_path, table_of({"nein": 4, "naja": 4}).assign(text="öde"), encoding="latin-1")
    with pytest.raises(CourseError, match="not UTF-8"):
        compare(file, out=tmp_path / "out")
    with pytest.raises(CourseError, match="There is no file"):
        compare(tmp_path / "none.csv", out=tmp_path / "out")
    with pytest.raises(CourseError, match="There is no folder"):
        compare(tmp_path / "none", out=tmp_path / "out")
    with pytest.raises(CourseError, match="Nothing can be written"):
        compare(file, out=file)
    (tmp_path / "own.csv.gz").write_bytes(b"no archive")
    with pytest.raises(CourseError, match="cannot be read"):
        compare(tmp_path / "own.csv.gz", out=tmp_path / "out")


def test_copies_stay_together_and_every_row_is_tested_once():
    labels = np.repeat([0, 1], 30)
    keys = [str(i // 3) for i in range(60)]  # each text stands there three times
    notes = []
    splits = _splits(Data("text", [], labels, ["a", "b"], keys, ""), 5, 0, notes)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(60))
    for train, test in splits:
        assert {keys[i] for i in train}.isdisjoint(keys[i] for i in test) and len(train) + len(test) == 60
        assert labels[test].mean() == pytest.approx(0.5)
    assert notes == ["Copies among the samples: 40. They stay in one fold, so that none leaks into a test."]


def test_small_classes_are_named_and_lower_the_folds_only_where_all_are_small():
    labels, notes = np.array([0] * 20 + [1] * 2), []
    keys = [str(i) for i in range(22)]
    assert len(_splits(Data("text", [], labels, ["a", "b"], keys, ""), 5, 0, notes)) == 5
    assert "'b' (2)" in notes[0]
    labels, notes = np.array([0] * 3 + [1] * 2), []
    assert len(_splits(Data("text", [], labels, ["a", "b"], keys[:5], ""), 5, 0, notes)) == 3
    assert notes[0] == "Only 3 folds: no class has more different samples."


def test_frozen_features_are_the_mean_over_each_text_s_own_tokens():
    from course_utils.backbones import load_text

    texts = ["a film", "the plot was dull and the acting worse", "good", "a film with a plot"]
    model, tokenizer = load_text()
    data = Data("text", texts, np.arange(4), list("abcd"), texts, find_backbone("text", None))
    got, _ = strategies._frozen(data)
    for text, features in zip(texts, got, strict=True):
        alone = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(features, alone.detach().numpy(), atol=1e-5)


# Interrupt, cache, budget


def test_an_interrupt_loses_nothing_and_a_second_run_trains_nothing(tmp_path, count_runs, capfd):
    file = csv_of(tmp_path, table_of({"nein": 12, "naja": 12}))
    options = {"folds": 4, "strategies": ["baseline", "probe"], "out": tmp_path / "out"}
    count_runs.stop_at = 7
    with pytest.raises(KeyboardInterrupt):
        compare(file, **options)
    said = capfd.readouterr()
    assert "7 of 12" in said.out and "run again" in said.out and not said.err
    count_runs.stop_at = None
    first = compare(file, **options)
    assert len(count_runs.calls) == 12
    assert {call[1:] for call in count_runs.calls} == {(18, 6)}
    again = compare(file, **options)
    assert len(count_runs.calls) == 12
    pd.testing.assert_frame_equal(first.folds, again.folds)
    compare(file, **options | {"seed": 1})
    assert len(count_runs.calls) == 24
    more = compare(file, **options | {"strategies": ["baseline"], "max_steps": 9})
    assert len(count_runs.calls) == 24 and list(more.table.strategy) == ["majority", "baseline"]


def test_a_budget_ends_after_whole_folds_and_goes_on_later(tmp_path, count_runs):
    file = csv_of(tmp_path, table_of({"nein": 12, "naja": 12}))
    options = {"folds": 4, "strategies": ["baseline"], "out": tmp_path / "out"}
    found = compare(file, budget_minutes=1e-9, **options)
    assert found.folds.groupby("strategy").size().tolist() == [2, 2] and len(count_runs.calls) == 4
    assert "enough for 2 of 4 folds" in found.notes[-1] and found.widening == pytest.approx(math.sqrt(1 + 2 / 3))
    assert len(compare(file, **options).folds) == len(count_runs.calls) == 8


# Images


def test_a_folder_with_a_broken_image(tmp_path, capfd):
    x, y = images_of(24)
    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        (tmp_path / "set" / "abc"[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "set" / "abc"[label] / f"{i}.png")
    (tmp_path / "set" / "a" / "broken.png").write_text("no image")
    found = compare(tmp_path / "set", folds=2, max_steps=3, out=tmp_path / "out")
    assert list(found.table.strategy) == list(STRATEGIES) and capfd.readouterr().err == ""
    assert any("cannot be read: 1, " in note and "broken.png" in note for note in found.notes)
    row = found.table.set_index("strategy")
    assert row.accuracy["baseline"] == 1 and row.parameters["baseline"] == 3 * (32 * 32 + 1)
    assert row.parameters["probe"] < row.parameters["lora"] < row.parameters["full"] == row.parameters["gradual"]


def test_an_archive_with_a_vision_transformer(tmp_path):
    x, y = images_of(20, classes=2)
    np.savez(tmp_path / "own.npz", x=x, y=np.array(["ja", "nein"])[y])
    found = compare(tmp_path / "own.npz", folds=2, max_steps=2, model="vit", strategies=["lora"], out=tmp_path / "out")
    assert found.folds.groupby("strategy").size().to_dict() == {"lora": 2, "majority": 2}
    assert found.folds.query("strategy == 'majority'").accuracy.tolist() == [0.5, 0.5]


def test_folders_and_archives_say_what_is_wrong(tmp_path):
    def fails(path, says):
        with pytest.raises(CourseError, match=says) as caught:
            compare(path, out=tmp_path / "out")
        assert caught.value.mend

    (tmp_path / "set").mkdir()
    fails(tmp_path / "set", "no class subfolders")
    (tmp_path / "set" / "a").mkdir()
    fails(tmp_path / "set", "valid file")
    x, _ = images_of(6)
    for i in range(2):
        Image.fromarray(x[i]).save(tmp_path / "set" / "a" / f"{i}.png")
    fails(tmp_path / "set", "only one class: 'a'")
    (tmp_path / "set" / "b").mkdir()
    Image.fromarray(x[2]).save(tmp_path / "set" / "b" / "2.png")
    fails(tmp_path / "set", "Class 'b' has only one sample")
    Image.fromarray(x[2]).save(tmp_path / "set" / "b" / "3.png")
    fails(tmp_path / "set", "one sample that is no copy")
    for name in ("2.png", "3.png"):
        (tmp_path / "set" / "b" / name).write_text("no image")
    fails(tmp_path / "set", "No image of class 'b' can be read")
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(6))
    fails(tmp_path / "own.npz", "6 different labels")


def test_ten_thousand_images_are_drawn_before_they_are_read(tmp_path):
    y = np.arange(10_000) % 10
    np.savez(tmp_path / "own.npz", x=np.random.default_rng(0).integers(0, 255, (10_000, 8, 8), dtype=np.uint8), y=y)
    data, notes = read_images(tmp_path / "own.npz", 100, 0, find_backbone("images", None))
    assert data.inputs.shape == (100, 1, 32, 32) and np.bincount(data.labels).tolist() == [10] * 10
    assert data.names == [str(i) for i in range(10)] and "100 of 10,000 images are used" in notes[0]


# The command


def command(monkeypatch, *args):
    """The exit code of `course compare` with these arguments, in this process: its imports take longer than it does."""
    monkeypatch.setattr("sys.argv", ["course", "compare", *args])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0


def test_command(tmp_path, monkeypatch, capfd):
    file = csv_of(tmp_path, table_of({"nein": 10, "naja": 10}))
    args = ("--data", str(file), "--strategies", "baseline, probe", "--folds", "2", "--out", str(tmp_path))
    assert command(monkeypatch, *args) == 0
    out, err = capfd.readouterr()
    shown = out.split("\r")[-1]
    assert "Recommended:" in shown and "bag of words" in shown and "Written to" in shown and err == ""
    assert all(len(line) <= 80 for line in shown.splitlines() if str(tmp_path) not in line)


@pytest.mark.parametrize("args", [(), ("--data", "a", "--images", "b"), ("--images", "none"), ("--data", "none.csv")])
def test_command_without_usable_data(args, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, *args) == 1
    assert "What to do:" in capfd.readouterr().err


def test_a_terminal_without_the_characters_ends_no_run():
    code = "from course_utils import cli; cli.app = lambda: print('1 ± 2'); cli.main()"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "1 ? 2\n" and done.returncode == 0


def test_students_get_it():
    from course_utils.authoring.handout import INSTRUCTORS

    files = [p.relative_to(ROOT).as_posix() for p in (ROOT / "course_utils" / "compare").glob("*.py")]
    assert len(files) == 5 and not any(fnmatch.fnmatch(f, pattern) for f in files for pattern in INSTRUCTORS)
