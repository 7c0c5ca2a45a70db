"""What a study costs, from the status of its jobs; and the status from a job that computes."""

import time

import pytest

from foramen import cli, study
from foramen.core.files import read_json, write_json
from foramen.report import cost
from foramen.workflow import notebook_job

DONE = {"state": "done", "started": 0.0, "seconds": 50.0}


def test_jobs_are_summed_by_kind_and_the_largest_counts(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    sweep = {"knobs": ["training.epochs"], "factors": [2], "arm": "proposed", "control": "basic"}
    chosen = study.load("params/smoke.yaml", [f"sweeps={{passes: {sweep}}}"])
    for name, job, seconds, peak in (
        ("smoke", "05_fine_tuning-basic-1", 90.0, 900),
        ("smoke", "05_fine_tuning-basic-2", 30.0, 1100),
        ("smoke_passes_2", "05_fine_tuning-basic-1", 60.0, 800),
        ("smoke", "report", 12.0, 100),
    ):
        used = {"processor_seconds": seconds, "peak_memory_mib": peak}
        write_json(tmp_path / "runs" / name / "jobs" / f"{job}.json", DONE | used)
    write_json(chosen.paths.job_status("06_evaluation"), {"state": "failed", "started": 0.0, "seconds": 5.0})
    spent = cost.cost(chosen).set_index("what")
    assert list(spent.index) == ["05_fine_tuning", "report", "all"]
    assert spent.loc["05_fine_tuning"].tolist() == [3, 3.0, 1100, 0.5]
    assert spent.loc["all", ["jobs", "processor_minutes", "peak_memory_mib"]].tolist() == [4, 3.2, 1100]
    assert cli.main(["cost", "params/smoke.yaml"]) == 0
    told = capsys.readouterr().out
    assert ["05_fine_tuning", "2", "2.0", "1100", "0.3"] in [line.split() for line in told.splitlines()]
    assert f"{cost.WATTS_PER_CORE:g} W a busy core, an assumption" in told


def test_a_study_that_never_ran_has_no_cost(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    assert cli.main(["cost", "params/smoke.yaml"]) == 1
    assert "no job of it has run here" in capsys.readouterr().err


def test_a_job_tells_what_it_used(tmp_path):
    before = time.process_time()
    with notebook_job.tracked(tmp_path / "status.json"):
        while time.process_time() < before + 0.3:
            pass
    told = read_json(tmp_path / "status.json")
    assert told["processor_seconds"] >= 0.3 and told["peak_memory_mib"] > 10
    with pytest.raises(RuntimeError), notebook_job.tracked(tmp_path / "failed.json"):
        raise RuntimeError
    assert "processor_seconds" not in read_json(tmp_path / "failed.json")
