"""`foramen check`: what a study asks of its radiographs and of this machine, and how the list ends."""

import os
from types import SimpleNamespace

import pandas as pd
import pytest

import films
from foramen import study
from foramen.cohort import check
from foramen.workflow import check as check_study
from radiographs import parallel


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Results below the test's folder; everything in this process, which is faster for a few films."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setattr(parallel, "over_files", lambda function, items, failed: map(function, items))


@pytest.fixture
def folder(tmp_path):
    films.cohort_folder(tmp_path / "own", patients=30)
    return tmp_path / "own"


def edit(folder, column, value, row):
    """Set a cell of the table; rows count from 0."""
    table = pd.read_csv(folder / "manifest.csv", dtype=str)
    table.loc[row, column] = value
    table.to_csv(folder / "manifest.csv", index=False)


def test_a_disk_that_is_full_or_cannot_be_written(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(check.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    monkeypatch.setattr(check.os, "access", lambda path, mode: mode != os.W_OK)
    found = check.check(study.load(films.study_file(folder)))
    full, unwritable = (finding.message for finding in found if finding.severity == "fault")
    assert full == "the decoded cohort needs about 1.2 MB, 1.0 MB are free"
    assert unwritable == f"{tmp_path} cannot be written"


def test_a_box_that_is_faulty_is_not_missed_besides(folder):
    edit(folder, "region_left", "far", 3)
    path = films.study_file(folder)
    path.write_text(path.read_text().replace("basic: {}", "basic: {region: detected}"))
    (fault,) = [finding for finding in check.check(study.load(path)) if finding.severity == "fault"]
    assert "region_left is no number of pixels" in fault.message


def test_without_pixels_it_says_what_stays_unseen(folder):
    (finding,) = check.check(study.load(films.study_file(folder)))
    assert finding.severity == "note" and "headers only" in finding.message


def test_the_list_and_its_exit_codes(folder, capsys):
    path = films.study_file(folder)
    assert check_study.run(path) == 0
    (folder / "films/000_L.png").unlink()
    edit(folder, "view", "RPO", 3)
    assert check_study.run(path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "films: 1 fault, 1 warning."
    severities = [line.split()[0] for line in lines[2:-1]]
    assert severities == sorted(severities, key=["fault", "warning", "note"].index)


def test_a_synthetic_study_has_no_files_to_check(capsys):
    assert check_study.run("params/smoke.yaml") == 0
    assert "no files to check" in capsys.readouterr().out
