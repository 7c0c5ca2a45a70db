"""No name leaves `runs/`."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

import films
from foramen import study
from foramen.cohort import audit, privacy
from foramen.cohort import step as cohort
from foramen.core import paths
from foramen.core.display import readings
from labelled_radiographs import pseudonyms, table_one

PLANTED = ("Zebedee", "Quixwell", "19431231", "MRN774411", "Elsewhere General")


@pytest.fixture(autouse=True)
def output(tmp_path, monkeypatch):
    """Results of a test go below its own folder."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    return tmp_path / "output"


@pytest.fixture
def planted(tmp_path):
    """A cohort with names in DICOM headers, PNG text, file and folder names, and every kind of table cell."""
    folder = tmp_path / "Zebedee_archive"
    table = films.cohort_folder(folder, patients=24, suffix=".dcm")
    header = {
        "PatientName": "Quixwell^Zebedee",
        "PatientBirthDate": "19431231",
        "PatientID": "MRN774411",
        "InstitutionName": "Elsewhere General",
        "ViewPosition": "ZEBEDEE QUIXWELL",
    }
    films.save_dicom(folder / "films/000_L.dcm", films.picture(0), **header)
    image = Image.fromarray((films.picture(1) * 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x010E] = "Quixwell, Zebedee"
    image.save(folder / "films/000_R.dcm", "JPEG", exif=exif, quality=95)
    shutil.move(folder / "films/001_L.dcm", folder / "films/Quixwell_Zebedee_19431231.dcm")
    table.loc[2, "image_path"] = "films/Quixwell_Zebedee_19431231.dcm"
    table.loc[table["patient_id"] == "P005", "patient_id"] = "MRN774411 Quixwell"
    table["site"], table["view"], table["comment"] = "A", "", ""
    table.loc[5, ["site", "view", "comment"]] = ["Elsewhere General", "Zebedee's neck", "Mr Quixwell"]
    table.loc[8, "excluded"] = "Quixwell moved"
    table.to_csv(folder / "manifest.csv", index=False)
    return folder


def searched(text: str) -> list[str]:
    """The planted names that occur in a text, in any case."""
    return [name for name in PLANTED if name.lower() in text.lower()]


def test_what_a_report_is_made_from_holds_no_name(planted):
    made = cohort.prepare(study.load(films.study_file(planted)))
    shown = [made.included.drop(columns=["site", "view"]), made.acquisition, table_one.by_split(made.included)]
    shown += [table(made) for table in (audit.flow, audit.findings, audit.leakage)]
    shown += [audit.acquisition(made)]
    shown += [table_one.prevalence(made.included, by) for by in ("site", "view", "side", "sex", "split")]
    for table in shown:
        assert searched(table.to_csv()) == [], table
    said = str(readings("cohort").questions(made, table_one.prevalence(made.included)))
    assert "ethics approval" in said and searched(said + repr(made)) == []
    assert searched(str(privacy.shown_parameters(study.load(films.study_file(planted))))) == []


def test_names_stay_in_the_files_that_are_for_the_key_alone(planted):
    made = cohort.prepare(study.load(films.study_file(planted)))
    for name in ("manifest.parquet", "acquisition.parquet", "audit.json", "decoded.jsonl"):
        content = (made.folder / name).read_bytes()
        text = pd.read_parquet(made.folder / name).to_csv() if name.endswith(".parquet") else content.decode()
        assert searched(text) == [], name
    assert searched(pd.read_parquet(made.folder / "key.parquet").to_csv()) != []


def test_pseudonyms_need_the_salt(tmp_path):
    first, second = privacy.salt(tmp_path / "a"), privacy.salt(tmp_path / "b")
    assert first != second and first == privacy.salt(tmp_path / "a")
    assert (tmp_path / "a" / "salt").stat().st_mode & 0o077 == 0
    assert pseudonyms.pseudonym("P1", "pat", first) != pseudonyms.pseudonym("P1", "pat", second)


@pytest.mark.slow
def test_no_name_reaches_the_report_of_a_whole_study(planted, output):
    """The whole workflow on the planted cohort; every file below reports/ is searched, names and contents."""
    path = planted / "study.yaml"
    values = yaml.safe_load((paths.PARAMS / "smoke.yaml").read_text())
    cohort_section = {"source": "manifest", "image_size": 64, "manifest": {"path": str(planted / "manifest.csv")}}
    values |= {"name": "planted", "title": "Planted names", "seeds": [1], "cohort": cohort_section}
    path.write_text(yaml.safe_dump(values))
    run = subprocess.run([sys.executable, "-m", "foramen", "run", path], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    report = output / "reports" / "planted"
    assert (report / "index.html").is_file()
    for file in report.rglob("*"):
        assert searched(str(file.relative_to(report))) == []
        if file.is_file():
            assert searched(file.read_bytes().decode("utf-8", "ignore")) == [], file
