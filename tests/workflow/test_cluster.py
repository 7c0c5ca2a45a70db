"""A study on a cluster: SLURM on one node, started here; what an interrupted or killed run leaves there."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml
from filelock import FileLock

import slurm
import stand_in
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.workflow import cluster
from foramen.workflow.run import Means

FAST = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5")
STUDY = stand_in.STUDY | {
    "seeds": [1],
    "arms": {"plain": {"initialisation": "random"}, "sharp": {"initialisation": "random", "flip": "canonical"}},
}
TRAININGS = ["05_fine_tuning plain 1", "05_fine_tuning sharp 1"]
LONG = 3600  # seconds, also on a machine that does much else
needs_slurm = pytest.mark.skipif(not slurm.found(), reason="needs the packages slurm-wlm and munge")


@pytest.fixture(scope="module")
def one_node(tmp_path_factory: pytest.TempPathFactory):
    with slurm.one_node(tmp_path_factory.mktemp("slurm") / "node") as environment:
        yield environment


@needs_slurm
def test_an_ended_run_leaves_no_job_on_the_cluster_and_goes_on(tmp_path: Path, one_node: dict[str, str]):
    """Asked to end, killed: each time while two trainings are at work; then finished."""
    place = stand_in.Place(tmp_path, STUDY)
    place.environment |= {key: one_node[key] for key in ("SLURM_CONF", "PATH")}
    code, output = place.run(snakemake=("--until", "preprocessing", "augmentation"))  # here: what is made is made
    assert code == 0, output
    place.means = ("--profile", "slurm", "--jobs", "4")
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = place.start(snakemake=(*FAST, *stand_in.TRAIN), STAND_IN_WAITS="plain-1 sharp-1")
        stand_in.wait_until(lambda: len(list(place.runs.glob("arms/*/1/waiting"))) == 2, process, 300)
        waiting = sorted(slurm.queued(one_node))
        assert [name.split("_wildcards_")[0] for name in waiting] == ["rule_fine_tuning"] * 2
        tree = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        output, _ = process.communicate(timeout=120)
        assert psutil.wait_procs(tree, timeout=60)[1] == []
        for path in place.runs.glob("arms/*/1/waiting"):
            path.unlink()
        if number == signal.SIGKILL:
            assert sorted(slurm.queued(one_node)) == waiting  # the next run cancels them
        else:
            assert process.returncode == 130 and "goes on from here" in output
            slurm.wait_until(lambda: not slurm.queued(one_node))
    code, output = place.run(snakemake=(*FAST, *stand_in.TRAIN))
    assert code == 0, output
    assert slurm.queued(one_node) == []
    variants = ["02_preprocessing film none"]
    assert place.executions() == sorted(["01_data_audit", *variants, "03_augmentation", *TRAININGS * 3])


@needs_slurm
@pytest.mark.slow
def test_a_cluster_makes_the_same_bytes_as_one_machine(tmp_path: Path, one_node: dict[str, str]):
    """The smoke study, killed in the middle and finished, beside one that ran here without a cluster."""

    command = [sys.executable, "-m", "foramen", "run", "params/smoke.yaml"]
    on_slurm = [*command, "--profile", "slurm", "--jobs", "3", "--snakemake", *FAST]
    here, there = (one_node | {"FORAMEN_OUTPUT": str(tmp_path / place)} for place in ("here", "cluster"))
    process = subprocess.Popen(on_slurm, env=there)
    trained = partial((tmp_path / "cluster").glob, "runs/smoke/arms/*/*/executed")
    stand_in.wait_until(lambda: any(trained()), process, LONG)
    assert slurm.queued(one_node)
    process.kill()
    process.wait()
    subprocess.run(on_slurm, env=there, check=True, timeout=LONG)
    subprocess.run(command, env=here, check=True, timeout=LONG)
    made = {place: tmp_path / place / "reports" / "smoke" / "tables" for place in ("here", "cluster")}
    tables = sorted(path.name for path in made["here"].iterdir())
    assert tables == sorted(path.name for path in made["cluster"].iterdir()) and "results.csv" in tables
    assert [name for name in tables if len({(made[place] / name).read_bytes() for place in made}) > 1] == []


def test_a_file_system_that_keeps_no_lock_is_refused(tmp_path: Path):
    lock = tmp_path / ".lock"
    with FileLock(lock):
        cluster.require_shared(lock)
    with pytest.raises(InputError, match="sees no lock: the run has ended, or machines do not share locks"):
        cluster.require_shared(lock)
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}


@pytest.mark.parametrize("ahead", [-60, 60])
def test_clocks_that_disagree_are_refused(tmp_path: Path, monkeypatch, ahead: int):
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    with FileLock(tmp_path / ".lock"), pytest.raises(InputError, match=f"is [{'+' if ahead > 0 else '-'}]60 s from"):
        cluster.require_shared(tmp_path / ".lock")


def test_a_job_whose_run_has_ended_does_not_start(tmp_path: Path):
    place = stand_in.Place(tmp_path, STUDY)
    command = [sys.executable, "-m", "foramen", "notebook", "01_data_audit", "out.ipynb", "--lock", str(tmp_path / "l")]
    done = subprocess.run(command, cwd=tmp_path, env=place.environment, capture_output=True, text=True)
    assert done.returncode == 1 and "the run has ended" in done.stderr
    assert not (tmp_path / "out.ipynb").exists()


def test_profiles_are_found_by_name_or_path(tmp_path: Path):
    ours = paths.ROOT / "profiles" / "slurm"
    options = Means(cores=2, profile="slurm", jobs=7, arguments=("--dry-run",)).options()
    assert options == ["--cores", "2", "--profile", str(ours), "--jobs", "7", "--dry-run"]
    (tmp_path / "config.yaml").write_text("jobs: 1\n")
    assert str(tmp_path) in Means(profile=str(tmp_path)).options()
    with pytest.raises(InputError, match="slrum: no such profile.* there is slurm"):
        Means(profile="slrum").options()


def test_profile_names_rules_that_exist():
    profile = yaml.safe_load((paths.ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    snakefile = (paths.ROOT / "lib" / "foramen" / "workflow" / "Snakefile").read_text()
    for rule in {*profile["set-resources"], *profile["groups"]}:
        assert f"\nrule {rule}:\n" in snakefile, rule


def test_a_cluster_without_accounts_is_told_what_to_add(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("executor: slurm\n")
    sacct = tmp_path / "sacct"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "--slurm-status-command squeue" in cluster.without_accounts(tmp_path, ())
    assert cluster.without_accounts(tmp_path, FAST) == ""
    for status, empty in ((1, False), (0, True)):
        sacct.write_text(f"#!/bin/sh\nexit {status}\n")
        sacct.chmod(0o755)
        assert (cluster.without_accounts(tmp_path, ()) == "") == empty
    (tmp_path / "config.yaml").write_text("executor: htcondor\n")
    sacct.unlink()
    assert cluster.without_accounts(tmp_path, ()) == ""
