"""What a comparison of strategies found: table, paired differences, a recommendation and its grounds, a figure."""

import math
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from course_utils import settings
from course_utils.experiments import mean_interval, paired_difference, summarize

METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
WIDTH, INTERVAL = 79, " points (95 % interval "


@dataclass
class Comparison:
    """Strategies side by side, from the cheapest to the dearest; `print` shows what the command prints.

    folds:  a row per strategy and fold: accuracy and macro_f1 in 0–1, trained parameters, seconds of training and test.
    metric: the column of `folds` that decides.
    labels: what each strategy is called in table and figure.
    planned: number of folds the data were cut into, of which `folds` may hold fewer.
    tested: number of samples that the folds tested.
    majority: the name of the most frequent class.
    grounds, notes: what the numbers rest on, and what was done to the data.
    """

    title: str
    folds: pd.DataFrame
    metric: str
    labels: dict[str, str]
    planned: int
    tested: int
    majority: str
    grounds: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def table(self) -> pd.DataFrame:
        """A row per strategy: means over the folds; `…_half` is half the width of the 95 % Student t interval."""
        table = self.folds.groupby("strategy", sort=False)[["parameters", "seconds"]].mean().reset_index()
        for place, metric in enumerate(METRICS):
            found = summarize(self.folds, "strategy", metric)
            table.insert(1 + 2 * place, metric, found["mean"])
            table.insert(2 + 2 * place, f"{metric}_half", found["high"] - found["mean"])
        return table.astype({"parameters": int})

    @property
    def best(self) -> str:
        """The strategy with the highest mean of the metric (the cheapest of several)."""
        return self.folds.groupby("strategy", sort=False)[self.metric].mean().idxmax()

    @property
    def widening(self) -> float:
        """By how much the interval of a difference exceeds Student's t, for the training sets of folds overlap.

        Nadeau & Bengio (2003, Machine Learning 52): a variance of (1/J + n_test/n_train)·s² in place of s²/J.
        """
        return math.sqrt(1 + self.folds.fold.nunique() / (self.planned - 1))

    @property
    def differences(self) -> pd.DataFrame:
        """The best strategy minus each other one, in points, paired by fold: mean, low, high, clear (low > 0).

        An interval is at least as wide as McNemar's: strategies d apart differ on d·n of the n samples or more, whose
        variance alone makes it 1.96·√((d − d²)/n) on each side. A few folds may agree by chance.
        """
        rows, frame = [], self.folds.rename(columns={"fold": "seed"})
        for other in [s for s in self.labels if s != self.best]:
            pairs = paired_difference(frame, self.metric, {"strategy": self.best}, {"strategy": other})
            mean, low, _ = mean_interval(100 * pairs)
            least = 196 * math.sqrt(max(mean / 100 - (mean / 100) ** 2, 0) / self.tested)
            half = max((mean - low) * self.widening, least)
            rows.append(dict(strategy=other, mean=mean, low=mean - half, high=mean + half, clear=bool(mean > half)))
        return pd.DataFrame(rows, columns=["strategy", "mean", "low", "high", "clear"])

    @property
    def recommended(self) -> str:
        """The cheapest strategy that the best one does not clearly beat."""
        beaten = self.differences.query("clear").strategy.tolist()
        return next(s for s in self.labels if s not in beaten)

    @property
    def recommendation(self) -> str:
        """Which strategy to take, why, and what that rests on."""
        rests = (
            f"This rests on {self.grounds}. Intervals of differences are {self.widening:.1f} times as wide as"
            " Student's, as the training sets of the folds overlap (Nadeau & Bengio 2003)."
        )
        best, taken, metric = self.labels[self.best], self.recommended, METRICS[self.metric]
        highest = self.folds.groupby("strategy")[self.metric].mean()[self.best]
        rows = {row.strategy: row for row in self.differences.itertuples()}
        names = list(self.labels)
        behind = ", ".join(f"{self.labels[s]} {_points(rows[s])}" for s in names[: names.index(taken)])
        if taken == "majority":
            why = f"No strategy is clearly better than answering '{self.majority}' every time"
            why += "." if taken == self.best else f": {best} is ahead by {_points(rows[taken], INTERVAL)}."
            return f"Recommended: none yet. {why} Check the labels, then try more rows or another --model.\n{rests}"
        if taken == self.best:
            why = f"Its {metric} of {100 * highest:.1f} % is the highest."
        else:
            why = f"{best} has the highest {metric} ({100 * highest:.1f} %), but is ahead by"
            why += f" {_points(rows[taken], INTERVAL)}: no clear difference, take the cheaper one."
        why += f" What is cheaper still is clearly behind {best}, in points: {behind}." if behind else ""
        return f"Recommended: {self.labels[taken]}. {why}\n{rests}"

    @property
    def figure(self):
        """The metric of each strategy with its interval, a dot per fold; for `plotting.show`."""
        from course_utils import plotting

        frame = self.folds[self.folds.strategy != "majority"]
        name = self.labels[self.recommended]
        title = f"{name[0].upper()}{name[1:]}: clearly better than what is cheaper"
        if self.recommended == "majority":
            title = "No strategy is clearly better than the majority class"
        elif self.recommended != self.best:
            title = f"{name[0].upper()}{name[1:]} will do: {self.labels[self.best]} is not clearly better"
        return plotting.bars(
            frame.assign(strategy=frame.strategy.map(self.labels)),
            "strategy",
            self.metric,
            title=title,
            xlabel=f"{METRICS[self.metric]} (%), {frame.fold.nunique()} folds",
            percent=True,
            reference={"majority class": self.table.set_index("strategy")[self.metric]["majority"]},
        )

    def __str__(self) -> str:
        rows = [("strategy", "accuracy %", "macro-F1 %", "trained parameters", "s per fold")]
        for row in self.table.itertuples():
            accuracy, f1 = (row.accuracy, row.accuracy_half), (row.macro_f1, row.macro_f1_half)
            shares = [f"{100 * mean:.1f} ± {100 * half:.1f}" for mean, half in (accuracy, f1)]
            rows.append((self.labels[row.strategy], *shares, f"{row.parameters:,}", f"{row.seconds:.1f}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for name, *cells in rows:
            padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
            lines.append("  ".join([name.ljust(widths[0]), *padded]))
        lines.insert(1, "-" * len(lines[0]))
        above = [textwrap.fill(self.title, WIDTH)]
        above += [textwrap.fill(note, WIDTH, initial_indent="- ", subsequent_indent="  ") for note in self.notes]
        below = ["± is half of the 95 % interval over the folds.", ""]
        below += [textwrap.fill(paragraph, WIDTH) for paragraph in self.recommendation.split("\n")]
        return "\n".join([*above, "", *lines, *below])

    def save(self, out: Path) -> None:
        """Write folds.csv, table.csv, report.txt and comparison.png into that folder."""
        from course_utils.plotting import png

        texts = {"folds.csv": self.folds.to_csv(index=False), "table.csv": self.table.to_csv(index=False)}
        texts["report.txt"] = f"{self}\n"
        contents = {name: text.encode() for name, text in texts.items()} | {"comparison.png": png(self.figure)}
        for name, content in contents.items():
            with settings.replacing(out / name) as new:
                new.write_bytes(content)


def _points(row, between: str = " (") -> str:
    mean, low, high = (f"{value:.1f}".replace("-", "−") for value in (row.mean, row.low, row.high))
    return f"{mean}{between}{low} to {high})"
