"""What the figures draw, read back from their artists, and the alt text that says it."""

import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from nbclient import NotebookClient

from course_utils import plotting
from course_utils.errors import CourseError
from course_utils.experiments import mean_interval

TITLE = "Full beats scratch"


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    rows = [
        {"strategy": s, "n": n, "seed": seed, "accuracy": base + n / 1000 + rng.normal(0, 0.01)}
        for s, base in (("scratch", 0.5), ("full", 0.8))
        for n in (100, 20, 50)
        for seed in range(5)
    ]
    return pd.DataFrame(rows)


def curves(frame, **options):
    labels = {"title": TITLE, "xlabel": "labels", "ylabel": "accuracy (%)"}
    return plotting.learning_curves(frame, "n", "accuracy", "strategy", **labels, percent=True, **options)


def test_colors_are_fixed_by_name_and_never_shared():
    assert plotting.colors(["full"])["full"] == plotting.colors(["other", "scratch", "full"])["full"]
    many = plotting.colors(["a", "full", "ewc", "probe", "frozen", "b"])
    assert len(set(many.values())) == 6


def test_lines_are_the_means_and_bands_the_t_intervals(frame):
    axes = curves(frame, log_x=True).axes[0]
    assert axes.get_xscale() == "log"
    for line, band, name in zip(axes.lines, axes.collections, ("scratch", "full"), strict=True):
        assert line.get_label() == name and to_hex(line.get_color()) == plotting.STRATEGIES[name].lower()
        assert line.get_xdata().tolist() == [20, 50, 100]
        values = frame[frame["strategy"] == name].groupby("n")["accuracy"]
        intervals = [mean_interval(100 * accuracy) for _, accuracy in values]
        assert line.get_ydata() == pytest.approx([mean for mean, _, _ in intervals])
        heights = band.get_paths()[0].vertices[:, 1]
        assert {round(end, 6) for _, low, high in intervals for end in (low, high)} <= set(heights.round(6))
    assert [t.get_text() for t in axes.get_xticklabels()] == ["20", "50", "100"]
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == (TITLE, "labels", "accuracy (%)")


def test_this_run_is_points_over_recorded_lines(frame):
    now = frame[frame["seed"] == 0].assign(accuracy=0.7)
    figure = curves(now, recorded=frame)
    axes = figure.axes[0]
    assert axes.lines[0].get_ydata()[0] == pytest.approx(
        frame.query("strategy == 'scratch' and n == 20")["accuracy"].mean() * 100
    )
    points = [c for c in axes.collections if len(c.get_offsets()) == 3]
    assert len(points) == 2 and set(points[0].get_offsets()[:, 1]) == {70.0}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["scratch", "full", "this run"]


def test_alt_text_tells_each_mean_with_its_interval(frame):
    alt = plotting.alt_text(curves(frame))
    mean, low, high = (100 * v for v in mean_interval(frame.query("strategy == 'full' and n == 50")["accuracy"]))
    assert alt.startswith(TITLE + ". scratch: ")
    assert f"{mean:.1f} % ({low:.1f} to {high:.1f}) at 50" in alt
    with pytest.raises(CourseError, match="no numbers"):
        plotting.alt_text(plotting.Figure())


def test_bars_are_means_with_intervals_and_a_reference(frame):
    figure = plotting.bars(frame, "strategy", "accuracy", title=TITLE, xlabel="accuracy", reference={"chance": 0.5})
    axes = figure.axes[0]
    means = frame.groupby("strategy", sort=False)["accuracy"].mean()
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(means.tolist())
    assert [t.get_text() for t in axes.get_yticklabels()] == ["scratch", "full"]
    assert "chance: 0.5" in plotting.alt_text(figure) and f"full: {means['full']:.3f} (" in plotting.alt_text(figure)
    losses = plotting.bars(frame.assign(accuracy=-frame["accuracy"]), "strategy", "accuracy", title="", xlabel="")
    assert f"−{means['full']:.3f}" in plotting.alt_text(losses)


def test_one_seed_has_no_interval(frame):
    single = frame[frame["seed"] == 0]
    assert "to" not in plotting.alt_text(curves(single)).split(": ", 1)[1]
    assert plotting.png(curves(single)).startswith(b"\x89PNG")


def test_a_script_prints_the_alt_text_and_writes_no_error(frame, capfd):
    plotting.show(curves(frame))
    said = capfd.readouterr()
    assert said.out.startswith(TITLE) and said.err == ""


def test_a_notebook_gets_the_image_with_its_alt_text():
    source = """
import pandas as pd
from course_utils import plotting
frame = pd.DataFrame({"s": ["a", "b"] * 3, "y": [1.0, 2, 3, 4, 5, 6]})
plotting.show(plotting.bars(frame, "s", "y", title='The "b" is <higher>', xlabel="y"))
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    (output,) = notebook.cells[0].outputs
    assert 'alt="The &quot;b&quot; is &lt;higher&gt;. a: 3.00 (' in output["data"]["text/html"]
    assert output["data"]["text/plain"].startswith('The "b" is <higher>. a: 3.00 (')
