"""Tables: what is read from each kind, and that all faults are told at once."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from labelled_radiographs import manifest
from user_tables import InputError, read_table

ROWS = pd.DataFrame(
    {
        "image_path": ["a.png", "b.png", "c.png"],
        "patient_id": ["007", "008", "008"],
        "label": [0, 1, 1],
        "age": ["045Y", "61.5", ""],
        "side": ["L", "right", ""],
        "sex": ["female", "M", ""],
        "split": ["train", "test", "Validation"],
        "excluded": ["no", "motion", ""],
    }
)


def read(path, **columns):
    """Read, rename, validate and type a table."""
    table = manifest.rename(read_table(path), columns, path)
    assert manifest.validate(table, {}, path)[0] == []
    return manifest.normalise(table, {})


def save(path):
    """ROWS in the format that the suffix of `path` names."""
    if path.suffix == ".xlsx":
        ROWS.to_excel(path, index=False)
    elif path.suffix == ".parquet":
        ROWS.to_parquet(path)
    else:
        ROWS.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".xlsx", ".parquet"])
def test_every_kind_of_table_reads_alike(tmp_path, suffix):
    path = tmp_path / f"manifest{suffix}"
    save(path)
    table = read(path)
    assert table["patient_id"].to_list() == ["007", "008", "008"]
    assert table["label"].to_list() == [0, 1, 1]
    assert np.allclose(table["age"], [45, 61.5, np.nan], equal_nan=True)
    assert table["side"].to_list() == ["L", "R", ""]
    assert table["sex"].to_list() == ["F", "M", ""]
    assert table["split"].to_list() == ["train", "test", "val"]
    assert table["excluded"].to_list() == ["", "motion", ""]
    assert table.index.to_list() == [2, 3, 4]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encodings_line_ends_and_separators(tmp_path, encoding, line_end, separator):
    lines = ["image_path,patient_id,label,site", "a.png,Ö1,0,Zürich", "b.png,Ö2,1,Genève", ""]
    path = tmp_path / "manifest.csv"
    path.write_bytes(line_end.join(lines).replace(",", separator).encode(encoding))
    assert read(path)["site"].to_list() == ["Zürich", "Genève"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_the_separator_is_told_by_the_rows_not_by_the_name(tmp_path, separator, suffix):
    path = tmp_path / f"manifest{suffix}"
    rows = "image_path|patient_id|label|site\na.png|1|0|Köln; Kalk, Haus 2\nb.png|2|1|\n"
    path.write_text(rows.replace("Köln; Kalk, Haus 2", '"Köln; Kalk, Haus 2"').replace("|", separator))
    assert read(path)["site"].to_list() == ["Köln; Kalk, Haus 2", ""]


def test_a_semicolon_table_with_decimal_commas(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text("image_path;patient_id;label;a;b;c;d\na.png;1;0;1,5;2,5;3,5;4,5\nb.png;2;1;1,5;2,5;3,5;4,5\n")
    assert read(path)["patient_id"].to_list() == ["1", "2"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_line_by_which_excel_states_the_separator_is_no_row(tmp_path, encoding):
    path = tmp_path / "manifest.csv"
    path.write_bytes("sep=;\r\nimage_path;patient_id;label\r\na,b.png;1;0\r\n".encode(encoding))
    table = read(path)
    assert table.index.to_list() == [2] and table["image_path"].to_list() == ["a,b.png"]


def test_rows_are_numbered_as_a_spreadsheet_does(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text('image_path,patient_id,label\n\na.png,"1\n",0\n,,\nb.png,2,1,,\n')
    assert read(path).index.to_list() == [3, 5]


def test_the_first_sheet_that_shows_is_read(tmp_path):
    path = tmp_path / "manifest.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"notes": ["x"]}).to_excel(book, sheet_name="hidden", index=False)
        ROWS.to_excel(book, sheet_name="shown", index=False)
        book.sheets["hidden"].sheet_state = "hidden"
    assert len(read(path)) == 3


def test_a_workbook_that_lies_about_its_size(tmp_path):
    path = tmp_path / "manifest.xlsx"
    save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert b'<dimension ref="A1:H4"' in parts[sheet]
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part.replace(b'ref="A1:H4"', b'ref="A1:XFD1048576"'))
    assert len(read(path)) == 3


SAME = [
    ("7", "7.0"),
    ("007", "007.0"),
    ("Zo\u00eb", "Zoe\u0308"),
    ("K7", "\ufeffK7\u200b"),
    ("K 7", " K\u00a0 7\u2060"),
]
ALIKE = [
    ("007", "7"),
    ("p07", "P-7"),
    ("12-34", "1234"),
    ("M\u00fcller, A", "m\u00fcller a"),
    ("\uff17", "7"),
    ("1.10", "1-10"),
]
DIFFERENT = [("1-11", "11-1"), ("100", "10"), ("P1", "Q1"), ("7.5", "57"), ("M\u00fcller", "Muller"), ("A1", "1A")]


def patients(*names):
    return pd.DataFrame("0", index=[2, 3], columns=list(manifest.COLUMNS)).assign(
        patient_id=names, image_id="", image_path=["a", "b"], side="", age="", sex="", split=""
    )


@pytest.mark.parametrize(("one", "other"), SAME)
def test_identifiers_that_are_surely_the_same_become_one(tmp_path, one, other):
    table = manifest.tidy(patients(one, other))
    assert table["patient_id"].nunique() == 1
    assert manifest.validate(table, {}, tmp_path)[0] == []


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_identifiers_that_may_be_the_same_are_a_fault(tmp_path, one, other):
    (fault,), good = manifest.validate(manifest.tidy(patients(one, other)), {}, tmp_path)
    assert f"{one!r} (row 2) and {other!r} (row 3): patient_id differs only by case" in fault
    assert len(good) == 2


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_identifiers_that_are_different_are_not_taken_for_one(tmp_path, one, other):
    table = manifest.tidy(patients(one, other))
    assert table["patient_id"].nunique() == 2
    assert manifest.validate(table, {}, tmp_path)[0] == []


@pytest.mark.parametrize(
    "name", ["NA12", "nano", "Unknown-7", "2024-123", "1.2.24", "MAR-01", "12E3", "Nonell", "#12", "2024-01-12"]
)
def test_identifiers_that_only_resemble_placeholders_and_dates(tmp_path, name):
    assert manifest.validate(patients(name, "P2"), {}, tmp_path)[0] == []


@pytest.mark.parametrize("text", ["0", "1", "1.0", "yes", "No", "TRUE", "n", "positive"])
def test_labels_in_words(tmp_path, text):
    path = tmp_path / "manifest.csv"
    path.write_text(f"image_path,patient_id,label\na.png,1,{text}\n")
    assert read(path)["label"].to_list() == [int(text.lower() in ("1", "1.0", "yes", "true", "positive"))]


def test_stated_labels_and_mapped_columns(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text("Datei,Patient,Befund\na.png,1,Stenose\nb.png,2,frei\n")
    columns = {"image_path": "Datei", "patient_id": "Patient", "label": "Befund"}
    labels = {"Stenose": 1, "frei": 0}
    table = manifest.rename(read_table(path), columns, path)
    assert manifest.validate(table, labels, path)[0] == []
    assert manifest.normalise(table, labels)["label"].to_list() == [1, 0]


def test_all_faults_at_once_with_their_rows(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text(
        "image_path,patient_id,label,side,age,sex,split\n"
        "a.png,1,0,L,50,F,train\n"
        "a.png,1,2,X,500,Q,nowhere\n"
        ",,maybe,L,-1,F,train\n"
    )
    faults, good = manifest.validate(manifest.rename(read_table(path), {}, path), {}, path)
    assert good.empty
    faults = "\n".join(faults)
    for expected in (
        "row 2 ('a.png'), row 3 ('a.png'): image_path stands more than once",
        "row 4: image_path is empty",
        "row 4: patient_id is empty",
        "row 3 ('2'), row 4 ('maybe'): label is none of",
        "row 3 ('X'): side is neither",
        "row 3 ('500'), row 4 ('-1'): age is no age",
        "row 3 ('Q'): sex is none of",
        "row 3 ('nowhere'): split is none of",
    ):
        assert expected in faults


@pytest.mark.slow
def test_one_bad_row_among_a_million(tmp_path):
    n = 1_000_000
    path = tmp_path / "manifest.parquet"
    labels = np.zeros(n, np.int8)
    labels[765_432] = 7
    names = pd.Series(np.arange(n)).astype(str)
    pd.DataFrame({"image_path": names + ".png", "patient_id": names, "label": labels}).to_parquet(path)
    faults, good = manifest.validate(manifest.rename(read_table(path), {}, path), {}, path)
    assert len(good) == n - 1
    assert len(faults) == 1 and "row 765434 ('7'): label" in faults[0]


def test_columns_that_are_missing_name_the_nearest(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text("image,patient,labels\na.png,1,0\n")
    with pytest.raises(InputError) as raised:
        manifest.rename(read_table(path), {"sight": "image", "view": "projection"}, path)
    text = str(raised.value)
    assert "'image_path' is missing; the nearest is 'image'" in text
    assert "'label' is missing; the nearest is 'labels'" in text
    assert "'sight' is no column of a cohort; the nearest is 'site'" in text
    assert "no column 'projection'" in text
