"""The main tables in journal form, one line an arm and "estimate (95 % CI)" in each cell: `reports/<study>/journal/`.

CSV, Markdown, LaTeX and Word. Everything else, at full precision, is in `tables/`.
"""

from pathlib import Path

import docx
import pandas as pd

from foramen.core import tables
from foramen.core.files import replacing
from foramen.figures import METRIC_NAMES
from foramen.report.results import baselines, percent, read, rows
from foramen.study.model import Study

HEADINGS = {
    "results": "Test-set results in per cent, with 95 % confidence intervals",
    "gains": "Gains over the reference arm in percentage points, with 95 % confidence intervals",
    "steps": "Gain of each step over the arm before it in percentage points, with 95 % confidence intervals",
}


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of arms and metrics with a row an arm (and reference) and a column a metric; of gains, with p-values."""
    keys = [name for name in ("arm", "reference") if name in frame]
    frame = frame[frame["metric"].isin(METRIC_NAMES)]
    cells = frame[keys].assign(metric=frame["metric"].map(METRIC_NAMES), cell=[_cell(row) for row in rows(frame)])
    table = cells.pivot(index=keys, columns="metric", values="cell").fillna("–")
    order = cells[keys].drop_duplicates()
    columns = [name for name in METRIC_NAMES.values() if name in table]
    index = pd.MultiIndex.from_frame(order) if len(keys) > 1 else pd.Index(order["arm"])
    return table.reindex(index)[columns].rename_axis(columns=None).reset_index()


def _cell(row: dict) -> str:
    """Estimate and interval; of a gain with its p-value, which Holm corrected where he did."""
    if "gain" not in row:
        estimate, interval = percent(row)
        return f"{estimate} ({interval})" if interval else estimate
    if pd.isna(row["gain"]):
        return "–"
    corrected = pd.notna(row.get("p_holm"))
    p = tables.p_value(row["p_holm" if corrected else "p_value"])
    word = ("Holm p" if corrected else "p") + ("" if p.startswith("<") else " = ")
    gain, low, high = (f"{row[name]:.1f}".replace("-", "−") for name in ("gain", "low", "high"))
    return f"{gain} ({low} to {high}), {word}{p}"


def write(study: Study) -> list[str]:
    """Write the tables that the study has, and all of them as one Word file; the names of the files."""
    folder, made = study.paths.report / "journal", {}
    frames = {name: read(study.paths.tables, name) for name in HEADINGS}
    frames["results"] = pd.concat([frames["results"], baselines(study.paths.tables)], ignore_index=True)
    written: list[Path] = []
    for name, frame in frames.items():
        if len(frame):
            made[name] = wide(frame)
            written += tables.save(made[name], folder, name)
    with replacing(folder / "tables.docx") as temporary:
        _word(made).save(str(temporary))
    return [*(path.name for path in written), "tables.docx"]


def _word(made: dict[str, pd.DataFrame]) -> docx.document.Document:
    document = docx.Document()
    for number, (name, frame) in enumerate(made.items(), 1):
        document.add_paragraph(f"Table {number}. {HEADINGS[name]}.", style="Caption")
        grid = document.add_table(rows=0, cols=len(frame.columns), style="Light List")
        for line in (frame.columns, *frame.to_numpy()):
            for cell, text in zip(grid.add_row().cells, line, strict=True):
                cell.text = str(text)
        document.add_paragraph()
    return document
