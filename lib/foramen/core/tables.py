"""Tables as files (CSV, Markdown, LaTeX) and as readers see them (every notebook).

The CSV keeps full precision for machines; Markdown and LaTeX are rounded for readers. Text of a reader's own
files (arm names, sites, identifiers) is data: it can neither become HTML in a page, nor a command in LaTeX,
nor a formula in a spreadsheet.
"""

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd

from foramen.core.files import write_text

_FORMULA = ("=", "+", "-", "@", "|", "%")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")
_P_COLUMNS = ("p_value", "p_holm", "p_equivalence")
_POINTS = ("gain", "slope", "detectable", "difference", "sd", "change", "inflation")  # percentage points
_LIMITS = ("low", "high", "paper_low", "paper_high", "change_low", "change_high", "interaction_low", "interaction_high")
# like limits, in points where one above is
_PARTS = ("standard_error", "wrong", "right", "truth", "at_home", "away", "interaction")


def save(frame: pd.DataFrame, folder: Path, name: str) -> list[Path]:
    """Write `frame` without its index as `name`.csv, .md and .tex into `folder`; returns the three paths."""
    writers = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
    for suffix, write in writers.items():
        write_text(folder / f"{name}.{suffix}", write(frame))
    return [folder / f"{name}.{suffix}" for suffix in writers]


def to_csv(frame: pd.DataFrame) -> str:
    """CSV at full precision; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    safe = frame.copy()
    for i, column in enumerate(frame.columns):
        if not pd.api.types.is_numeric_dtype(frame[column]):
            safe.isetitem(i, frame[column].map(_without_formula))
    safe.columns = [_without_formula(column) for column in frame.columns]
    return safe.to_csv(index=False, lineterminator="\n")


def _without_formula(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = "".join(c if c.isprintable() else " " for c in cell)  # a lone carriage return would end the row
    formula = text.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(text)
    return f"'{text}" if formula else text


def to_markdown(frame: pd.DataFrame) -> str:
    """A Markdown table; markup in cells is shown as the characters it is written with."""
    cells = readable(frame)
    lines = [cells.columns, ["---:" if numeric else "---" for numeric in _numeric(frame)], *cells.to_numpy()]
    rows = [[cell if i == 1 else _plain(cell) for cell in line] for i, line in enumerate(lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _plain(cell: object) -> str:
    """Text that Markdown and HTML renderers show as it is, on one line."""
    text = html.escape(" ".join(str(cell).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", text)


def to_latex(frame: pd.DataFrame) -> str:
    """A LaTeX tabular in the style of booktabs, every cell and heading escaped."""
    columns = "".join("r" if numeric else "l" for numeric in _numeric(frame))
    style = readable(frame).style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    return style.to_latex(hrules=True, column_format=columns)


def _numeric(frame: pd.DataFrame) -> list[bool]:
    return [pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype) for dtype in frame.dtypes]


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as text for readers: points with one decimal, p-values and other numbers with three.

    A missing number is a dash, so that it cannot be mistaken for an empty cell.
    """
    in_points = {*_POINTS, *_LIMITS, *_PARTS} if any(column in frame for column in _POINTS) else set[str]()
    shown = {}
    for i, column in enumerate(frame.columns):
        cells = frame.iloc[:, i]
        if cells.dtype == bool:
            shown[i] = cells.map({True: "yes", False: "no"})
        elif pd.api.types.is_float_dtype(cells):
            shown[i] = cells.map(lambda x, c=column: _number(x, c in _P_COLUMNS, c in in_points))
        else:
            shown[i] = cells.map(lambda x: "–" if pd.isna(x) else str(x))
    return pd.DataFrame(shown, dtype=object).set_axis([str(column) for column in frame.columns], axis=1)


def p_value(value: float) -> str:
    """A p-value as readers see it, in every table, page and README; a dash where there is none."""
    if not np.isfinite(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _number(value: float, probability: bool, points: bool) -> str:
    if probability or not np.isfinite(value):
        return p_value(value)
    return f"{value:.1f}" if points else f"{value:.3f}"
