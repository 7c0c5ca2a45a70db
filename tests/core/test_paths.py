"""Every artefact has one name, below runs/ or reports/, wherever FORAMEN_OUTPUT puts these."""

from pathlib import Path

import pytest

from foramen.core import paths


def names(study: paths.StudyPaths) -> list[Path]:
    """Every path that a study can name."""
    assert all(isinstance(value, Path) for value in vars(study).values())
    return [*vars(study).values()] + [
        study.parameters("cohort"),
        study.variant("global"),
        study.localisation("global_canonical_self_supervised", 1),
        study.localisation("global_canonical_self_supervised", 2),
        study.arm("basic", 1),
        study.arm("basic", 2),
        study.executed("05_fine_tuning", "basic", 1),
        study.job_status("05_fine_tuning", "basic", 1),
        paths.pretraining("0123456789ab"),
    ]


def test_names_are_distinct_and_below_runs_or_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    found = names(paths.StudyPaths("smoke"))
    assert len(set(found)) == len(found)
    for path in found:
        assert path.is_relative_to(tmp_path / "runs") or path.is_relative_to(tmp_path / "reports")


def test_outputs_lie_in_the_checkout_by_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("FORAMEN_OUTPUT", raising=False)
    assert paths.StudyPaths("smoke").runs == paths.ROOT / "runs" / "smoke"
    assert (paths.ROOT / "pyproject.toml").is_file()


def test_studies_share_nothing_but_pretrained_weights():
    first, second = (set(names(paths.StudyPaths(name))) for name in ("smoke", "default"))
    assert first & second == {paths.pretraining("0123456789ab")}


def test_executed_notebooks_are_named_after_notebook_and_parts():
    assert paths.StudyPaths("smoke").executed("05_fine_tuning", "basic", 1).name == "05_fine_tuning-basic-1.ipynb"


def test_notebooks_are_those_of_the_study_and_one_to_play_with():
    assert sorted(path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")) == [*paths.NOTEBOOK_NAMES, "live"]
