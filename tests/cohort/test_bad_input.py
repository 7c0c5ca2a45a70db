"""Broken studies, tables and images: each gives a clear line, exit code 1, no traceback, and harms nothing
finished.
"""

import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import tifffile
import yaml
from PIL import Image
from pydicom.data import get_testdata_file

import films
from foramen import study
from foramen.cohort import check
from foramen.cohort import step as cohort
from foramen.core.errors import InputError
from foramen.workflow import check as check_study
from radiographs import inspection, parallel

Break = Callable[[Path], str | None]
CASES: dict[str, tuple[Break, str]] = {}
FILM = "films/001_R.png"


def case(expected: str) -> Callable[[Break], Break]:
    """Register a way to break a clean cohort, and what the fault must say. It may return a new name for the
    film.
    """

    def register(action: Break) -> Break:
        CASES[action.__name__] = (action, expected)
        return action

    return register


def edit_study(folder: Path, **changes: object) -> None:
    """Change top-level sections of the study file."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def edit_table(folder: Path, column: str, value: object, rows: object = 3) -> None:
    """Set cells of the table (3: row 5 of the file, the film FILM)."""
    table = pd.read_csv(folder / "manifest.csv", dtype=str)
    if column not in table:
        table[column] = ""
    table.loc[rows, column] = value
    table.to_csv(folder / "manifest.csv", index=False)


def edit_region(folder: Path, **edges: str) -> None:
    """Give the film FILM, of 72 x 96 pixels, a box in the table."""
    for name, value in ({"left": "20", "top": "30", "right": "52", "bottom": "62"} | edges).items():
        edit_table(folder, f"region_{name}", value)


def point_at(folder: Path, name: str) -> None:
    """Let the manifest section of the study point at another file."""
    manifest = yaml.safe_load((folder / "study.yaml").read_text())["cohort"]
    manifest["manifest"]["path"] = str(folder / name)
    edit_study(folder, cohort=manifest)


def dicom_film(folder: Path, **tags: object) -> Path:
    """Replace FILM by a DICOM file (told by its contents, not its name)."""
    films.save_dicom(folder / FILM, films.picture(3), **tags)
    return folder / FILM


# Study files ------------------------------------------------------------------------------------------------


@case("study.yaml: no such study file")
def study_missing(folder):
    (folder / "study.yaml").unlink()


@case("study.yaml: not readable as YAML")
def study_not_yaml(folder):
    (folder / "study.yaml").write_text("name: [unclosed\n")


@case("study.yaml: a study file holds keys and values")
def study_empty(folder):
    (folder / "study.yaml").write_text("")


@case("study.yaml: a study file holds keys and values")
def study_a_list(folder):
    (folder / "study.yaml").write_text("- a\n- b\n")


@case("study.yaml: not readable as YAML")
def study_binary(folder):
    (folder / "study.yaml").write_bytes(bytes(range(256)))


@case("duplicate key 'name'")
def study_key_twice(folder):
    path = folder / "study.yaml"
    path.write_text(path.read_text() + "name: again\n")


@case("splitt: unknown key; the nearest is 'split'")
def study_unknown_key(folder):
    edit_study(folder, splitt={"test": 0.5})


@case("split.test:")
def study_impossible_share(folder):
    edit_study(folder, split={"test": 1.2})


@case("seeds.0:")
def study_wrong_type(folder):
    edit_study(folder, seeds=["one"])


@case("cohort.manifest.labels.mild: should be less than or equal to 1 (given: 2)")
def study_three_labels(folder):
    edit_study(folder, cohort={"source": "manifest", "manifest": {"path": "x.csv", "labels": {"mild": 2}}})


@case("cohort.manifest.path: give your table")
def study_without_table(folder):
    edit_study(folder, cohort={"source": "manifest"})


@case("adapter: 'vindr' is none of")
def study_unknown_adapter(folder):
    edit_study(folder, cohort={"source": "manifest", "manifest": {"path": str(folder), "adapter": "vindr"}})


@case("'labell' is no column of a cohort; the nearest is 'label'")
def study_maps_an_unknown_column(folder):
    path = str(folder / "manifest.csv")
    edit_study(folder, cohort={"source": "manifest", "manifest": {"path": path, "columns": {"labell": "label"}}})


@case("no folder")
def study_names_a_missing_image_folder(folder):
    path = str(folder / "manifest.csv")
    edit_study(folder, cohort={"source": "manifest", "manifest": {"path": path, "images": str(folder / "none")}})


@case("no folder annotations/")
def study_vindr_without_annotations(folder):
    edit_study(folder, cohort={"source": "manifest", "manifest": {"path": str(folder), "adapter": "vindr_spinexr"}})


@case("no folder datasets-PNG/")
def study_csxa_without_images(folder):
    edit_study(folder, cohort={"source": "manifest", "manifest": {"path": str(folder), "adapter": "csxa"}})


# Tables -----------------------------------------------------------------------------------------------------


@case("there is nothing at")
def table_missing(folder):
    (folder / "manifest.csv").unlink()


@case("manifest.csv: empty file (0 bytes)")
def table_empty(folder):
    (folder / "manifest.csv").write_bytes(b"")


@case("manifest.csv: the table has no rows")
def table_without_rows(folder):
    (folder / "manifest.csv").write_text("image_path,patient_id,label\n")


@case("a folder; the general adapter needs the table itself")
def table_is_a_folder(folder):
    point_at(folder, "films")


@case("manifest.ods: write the table as")
def table_of_another_kind(folder):
    (folder / "manifest.csv").rename(folder / "manifest.ods")
    point_at(folder, "manifest.ods")


@case("manifest.xlsx: not readable as an Excel workbook")
def table_xlsx_that_is_csv(folder):
    (folder / "manifest.csv").rename(folder / "manifest.xlsx")
    point_at(folder, "manifest.xlsx")


@case("manifest.xlsx: not readable as an Excel workbook")
def table_xlsx_truncated(folder):
    pd.read_csv(folder / "manifest.csv").to_excel(folder / "manifest.xlsx")
    os.truncate(folder / "manifest.xlsx", 3000)
    point_at(folder, "manifest.xlsx")


@case("manifest.parquet: not readable as parquet")
def table_parquet_that_is_csv(folder):
    (folder / "manifest.csv").rename(folder / "manifest.parquet")
    point_at(folder, "manifest.parquet")


@case("manifest.parquet: not readable as parquet")
def table_parquet_truncated(folder):
    pd.read_csv(folder / "manifest.csv").to_parquet(folder / "manifest.parquet")
    os.truncate(folder / "manifest.parquet", 900)
    point_at(folder, "manifest.parquet")


@case("manifest.csv: line 3 is not UTF-8 text")
def table_in_latin_1(folder):
    lines = (folder / "manifest.csv").read_text().splitlines()
    lines[2] = lines[2].replace("P000", "Müller")
    (folder / "manifest.csv").write_bytes("\n".join(lines).encode("latin-1"))


@case("manifest.csv: null characters in the heading (UTF-16 without a mark?)")
def table_in_utf_16_without_a_mark(folder):
    text = (folder / "manifest.csv").read_text()
    (folder / "manifest.csv").write_bytes(text.encode("utf-16-le"))


@case("manifest.csv: the heading names 4 columns, but row 6 holds 6 cells")
def table_ragged(folder):
    lines = (folder / "manifest.csv").read_text().splitlines()
    lines[5] += ",one,two"
    (folder / "manifest.csv").write_text("\n".join(lines))


@case("manifest.csv: not readable as a table: row 6 opens a quotation mark that nothing closes")
def table_with_an_open_quote(folder):
    lines = (folder / "manifest.csv").read_text().splitlines()
    lines[5] = '"' + lines[5]
    (folder / "manifest.csv").write_text("\n".join(lines))


@case("duplicate column 'label'")
def table_with_a_column_twice(folder):
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace("side", "label"))


@case("column 'label' is missing; the nearest is 'Label'")
def table_with_another_case(folder):
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace("label", "Label"))


@case("column 'image_path' is missing")
def table_is_html(folder):
    (folder / "manifest.csv").write_text("<html><body>Please log in</body></html>\n<p>x</p>\n")


@case("row 5 ('2'): label is none of")
def table_label_two(folder):
    edit_table(folder, "label", "2")


@case("row 5: label is empty")
def table_label_empty(folder):
    edit_table(folder, "label", "")


@case("row 5: patient_id is empty")
def table_patient_empty(folder):
    edit_table(folder, "patient_id", " ")


@case("row 5: image_path is empty")
def table_path_empty(folder):
    edit_table(folder, "image_path", "")


@case("row 4 ('films/001_L.png'), row 5 ('films/001_L.png'): image_path stands more than once")
def table_row_twice(folder):
    edit_table(folder, "image_path", "films/001_L.png")


@case("row 4 ('same'), row 5 ('same'): image_id stands more than once")
def table_image_id_twice(folder):
    edit_table(folder, "image_id", "same", [2, 3])


@case("row 5, manifest.csv: ../outside.png: leads out of the folder")
def table_path_leaves_the_folder(folder):
    films.save_png(folder.parent / "outside.png", films.picture(99))
    edit_table(folder, "image_path", "../outside.png")


@case("row 5, manifest.csv: /etc/hostname: leads out of the folder")
def table_path_absolute(folder):
    edit_table(folder, "image_path", "/etc/hostname")


@case("row 5, manifest.csv: ")
def table_path_too_long(folder):
    edit_table(folder, "image_path", "x" * 5000)


@case("row 5 ('500'): age is no age between 0 and 120 years")
def table_age_impossible(folder):
    edit_table(folder, "age", "500")


@case("row 5 ('-3'): age is no age")
def table_age_negative(folder):
    edit_table(folder, "age", "-3")


@case("row 5 ('sixty'): age is no age")
def table_age_in_words(folder):
    edit_table(folder, "age", "sixty")


@case("row 5 ('far'): region_left is no number of pixels")
def table_region_in_words(folder):
    edit_region(folder, left="far")


@case("row 5 ('inf'): region_right is no number of pixels")
def table_region_infinite(folder):
    edit_region(folder, right="inf")


@case("row 5: only some of region_left, region_top, region_right, region_bottom are filled")
def table_region_in_part(folder):
    edit_region(folder, bottom="")


@case("row 5: region_left must be less than region_right")
def table_region_inverted(folder):
    edit_region(folder, left="50", right="20")


@case("row 5: the region reaches beyond the film")
def table_region_beyond_the_film(folder):
    edit_region(folder, bottom="97")


@case("row 5: the region is under 10% of the film")
def table_region_too_small(folder):
    edit_region(folder, right="29", bottom="39")


@case("row 5 ('X'): side is neither L nor R")
def table_side_unknown(folder):
    edit_table(folder, "side", "X")


@case("row 5 ('Q'): sex is none of")
def table_sex_unknown(folder):
    edit_table(folder, "sex", "Q")


@case("row 5 ('nowhere'): split is none of")
def table_split_unknown(folder):
    edit_table(folder, "split", "nowhere")


@case("no split, while other rows have one")
def table_split_in_part(folder):
    edit_table(folder, "split", "train")


@case("rows 4, 5: one patient in test and train")
def table_patient_in_two_splits(folder):
    edit_table(folder, "split", "test", slice(0, 20))
    edit_table(folder, "split", "train", slice(21, None))
    edit_table(folder, "split", "train", [3])
    edit_table(folder, "split", "test", [20])


@case("rows 4, 5: one patient in test and train")
def table_patient_in_two_splits_beside_another_fault(folder):
    table_patient_in_two_splits(folder)
    edit_table(folder, "label", "perhaps", 10)


@case("split: no row is in test")
def table_without_a_test_set(folder):
    edit_table(folder, "split", "train", slice(None))


@case("label: only 0 patients with label 0")
def table_of_one_class(folder):
    edit_table(folder, "label", "1", slice(None))


@case("patients with label")
def table_of_two_patients(folder):
    pd.read_csv(folder / "manifest.csv").head(4).to_csv(folder / "manifest.csv", index=False)


@case("side: row 5: no side, which arms with flip: canonical need (basic)")
def table_without_a_side_for_canonical_flip(folder):
    edit_table(folder, "side", "")
    edit_study(folder, arms={"basic": {"flip": "canonical"}})


@case("side: row 5: the side shown contradicts the view")
def table_side_against_view(folder):
    edit_table(folder, "view", "RPO")
    edit_study(folder, arms={"basic": {"flip": "canonical"}})


@case("the same picture under different patients")
def table_one_picture_under_two_patients(folder):
    (folder / FILM).write_bytes((folder / "films/005_L.png").read_bytes())


@case("the same picture with different labels")
def table_one_picture_with_two_labels(folder):
    (folder / "films/000_R.png").write_bytes((folder / "films/000_L.png").read_bytes())


@case("row 2: ")
def table_of_a_hundred_thousand_rows_with_one_bad(folder):
    names = pd.Series(np.arange(100_000)).astype(str)
    table = pd.DataFrame({"image_path": names, "patient_id": names, "label": "0", "excluded": "yes"})
    table.loc[0, "patient_id"] = ""
    table.to_parquet(folder / "manifest.parquet")
    point_at(folder, "manifest.parquet")


# Identifiers ------------------------------------------------------------------------------------------------


def one_patient_twice(folder: Path, *names: str) -> None:
    """Call the patients of rows 2 and 3, of rows 4 and 5, and so on by these names."""
    for k, name in enumerate(names):
        edit_table(folder, "patient_id", name, [2 * k, 2 * k + 1])


@case("'P000' (row 2) and 'p000' (row 4): patient_id differs only by case, leading zeros, spaces or punctuation")
def identifiers_that_differ_by_case(folder):
    one_patient_twice(folder, "P000", "p000")


@case("'007' (row 2) and '7' (row 4): patient_id differs only by")
def identifiers_that_differ_by_leading_zeros(folder):
    one_patient_twice(folder, "007", "7")


@case("'P 000' (row 2) and 'P-000' (row 4) and 'p00' (row 6): patient_id differs only by")
def identifiers_that_differ_by_punctuation(folder):
    one_patient_twice(folder, "P 000", "P-000", "p00")


@case("'12-34' (row 2) and '1234' (row 4): patient_id differs only by")
def identifiers_that_differ_by_a_hyphen_between_digits(folder):
    one_patient_twice(folder, "12-34", "1234")


@case("'Ａ12' (row 2) and 'A12' (row 4): patient_id differs only by")
def identifiers_that_differ_by_full_width_letters(folder):
    one_patient_twice(folder, "Ａ12", "A12")


@case("'straße' (row 2) and 'STRASSE' (row 4): patient_id differs only by")
def identifiers_that_differ_by_case_in_other_scripts(folder):
    one_patient_twice(folder, "straße", "STRASSE")


@case("rows 2, 3, 4, 5: one patient in test and train")
def identifiers_alike_after_excel_in_two_splits(folder):
    one_patient_twice(folder, "7", "7.0")
    own_splits(folder)


@case("rows 2, 3, 4, 5: one patient in test and train")
def identifiers_alike_in_composed_unicode_in_two_splits(folder):
    one_patient_twice(folder, "Zo\u00eb", "Zoe\u0308")
    own_splits(folder)


@case("rows 2, 3, 4, 5: one patient in test and train")
def identifiers_alike_without_zero_width_space_in_two_splits(folder):
    one_patient_twice(folder, "K\u00a07", "K \u200b7\ufeff")
    own_splits(folder)


def own_splits(folder: Path) -> None:
    """Rows 2 and 3 in the test set, 4 and 5 in the training set, the others as they may be."""
    edit_table(folder, "split", "test", slice(0, None))
    edit_table(folder, "split", "train", slice(2, 15))


@case("row 5 ('nan'): patient_id is a placeholder")
def identifier_nan(folder):
    edit_table(folder, "patient_id", "nan")


@case("row 5 ('None'): patient_id is a placeholder")
def identifier_none(folder):
    edit_table(folder, "patient_id", "None")


@case("row 5 ('#N/A'): patient_id is a placeholder")
def identifier_not_available(folder):
    edit_table(folder, "patient_id", "#N/A")


@case("row 5 ('#REF!'): patient_id is a placeholder")
def identifier_excel_error(folder):
    edit_table(folder, "patient_id", "#REF!")


@case("row 4 ('unknown'), row 5 ('Unknown'): patient_id is a placeholder")
def identifier_unknown(folder):
    edit_table(folder, "patient_id", ["unknown", "Unknown"], [2, 3])


@case("row 5 ('-'): patient_id is a placeholder")
def identifier_hyphen(folder):
    edit_table(folder, "patient_id", "-")


@case("row 5 ('<NA>'): patient_id is a placeholder")
def identifier_of_pandas_for_none(folder):
    edit_table(folder, "patient_id", "<NA>")


@case("row 5 ('anonymous'): patient_id is a placeholder")
def identifier_anonymous(folder):
    edit_table(folder, "patient_id", "anonymous")


@case("row 5: patient_id is empty")
def identifier_of_zero_width_spaces(folder):
    edit_table(folder, "patient_id", "\u200b\ufeff")


@case("row 5 ('P00\\x001'): patient_id holds a null character")
def identifier_with_a_null_character(folder):
    edit_table(folder, "patient_id", "P00\0001")


@case("row 5 ('03/01/2024'): patient_id is a date")
def identifier_date_of_american_excel(folder):
    edit_table(folder, "patient_id", "03/01/2024")


@case("row 5 ('2024/3/1'): patient_id is a date")
def identifier_date_of_japanese_excel(folder):
    edit_table(folder, "patient_id", "2024/3/1")


@case("row 5 ('01-Mar'): patient_id is a date")
def identifier_short_date(folder):
    edit_table(folder, "patient_id", "01-Mar")


@case("row 5 ('2024-03-01 00:00:00'): patient_id is a date")
def identifier_date_in_a_workbook(folder):
    table = pd.read_csv(folder / "manifest.csv", dtype=object)
    table.loc[3, "patient_id"] = pd.Timestamp("2024-03-01")
    table.to_excel(folder / "manifest.xlsx", index=False)
    point_at(folder, "manifest.xlsx")


@case("row 6 ('2024-03-02 00:00:00') and 27 more: patient_id is a date")
def identifier_date_in_parquet(folder):
    table = pd.read_csv(folder / "manifest.csv", dtype=object)
    table["patient_id"] = pd.Timestamp("2024-02-27") + pd.to_timedelta(table.index, "D")
    table.to_parquet(folder / "manifest.parquet")
    point_at(folder, "manifest.parquet")


@case("row 5: image_path: several files whose names differ only in how accented letters are composed")
def two_files_whose_names_look_alike(folder):
    for name in ("films/caf\u00e9.png", "films/cafe\u0301.png"):
        shutil.copy(folder / FILM, folder / name)
    edit_table(folder, "image_path", "films/caf\u00e9.png")


@case("row 5 ('1.23457E+11'): patient_id is a rounded number")
def identifier_rounded(folder):
    edit_table(folder, "patient_id", "1.23457E+11")


@case("row 5 ('1.234567890123457e+19'): patient_id is a rounded number")
def identifier_rounded_in_a_workbook(folder):
    table = pd.read_csv(folder / "manifest.csv", dtype=object)
    table.loc[3, "patient_id"] = 1.234567890123457e19
    table.to_excel(folder / "manifest.xlsx", index=False)
    point_at(folder, "manifest.xlsx")


@case("row 4 ('7'), row 5 ('7'): image_id stands more than once")
def image_id_alike_after_excel(folder):
    edit_table(folder, "image_id", ["7", "7.0"], [2, 3])


@case("row 5 ('N/A'): image_id is a placeholder")
def image_id_placeholder(folder):
    edit_table(folder, "image_id", "N/A")


# Kinds of table ---------------------------------------------------------------------------------------------


def workbook(folder: Path, change: Callable[[openpyxl.Workbook], object]) -> None:
    """The table as a workbook, changed."""
    pd.read_csv(folder / "manifest.csv").to_excel(folder / "manifest.xlsx", index=False)
    book = openpyxl.load_workbook(folder / "manifest.xlsx")
    change(book)
    book.save(folder / "manifest.xlsx")
    point_at(folder, "manifest.xlsx")


@case("manifest.csv: row 1 holds 1 of the 4 cells that row 3 holds: the first row must name the columns")
def table_with_a_title(folder):
    path = folder / "manifest.csv"
    path.write_text("Foramina of 2024\n\n" + path.read_text())


@case("manifest.xlsx: row 1 holds 1 of the 4 cells that row 3 holds: the first row must name the columns")
def table_xlsx_with_a_title(folder):
    def title(book):
        book.active.insert_rows(1, 2)
        book.active["A1"] = "Foramina of 2024"

    workbook(folder, title)


@case("manifest.xlsx: the heading names 4 columns, but row 7 holds 16384 cells")
def table_xlsx_with_a_stray_cell(folder):
    workbook(folder, lambda book: book.active.cell(7, 16384, "x"))


@case("row 1048576: image_path is empty")
def table_xlsx_with_a_stray_cell_far_down(folder):
    workbook(folder, lambda book: book.active.cell(1048576, 2, "x"))


@case("manifest.xlsx: more than 20,000,000 cells; is there a stray one about row 1")
def table_xlsx_of_too_many_cells(folder):
    def blow_up(book):
        for row in range(1, 1300):
            book.active.cell(row, 16384, "x")

    workbook(folder, blow_up)


@case("manifest.xlsx: unpacks to more than 256 MB")
def table_xlsx_bomb(folder):
    workbook(folder, lambda book: None)
    with zipfile.ZipFile(folder / "manifest.xlsx", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/more.xml", bytes((256 << 20) + 1))


@case("manifest.xlsx: hidden rows (a filter?): 3, 5; show them")
def table_xlsx_with_hidden_rows(folder):
    def hide(book):
        for row in (3, 5):
            book.active.row_dimensions[row].hidden = True

    workbook(folder, hide)


@case("manifest.parquet: more than 20,000,000 cells")
def table_parquet_bomb(folder):
    columns = {name: np.zeros(7_000_000, np.int8) for name in ("image_path", "patient_id", "label")}
    pd.DataFrame(columns).to_parquet(folder / "manifest.parquet")
    point_at(folder, "manifest.parquet")


@case("manifest.csv: not readable as a table: field larger than field limit")
def table_with_an_endless_cell(folder):
    edit_table(folder, "side", "x" * 200_000)


@case("row 5, manifest.csv: films/\\x1b[2K\\nown: 0 faults, 0 warnings.png: no such file")
def table_path_that_fakes_a_verdict(folder):
    edit_table(folder, "image_path", "films/\x1b[2K\nown: 0 faults, 0 warnings.png")


# Images -----------------------------------------------------------------------------------------------------


@case(f"{FILM}: no such file")
def image_missing(folder):
    (folder / FILM).unlink()


@case(f"{FILM}: empty file (0 bytes)")
def image_empty(folder):
    (folder / FILM).write_bytes(b"")


@case(f"{FILM}: neither DICOM nor PNG, JPEG or TIFF")
def image_is_text(folder):
    (folder / FILM).write_text("not an image\n" * 50)


@case(f"{FILM}: neither DICOM nor PNG, JPEG or TIFF")
def image_is_bmp(folder):
    Image.open(folder / FILM).save(folder / FILM, "BMP")


@case(f"{FILM}: damaged image")
def image_png_truncated(folder):
    os.truncate(folder / FILM, (folder / FILM).stat().st_size // 2)


@case(f"{FILM}: damaged image")
def image_png_magic_only(folder):
    (folder / FILM).write_bytes(b"\x89PNG\r\n\x1a\n")


@case(f"{FILM}: damaged image")
def image_png_with_wrong_bytes(folder):
    content = bytearray((folder / FILM).read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = os.urandom(40)
    (folder / FILM).write_bytes(content)


@case(f"{FILM}: damaged image")
def image_jpeg_truncated(folder):
    Image.open(folder / FILM).save(folder / FILM, "JPEG")
    os.truncate(folder / FILM, (folder / FILM).stat().st_size // 2)


@case(f"{FILM}: damaged TIFF")
def image_tiff_truncated(folder):
    tifffile.imwrite(folder / FILM, films.picture(3).astype(np.float32))
    os.truncate(folder / FILM, 9000)


@case(f"{FILM}: damaged TIFF")
def image_tiff_magic_only(folder):
    (folder / FILM).write_bytes(b"II*\0\xff\xff\xff\x7f" + b"\0" * 200)


@case(f"{FILM}: holds pixels that are not numbers")
def image_tiff_with_nan(folder):
    pixels = films.picture(3).astype(np.float32)
    pixels[5, 5] = np.nan
    tifffile.imwrite(folder / FILM, pixels)


@case(f"{FILM}: holds 3 pages")
def image_tiff_of_three_pages(folder):
    tifffile.imwrite(folder / FILM, np.stack([films.picture(3).astype(np.float32)] * 3), photometric="minisblack")


@case(f"{FILM}: 40000 x 40000 pixels is larger than any radiograph")
def image_tiff_bomb(folder):
    tifffile.imwrite(folder / FILM, films.picture(3).astype(np.float32))
    with tifffile.TiffFile(folder / FILM, mode="r+b") as file:
        for tag in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[tag].overwrite(40000)


@case(f"{FILM}: more pixels than any radiograph has (a decompression bomb?)")
def image_png_bomb(folder):
    Image.new("1", (30000, 30000)).save(folder / FILM, optimize=True)


@case(f"{FILM}: holds 2 frames")
def image_animated(folder):
    first, second = (Image.fromarray((films.picture(k) * 255).astype(np.uint8)) for k in (3, 4))
    first.save(folder / FILM, "PNG", save_all=True, append_images=[second])


@case(f"{FILM}: 8 x 8 pixels is too small")
def image_tiny(folder):
    films.save_png(folder / FILM, films.picture(3, 8, 8))


@case(f"{FILM}: constant: all pixels have the same value")
def image_constant(folder):
    films.save_png(folder / FILM, np.full((96, 72), 0.5))


@case(f"{FILM}: a symbolic link that leads to itself")
def image_symbolic_loop(folder):
    (folder / FILM).unlink()
    (folder / FILM).symlink_to(folder / FILM)


@case(f"{FILM}: leads out of the folder")
def image_symbolic_link_outside(folder):
    films.save_png(folder.parent / "outside.png", films.picture(99))
    (folder / FILM).unlink()
    (folder / FILM).symlink_to(folder.parent / "outside.png")


@case(f"{FILM}: not a file")
def image_is_a_folder(folder):
    (folder / FILM).unlink()
    (folder / FILM).mkdir()


@case(f"{FILM}: not a file")
def image_is_a_pipe(folder):
    (folder / FILM).unlink()
    os.mkfifo(folder / FILM)


@case(f"{FILM}: its pixel data (Explicit VR Little Endian) cannot be decoded")
def image_dicom_truncated(folder):
    path = dicom_film(folder)
    os.truncate(path, path.stat().st_size - 2000)


@case(f"{FILM}: ")
def image_dicom_cut_in_its_header(folder):
    os.truncate(dicom_film(folder), 300)


@case(f"{FILM}: a DICOM file without an image")
def image_dicom_report(folder):
    dataset = films.dicom(films.picture(3))
    for name in ("Rows", "Columns", "PixelData"):
        delattr(dataset, name)
    dataset.file_meta.TransferSyntaxUID = films.NATIVE["explicit"]
    dataset.save_as(folder / FILM, enforce_file_format=True)


@case(f"{FILM}: a DICOM file without pixel data")
def image_dicom_without_pixels(folder):
    dataset = films.dicom(films.picture(3))
    del dataset.PixelData
    dataset.file_meta.TransferSyntaxUID = films.NATIVE["explicit"]
    dataset.save_as(folder / FILM, enforce_file_format=True)


@case(f"{FILM}: multi-frame: holds 2 frames")
def image_dicom_multi_frame(folder):
    dicom_film(folder, NumberOfFrames=2)


@case(f"{FILM}: a colour palette image")
def image_dicom_palette(folder):
    dicom_film(folder, PhotometricInterpretation="PALETTE COLOR")


@case("modality: row 5: modality CT is no plain radiography")
def image_dicom_of_another_modality(folder):
    dicom_film(folder, Modality="CT")


@case(f"{FILM}: damaged DICOM")
def image_dicom_window_of_no_width(folder):
    dicom_film(folder, WindowCenter=100, WindowWidth=-5)


@case(f"{FILM}: its pixel data (Explicit VR Little Endian) cannot be decoded")
def image_dicom_that_lies_about_its_rows(folder):
    dicom_film(folder, Rows=4000)


@case(f"{FILM}: 60000 x 60000 pixels is larger than any radiograph")
def image_dicom_bomb(folder):
    dicom_film(folder, Rows=60000, Columns=60000)


@case(f"{FILM}: inflates to more than any radiograph holds")
def image_dicom_deflated_bomb(folder):
    path = dicom_film(folder, syntax="deflated")
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(1 << 24)
    path.write_bytes(content[:start] + b"".join(packer.compress(zeros) for _ in range(24)) + packer.flush())


@case(f"{FILM}: its pixel data (JPEG Lossless")
def image_dicom_with_damaged_codestream(folder):
    path = dicom_film(folder, syntax="jpeg_lossless")
    content = path.read_bytes()
    start = content.index(b"\xff\xd8\xff") + 4
    path.write_bytes(content[:start] + bytes(200) + content[start + 200 :])


@case(f"{FILM}: its pixel data (JPEG Extended")
def image_dicom_with_damaged_jpeg_of_12_bits(folder):
    path = dicom_film(folder, syntax="jpeg_extended")
    content = path.read_bytes()
    start = content.index(b"\xff\xd8\xff") + 4
    path.write_bytes(content[:start] + bytes(200) + content[start + 200 :])


@case("modality: row 5: modality NM is no plain radiography")
def image_dicom_jpeg_of_12_bits_that_is_no_radiograph(folder):
    source = get_testdata_file("JPEG-lossy.dcm", download=False)
    (folder / FILM).write_bytes(Path(source).read_bytes())


@case(f"{FILM}: ")
def image_dicom_of_nonsense(folder):
    (folder / FILM).write_bytes(b"\0" * 128 + b"DICM" + os.urandom(4000))


# Tests ------------------------------------------------------------------------------------------------------


def serially(function, items, failed, processes=None):
    """What `parallel.over_files` does, in this process: starting processes for each case takes too long."""
    return map(function, items)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "own"
    films.cohort_folder(folder, patients=16)
    return folder


@pytest.fixture
def folder(clean, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    target = shutil.copytree(clean, tmp_path / "own")
    films.study_file(target)
    return target


@pytest.mark.parametrize("name", CASES)
def test_each_gives_a_clear_line(name, folder, tmp_path, monkeypatch, capfd):
    action, expected = CASES[name]
    action(folder)
    monkeypatch.setattr(parallel, "over_files", serially)
    code = check_study.run(folder / "study.yaml", pixels=True)
    out, err = capfd.readouterr()
    faults = [line for line in out.splitlines() if line.startswith("fault")]
    assert code == 1, out
    assert any(expected in line for line in faults), out
    assert len(faults) <= 3 and all(len(line) < 6000 for line in faults), out
    assert "Traceback" not in out + err
    assert not (tmp_path / "output").exists()


def test_the_corpus_is_large_enough():
    assert len(CASES) >= 132  # and 62 in tests/radiographs/test_bad_files.py


def test_the_clean_cohort_is_clean(folder, capfd):
    assert check_study.run(folder / "study.yaml", pixels=True) == 0
    assert "0 faults" in capfd.readouterr().out


def test_a_decoder_that_crashes_or_takes_all_memory_or_does_not_end_is_outlived(folder):
    names = [f"films/{k:03d}_{side}.png" for k in range(16) for side in "LR"]
    jobs = [inspection.FileToRead(slot, name, str(folder), 64) for slot, name in enumerate(names)]
    facts = list(parallel.over_files(films.spoil, jobs, inspection.failed, processes=2, seconds=5))
    assert [f["slot"] for f in facts] == list(range(32))
    assert [f["slot"] for f in facts if f["fault"]] == [3, 11, 18]
    assert facts[11]["fault"] == "damaged: decoding takes more than 3 GB of memory"
    assert facts[3]["fault"] == "damaged: its decoder crashed"
    assert facts[18]["fault"] == "damaged: decoding took longer than 5 seconds"


def test_faults_leave_a_finished_cohort_as_it_was(folder):
    made = cohort.prepare(study.load(folder / "study.yaml"))
    before = {path.name: path.read_bytes() for path in made.folder.iterdir()}
    edit_table(folder, "label", "2")
    with pytest.raises(InputError, match="row 5"):
        cohort.prepare(study.load(folder / "study.yaml"))
    assert {path.name: path.read_bytes() for path in made.folder.iterdir()} == before


def test_could_not_run(folder, monkeypatch, capfd):
    def broken(*arguments):
        raise OSError("the disk is gone")

    monkeypatch.setattr(check, "check", broken)
    assert check_study.run(folder / "study.yaml") == 2
    assert "could not check" in capfd.readouterr().out
