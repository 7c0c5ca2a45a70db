"""From a file to a table of texts (notebook 01).

Every cell is read as text, so that nothing is guessed before it is checked (an identifier `007` stays `007`).
"""

import codecs
import csv
import itertools
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pandas as pd
from pyarrow import parquet

from user_tables.faults import InputError, first_few, raise_any

MOST_CELLS = 20_000_000  # a table of a million images has fewer
MOST_UNPACKED = 1 << 28  # bytes of a workbook; a few KB can unpack to any size
MOST_ROWS = 1 << 20  # of a sheet, as in Excel
AS_SEEN = {"read_only": True, "data_only": True}  # values, not formulas
SEPARATORS = ",;\t|"
ZERO_WIDTH = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + ZERO_WIDTH

Row = tuple[int, Sequence[str]]  # number, as a spreadsheet shows it, and cells


def read_table(path: Path | str) -> pd.DataFrame:
    """The table at `path`, all cells text without surrounding space, empty where missing; index = row in the file,
    as a spreadsheet numbers it.

    InputError names what cannot be read: kind, encoding, size, hidden or ragged rows, duplicate columns.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: no such table")
    if suffix not in READERS:
        kind = path.suffix or "a bare name"
        raise InputError(f"{path}: write the table as .csv, .tsv, .xlsx or .parquet, not as {kind}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty file (0 bytes)")
    kind, read = READERS[suffix]
    try:
        stripped = ((number, [cell.strip(BLANK) for cell in cells]) for number, cells in read(path))
        (number, heading), *body = [(number, cells) for number, cells in stripped if any(cells)] or [(1, [])]
    except InputError:
        raise
    except Exception as error:  # damaged files fail in zipfile, XML, openpyxl or pyarrow, each with errors of its own
        raise InputError(f"{path}: not readable as {kind} ({type(error).__name__})") from None
    _check_shape(number, heading, body, path)
    named = [column for column, name in enumerate(heading) if name]
    table = [[cells[column] if column < len(cells) else "" for column in named] for _, cells in body]
    numbers = pd.Index([number for number, _ in body], name="row")
    return pd.DataFrame(table, numbers, [heading[column] for column in named], dtype=object)


def _check_shape(number: int, heading: list[str], body: Sequence[Row], path: Path) -> None:
    """InputError where the first row is no heading, a name occurs twice, or rows are longer than the heading."""
    if not body:
        raise InputError(f"{path}: the table has no rows")
    fullest, most = max(((row, sum(map(bool, cells))) for row, cells in body), key=lambda row: row[1])
    filled = sum(map(bool, heading))
    if filled < most / 2:
        text = f"row {number} holds {filled} of the {most} cells that row {fullest} holds"
        raise InputError(f"{path}: {text}: the first row must name the columns; delete what stands above the heading")
    if any("\0" in name for name in heading):
        raise InputError(f"{path}: null characters in the heading (UTF-16 without a mark?); save it as CSV UTF-8")
    width = len(heading)
    ragged = [(row, cells) for row, cells in body if any(cells[width:])]
    shown = first_few(f"row {row} holds {len(cells)}" for row, cells in ragged)
    faults = [f"{path}: the heading names {width} columns, but {shown} cells; empty those beyond"] if ragged else []
    duplicates = sorted({name for name in heading if name and heading.count(name) > 1})
    raise_any(faults + [f"{path}: duplicate column {name!r}" for name in duplicates])


def _text_rows(path: Path) -> Iterator[Row]:
    """CSV or TSV: UTF-8 with or without byte order mark, or UTF-16 with one; Excel's line `sep=;` counts as no row."""
    with open(path, "rb") as raw:
        encoding = "utf-16" if raw.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        with open(path, encoding=encoding, newline="") as stream:
            first = [*itertools.islice(stream, 20), ""]
            stated = re.match(r"sep=(.)\s*$", first[0], re.IGNORECASE)
            stream.seek(0)
            if stated:
                stream.readline()
            row, lines = 0, csv.reader(stream, delimiter=stated[1] if stated else _separator(first), strict=True)
            for row, cells in enumerate(lines, 1):
                yield row, cells
    except csv.Error as error:
        open_quote = "unexpected end" in str(error)
        fault = f"row {row + 1} opens a quotation mark that nothing closes" if open_quote else str(error)
        raise InputError(f"{path}: not readable as a table: {fault} (line {lines.line_num})") from None
    except UnicodeError as error:
        raise InputError(f"{path}: {_where_not_utf8(path, error)}") from None


def _separator(lines: list[str]) -> str:
    """The separator that most of the first lines hold, and of several the one that the heading holds most often."""
    return max(SEPARATORS, key=lambda mark: (sum(mark in line for line in lines), lines[0].count(mark)))


def _where_not_utf8(path: Path, error: UnicodeError) -> str:
    """The line at which a text stops being UTF-8."""
    with open(path, "rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError:
                return f"line {number} is not UTF-8 text; save the table as CSV UTF-8"
    return f"not readable as text ({type(error).__name__})"


def _excel_rows(path: Path) -> Iterator[Row]:
    """The first visible sheet of a workbook; InputError where it is too large or some of its rows are hidden."""
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > MOST_UNPACKED:
            raise InputError(f"{path}: unpacks to more than {MOST_UNPACKED >> 20} MB; save the table as CSV UTF-8")
    with warnings.catch_warnings(action="ignore"), closing(openpyxl.load_workbook(path, **AS_SEEN)) as book:
        sheet = next(sheet for sheet in book.worksheets if sheet.sheet_state == "visible")
        if hidden := _hidden_rows(sheet):
            text = (
                f"hidden rows (a filter?): {first_few(hidden)}; show them, or delete what does not belong to the study"
            )
            raise InputError(f"{path}: {text}")
        sheet.reset_dimensions()  # what the file says of its size may be wrong
        size = 0
        for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
            size += len(values)
            if size > MOST_CELLS or number > MOST_ROWS:
                raise InputError(f"{path}: more than {MOST_CELLS:,} cells; is there a stray one about row {number}?")
            yield number, [_cell(value) for value in values]


def _hidden_rows(sheet: Any) -> list[int]:
    """Rows that a filter or a user has hidden, which openpyxl itself does not tell of a sheet that it only reads."""
    number, hidden = 0, []
    with sheet._get_source() as source:
        for _, element in ElementTree.iterparse(source):
            if element.tag.endswith("}row"):
                number = int(element.get("r", number + 1))
                if element.get("hidden") in ("1", "true"):
                    hidden.append(number)
                element.clear()
    return hidden


def _cell(value: object) -> str:
    """A cell of a workbook as text: whole numbers without a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return "" if value is None else str(value)


def _parquet_rows(path: Path) -> Iterator[Row]:
    size = parquet.ParquetFile(path).metadata
    if size.num_rows * size.num_columns > MOST_CELLS:
        raise InputError(f"{path}: more than {MOST_CELLS:,} cells")
    table = pd.read_parquet(path, use_threads=False, pre_buffer=False)  # threads: see apache/arrow#34314
    table = table.astype(object).astype("string").fillna("")
    yield 1, [str(name) for name in table.columns]
    yield from enumerate(table.itertuples(index=False, name=None), 2)


READERS: dict[str, tuple[str, Callable[[Path], Iterator[Row]]]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), ("a table", _text_rows)),
    ".xlsx": ("an Excel workbook", _excel_rows),
    ".parquet": ("parquet", _parquet_rows),
}
