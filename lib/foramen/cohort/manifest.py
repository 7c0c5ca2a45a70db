"""The table of a cohort: read from CSV, TSV, Excel or parquet, and checked row by row. Used by notebook 01.

`read_table` returns every cell as text, so that nothing is guessed before it is checked (an identifier `007`
stays `007`); `validate` lists all faults of the table, `normalise` turns a faultless table into typed
columns.
"""

import csv
import difflib
import warnings
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from foramen.core.errors import InputError, first_few

REQUIRED = ("image_path", "patient_id", "label")
OPTIONAL = ("image_id", "study_id", "side", "view", "site", "age", "sex", "split", "excluded")
COLUMNS = (*REQUIRED, *OPTIONAL)

LABELS = {"0": 0, "1": 1, "no": 0, "yes": 1, "n": 0, "y": 1, "false": 0, "true": 1, "negative": 0, "positive": 1}
SIDES = {"l": "L", "left": "L", "r": "R", "right": "R", "": ""}
SEXES = {
    "f": "F",
    "female": "F",
    "w": "F",
    "m": "M",
    "male": "M",
    "o": "O",
    "other": "O",
    "": "",
    "u": "",
    "unknown": "",
}
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "tune": "val"}
SPLITS |= {"test": "test", "testing": "test", "": ""}
NOT_EXCLUDED = ("", "0", "no", "n", "false")
OLDEST = 120


def read_table(path: Path) -> pd.DataFrame:
    """The table at `path`, all cells text without surrounding space, empty where missing; index = row in the
    file, whose heading is row 1.

    InputError names what cannot be read: kind, encoding, ragged or duplicate columns.
    """
    readers = {
        ".csv": _read_text,
        ".tsv": _read_text,
        ".txt": _read_text,
        ".xlsx": _read_excel,
        ".parquet": _read_parquet,
    }
    if not path.is_file():
        raise InputError(f"{path}: no such table")
    if path.suffix.lower() not in readers:
        raise InputError(
            f"{path}: write the table as .csv, .tsv, .xlsx or .parquet, not as {path.suffix or 'a bare name'}"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty file (0 bytes)")
    table = readers[path.suffix.lower()](path)
    names = [str(name).strip() for name in table.columns]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError([f"{path}: column {name!r} stands twice" for name in twice])
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
    faults = [
        f"{path}: cohort.manifest.columns: {ours!r} is no column of a cohort{_near(ours, COLUMNS)}"
        for ours in columns
        if ours not in COLUMNS
    ]
    faults += [
        f"{path}: no column {theirs!r} (cohort.manifest.columns.{ours}){_near(theirs, table.columns)}"
        for ours, theirs in columns.items()
        if theirs not in table.columns
    ]
    chosen = {ours: columns.get(ours, ours) for ours in COLUMNS}
    missing = [ours for ours in REQUIRED if chosen[ours] not in table.columns and ours not in columns]
    faults += [
        f"{path}: column {name!r} is missing{_near(name, table.columns)}; where it has another name, say so in "
        f"cohort.manifest.columns (here are {first_few(table.columns, 12)})"
        for name in missing
    ]
    if faults:
        raise InputError(faults)
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
    known = {text.lower() for text in (labels or LABELS)}

    def one_of(texts: Iterable[str], what: str) -> pa.Check:
        return pa.Check(lambda column: column.str.lower().isin(list(texts)), error=what)

    filled = pa.Check(lambda column: column != "", error="is empty")
    age = pa.Check(_possible_age, error=f"is no age between 0 and {OLDEST} years")
    label = pa.Check(
        lambda column: _without_decimals(column).str.lower().isin(known),
        error=f"is none of {', '.join(sorted(labels or LABELS))} (state others in cohort.manifest.labels)",
    )
    unique = pa.Check(lambda column: ~column.duplicated(keep=False), error="stands more than once")
    unique_id = pa.Check(lambda column: ~column.duplicated(keep=False) | (column == ""), error="stands more than once")
    clean = pa.Check(lambda column: ~column.str.contains("\0", regex=False), error="holds a null character")
    return pa.DataFrameSchema(
        {
            "image_path": pa.Column(str, [filled, unique, clean]),
            "patient_id": pa.Column(str, [filled, clean]),
            "label": pa.Column(str, label),
            "image_id": pa.Column(str, unique_id),
            "side": pa.Column(str, one_of(SIDES, "is neither L nor R (nor left or right)")),
            "age": pa.Column(str, age),
            "sex": pa.Column(str, one_of(SEXES, "is none of F, M, O")),
            "split": pa.Column(str, one_of(SPLITS, "is none of train, val, test")),
        }
    )


def normalise(table: pd.DataFrame, labels: dict[str, int]) -> pd.DataFrame:
    """A faultless table with typed columns: label int8, age float (NaN unknown), excluded as text (the
    reason, or "").
    """
    meaning = {text.lower(): value for text, value in (labels or LABELS).items()}
    typed = table.copy()
    typed["label"] = _without_decimals(table["label"]).str.lower().map(meaning).astype("int8")
    typed["side"] = table["side"].str.lower().map(SIDES)
    typed["sex"] = table["sex"].str.lower().map(SEXES)
    typed["split"] = table["split"].str.lower().map(SPLITS)
    typed["age"] = _years(table["age"])
    reason = table["excluded"].where(~table["excluded"].str.lower().isin(NOT_EXCLUDED), "")
    typed["excluded"] = reason.mask(reason.str.lower().isin(("1", "yes", "y", "true")), "by the table")
    return typed


def _read_text(path: Path) -> pd.DataFrame:
    """CSV or TSV: UTF-8 with or without byte order mark, or UTF-16 with one; comma, semicolon or tab."""
    encoding = _encoding(path)
    with open(path, encoding=encoding, newline="") as stream:
        try:
            header = stream.readline(1 << 20)
        except UnicodeError as error:
            raise InputError(f"{path}: {_where_not_utf8(path, error)}") from None
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=header.count)
    try:
        table = pd.read_csv(path, sep=delimiter, header=None, dtype=str, keep_default_na=False, encoding=encoding)
    except UnicodeError as error:
        raise InputError(f"{path}: {_where_not_utf8(path, error)}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, ValueError) as error:
        text = " ".join(str(error).replace("Error tokenizing data. C error:", "").split())
        raise InputError(f"{path}: not readable as a table: {text}") from None
    return _promote(table)


def _read_excel(path: Path) -> pd.DataFrame:
    """The first sheet of an .xlsx workbook."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = pd.read_excel(path, header=None, dtype=str, keep_default_na=False, engine="openpyxl")
    except Exception as error:  # a damaged archive fails in zipfile, in XML or in openpyxl
        raise InputError(f"{path}: not readable as an Excel workbook ({type(error).__name__})") from None
    return _promote(table)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises its own, OSError and ValueError for damaged files
        raise InputError(f"{path}: not readable as parquet ({type(error).__name__})") from None
    return table.astype("string").fillna("").astype(object).astype(str)


def _promote(table: pd.DataFrame) -> pd.DataFrame:
    """The first row as column names (pandas itself would rename duplicates silently)."""
    if table.empty:
        return table
    table = table.fillna("").astype(str)
    body = table.iloc[1:].reset_index(drop=True)
    body.columns = table.iloc[0].to_list()
    return body


def _encoding(path: Path) -> str:
    with open(path, "rb") as stream:
        start = stream.read(4)
    return "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _where_not_utf8(path: Path, error: UnicodeError) -> str:
    """The line at which a text stops being UTF-8."""
    with open(path, "rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError:
                return f"line {number} is not UTF-8 text; save the table as CSV UTF-8"
    return f"not readable as text ({type(error).__name__})"


def _without_decimals(column: pd.Series) -> pd.Series:
    """Excel and parquet tend to turn 1 into 1.0."""
    return column.str.replace(r"^(\d+)\.0+$", r"\1", regex=True)


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


def _near(name: str, known: Iterable[object]) -> str:
    near = difflib.get_close_matches(name, [str(k) for k in known], 1, 0.5)
    return f"; the nearest one is {near[0]!r}" if near else ""
