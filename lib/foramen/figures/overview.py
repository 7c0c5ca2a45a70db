"""Figures that open notebook 06 and the README: one radiograph on its way, and where the points go."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foramen.figures.drawing import frame, in_words, intervals, listing, picture
from foramen.figures.style import BLUE, GREY, METRIC_NAMES, ORANGE, PAGE, REFERENCE, VERMILION, captioned

PALE = "#C4C4C4"  # of what no arm reaches: lighter than blue in grey, too
WORDS, LADDER = 0.3, 1.4  # inches, heights of the words and of the ladder below the pictures
LETTERS = 145  # of arms' names that have room side by side


class Station(NamedTuple):
    """What an arm makes of one radiograph."""

    name: str  # what the arm does that the one before it does not
    image: np.ndarray  # (S, S), the region after the arm's treatment
    theta: np.ndarray  # (heads, 2, 3), what is read of it
    given: np.ndarray  # (heads, h, w), what the network is given
    score: float
    mm_pixel: float  # the film's millimetres to a pixel of `given`; NaN where unknown


@captioned
def overview(
    film: np.ndarray,
    region: np.ndarray,
    stations: Mapping[str, Station],
    results: pd.DataFrame,
    lines: Mapping[str, float],
    side_mm: float = np.nan,
) -> Figure:
    """A radiograph on its way, and what each step is worth.

    Above: one test radiograph as each arm treats it, the frame that the arm reads (orange), what its network is given
    and its score. Below: the arm's accuracy on all test radiographs with its 95 % interval; dashed, as far as it is
    known, what is reached without the radiograph, by a guess from signs beside the foramen and age, and at most, given
    the labels' noise. Scale bar: 20 mm on the film. Millimetres to a pixel are those of this film; those of the median
    film are in the table "scale".

    Used by notebook 06. `film` (S,S) and its `region` (x, y, half); `stations` by arm; `results` has arm, estimate, low
    and high of the metric; `lines` are baselines and ceilings by name.
    """
    columns, shown = len(stations) + 1, results.set_index("arm")
    size = PAGE / columns
    heights = [size + 0.3, size + 0.35, WORDS, LADDER]
    figure, axes = plt.subplots(4, columns, figsize=(PAGE, sum(heights)), height_ratios=heights, squeeze=False)
    picture(axes[0, 0], film, "the film", side_mm)
    x, y, half = region
    axes[0, 0].plot(*frame(np.array([[half, 0, x], [0, half, y]]), film.shape[-1]).T, color=ORANGE)
    known = any(np.isfinite(station.mm_pixel) for station in stations.values())
    _words(axes[1, 0], 1, "what the\nnetwork is given", ha="right", color=GREY)
    _words(axes[2, 0], 1, "score" + "\nmm a pixel" * known, ha="right", color=GREY)
    for (above, middle, words, below), (arm, station) in zip(axes.T[1:], stations.items(), strict=True):
        name, arm_lines = (fill(word.replace("_", "_ "), LETTERS // columns) for word in (station.name, arm))
        picture(above, station.image, f"{name}\n{arm_lines.replace('_ ', '_')}")
        for matrix in station.theta:
            above.plot(*frame(matrix, station.image.shape[-1]).T, color=ORANGE, scalex=False, scaley=False)
        picture(middle, np.concatenate(station.given))
        scale = f"\n{station.mm_pixel:.2f}" if np.isfinite(station.mm_pixel) else ""
        _words(words, 0.5, f"{station.score:.2f}{scale}", ha="center")
        _rung(below, shown.loc[arm], lines)
    _legend(axes[3, 0], lines)
    levels = 100 * np.r_[shown.loc[list(stations), ["low", "high"]].to_numpy(float).ravel(), list(lines.values())]
    plt.setp(axes[3], ylim=(np.nanmin(levels) - 2, np.nanmax(levels) + 2))
    words = in_words(results[results["arm"].isin(list(stations))], "{arm} {estimate:.2f} ({low:.2f} to {high:.2f})")
    dashed = listing(f"{name} {value:.2f}" for name, value in lines.items())
    figure.set_label(f"""One radiograph on its way through {len(stations)} arms: region, frame that is read, input of
        the network, score. Below, the accuracy of each arm: {words}. Dashed lines: {dashed}.""")
    return figure


def _words(axes: Axes, x: float, words: str, **look: Any) -> None:
    """A cell of words alone."""
    axes.text(x, 0.5, words, va="center", fontsize=7, **look)
    axes.set_axis_off()


def _rung(axes: Axes, row: pd.Series, lines: Mapping[str, float]) -> None:
    """An arm's estimate in per cent, on the lines that go through all rungs."""
    low, high, estimate = 100 * row[["low", "high", "estimate"]].astype(float)
    intervals(axes, [0], [estimate], [low], [high], BLUE, linestyle="none")
    axes.text(0.12, estimate, f"{estimate:.1f}", fontsize=7, va="center", bbox={"fc": "white", "ec": "none", "pad": 1})
    for value in lines.values():
        axes.axhline(100 * value, **REFERENCE)
    axes.set(xlim=(-0.5, 0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _legend(axes: Axes, lines: Mapping[str, float]) -> None:
    """The names of the lines, each at its height."""
    for name, value in lines.items():
        axes.text(1, 100 * value, f"{name}\n{100 * value:.1f}", fontsize=7, ha="right", va="center", color=GREY)
    axes.set(xlim=(0, 1), xticks=[], yticks=[])
    axes.set_title("accuracy (%)", fontsize=7, loc="right", pad=9)
    axes.spines[:].set_visible(False)


@captioned
def waterfall(table: pd.DataFrame, metric: str = "accuracy", signs: float = np.nan) -> Figure:
    """Where the points go.

    From what is known without the radiograph (lower dashed line) each bar rises, or falls, to the level of what stands
    below it. Upper dashed line, where known: a guess from signs beside the foramen and age. Grey is what the last arm
    does not reach: what the narrowest opening alone would tell if it were measured without noise (no bar where the last
    arm is above that), what a perfect reader adds, and the errors of the labels. Whiskers: the 95 % interval of a
    step's gain. A control that this study did not run, such as another resolution or a cohort without variation of
    positioning, has no bar.

    Used by notebook 06. `table` is `where_points_go.measure`: what, start, end, low, high (per cent; the last two
    of the difference, in points), kind; `signs` the level of the guess from signs and age (per cent).
    """
    floor = table["start"].iloc[0]
    figure, axes = plt.subplots(figsize=(PAGE, 2.6))
    rise, kinds = table["end"] - table["start"], {"step": BLUE, "gap": PALE}
    colours = [VERMILION if up < 0 else kinds[kind] for up, kind in zip(rise, table["kind"], strict=True)]
    axes.bar(table.index, rise, bottom=table["start"], color=colours, width=0.62)
    tested = table[table["low"].notna()]
    axes.vlines(tested.index, tested["start"] + tested["low"], tested["start"] + tested["high"], "black", linewidth=1.2)
    for place, row in table.iterrows():
        top = max(row[["start", "end"]].max(), row["start"] + (row["high"] if row["high"] == row["high"] else 0))
        axes.text(place, top + 0.6, f"{row['end'] - row['start']:+.1f}", ha="center", fontsize=7)
    known = {name: level for name, level in (("metadata only", floor), ("signs and age", signs)) if np.isfinite(level)}
    for name, level in known.items():
        axes.axhline(level, **REFERENCE)
        axes.annotate(f"{name} {level:.1f}", (axes.get_xlim()[1], level), (-2, -3), textcoords="offset points",
                      fontsize=7, color=GREY, ha="right", va="top")  # fmt: skip
    edges = table["start"].iloc[1:]
    axes.hlines(edges, table.index[1:] - 0.69, table.index[1:] - 0.31, color="black", linewidth=0.6)
    axes.set_xticks(table.index, table["what"].str.replace(" ", "\n"), fontsize=7)
    axes.set(ylabel=f"{METRIC_NAMES[metric]} (%)", ylim=(table[["start", "end"]].min().min() - 4, 103))
    steps = in_words(table.assign(rise=rise), "{what} {rise:+.1f}")
    levels = listing(f"{name} {level:.1f} %" for name, level in known.items())
    figure.set_label(
        f"Waterfall of {METRIC_NAMES[metric]} from metadata only to 100 %, in points: {steps}. Dashed: {levels}."
    )
    return figure
