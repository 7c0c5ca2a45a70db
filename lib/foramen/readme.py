"""The README's result table, taken from the committed reference report, so that the two cannot differ.

`python -m foramen.readme` rewrites the part of README.md between two marks; a test fails when it is out of date.
"""

import csv
from pathlib import Path

from foramen.files import write_text
from foramen.paths import ROOT

START = "<!-- results of reports/default, written by `python -m foramen.readme` -->"
END = "<!-- end of results -->"
METRICS = ("accuracy", "f1", "specificity", "sensitivity", "auroc")
STEP_METRICS = ("accuracy", "auroc")
TABLES = ROOT / "reports" / "default" / "tables"


def block(tables: Path = TABLES) -> str:
    """Markdown tables: each arm's metrics in percent, the gains beside the paper's ranges, each step, in points."""
    results, gains, held, steps = (
        _read(tables / f"{name}.csv") for name in ("results", "gains", "equal_specificity", "steps")
    )
    lines = ["| arm | " + " | ".join(METRICS) + " |", "|---|" + "---|" * len(METRICS)]
    for arm in dict.fromkeys(row["arm"] for row in results):
        cells = {r["metric"]: r for r in results if r["arm"] == arm}
        lines.append(f"| `{arm}` | " + " | ".join(_percent(cells[metric]) for metric in METRICS) + " |")
    lines += [
        "",
        "| `proposed` over `basic`, points | this study (synthetic) | paper (other data) |",
        "|---|---|---|",
    ]
    for row in gains:
        if row["arm"] == "proposed" and row["paper_low"]:
            paper = f"{float(row['paper_low']):.1f} to {float(row['paper_high']):.1f}"
            lines.append(f"| {row['metric']} | {_points(row)} | {paper} |")
    row = next(row for row in held if row["arm"] == "proposed")
    lines.append(f"| sensitivity at the specificity of `basic` | {_points(row)} | – |")
    lines += ["", "| step, points | " + " | ".join(STEP_METRICS) + " |", "|---|" + "---|" * len(STEP_METRICS)]
    for pair in dict.fromkeys((row["arm"], row["reference"]) for row in steps):
        found = {row["metric"]: row for row in steps if (row["arm"], row["reference"]) == pair}
        cells = " | ".join(_points(found[metric]) for metric in STEP_METRICS)
        lines.append(f"| `{pair[0]}` over `{pair[1]}` | {cells} |")
    return "\n".join(lines)


def update(readme: Path = ROOT / "README.md", tables: Path = TABLES) -> None:
    """Put the current block between the marks of the README. Raises ValueError where the marks are missing."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(START)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{readme}: the marks around the results are missing")
    write_text(readme, f"{before}{START}\n\n{block(tables)}\n\n{END}{after}")


def _read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _points(row: dict[str, str]) -> str:
    """A gain with its interval."""
    return f"{float(row['gain']):+.1f} ({float(row['low']):+.1f} to {float(row['high']):+.1f})"


def _percent(row: dict[str, str]) -> str:
    estimate, low, high = (100 * float(row[key]) for key in ("estimate", "low", "high"))
    return f"{estimate:.1f} ({low:.1f}–{high:.1f})"


if __name__ == "__main__":
    update()
