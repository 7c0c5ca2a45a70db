"""When the explorer is not written."""

import pytest

import films
from foramen import cli, study
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.explorer import step
from foramen.published import step as published


def test_own_radiographs_are_shown_only_when_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    films.cohort_folder(tmp_path)
    own = study.load(films.study_file(tmp_path))
    with pytest.raises(InputError, match="radiographs of patients; say --radiographs"):
        step.write(own, tmp_path / "page")
    with pytest.raises(InputError, match="cohort: missing, or older than the study file"):
        step.write(own, tmp_path / "page", own=True)
    assert not (tmp_path / "page").exists()


def test_a_study_that_is_not_finished_is_refused_and_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    with pytest.raises(InputError, match="smoke: arms/basic/1: missing, or older than the study file"):
        step.write(study.load(paths.PARAMS / "smoke.yaml"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_published_runs_are_too_little_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    default = study.load(paths.PARAMS / "default.yaml")
    published.use(default, paths.ROOT / "reports" / "default" / "published.zip")
    with pytest.raises(InputError, match="default: cohort: published without its arrays"):
        step.write(default, tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_the_command_says_what_to_do_with_the_page(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(step, "write", lambda study, folder, own: folder / step.PAGE)
    assert cli.main(["explore", "params/smoke.yaml", str(tmp_path)]) == 0
    page, last = capsys.readouterr().out.splitlines()
    assert page == str(tmp_path / "explorer.html") and last.startswith("Next: open this page in a browser")
