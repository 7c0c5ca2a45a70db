"""The README's tables of results, taken from the committed reports, so that the two cannot differ.

`python -m foramen.report.readme` rewrites the parts of README.md between their marks; a test fails when one is out of
date.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from foramen.core.files import write_text
from foramen.core.paths import ROOT
from foramen.core.tables import p_value
from foramen.report.results import percent, points, read, rows

START = "<!-- results of reports/{study}, written by `python -m foramen.report.readme` -->"
END = "<!-- end of results -->"
METRICS = ("accuracy", "f1", "specificity", "sensitivity", "auroc")
STEP_METRICS = ("accuracy", "auroc")
CURVE_METRIC = "auroc"


def ladder(folder: Path) -> str:
    """The reference study as Markdown: each arm in percent; in points the gains beside the paper's, and each step."""
    held, gains, steps = (read(folder, name) for name in ("equal_specificity", "gains", "steps"))
    arms = []
    for name, style in (("results", "`{}`"), ("baselines", "*{}*")):
        for (arm,), found in _by_metric(read(folder, name), "arm"):
            if "f1" in found:
                arms.append([style.format(arm), *(_estimate(found[m]) if m in found else "" for m in METRICS)])
    over = [
        [row["metric"], _gain(row), f"{row['paper_low']:.1f} to {row['paper_high']:.1f}"]
        for row in rows(gains[(gains["arm"] == "proposed") & gains["paper_low"].notna()])
    ]
    row = rows(held[held["arm"] == "proposed"])[0]
    over.append(["sensitivity at the specificity of `basic`", _gain(row), "–"])
    each = []
    for (arm, reference), found in _by_metric(steps, "arm", "reference"):
        cells = [cell for m in STEP_METRICS for cell in (_gain(found[m]), p_value(found[m]["p_holm"]))]
        each.append([f"`{arm}` over `{reference}`", *cells])
    return "\n\n".join(
        [
            _markdown(["arm", *METRICS], arms),
            _markdown(["`proposed` over `basic`, points", "this study (synthetic)", "paper (other data)"], over),
            _markdown(["step, points", *(head for m in STEP_METRICS for head in (m, "p, Holm"))], each),
        ]
    )


def curves(folder: Path) -> str:
    """The sweeps as Markdown: the gain of an arm over its control at each factor, in points, and how much it grows."""
    gains, trends = (
        frame[frame["metric"] == CURVE_METRIC] for frame in (read(folder, "gain_curves"), read(folder, "gain_trends"))
    )
    grows = {row["sweep"]: _gain(row | {"gain": row["slope"]}) for row in rows(trends)}
    factors, lines = sorted(set(gains["factor"])), []
    for sweep in gains["sweep"].unique():
        of_it = rows(gains[gains["sweep"] == sweep])
        found = {row["factor"]: _gain(row) for row in of_it}
        name = f"{sweep.replace('_', ' ')}: `{of_it[0]['arm']}` over `{of_it[0]['reference']}`"
        lines.append([name, *(found.get(factor, "") for factor in factors), grows.get(sweep, "")])
    return _markdown(["sweep", *(f"× {factor:g}" for factor in factors), "grows by"], lines)


BLOCKS = {"default": ladder, "nuisance": curves}


def current(text: str) -> str:
    """The text of the README with today's blocks between its marks. Raises ValueError where marks are missing."""
    for study, block in BLOCKS.items():
        start = START.format(study=study)
        before, found, rest = text.partition(start)
        _, mark, after = rest.partition(END)
        if not (found and mark):
            raise ValueError(f"README: the marks around the results of {study} are missing")
        text = f"{before}{start}\n\n{block(ROOT / 'reports' / study / 'tables')}\n\n{END}{after}"
    return text


def _by_metric(frame: pd.DataFrame, *by: str) -> Iterator[tuple[tuple[str, ...], dict[str, dict[str, Any]]]]:
    """Each group of rows with its rows by metric, in the order of the table."""
    for names, found in frame.groupby(list(by), sort=False):
        yield tuple(map(str, names)), {row["metric"]: row for row in rows(found)}


def _markdown(head: list[str], lines: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def _gain(row: Mapping) -> str:
    """A gain with its interval, in points."""
    return f"{points(row['gain'])} ({points(row['low'])} to {points(row['high'])})"


def _estimate(row: Mapping) -> str:
    """An estimate with its interval, where it has one, in per cent."""
    estimate, interval = percent(row)
    return f"{estimate} ({interval})" if interval else estimate


if __name__ == "__main__":
    README = ROOT / "README.md"
    write_text(README, current(README.read_text(encoding="utf-8")))
