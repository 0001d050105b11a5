"""Figures of the course: one palette, learning curves and bars with 95 % intervals, and alt text with the numbers."""

import base64
import html
import io
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, ScalarFormatter

from course_utils.errors import CourseError
from course_utils.experiments import summarize

# Okabe & Ito (2008), "Color universal design": told apart with every common kind of color vision. Their yellow is
# darkened, as it is too light for a line on white.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00", "#000000")
STRATEGIES = {
    "scratch": "#D55E00",
    "probe": "#56B4E9",
    "full": "#0072B2",
    "lora": "#009E73",
    "gradual": "#CC79A7",
    "discriminative": "#E69F00",
    "raw pixels": "#666666",
    "bag of words": "#666666",
    "frozen": "#56B4E9",
    "none": "#D55E00",
    "l2sp": "#E69F00",
    "ewc": "#0072B2",
    "replay": "#009E73",
}
MARKERS = "osD^vPX*"
SIZE = (7.0, 4.0)  # inches: the width of a notebook


def style() -> None:
    """Set matplotlib's defaults for the course, once per notebook."""
    mpl.rcParams.update(
        {
            "figure.figsize": SIZE,
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "font.size": 10.5,
            "axes.titlesize": 11.5,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e4e4e4",
            "grid.linewidth": 0.8,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "lines.markersize": 5.5,
            "axes.prop_cycle": mpl.cycler(color=OKABE_ITO),
        }
    )


def colors(names) -> dict:
    """A color per name: the fixed one of a strategy, else the next of the palette that no other name has."""
    chosen = {}
    for name in names:
        fixed = STRATEGIES.get(str(name).lower().replace("-", ""))
        if fixed and fixed not in chosen.values():
            chosen[name] = fixed
    others = [name for name in names if name not in chosen]
    free = [color for color in OKABE_ITO if color not in chosen.values()] or list(OKABE_ITO)
    return chosen | {name: free[i % len(free)] for i, name in enumerate(others)}


def learning_curves(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    log_x: bool = False,
    recorded: pd.DataFrame | None = None,
    percent: bool = False,
) -> Figure:
    """Mean of `y` over `x`, a line per value of `by`, with the 95 % t interval over the rows of each point (the seeds).

    With `recorded` (a frame of the same columns) its lines carry the intervals and the rows of `frame` are drawn as
    points over them: what was measured before, and what this run gave. `percent` shows shares as percentages.
    """
    style()
    scale = 100 if percent else 1
    lines = summarize(frame if recorded is None else recorded, [by, x], y)
    shown = list(dict.fromkeys([*lines[by], *frame[by]]))
    palette = colors(shown)
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    for i, name in enumerate(shown):
        color, marker = palette[name], MARKERS[i % len(MARKERS)]
        line = lines[lines[by] == name].sort_values(x)
        if len(line):
            axes.plot(line[x], line["mean"] * scale, color=color, marker=marker if recorded is None else "", label=name)
            axes.fill_between(line[x], line["low"] * scale, line["high"] * scale, color=color, alpha=0.15, linewidth=0)
        if recorded is not None:
            points = frame[frame[by] == name]
            label = None if len(line) else name
            axes.scatter(
                points[x], points[y] * scale, color=color, marker=marker, s=28, edgecolor="white", zorder=3, label=label
            )
    ticks = sorted(set(lines[x]) | set(frame[x]))
    if log_x:
        axes.set_xscale("log")
    if len(ticks) <= 9:
        axes.set_xticks(ticks)
        axes.xaxis.set_major_formatter(ScalarFormatter() if log_x else axes.xaxis.get_major_formatter())
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    _legend(figure, axes, recorded is not None)
    told = {name: lines[lines[by] == name].sort_values(x) for name in shown}
    unit, decimals = " %" if percent else "", _decimals(lines["mean"] * scale)
    sentences = [_curve_sentence(points, name, x, scale, xlabel, unit, decimals) for name, points in told.items()]
    figure.course_summary = (title, sentences)
    return figure


def bars(
    frame: pd.DataFrame,
    by: str,
    y: str,
    *,
    title: str,
    xlabel: str,
    ylabel: str = "",
    percent: bool = False,
    reference: Mapping[str, float] | None = None,
) -> Figure:
    """A horizontal bar per value of `by`: mean of `y` with its 95 % t interval, the rows (seeds) as dots.

    `reference` draws labeled vertical lines, such as `{"chance": 0.1}`.
    """
    style()
    scale = 100 if percent else 1
    rows = summarize(frame, by, y)
    palette, decimals = colors(list(rows[by])), _decimals(rows["mean"] * scale)
    figure = Figure(figsize=(SIZE[0], 1.1 + 0.45 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows.itertuples()):
        name = rows[by][place]
        values = frame.loc[frame[by] == name, y] * scale
        axes.barh(place, row.mean * scale, height=0.62, color=palette[name], alpha=0.55)
        if row.runs > 1:
            error = [[(row.mean - row.low) * scale], [(row.high - row.mean) * scale]]
            axes.errorbar(row.mean * scale, place, xerr=error, color="black", capsize=3, linewidth=1.2)
            spread = np.linspace(-0.2, 0.2, len(values))
            axes.scatter(values, place + spread, s=10, color=palette[name], edgecolor="white", linewidth=0.4, zorder=3)
        end = max(scale * row.mean, scale * row.high if row.runs > 1 else -np.inf, values.max(), 0)
        axes.annotate(
            _number(row.mean * scale, decimals),
            (end, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
        )
    for label, value in (reference or {}).items():
        axes.axvline(value * scale, color="#444444", linestyle=(0, (4, 3)), linewidth=1.2)
        axes.annotate(
            label,
            (value * scale, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, 2),
            textcoords="offset points",
            va="bottom",
            fontsize=9,
            color="#444444",
            annotation_clip=False,
        )
    axes.set_yticks(range(len(rows)), [str(name) for name in rows[by]])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.margins(x=0.1)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title, pad=16 if reference else None)
    unit = " %" if percent else ""
    marks = [f"{label}: {value * scale:g}{unit}" for label, value in (reference or {}).items()]
    sentences = [
        f"{rows[by][i]}: {_with_interval(row, scale, unit, decimals)}" for i, row in enumerate(rows.itertuples())
    ]
    figure.course_summary = (title, sentences + marks)
    return figure


def alt_text(figure: Figure) -> str:
    """The figure in words: its title, then the numbers of each line or bar with their 95 % intervals."""
    found = getattr(figure, "course_summary", None)
    if found is None:
        raise CourseError("This figure has no numbers to tell.", "Write the alt text yourself: show(figure, alt).")
    title, sentences = found
    return f"{title.rstrip('.')}. " + " ".join(f"{s}." for s in sentences)


def show(figure: Figure, alt: str | None = None) -> None:
    """Display the figure with alt text (by default `alt_text(figure)`); outside a notebook, print that text."""
    alt = alt_text(figure) if alt is None else alt
    if get_ipython() is None:
        print(alt)
        return
    # JupyterLab drops the alt text of an image/png output, hence HTML.
    data = base64.b64encode(png(figure)).decode()
    tag = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}" style="max-width: 100%">'
    display({"text/html": tag, "text/plain": alt}, raw=True)


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _legend(figure, axes, live: bool) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if live:
        handles.append(Line2D([], [], color="#444444", marker="o", linestyle="", markersize=5))
        labels.append("this run")
    figure.legend(handles, labels, loc="outside right center", fontsize=9.5, handlelength=1.6)


def _curve_sentence(points, name, x, scale, xlabel, unit, decimals) -> str:
    told = [
        f"{_with_interval(point, scale, unit, decimals)} at {place:g}"
        for point, place in zip(points.itertuples(), points[x], strict=True)
    ]
    return f"{name}: {', '.join(told) or 'this run only'} ({xlabel})"


def _with_interval(row, scale: float, unit: str, decimals: int) -> str:
    mean = f"{_number(row.mean * scale, decimals)}{unit}"
    ends = [_number(end * scale, decimals) for end in (row.low, row.high)]
    return mean if row.runs < 2 else f"{mean} ({ends[0]} to {ends[1]})"


def _decimals(values) -> int:
    """As many as leave the largest value three digits."""
    largest = np.nanmax(np.abs(np.asarray(values, dtype=float)), initial=0.0)
    return 1 if largest >= 10 else 2 if largest >= 1 else 3


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "−")
