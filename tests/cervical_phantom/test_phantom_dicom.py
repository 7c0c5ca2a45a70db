"""The cohort as DICOM: valid files, and the same images and manifest for a reader who starts there."""

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.valuerep import validate_value

import films
import labelled_radiographs
from cervical_phantom import patients
from cervical_phantom.dicom import write_dicom_folder
from cervical_phantom.parameters import SyntheticCohort
from foramen import cli, study
from foramen.cohort import step as cohorts
from foramen.fine_tuning import step as training
from foramen.study.model import Arm
from labelled_radiographs import Layout
from radiographs import letterbox, read, read_header

SIZE = 96
# Of types 1 and 2 in those modules of PS3.3 A.26.3 that do not depend on a condition.
REQUIRED = """
PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyDate StudyTime
ReferringPhysicianName StudyID AccessionNumber Modality SeriesInstanceUID SeriesNumber
PresentationIntentType Manufacturer InstanceNumber SamplesPerPixel PhotometricInterpretation Rows
Columns BitsAllocated BitsStored HighBit PixelRepresentation PixelData ImageLaterality
AnatomicRegionSequence ImageType PixelIntensityRelationship PixelIntensityRelationshipSign
RescaleIntercept RescaleSlope RescaleType PresentationLUTShape LossyImageCompression PatientOrientation
BurnedInAnnotation DetectorType ImagerPixelSpacing ViewCodeSequence AcquisitionContextSequence
SOPClassUID SOPInstanceUID
"""
TEXT = ("AS", "CS", "LO", "PN", "SH", "UI")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    source, out = tmp_path_factory.mktemp("cohort"), tmp_path_factory.mktemp("dicom")
    patients.write(SyntheticCohort(patients=6, seed=1), SIZE, source, 1)
    write_dicom_folder(source, out)
    return source, out


@pytest.fixture(scope="module")
def datasets(folders):
    return [pydicom.dcmread(path) for path in sorted(folders[1].glob("*.dcm"))]


def test_every_required_attribute(datasets):
    for dataset in datasets:
        assert not [name for name in REQUIRED.split() if name not in dataset]
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.SOPClassUID == pydicom.uid.DigitalXRayImageStorageForPresentation
        assert len(dataset.PixelData) == dataset.Rows * dataset.Columns * 2
    assert len({d.SOPInstanceUID for d in datasets}) == 12 and len({d.StudyInstanceUID for d in datasets}) == 6


def test_values_obey_their_representations(datasets):
    for element in (e for dataset in datasets for e in dataset.iterall() if e.VR in TEXT):
        values = [element.value] if isinstance(element.value, str) or not element.VM else list(element.value)
        for value in values:
            validate_value(element.VR, str(value or ""), pydicom.config.RAISE)


def test_both_greys_and_depths(datasets):
    kinds = {(d.PhotometricInterpretation, d.BitsStored, d.PresentationLUTShape) for d in datasets}
    assert kinds == {("MONOCHROME2", 14, "IDENTITY"), ("MONOCHROME1", 12, "INVERSE")}


def test_images_come_back_within_quantisation(folders):
    source, out = folders
    manifest = pd.read_csv(out / "manifest.csv")
    boxes, originals = np.load(source / "boxes.npy"), np.load(source / "images.npy")
    for i, name in enumerate(manifest["image_path"]):
        square, box = letterbox(read(out / name, SIZE), SIZE)
        assert np.abs(square.astype(int) - originals[i]).max() <= 1
        assert (box == boxes[i]).all(), "the collimated area, found from the image alone"


def test_headers_agree_with_the_manifest(folders):
    manifest = pd.read_csv(folders[1] / "manifest.csv")
    for row in manifest.itertuples():
        header = read_header(folders[1] / row.image_path)
        assert (header.laterality, header.view_position, header.modality) == (row.side, row.view, "DX")
        assert header.spacing_mm == pytest.approx(240 / SIZE)


def test_a_study_reads_the_same_manifest(folders):
    source, out = folders
    table = labelled_radiographs.read(Layout(path=str(out / "manifest.csv"))).table.reset_index(drop=True)
    original = pd.read_parquet(source / "manifest.parquet")
    for column in ("image_id", "patient_id", "label", "side", "view", "site", "sex"):
        assert (table[column].astype(str) == original[column].astype(str)).all(), column
    assert table["age"].astype(float).to_numpy() == pytest.approx(original["age"].to_numpy())


def test_a_study_of_the_folder_is_the_study_of_the_source(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    own = study.load(films.study_file(tmp_path))
    arm = Arm(equalization="global", initialisation="random")
    recipe = own.training.model_copy(update={"input": [32, 32], "epochs": 4, "batch_size": 8, "learning_rate": 1e-3})
    own = own.model_copy(update={"arms": {"basic": arm}, "training": recipe})
    # Views and sites of a few patients only would be pooled as names that could identify somebody.
    common = {"laterality": {"anterior_share": 0}, "site": {"b_share": 0.5}}
    knobs = SyntheticCohort(patients=24, seed=3, **common)
    section = own.cohort.model_copy(update={"source": "synthetic", "synthetic": knobs})
    source_study = own.model_copy(update={"name": "source", "cohort": section})
    source = cohorts.prepare(source_study)
    manifest = write_dicom_folder(tmp_path / "output/runs/source/cohort", tmp_path)
    assert manifest == tmp_path / "manifest.csv"
    again = cohorts.prepare(own)
    for column in ("label", "side", "view", "site", "age", "sex", "split", "excluded"):
        assert (again.manifest[column] == source.manifest[column]).all(), column
    assert (pd.factorize(again.manifest["patient_id"])[0] == pd.factorize(source.manifest["patient_id"])[0]).all()
    assert (again.boxes == source.boxes).all()
    assert np.abs(again.images.astype(int) - source.images).max() <= 1
    scores = []
    for one in (source_study, own):
        found = pd.read_parquet(training.prepare(one.run("basic", 1)) / "predictions.parquet")
        scores.append(found.loc[found["split"] == "test", "score"].to_numpy())
    assert np.abs(scores[0] - scores[1]).max() < 0.1 * np.ptp(scores[0]), scores


def test_the_command_writes_a_folder_that_check_finds_clean(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    small = ["--set", "cohort.synthetic.patients=40", "--set", "cohort.image_size=64"]
    assert cli.main(["dicom", "params/smoke.yaml", str(tmp_path / "films"), *small]) == 0
    manifest = tmp_path / "films" / "manifest.csv"
    assert capsys.readouterr().out.strip() == str(manifest)
    assert len(list(manifest.parent.glob("*.dcm"))) == 80
    own = ["params/own_films.yaml", "--cohort", str(manifest), "--set", "cohort.image_size=64"]
    assert cli.main(["check", *own, "--pixels"]) == 0, capsys.readouterr().out
    assert cli.main(["dicom", "params/smoke.yaml", str(tmp_path / "films"), *small]) == 1
    assert "films: is there already" in capsys.readouterr().err
    assert cli.main(["dicom", *own[:3], str(tmp_path / "more")]) == 1
    assert "only a synthetic cohort" in capsys.readouterr().err and not (tmp_path / "more").exists()
