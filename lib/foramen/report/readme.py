"""The README's tables of results, taken from the committed reports, so that the two cannot differ.

`python -m foramen.report.readme` rewrites the parts of README.md between their marks; a test fails when one is out of
date.
"""

import csv
from pathlib import Path

from foramen.core.files import write_text
from foramen.core.paths import ROOT
from foramen.core.tables import p_value

START = "<!-- results of reports/{study}, written by `python -m foramen.report.readme` -->"
END = "<!-- end of results -->"
METRICS = ("accuracy", "f1", "specificity", "sensitivity", "auroc")
STEP_METRICS = ("accuracy", "auroc")
CURVE_METRIC = "auroc"


def ladder(tables: Path) -> str:
    """The reference study as Markdown: each arm in percent; in points the gains beside the paper's, and each step."""
    results, baselines, gains, held, steps = (
        _read(tables / f"{name}.csv") for name in ("results", "baselines", "gains", "equal_specificity", "steps")
    )
    lines = ["| arm | " + " | ".join(METRICS) + " |", "|---|" + "---|" * len(METRICS)]
    for rows, name in ((results, "`{}`"), (baselines, "*{}*")):
        for arm in dict.fromkeys(row["arm"] for row in rows if row["metric"] == "f1"):
            cells = {r["metric"]: r for r in rows if r["arm"] == arm}
            values = " | ".join(_percent(cells[metric]) if metric in cells else "" for metric in METRICS)
            lines.append(f"| {name.format(arm)} | {values} |")
    lines += ["", "| `proposed` over `basic`, points | this study (synthetic) | paper (other data) |", "|---|---|---|"]
    for row in gains:
        if row["arm"] == "proposed" and row["paper_low"]:
            paper = f"{float(row['paper_low']):.1f} to {float(row['paper_high']):.1f}"
            lines.append(f"| {row['metric']} | {_points(row)} | {paper} |")
    row = next(row for row in held if row["arm"] == "proposed")
    lines.append(f"| sensitivity at the specificity of `basic` | {_points(row)} | – |")
    heads = " | ".join(f"{metric} | p, Holm" for metric in STEP_METRICS)
    lines += ["", f"| step, points | {heads} |", "|---|" + "---|---|" * len(STEP_METRICS)]
    for pair in dict.fromkeys((row["arm"], row["reference"]) for row in steps):
        found = {row["metric"]: row for row in steps if (row["arm"], row["reference"]) == pair}
        cells = " | ".join(f"{_points(found[m])} | {p_value(float(found[m]['p_holm']))}" for m in STEP_METRICS)
        lines.append(f"| `{pair[0]}` over `{pair[1]}` | {cells} |")
    return "\n".join(lines)


def curves(tables: Path) -> str:
    """The sweeps as Markdown: the gain of an arm over its control at each factor, in points, and how much it grows."""
    gains = [row for row in _read(tables / "gain_curves.csv") if row["metric"] == CURVE_METRIC]
    slopes = {
        row["sweep"]: row | {"gain": row["slope"]}
        for row in _read(tables / "gain_trends.csv")
        if row["metric"] == CURVE_METRIC
    }
    factors = sorted({float(row["factor"]) for row in gains})
    heads = [f"× {factor:g}" for factor in factors]
    lines = [f"| sweep | {' | '.join(heads)} | grows by |", "|---|" + "---|" * (len(factors) + 1)]
    for sweep in dict.fromkeys(row["sweep"] for row in gains):
        found = {float(row["factor"]): row for row in gains if row["sweep"] == sweep}
        first = next(iter(found.values()))
        cells = [_points(found[factor]) if factor in found else "" for factor in factors]
        grows = _points(slopes[sweep]) if sweep in slopes else ""
        name = f"{sweep.replace('_', ' ')}: `{first['arm']}` over `{first['reference']}`"
        lines.append(f"| {name} | {' | '.join(cells)} | {grows} |")
    return "\n".join(lines)


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


def _read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _points(row: dict[str, str]) -> str:
    """A gain with its interval."""
    return f"{float(row['gain']):+.1f} ({float(row['low']):+.1f} to {float(row['high']):+.1f})"


def _percent(row: dict[str, str]) -> str:
    """An estimate with its interval, where it has one."""
    if not row["estimate"]:
        return "–"
    interval = f" ({100 * float(row['low']):.1f}–{100 * float(row['high']):.1f})" if row["low"] else ""
    return f"{100 * float(row['estimate']):.1f}{interval}"


if __name__ == "__main__":
    README = ROOT / "README.md"
    write_text(README, current(README.read_text(encoding="utf-8")))
