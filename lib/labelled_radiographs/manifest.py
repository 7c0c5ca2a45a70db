"""The table of a cohort, checked row by row (notebook 01).

`rename` finds our columns, `tidy` writes identifiers in one way, `validate` lists all faults, `normalise` turns a
faultless table into typed columns.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pandera.pandas as pa

from user_tables import first_few, nearest, raise_any
from user_tables.reading import ZERO_WIDTH

REQUIRED = ("image_path", "patient_id", "label")
REGION = ("region_left", "region_top", "region_right", "region_bottom")  # a box in pixels of the file as stored
OPTIONAL = ("image_id", "side", "view", "site", "age", "sex", "split", "excluded", *REGION)
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
NEAR = 0.5  # how like a column's name another must be to be named beside it
IDENTIFIERS = ("patient_id", "image_id")
MONTH = "(?-i:Jan|Feb|M[aä]r|Mrz|Apr|Ma[iy]|Jun|Jul|Aug|Sep|O[ck]t|Nov|De[cz])"
NO_IDENTIFIER = {  # what an identifier cannot be, and how that looks
    "is a placeholder, no identifier": (
        r"[\W_]+",
        r"\W*(nan|none|null|nil|n\W?a|unk|unknown|undefined|missing|anonym\w*|tbd|not (available|known|applicable))\W*",
        r"#.+[!?]",
    ),
    "is a date (Excel makes one of 3-1; format the cells as text; write a date that is meant as 2024-01-31)": (
        # 2024-01-31 may be meant: Excel's date cells have a time of day, and its CSV has another form of date
        r"(?!\d{4}-\d\d-\d\d\Z)\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T][\d:.]+)?",
        r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}",
        rf"\d{{1,2}}(-|\. ?){MONTH}(-\d{{2,4}})?",
        rf"{MONTH}[- ]\d{{2,4}}",
    ),
    "is a rounded number (Excel shortens long ones; format the cells as text)": (r"\d([.,]\d+)?E\+\d+",),
}


def rename(table: pd.DataFrame, columns: dict[str, str], path: Path) -> pd.DataFrame:
    """Only our columns, under our names, as `columns` (our name: the table's name) maps them; others are
    dropped.
    """
    chosen = {ours: columns.get(ours, ours) for ours in COLUMNS}
    faults = []
    for ours, theirs in columns.items():
        if ours not in COLUMNS:
            hint = nearest(ours, COLUMNS, NEAR)
            faults.append(f"{path}: columns: {ours!r} is no column of a cohort{hint}")
        if theirs not in table.columns:
            hint = nearest(theirs, table.columns, NEAR)
            faults.append(f"{path}: no column {theirs!r}, which the option `columns` names for {ours}{hint}")
    for name in REQUIRED:
        if name not in table.columns and name not in columns:
            found = first_few(table, 12)
            hint = f"rename one, or name it in the `columns` of a study (here are {found}); rows are looked at then"
            faults.append(f"{path}: column {name!r} is missing{nearest(name, table.columns, NEAR)}; {hint}")
    raise_any(faults)
    present = {ours: table[theirs] for ours, theirs in chosen.items() if theirs in table.columns}
    return pd.DataFrame(present).reindex(columns=COLUMNS, fill_value="")


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """The table with identifiers of patients and images written in one way (`identifier`)."""
    return table.assign(**{name: table[name].map(identifier) for name in IDENTIFIERS})


def identifier(text: str) -> str:
    """An identifier in the one way that is surely meant: composed Unicode, single spaces, `7` for Excel's `7.0`."""
    shown = "".join(c for c in unicodedata.normalize("NFC", text) if c not in ZERO_WIDTH)
    return re.sub(r"^(\d+)\.0$", r"\1", " ".join(shown.split()))


def validate(table: pd.DataFrame, labels: dict[str, int], path: Path) -> tuple[list[str], pd.Index]:
    """All faults of a renamed table, one line for each kind of fault, naming its rows (pandera, lazily); and
    the rows that have none.
    """
    faults = look_alikes(table["patient_id"], path)
    try:
        schema(labels).validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        bad = cases["index"].dropna().astype(int)
        return _explain(cases, path) + faults, table.index.difference(bad, sort=False)
    return faults, table.index


def look_alikes(patients: pd.Series, path: Path) -> list[str]:
    """A line that names identifiers which differ in nothing but case, leading zeros, spaces or punctuation: one
    patient under several of them would be in training and test.
    """
    first = patients[patients != ""].drop_duplicates()
    folded = first.map(_folded)
    plain = set(folded)  # 12-34 is taken for 1234 where there is one, 1-11 never for 11-1
    folded = folded.map(lambda key: key.replace(" ", "") if key.replace(" ", "") in plain else key)
    alike = first[folded.duplicated(keep=False) & (folded != "")]
    groups = [
        " and ".join(f"{name[:40]!r} (row {row})" for row, name in same.items()) for _, same in alike.groupby(folded)
    ]
    advice = "write each patient in one way, and different patients less alike"
    text = f"patient_id differs only by case, leading zeros, spaces or punctuation; {advice}"
    return [f"{path}: {first_few(groups, separator='; ')}: {text}"] if groups else []


def _folded(text: str) -> str:
    """An identifier without what people write now so, now so; runs of digits stay apart."""
    words = re.findall(r"[^\W\d_]+|\d+", unicodedata.normalize("NFKC", text).casefold())
    key = " ".join(word.lstrip("0") or "0" if word.isdecimal() else word for word in words)
    return re.sub(r"(?<=\D) | (?=\D)", "", key)


def schema(labels: dict[str, int]) -> pa.DataFrameSchema:
    """What each cell may hold; `labels` are label texts beside 0/1 and yes/no, where they are stated."""
    filled = pa.Check(lambda cells: cells != "", error="is empty")
    once = pa.Check(lambda cells: ~cells.duplicated(keep=False) | (cells == ""), error="stands more than once")
    clean = pa.Check(lambda cells: ~cells.str.contains("\0", regex=False), error="holds a null character")
    identifying = [
        pa.Check(lambda cells, looks=looks: ~cells.str.fullmatch("|".join(looks), case=False), error=error)
        for error, looks in NO_IDENTIFIER.items()
    ]
    checks: dict[str, list[pa.Check]] = {
        "image_path": [filled, once, clean],
        "patient_id": [filled, clean, *identifying],
        "image_id": [once, clean, *identifying],
        "age": [pa.Check(_possible_age, error=f"is no age between 0 and {OLDEST} years")],
    }
    number = pa.Check(lambda cells: (cells == "") | np.isfinite(_numbers(cells)), error="is no number of pixels")
    checks |= {name: [clean, number] for name in REGION}
    for name, (known, error) in _meanings(labels).items():
        meant = pa.Check(lambda cells, known=known: (cells == "") | _spelling(cells).isin(known), error=error)
        checks[name] = [meant] if "" in known else [filled, meant]
    return pa.DataFrameSchema({name: pa.Column(str, must) for name, must in checks.items()})


def normalise(table: pd.DataFrame, labels: dict[str, int]) -> pd.DataFrame:
    """A faultless table with typed columns: label int8; age and region_* float, NaN where unknown; excluded text (the
    reason or "").
    """
    typed = {name: _spelling(table[name]).map(known) for name, (known, _) in _meanings(labels).items()}
    reason = table["excluded"].where(~table["excluded"].str.lower().isin(NOT_EXCLUDED), "")
    reason = reason.mask(reason.str.lower().isin(("1", "yes", "y", "true")), "by the table")
    typed |= {name: _numbers(table[name]) for name in REGION}
    return table.assign(**typed, age=_years(table["age"]), excluded=reason).astype({"label": "int8"})


def _meanings(labels: dict[str, int]) -> dict[str, tuple[dict[str, Any], str]]:
    """For each column of a few values: what each spelling means, and what is wrong with any other."""
    stated = f"is none of {', '.join(sorted(labels or LABELS))} (or state others in the `labels` of a study)"
    return {
        "label": ({text.lower(): value for text, value in (labels or LABELS).items()}, stated),
        "side": (SIDES, "is neither L nor R (nor left or right)"),
        "sex": (SEXES, "is none of F, M, O"),
        "split": (SPLITS, "is none of train, val, test"),
    }


def _spelling(column: pd.Series) -> pd.Series:
    """Cells in lower case, 1.0 as 1: Excel and parquet tend to write it so."""
    return column.str.replace(r"^(\d+)\.0+$", r"\1", regex=True).str.lower()


def _numbers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce").astype(float)


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
    cases = cases.sort_values("index")
    held = cases["failure_case"].map(lambda value: f" ({str(value)[:40]!r})" if value != "" else "")
    named = cases["index"].astype(float).map("row {:.0f}".format) + held
    by_fault = named.groupby([cases["column"], cases["check"]], sort=False)
    return [f"{path}: {first_few(rows)}: {column} {check}" for (column, check), rows in by_fault]
