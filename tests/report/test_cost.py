"""What a study costs, from the status of its jobs; and the status from a job that computes."""

import subprocess
import sys

from foramen import cli, study
from foramen.core.files import read_json, write_json
from foramen.report import cost

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
    assert capsys.readouterr().err.endswith("says what studies took elsewhere\n")
    chosen = study.load("params/smoke.yaml")
    write_json(chosen.runs[0].folder / "run.json", {"published": {}})
    assert cli.main(["cost", "params/smoke.yaml"]) == 1
    assert "its results are published ones" in capsys.readouterr().err


# A job whose worker, of half a second, is a child of multiprocessing's server, which nobody waits for, and one that
# fails; and the first once more, with nothing to do.
JOBS = """
import sys, time
from multiprocessing import get_context
from pathlib import Path
from foramen.workflow import notebook_job

def burn(seconds):
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass

def leave_a_server(seconds):
    context = get_context("forkserver")
    worker = context.Process(target=burn, args=(seconds,))
    worker.start()
    worker.join()

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with notebook_job.tracked(folder / "twice.json"):
        kernel = get_context("fork").Process(target=leave_a_server, args=(0.5,))
        kernel.start()
        kernel.join()
    with notebook_job.tracked(folder / "failed.json"):
        raise RuntimeError
"""
AGAIN = """
import sys
from pathlib import Path
from foramen.workflow import notebook_job
with notebook_job.tracked(Path(sys.argv[1]) / "twice.json"):
    pass
"""


def test_a_job_tells_what_it_used_workers_of_a_pool_and_earlier_executions_included(tmp_path):
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "again.py").write_text(AGAIN)
    done = subprocess.run([sys.executable, tmp_path / "jobs.py", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.rstrip().endswith("RuntimeError"), done.stderr
    first = read_json(tmp_path / "twice.json")
    assert first["processor_seconds"] >= 0.5 and first["peak_memory_mib"] > 10
    assert "processor_seconds" not in read_json(tmp_path / "failed.json")
    subprocess.run([sys.executable, tmp_path / "again.py", tmp_path], check=True)
    again = read_json(tmp_path / "twice.json")
    assert again["started"] > first["started"] and again["processor_seconds"] >= first["processor_seconds"]
