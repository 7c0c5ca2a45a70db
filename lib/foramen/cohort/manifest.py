"""The table of a cohort: read from CSV, TSV, Excel or parquet, and checked row by row. Used by notebook 01.

`read_table` returns every cell as text, so that nothing is guessed before it is checked (an identifier `007`
stays `007`); `validate` lists all faults of the table, `normalise` turns a faultless table into typed
columns.
"""

import codecs
import difflib
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pandera.pandas as pa

from foramen.core.errors import InputError, first_few, raise_any

REQUIRED = ("image_path", "patient_id", "label")
OPTIONAL = ("image_id", "study_id", "side", "view", "site", "age", "sex", "split", "excluded")
COLUMNS = (*REQUIRED, *OPTIONAL)

T = TypeVar("T")


def _spellings(known: Mapping[T, str]) -> dict[str, T]:
    """What each lower-case spelling means, from the spellings of each meaning."""
    return {spelling: meaning for meaning, spellings in known.items() for spelling in spellings.split()}


LABELS = _spellings({0: "0 no n false negative", 1: "1 yes y true positive"})
SIDES = _spellings({"L": "l left", "R": "r right"}) | {"": ""}
SEXES = _spellings({"F": "f female w", "M": "m male", "O": "o other", "": "u unknown"}) | {"": ""}
SPLITS = _spellings({"train": "train training", "val": "val valid validation tune", "test": "test testing"}) | {"": ""}
NOT_EXCLUDED = ("", "0", "no", "n", "false")
OLDEST = 120


def read_table(path: Path) -> pd.DataFrame:
    """The table at `path`, all cells text without surrounding space, empty where missing; index = row in the
    file, whose heading is row 1.

    InputError names what cannot be read: kind, encoding, ragged or duplicate columns.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: no such table")
    if suffix not in (".csv", ".tsv", ".txt", ".xlsx", ".parquet"):
        kind = path.suffix or "a bare name"
        raise InputError(f"{path}: write the table as .csv, .tsv, .xlsx or .parquet, not as {kind}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty file (0 bytes)")
    table = _read_binary(path) if suffix in (".xlsx", ".parquet") else _read_text(path)
    names = [str(name).strip() for name in table.columns]
    duplicates = sorted({name for name in names if name and names.count(name) > 1})
    raise_any([f"{path}: duplicate column {name!r}" for name in duplicates])
    table.columns = names
    table = table.apply(lambda column: column.str.strip())
    table.index = pd.RangeIndex(2, len(table) + 2, name="row")
    table = table[(table != "").any(axis=1)]
    if table.empty:
        raise InputError(f"{path}: the table has no rows")
    return table


def rename(table: pd.DataFrame, columns: dict[str, str], path: Path) -> pd.DataFrame:
    """Only our columns, under our names, as `columns` (our name: the table's name) maps them; others are
    dropped.
    """
    chosen = {ours: columns.get(ours, ours) for ours in COLUMNS}
    faults = []
    for ours, theirs in columns.items():
        if ours not in COLUMNS:
            faults.append(f"{path}: cohort.manifest.columns: {ours!r} is no column of a cohort{near(ours, COLUMNS)}")
        if theirs not in table.columns:
            nearest = near(theirs, table.columns)
            faults.append(f"{path}: no column {theirs!r} (cohort.manifest.columns.{ours}){nearest}")
    for name in REQUIRED:
        if name not in table.columns and name not in columns:
            hint = f"where it has another name, say so in cohort.manifest.columns (here are {first_few(table, 12)})"
            faults.append(f"{path}: column {name!r} is missing{near(name, table.columns)}; {hint}")
    raise_any(faults)
    present = {ours: table[theirs] for ours, theirs in chosen.items() if theirs in table.columns}
    return pd.DataFrame(present).reindex(columns=COLUMNS, fill_value="")


def validate(table: pd.DataFrame, labels: dict[str, int], path: Path) -> tuple[list[str], pd.Index]:
    """All faults of a renamed table, one line for each kind of fault, naming its rows (pandera, lazily); and
    the rows that have none.
    """
    try:
        schema(labels).validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        return _explain(cases, path), table.index.difference(cases["index"].dropna().astype(int), sort=False)
    return [], table.index


def schema(labels: dict[str, int]) -> pa.DataFrameSchema:
    """What each cell may hold; `labels` are label texts beside 0/1 and yes/no, where the study file states
    them.
    """

    def one_of(meanings: Iterable[str], error: str) -> pa.Check:
        return pa.Check(lambda cells: _spelling(cells).isin([text.lower() for text in meanings]), error=error)

    labels = labels or LABELS
    stated = f"is none of {', '.join(sorted(labels))} (state others in cohort.manifest.labels)"
    filled = pa.Check(lambda cells: cells != "", error="is empty")
    once = pa.Check(lambda cells: ~cells.duplicated(keep=False) | (cells == ""), error="stands more than once")
    clean = pa.Check(lambda cells: ~cells.str.contains("\0", regex=False), error="holds a null character")
    checks: dict[str, list[pa.Check]] = {
        "image_path": [filled, once, clean],
        "patient_id": [filled, clean],
        "label": [one_of(labels, stated)],
        "image_id": [once],
        "side": [one_of(SIDES, "is neither L nor R (nor left or right)")],
        "age": [pa.Check(_possible_age, error=f"is no age between 0 and {OLDEST} years")],
        "sex": [one_of(SEXES, "is none of F, M, O")],
        "split": [one_of(SPLITS, "is none of train, val, test")],
    }
    return pa.DataFrameSchema({name: pa.Column(str, must) for name, must in checks.items()})


def normalise(table: pd.DataFrame, labels: dict[str, int]) -> pd.DataFrame:
    """A faultless table with typed columns: label int8, age float (NaN unknown), excluded as text (the
    reason, or "").
    """
    stated = {text.lower(): value for text, value in (labels or LABELS).items()}
    meanings = {"label": stated, "side": SIDES, "sex": SEXES, "split": SPLITS}
    typed = table.assign(**{name: _spelling(table[name]).map(meaning) for name, meaning in meanings.items()})
    typed = typed.astype({"label": "int8"})
    typed["age"] = _years(table["age"])
    reason = table["excluded"].where(~table["excluded"].str.lower().isin(NOT_EXCLUDED), "")
    typed["excluded"] = reason.mask(reason.str.lower().isin(("1", "yes", "y", "true")), "by the table")
    return typed


def _read_text(path: Path) -> pd.DataFrame:
    """CSV or TSV: UTF-8 with or without byte order mark, or UTF-16 with one; comma, semicolon or tab."""
    with open(path, "rb") as stream:
        encoding = "utf-16" if stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        with open(path, encoding=encoding, newline="") as stream:
            header = stream.readline(1 << 20)
        delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=header.count)
        table = pd.read_csv(path, sep=delimiter, header=None, dtype=str, keep_default_na=False, encoding=encoding)
    except UnicodeError as error:
        raise InputError(f"{path}: {_where_not_utf8(path, error)}") from None
    except ValueError as error:  # pandas' ParserError and EmptyDataError, too
        text = " ".join(str(error).replace("Error tokenizing data. C error:", "").split())
        raise InputError(f"{path}: not readable as a table: {text}") from None
    return _promote(table)


def _read_binary(path: Path) -> pd.DataFrame:
    """The first sheet of an .xlsx workbook, or a parquet file."""
    parquet = path.suffix.lower() == ".parquet"
    try:
        if parquet:
            return pd.read_parquet(path).astype("string").fillna("").astype(object).astype(str)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _promote(pd.read_excel(path, header=None, dtype=str, keep_default_na=False, engine="openpyxl"))
    except Exception as error:  # damaged files fail in zipfile, XML, openpyxl or pyarrow, each with errors of its own
        kind = "parquet" if parquet else "an Excel workbook"
        raise InputError(f"{path}: not readable as {kind} ({type(error).__name__})") from None


def _promote(table: pd.DataFrame) -> pd.DataFrame:
    """The first row as column names (pandas itself would rename duplicates silently)."""
    if table.empty:
        return table
    table = table.fillna("").astype(str)
    body = table.iloc[1:].reset_index(drop=True)
    body.columns = table.iloc[0].to_list()
    return body


def _where_not_utf8(path: Path, error: UnicodeError) -> str:
    """The line at which a text stops being UTF-8."""
    with open(path, "rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError:
                return f"line {number} is not UTF-8 text; save the table as CSV UTF-8"
    return f"not readable as text ({type(error).__name__})"


def _spelling(column: pd.Series) -> pd.Series:
    """Cells in lower case, 1.0 as 1: Excel and parquet tend to write it so."""
    return column.str.replace(r"^(\d+)\.0+$", r"\1", regex=True).str.lower()


def _years(column: pd.Series) -> pd.Series:
    """Ages in years, also as DICOM writes them (`045Y`, `018M`); NaN where empty or no number."""
    parts = column.str.upper().str.extract(r"^([+-]?\d+(?:\.\d+)?)([YMWD]?)$")
    factor = parts[1].map({"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25})
    return pd.to_numeric(parts[0], errors="coerce").astype(float) * factor.astype(float)


def _possible_age(column: pd.Series) -> pd.Series:
    years = _years(column)
    return (column == "") | ((years >= 0) & (years <= OLDEST))


def _explain(cases: pd.DataFrame, path: Path) -> list[str]:
    """One line for each column and kind of fault: its first rows with what they hold, and how many more there
    are.
    """
    faults = []
    for (column, check), group in cases.groupby(["column", "check"], sort=False):
        rows = group.dropna(subset="index").sort_values("index")
        shown = first_few(
            f"row {int(row)} ({str(value)[:40]!r})" if value != "" else f"row {int(row)}"
            for row, value in zip(rows["index"], rows["failure_case"], strict=True)
        )
        faults.append(f"{path}: {shown}: {column} {check}")
    return faults


def near(name: str, known: Iterable[object], cutoff: float = 0.5) -> str:
    """The end of a fault's line that names the nearest of the `known` names; empty where none is near."""
    nearest = difflib.get_close_matches(name, [str(k) for k in known], 1, cutoff)
    return f"; the nearest one is {nearest[0]!r}" if nearest else ""
