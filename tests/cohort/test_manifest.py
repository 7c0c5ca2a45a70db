"""Tables: what is read from each kind, and that all faults are told at once."""

import numpy as np
import pandas as pd
import pytest

from foramen.cohort import manifest
from foramen.core.errors import InputError

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
    table = manifest.rename(manifest.read_table(path), columns, path)
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
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_line_ends_and_separators(tmp_path, encoding, line_end, separator):
    lines = ["image_path,patient_id,label,site", "a.png,Ö1,0,Zürich", "b.png,Ö2,1,Genève", ""]
    path = tmp_path / "manifest.csv"
    path.write_bytes(line_end.join(lines).replace(",", separator).encode(encoding))
    assert read(path)["site"].to_list() == ["Zürich", "Genève"]


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
    table = manifest.rename(manifest.read_table(path), columns, path)
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
    faults, good = manifest.validate(manifest.rename(manifest.read_table(path), {}, path), {}, path)
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


def test_one_bad_row_among_a_million(tmp_path):
    n = 1_000_000
    path = tmp_path / "manifest.parquet"
    labels = np.zeros(n, np.int8)
    labels[765_432] = 7
    names = pd.Series(np.arange(n)).astype(str)
    pd.DataFrame({"image_path": names + ".png", "patient_id": names, "label": labels}).to_parquet(path)
    faults, good = manifest.validate(manifest.rename(manifest.read_table(path), {}, path), {}, path)
    assert len(good) == n - 1
    assert len(faults) == 1 and "row 765434 ('7'): label" in faults[0]


def test_columns_that_are_missing_name_the_nearest(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text("image,patient,labels\na.png,1,0\n")
    with pytest.raises(InputError) as raised:
        manifest.rename(manifest.read_table(path), {"sight": "image", "view": "projection"}, path)
    text = str(raised.value)
    assert "'image_path' is missing; the nearest one is 'image'" in text
    assert "'label' is missing; the nearest one is 'labels'" in text
    assert "'sight' is no column of a cohort; the nearest one is 'site'" in text
    assert "no column 'projection'" in text
