"""What is found in a table and its files that can be read, and how it is said."""

import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFont

import films
from labelled_radiographs import Expectations, Layout, check, findings, read
from radiographs import dicom_header, parallel


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Everything in this process, which is faster for a few films."""
    monkeypatch.setattr(parallel, "over_files", lambda function, items, failed: map(function, items))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    films.cohort_folder(folder, patients=30)
    return folder


@pytest.fixture
def folder(template, tmp_path):
    return shutil.copytree(template, tmp_path / "own")


def edit(folder, column, values, rows):
    """Set cells of the table; `rows` count from 0."""
    table = pd.read_csv(folder / "manifest.csv", dtype=str).fillna("")
    table[column] = table.get(column, "")
    table.loc[rows, column] = values
    table.to_csv(folder / "manifest.csv", index=False)


def found(folder, pixels=True, **expected) -> dict[str, list[str]]:
    """Messages by severity."""
    source = read(Layout(path=str(folder / "manifest.csv")))
    listed = {"fault": [], "warning": [], "note": []}
    for finding in check(source, Expectations(64, test_share=0.55, **expected), pixels):
        listed[finding.severity].append(f"{finding.subject}: {finding.message}")
        assert str(folder) not in finding.public and "films/" not in finding.public
    return listed


def all_dicom(folder, **tags):
    """Turn every film into DICOM; a callable tag is asked for each film by its number."""
    for number, path in enumerate(sorted((folder / "films").iterdir())):
        given = {name: value(number) if callable(value) else value for name, value in tags.items()}
        films.save_dicom(path, films.picture(number), **given)


def test_a_clean_cohort_has_no_findings(folder):
    assert found(folder) == {"fault": [], "warning": [], "note": []}


def test_faults_of_table_and_images_come_in_one_list(folder):
    edit(folder, "label", "2", [5])
    edit(folder, "age", "500", [7])
    (folder / "films/001_L.png").unlink()
    (folder / "films/002_L.png").write_bytes(b"")
    fault = found(folder)["fault"]
    assert len(fault) == 4
    for row, text in ((7, "label is none of"), (9, "age is no age"), (4, "no such file"), (6, "empty file")):
        assert any(f"row {row}" in f and text in f for f in fault)


def test_many_missing_files_do_not_flood_the_list(folder):
    for path in (folder / "films").iterdir():
        path.unlink()
    fault = [f for f in found(folder)["fault"] if "no such file" in f]
    assert len(fault) == 21 and "40 more images: no such file" in fault[-1]


def test_unreadable_files_within_the_allowed_share_are_warnings(folder):
    (folder / "films/002_L.png").unlink()
    assert len(found(folder)["fault"]) == 1
    listed = found(folder, unreadable_share=0.05)
    assert listed["fault"] == []
    assert "row 6, manifest.csv: films/002_L.png: no such file" in listed["warning"][0]
    assert "1 of 60 images (1.7%) are unreadable; 5.0% are allowed" in listed["warning"][1]


@pytest.mark.parametrize("change", ["mirrored", "brighter", "recompressed", "stretched"])
def test_near_identical_pictures_under_different_patients(folder, change):
    picture = films.picture(10)
    path = folder / "films/021_L.png"
    if change == "mirrored":
        films.save_png(path, picture[:, ::-1])
    elif change == "brighter":
        films.save_png(path, picture**0.8)
    elif change == "recompressed":
        Image.fromarray((picture * 255).astype(np.uint8)).save(path, "JPEG", quality=40)
    else:
        Image.fromarray((picture * 255).astype(np.uint8)).resize((90, 96)).save(path)
    warning = found(folder)["warning"]
    assert len(warning) == 1 and "rows 12 and 44: near-identical (or mirrored)" in warning[0]


def test_the_same_picture_twice_for_one_patient_is_a_warning(folder):
    (folder / "films/003_R.png").write_bytes((folder / "films/003_L.png").read_bytes())
    edit(folder, "label", "1", [6, 7])
    assert "rows 8, 9: the same picture twice for one patient" in found(folder)["warning"][0]


def test_one_header_patient_under_two_table_patients(folder):
    all_dicom(folder, PatientID=lambda n: "shared" if n in (0, 12) else f"id{n // 2}")
    assert any("rows 2, 14: the headers name one patient, the table 2" in w for w in found(folder)["warning"])


def test_a_placeholder_identifier_joins_nobody(folder):
    all_dicom(folder, PatientID="ANONYMOUS")
    assert not any("the headers name one patient" in w for w in found(folder, pixels=False)["warning"])


def test_linked_patients_in_two_splits_are_a_fault(folder):
    table = pd.read_csv(folder / "manifest.csv")
    table["split"] = np.repeat(["train", "val", "test"], 20)
    table.to_csv(folder / "manifest.csv", index=False)
    assert found(folder)["fault"] == []
    films.save_png(folder / "films/025_L.png", films.picture(2)[:, ::-1])
    fault = found(folder)["fault"]
    assert len(fault) == 1 and "patients linked by near-identical images" in fault[0] and "test and train" in fault[0]


def test_private_data_in_headers_is_told_without_telling_it(folder):
    all_dicom(folder, PatientName=lambda n: "Doe^Jane" if n < 5 else "", PatientBirthDate="19500203")
    warning = "\n".join(found(folder, pixels=False)["warning"])
    assert "PatientBirthDate (60), PatientName (5); none is stored" in warning
    assert "Doe" not in warning and "1950" not in warning


def test_private_data_in_png_and_jpeg(folder):
    image = Image.open(folder / "films/000_L.png")
    exif = Image.Exif()
    exif[0x010E] = "Doe, Jane"
    image.save(folder / "films/000_L.png", "JPEG", exif=exif, quality=95)
    assert "ImageDescription (1)" in found(folder)["warning"][0]


def test_burnt_in_text(folder):
    image = Image.fromarray((films.picture(700, 960, 720) * 240).astype(np.uint8))
    ImageDraw.Draw(image).text((30, 30), "DOE JANE 03.02.1950", fill=255, font=ImageFont.load_default(30))
    image.save(folder / "films/000_L.png")
    assert "row 2: likely text burnt into the pixels" in "\n".join(found(folder)["warning"])


def test_burnt_in_text_as_the_header_says(folder):
    all_dicom(folder, BurnedInAnnotation=lambda n: "YES" if n == 4 else "NO")
    assert "row 6: likely text burnt into the pixels" in "\n".join(found(folder)["warning"])


def test_mixed_resolutions(folder):
    all_dicom(folder, ImagerPixelSpacing=lambda n: [0.1, 0.1] if n % 2 else [0.2, 0.2])
    films.save_dicom(folder / "films/000_L.png", films.picture(0), bits=10)
    listed = found(folder, pixels=False)
    assert "pixel spacings range from 0.1 to 0.2 mm" in listed["warning"][0]
    notes = "\n".join(listed["note"])
    assert "1 of 60 images state no pixel spacing" in notes and "mixed depths: 10 bits (1), 12 bits (59)" in notes


def test_images_smaller_than_is_asked_for(folder):
    films.save_png(folder / "films/000_L.png", films.picture(0, 40, 30))
    assert "row 2: smaller than image_size (64) and magnified" in "\n".join(found(folder)["warning"])


def test_reversed_and_clipped_greys(folder):
    films.save_png(folder / "films/000_L.png", 1 - films.picture(0))
    films.save_png(folder / "films/001_L.png", np.clip(4 * films.picture(2) - 1, 0, 1))
    warning = "\n".join(found(folder)["warning"])
    assert "row 2: grey seems reversed" in warning
    assert "row 4: over 30 % of the valid area is fully black or white" in warning
    assert "row 4: unlike" in warning and "row 2: unlike" not in warning


def test_reversed_greys_are_found_where_they_are_many(folder):
    rows = range(2, 26)
    for row in rows:
        films.save_png(folder / f"films/{(row - 2) // 2:03d}_{'LR'[row % 2]}.png", 1 - films.picture(row - 2))
    warning = next(line for line in found(folder)["warning"] if "reversed" in line)
    assert warning.startswith("grey: rows 2, 3, 4") and f"{len(rows) - 5} more" in warning


def test_nearly_black_and_few_greys(folder):
    films.save_png(folder / "films/000_L.png", films.picture(0) / 16)
    films.save_png(folder / "films/001_L.png", np.rint(films.picture(2, 256, 192) * 15) / 15)
    films.save_png(folder / "films/002_L.png", 0.95 + films.picture(4) / 20)
    warning = "\n".join(found(folder)["warning"])
    assert "rows 2, 6: nearly black or white all over" in warning
    assert "rows 2, 6: has fewer than 32 of 256 grey levels" in warning


def test_images_unlike_the_rest(folder):
    films.save_png(folder / "films/000_L.png", 0.6 + films.picture(0) * 0.4)
    films.save_png(folder / "films/001_L.png", np.tile(np.linspace(0, 1, 96)[:, None], (1, 72)))
    warning = "\n".join(found(folder)["warning"])
    assert "rows 2, 4: unlike the other images in brightness, contrast or what it shows" in warning


@pytest.mark.parametrize(
    ("tags", "expected"),
    [({"ImageLaterality": "R"}, "header's laterality"), ({"ViewPosition": "LPO"}, "header's view position")],
)
def test_a_side_that_contradicts_the_header(folder, tags, expected):
    films.save_dicom(folder / "films/000_L.png", films.picture(0), **tags)
    warning = found(folder, pixels=False)["warning"]
    assert any(f"row 2: the side contradicts the {expected}" in w for w in warning)
    fault = found(folder, pixels=False, side_needed="the flip needs")["fault"]
    assert any(f"row 2: the side contradicts the {expected}" in f for f in fault)


def test_a_view_that_contradicts_the_header(folder):
    edit(folder, "view", "LATERAL", [0])
    films.save_dicom(folder / "films/000_L.png", films.picture(0), ViewPosition="AP")
    assert any("row 2: the view contradicts" in w for w in found(folder, pixels=False)["warning"])


@pytest.mark.parametrize(
    ("view", "stated"),
    [
        ("RPO", "RLO"),
        ("RAO", "RLO"),
        ("LPO", "LLO"),
        ("LAO", "LLO"),
        ("rpo", "OBLIQUE"),
        ("oblique", "LAO"),
        ("OBL", "OBLIQUE"),
        ("LATERAL", "LAT"),
        ("LATERAL", "LL"),
        ("LAT", "RL"),
        ("LL", "FLEXION"),
        ("AP", "ODONTOID"),
        ("AP", "LLD"),
        ("RPO", "RIGHT POSTERIOR"),
        ("right posterior oblique", "RPO"),
    ],
)
def test_a_view_that_may_be_the_headers(folder, view, stated):
    edit(folder, "view", view, [0])
    films.save_dicom(folder / "films/000_L.png", films.picture(0), ViewPosition=stated)
    assert not any("view contradicts" in w for w in found(folder, pixels=False)["warning"])


@pytest.mark.parametrize(
    ("view", "stated"), [("RPO", "LPO"), ("RPO", "LLO"), ("LL", "RL"), ("AP", "PA"), ("PA", "OBL")]
)
def test_a_view_that_cannot_be_the_headers(folder, view, stated):
    edit(folder, "view", view, [0])
    films.save_dicom(folder / "films/000_L.png", films.picture(0), ViewPosition=stated)
    assert any("row 2: the view contradicts" in w for w in found(folder, pixels=False)["warning"])


def test_every_view_of_a_header_can_be_compared():
    known = findings.VIEWS | set(findings.SAME_VIEW)
    assert known | {"LLD", "RLD"} == set(dicom_header.VIEW_POSITIONS)


def test_few_patients_of_a_class(folder):
    edit(folder, "label", "0", slice(None))
    edit(folder, "label", "1", slice(0, 9))
    warning = found(folder, pixels=False)["warning"]
    assert "only 5 patients with label 1; the test set will hold fewer than 10 of them" in warning[0]


def test_nothing_is_written(folder):
    before = sorted(folder.rglob("*"))
    found(folder)
    assert sorted(folder.rglob("*")) == before


def test_a_terminal_is_told_how_far_it_is(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    found(folder)
    assert "/60 [" in capsys.readouterr().err
