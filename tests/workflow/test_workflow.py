"""The workflow with stand-in notebooks: what runs, what is kept, what a failure or a kill leaves behind."""

import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from rich.console import Console

import films
from foramen import study
from foramen.cohort import step as cohort
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.core.files import read_json
from foramen.study import provenance
from foramen.workflow import gpu, notebook_job, progress
from foramen.workflow import run as workflow
from stand_in import (
    ALL,
    AUDIT,
    EVALUATIONS,
    STUDY,
    TEACHINGS,
    THIRD,
    TRAIN,
    TRAININGS,
    VARIANTS,
    Place,
    heed_interrupts,
    still_runs,
    wait_until,
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A study that ran to its end, on a machine whose GPU has memory for one training at a time."""
    place = Place(tmp_path_factory.mktemp("finished"))
    small_gpu(place.folder / "bin", 1800)
    code, output = place.run(PATH=f"{place.folder / 'bin'}:{os.environ['PATH']}")
    assert code == 0, output
    assert place.executions() == sorted(ALL)
    for name in ("01_data_audit", "04_stn_training-film_clahe_none_self_supervised-1", "05_fine_tuning-plain-1"):
        assert f"{name}: done" in output
    assert f"{len(ALL)} of {len(ALL)} jobs done" in output
    return place


def small_gpu(folder: Path, free: int) -> None:
    """A program that answers as nvidia-smi does, of a GPU with so many MiB to spare."""
    folder.mkdir()
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\necho {free}\n")
    (folder / "nvidia-smi").chmod(0o755)


def test_no_more_trainings_run_at_once_than_a_gpu_has_memory_for(finished: Place):
    records = [read_json(path) for path in (finished.runs / "jobs").glob("05_fine_tuning-*.json")]
    times = sorted((record["started"], record["started"] + record["seconds"]) for record in records)
    assert len(times) == len(TRAININGS)
    assert all(begins > ended - 0.2 for (_, ended), (begins, _) in itertools.pairwise(times))


def test_a_gpu_counts_where_the_study_may_use_it(tmp_path, monkeypatch):
    small_gpu(tmp_path / "bin", 5000)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert gpu.options("auto") == gpu.options("cuda") == ["--resources", "gpu_mib=5000"]
    assert gpu.options("cpu") == []
    smoke = study.load("params/smoke.yaml")
    assert "gpu_mib=5000" in workflow.snakemake_command(smoke, workflow.Means())
    assert "gpu_mib=5000" not in workflow.snakemake_command(smoke, workflow.Means(profile="slurm"))  # of a login node
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu.options("auto") == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho no devices were found; exit 6\n")
    assert gpu.options("auto") == []


def test_a_study_takes_the_cores_that_it_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3})
    assert workflow.Means().cores == 1


def test_an_older_file_in_the_place_of_another_makes_what_read_it_stale(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    table, path = tmp_path / "other.csv", tmp_path / "study.yaml"
    table.touch()
    path.write_text(yaml.safe_dump(STUDY | {"evaluation": {"external": {"other": str(table)}}}))
    chosen = study.load(path)
    recorded = chosen.paths.parameters("evaluation")
    workflow.write_parameters(chosen)
    before = recorded.stat().st_ino
    workflow.write_parameters(chosen)
    assert recorded.stat().st_ino == before
    os.utime(table, (1, 1))
    workflow.write_parameters(chosen)
    assert recorded.stat().st_ino != before


def test_a_clock_that_was_put_back_is_told(place):
    marker = paths.done_marker(place.runs / "arms/plain/1")
    marker.parent.mkdir(parents=True)
    marker.touch()
    os.utime(marker, (time.time() + 3600,) * 2)
    code, output = place.run()
    assert code == 1 and re.search(r"dated (59|60) minutes ahead of the clock", output), output
    assert not (place.runs / "parameters").exists()


def test_a_dry_run_shows_the_plan_and_runs_nothing(tmp_path):
    place = Place(tmp_path)
    code, output = place.run(snakemake=("--dry-run",))
    assert code == 0 and "05_fine_tuning" in output and "dry-run" in output, output
    assert "nothing to do" not in output and not list(place.runs.rglob("executed"))


def test_finished_study_does_nothing(finished: Place):
    code, output = finished.run()
    assert code == 0, output
    assert "nothing to do" in output
    assert finished.executions() == []


@pytest.mark.parametrize(
    ("override", "again"),
    [
        ("training.epochs=3", [*TRAININGS, *EVALUATIONS]),
        ("arms.plain.trainable=head", [*TRAININGS[:2], *EVALUATIONS]),
        # 02 shows all arms' scales and all treatments side by side
        ("preprocessing.clahe_tiles=4", [*VARIANTS, *TEACHINGS, *TRAININGS[2:], *EVALUATIONS]),
        ("stn.magnification=2", [*VARIANTS, *TEACHINGS, *TRAININGS[2:], *EVALUATIONS]),
        ("training.input=[64, 64]", [*VARIANTS, *TRAININGS, *EVALUATIONS]),
        ("region.margin=3", VARIANTS),
        ("cohort.synthetic.patients=50", ALL),
        (
            "seeds=[1, 2, 3]",
            ["04_stn_training sharp 3", "05_fine_tuning plain 3", "05_fine_tuning sharp 3", *EVALUATIONS],
        ),
        ("plan.resamples=300", EVALUATIONS),
        ("title=another title", []),
        ("arms.third={initialisation: random}", [*VARIANTS, *THIRD, *EVALUATIONS]),
        (
            "arms.third={initialisation: random, equalization: global}",
            ["02_preprocessing film global", *VARIANTS, *THIRD, *EVALUATIONS],
        ),
    ],
)
def test_changed_parameter_reruns_what_depends_on_it_and_no_more(tmp_path: Path, finished: Place, override, again):
    """Each case starts from a copy of the finished study and asks Snakemake what it would run."""
    assert copy_of(finished, tmp_path).planned(override) == sorted(again)


def copy_of(finished: Place, folder: Path) -> Place:
    subprocess.run(["cp", "-a", f"{finished.folder}/.", str(folder / "copy")], check=True)
    place = Place.__new__(Place)
    place.folder = folder / "copy"
    place.study = place.folder / "study.yaml"
    place.runs = place.folder / "runs" / "stand_in"
    place.environment = finished.environment | {
        "FORAMEN_OUTPUT": str(place.folder),
        "FORAMEN_NOTEBOOKS": str(place.folder / "notebooks"),
    }
    return place


def test_edited_notebook_and_deleted_result_run_again(tmp_path: Path, finished: Place):
    place = copy_of(finished, tmp_path)
    for name in ("02_preprocessing", "06_evaluation"):
        os.utime(place.folder / "notebooks" / f"{name}.ipynb")
    subprocess.run(["rm", "-r", str(place.runs / "arms" / "plain" / "2")], check=True)
    assert place.planned() == [*VARIANTS, "05_fine_tuning plain 2", *EVALUATIONS]
    subprocess.run(["rm", "-r", str(place.runs / "images" / "film_clahe")], check=True)
    assert place.planned() == [*VARIANTS, *TEACHINGS, *TRAININGS[1:], *EVALUATIONS]


def test_an_older_report_hides_nothing_that_was_interrupted(tmp_path: Path, finished: Place):
    """Done markers are lost where a job was broken off, and newer than what depends on them where it was not."""
    place = copy_of(finished, tmp_path)
    page = place.folder / "reports" / "stand_in" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("a report")
    assert place.planned() == []
    code, output = place.run("training.epochs=3", "plan.resamples=300", STAND_IN_DIES="plain-2")
    assert code == 1, output
    rest = ["05_fine_tuning plain 2", *EVALUATIONS]
    assert place.planned("training.epochs=3", "plan.resamples=300") == rest
    code, output = place.run("training.epochs=3", "plan.resamples=300", snakemake=TRAIN)
    assert code == 0, output
    assert place.planned("training.epochs=3", "plan.resamples=300") == EVALUATIONS


@pytest.mark.parametrize("how", ["FAILS", "DIES"])
def test_failure_is_named_and_the_others_finish(tmp_path: Path, finished: Place, how: str):
    place = copy_of(finished, tmp_path)
    code, output = place.run("training.epochs=3", **{f"STAND_IN_{how}": "plain-2"})
    assert code == 1
    message = {"FAILS": "ValueError: the stand-in fails as told", "DIES": "the kernel was killed"}[how]
    line = next(line for line in output.splitlines() if line.startswith("failed:"))
    assert "05_fine_tuning-plain-2, cell In [4]" in line and message in line
    assert "runs/stand_in/notebooks/05_fine_tuning-plain-2.ipynb" in output
    assert "not run, because they need what failed: 06_evaluation" in output  # the first of EVALUATIONS
    assert place.executions() == TRAININGS
    assert place.planned("training.epochs=3") == ["05_fine_tuning plain 2", *EVALUATIONS]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])  # SIGTERM is taken for SIGINT, see below
def test_interrupted_study_leaves_no_process_and_goes_on(tmp_path: Path, finished: Place, number: signal.Signals):
    """Killed, or interrupted as by Ctrl-C, while two trainings are at work and two are done."""
    place = copy_of(finished, tmp_path)
    process = place.start("training.epochs=3", STAND_IN_WAITS="plain-2 sharp-2")
    started = time.time()
    wait_until(lambda: len(list(place.runs.glob("arms/*/2/waiting"))) == 2, process)
    wait_until(lambda: len(place.done_markers("arms/*/1", started)) == 2, process)
    # What Snakemake has not noted yet when it is interrupted, it makes again.
    log = place.runs / "workflow.log"
    wait_until(lambda: len(re.findall(r"^Finished jobid: .*fine_tuning", log.read_text(), re.MULTILINE)) == 2, process)
    tree = psutil.Process(process.pid).children(recursive=True)
    assert len(tree) >= 5  # Snakemake, two jobs, two kernels
    process.send_signal(number)
    output, _ = process.communicate(timeout=240)
    wait_until(lambda: not any(still_runs(child) for child in tree))
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert "goes on from here" in output

    code, output = place.run("training.epochs=3")
    assert code == 0, output
    again = place.executions()
    assert [again.count(f"05_fine_tuning {name}") for name in ("plain 2", "sharp 2")] == [2, 2]
    assert [again.count(f"05_fine_tuning {name}") for name in ("plain 1", "sharp 1")] == [1, 1]
    assert [again.count(name) for name in EVALUATIONS] == [1] * len(EVALUATIONS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_job_takes_its_kernel_with_it(place: Place, number: signal.Signals):
    """As a batch system ends a job of its own, with no workflow above it."""
    notebook, status = place.folder / "notebooks" / "05_fine_tuning.ipynb", place.folder / "status.json"
    command = [sys.executable, "-m", "foramen", "notebook", str(notebook), "out.ipynb", "--status", str(status)]
    parameters = ["-p", "study", str(place.study), "-p", "arm", "plain", "-p", "seed", "1"]
    environment = place.environment | {"STAND_IN_WAITS": "plain-1"}
    place.runs.mkdir(parents=True)
    process = subprocess.Popen([*command, *parameters], cwd=place.folder, env=environment, preexec_fn=heed_interrupts)
    wait_until(lambda: (place.runs / "arms" / "plain" / "1" / "waiting").exists(), process)
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert tree and process.wait(60) == 130
    wait_until(lambda: not any(still_runs(child) for child in tree))
    assert read_json(status)["state"] == "failed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_check_leaves_no_decoder(place: Place, number: signal.Signals):
    films.cohort_folder(place.folder / "own", patients=20)
    large = place.folder / "large.png"
    films.save_png(large, np.random.default_rng(0).random((3000, 3000)), bits=16)
    for path in (place.folder / "own" / "films").iterdir():
        path.unlink()
        path.hardlink_to(large)
    command = [sys.executable, "-m", "foramen", "check", str(films.study_file(place.folder / "own")), "--pixels"]
    process = subprocess.Popen(command, env=place.environment, preexec_fn=heed_interrupts)
    wait_until(lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 3, process)
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(10) == 130
    wait_until(lambda: not any(still_runs(child) for child in tree))


def test_second_run_of_a_study_is_refused(place: Place):
    process = place.start()
    try:
        wait_until(lambda: (place.runs / "plan.json").exists(), process)
        code, output = place.run()
        assert code == 1
        assert "another process is running it" in output
    finally:
        process.terminate()
        process.communicate(timeout=240)


def own_radiographs(place: Place, patients: int = 12) -> tuple[str, ...]:
    """Films with a table in the place, and the overrides that make the study run on them."""
    films.cohort_folder(place.folder / "own", patients=patients)
    return "cohort.source=manifest", f"cohort.manifest.path={place.folder / 'own' / 'manifest.csv'}"


def test_faults_of_own_radiographs_stop_a_study_before_anything_is_written(place: Place):
    overrides = own_radiographs(place)
    for name in ("003_L.png", "004_R.png"):
        (place.folder / "own" / "films" / name).unlink()
    code, output = place.run(*overrides)
    assert code == 1 and output.count("no such file") == 2 and output.strip().endswith("nothing was run.")
    assert not (place.folder / "runs").exists()


def test_warnings_of_own_radiographs_are_told_before_a_study_runs(place: Place):
    code, output = place.run(*own_radiographs(place), snakemake=AUDIT)
    assert code == 0, output
    assert output.index("smaller than image_size") < output.index("01_data_audit: done")


def test_nobody_else_can_read_what_is_made_of_own_radiographs(place: Place, monkeypatch):
    """From creation: what the run, Snakemake, the jobs and their kernels write; also below a folder that was there."""
    overrides = own_radiographs(place)
    notebook = place.folder / "notebooks" / "01_data_audit.ipynb"
    save = "from foramen.cohort import step; step.prepare(load(study)); load(study).paths.figures.mkdir(parents=True)"
    notebook.write_text(notebook.read_text().replace("with open", f"{save}\\nwith open"))
    place.runs.mkdir(parents=True, mode=0o755)
    code, output = place.run(*overrides, snakemake=AUDIT)
    assert code == 0, output
    made = [*place.runs.rglob("*"), *(place.folder / "reports").rglob("*")]
    names = {path.name for path in made}
    assert {"key.parquet", "images.npy", "workflow.log", "plan.json", "01_data_audit.ipynb", ".snakemake"} <= names
    modes = {path: path.stat().st_mode & 0o777 for path in [place.runs, *made] if not path.is_symlink()}
    modes = {path: mode for path, mode in modes.items() if path.parent.name != "metadata"}  # Snakemake sets their mode
    assert not {path: oct(mode) for path, mode in modes.items() if mode & 0o077}


def test_a_replaced_film_is_read_again_with_all_that_depends_on_it(place: Place, monkeypatch):
    """All but the pitfalls, which only a study of a synthetic cohort has."""
    overrides = (*own_radiographs(place), "seeds=[1]")
    monkeypatch.setenv("FORAMEN_OUTPUT", str(place.folder))
    cohort.prepare(study.load(place.study, list(overrides)))
    code, output = place.run(*overrides)
    assert code == 0, output
    assert place.planned(*overrides) == []
    films.save_png(place.folder / "own" / "films" / "003_R.png", films.picture(99))
    again = [name for name in ALL if not name.endswith(" 2")]
    assert place.planned(*overrides) == sorted({*again} - {"09_pitfalls"})


def test_own_radiographs_are_looked_at_before_anything_is_pretrained(place: Place):
    place.study.write_text(yaml.safe_dump(STUDY | {"arms": {"plain": {}, "sharp": {}}}))
    (place.folder / "notebooks" / "01_data_audit.ipynb").write_text(
        (place.folder / "notebooks" / "01_data_audit.ipynb").read_text().replace("with open", "1 / 0; open")
    )
    code, output = place.run(*own_radiographs(place))
    assert code == 1 and "failed: 01_data_audit" in output
    assert "pretraining" in output.split("not run, because they need what failed:")[1]


def test_notebook_command_refuses_unknown_parameters(place: Place):
    with pytest.raises(InputError, match="has no parameter stduy; it has study, arm, seed"):
        run_stand_in(place, {"stduy": "x"})


def test_executed_notebook_names_no_folder_of_this_machine(finished: Place):
    for path in (finished.runs / "notebooks").glob("*.ipynb"):
        assert str(finished.folder) not in path.read_text()


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("CellExecutionError", "", "CellExecutionError: the cell ended without a message, perhaps for want of memory"),
        ("MemoryError", "", "MemoryError: the cell ended without a message, perhaps for want of memory; fewer jobs"),
        ("MemoryError", "Unable to allocate 9 GiB", "MemoryError: Unable to allocate 9 GiB"),
        ("AssertionError", "", "AssertionError: "),
    ],
)
def test_a_cell_that_ends_without_a_word_has_its_likely_reason_told(place: Place, monkeypatch, name, words, told):
    import papermill

    def fail(source: str, output: str, parameters: dict, **options: object) -> None:
        Path(output).write_text(json.dumps({"cells": []}))
        raise papermill.PapermillExecutionError(0, 1, "", name, words, [])

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    monkeypatch.setenv("FORAMEN_OUTPUT", str(place.folder))
    monkeypatch.chdir(place.folder)
    with pytest.raises(notebook_job.NotebookError) as failed:
        run_stand_in(place, {})
    assert str(failed.value).startswith(told)


def test_a_python_without_the_packages_is_told_which_one_is_needed():
    command = [sys.executable, "-S", "-m", "foramen", "check", "params/smoke.yaml"]  # -S: without site-packages
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT / "lib")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "foramen needs Python 3.11 (3.11.5 or later)" in done.stderr
    assert "Traceback" not in done.stderr and sys.executable in done.stderr


def run_stand_in(place: Place, parameters: dict) -> None:
    notebook_job.execute(
        str(place.folder / "notebooks" / "05_fine_tuning.ipynb"), place.folder / "out.ipynb", parameters
    )


def test_time_left_is_shared_among_cores_and_learns_from_jobs_of_the_same_kind():
    known = [
        progress.Job("01_data_audit", "done", 10),
        progress.Job("05_fine_tuning-a-1", "done", 60),
        progress.Job("05_fine_tuning-a-2", "running", 20, epoch=1, epochs=3, left=40),
        progress.Job("05_fine_tuning-b-1"),
        progress.Job("05_fine_tuning-b-2"),
    ]
    assert progress.remaining(known, cores=2) == pytest.approx((40 + 60 + 60) / 2)
    assert progress.remaining(known[3:], cores=2) is None
    assert progress.remaining(known[:2], cores=2) == 0


def test_time_left_is_not_guessed_while_no_training_has_told_its_length():
    known = [progress.Job("01_data_audit", "done", 10), progress.Job("05_fine_tuning-a-1", "running", 20)]
    waiting = [progress.Job(f"05_fine_tuning-a-{seed}") for seed in (2, 3)]
    assert progress.remaining(known + waiting, cores=2) is None
    assert "left" not in progress.summary(known + waiting, 2, 30)
    assert progress.remaining([known[0], progress.Job("06_evaluation")], cores=2) == 10


def test_time_left_learns_from_the_same_arm_first():
    known = [
        progress.Job("05_fine_tuning-slow-1", "done", 100),
        progress.Job("05_fine_tuning-fast-1", "done", 20),
        progress.Job("05_fine_tuning-fast-2"),
        progress.Job("05_fine_tuning-new-1"),
    ]
    assert progress.remaining(known, cores=1) == 20 + 60


def test_table_shows_epoch_and_time_left(tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    known = [
        progress.Job("05_fine_tuning-plain-1", "running", 20, epoch=1, epochs=3, left=40),
        progress.Job("05_fine_tuning-plain-2", "failed", 2),
    ]
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(progress.table(study.load(path), known, progress.summary(known, 2, 25)))
    text = console.export_text()
    assert "05_fine_tuning plain" in text and "epoch 1/3, 0:40 left" in text and "failed" in text


def test_an_arm_that_does_not_fit_the_films_is_told_while_the_study_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    running = study.Study.model_validate(STUDY)
    provenance.write_run(running.paths.cohort, running, "cohort", [], {}, 0.0)
    found = {"misfit": "it does not fit"}
    provenance.write_run(running.paths.coverage, running, "coverage", [running.paths.cohort], found, 0.0)
    progress.watch(running, subprocess.Popen(["true"]), 0.0, 1)
    assert capsys.readouterr().out.count("warning: it does not fit") == 1


RANDOM = {"initialisation": "random"}
SWEEPS = {
    "passes": {"knobs": ["training.epochs"], "factors": [2], "arm": "sharp", "control": "plain"},
    "body": {"knobs": ["cohort.synthetic.anatomy_sd"], "factors": [0], "arm": "sharp", "control": "plain"},
}
SWEPT = STUDY | {"seeds": [1], "sweeps": SWEEPS, "arms": {"plain": {}, "sharp": {"equalization": "clahe"}}}


def test_all_members_of_sweeps_are_one_graph_that_makes_shared_parts_once(tmp_path: Path):
    place, reports = Place(tmp_path, SWEPT), tmp_path / "reports"
    (reports / "stand_in_passes_2" / "figures").mkdir(parents=True)
    (reports / "stand_in_body_0").mkdir()
    (reports / "stand_in_body_0" / "index.html").touch()
    once = place.planned()
    assert [path.name for path in reports.iterdir()] == ["stand_in_body_0"]  # that somebody asked for
    log = (place.runs / "workflow.log").read_text()
    made = {rule: len(re.findall(rf"^rule {rule}:", log, re.MULTILINE)) for rule in ("pretraining", "data_audit")}
    assert made == {"pretraining": 1, "data_audit": 2}  # `passes` trains on the study's own cohort
    assert len([name for name in once if name.startswith("02_")]) == 2 * 2
    assert len([name for name in once if name.startswith("05_")]) == 3 * 2
    assert (tmp_path / "runs" / "stand_in_passes_2" / "images").resolve() == place.runs / "images"
    place.planned("sweeps.passes.knobs=[cohort.synthetic.anatomy_sd]")
    assert not (tmp_path / "runs" / "stand_in_passes_2" / "images").exists()  # a link that no longer holds


def test_members_of_sweeps_are_told_apart(tmp_path: Path):
    arms, sweeps = {"plain": RANDOM, "sharp": RANDOM}, {"passes": SWEEPS["passes"]}
    place = Place(tmp_path, SWEPT | {"arms": arms, "sweeps": sweeps, "training": {"epochs": 1}})
    notebook = tmp_path / "notebooks" / "05_fine_tuning.ipynb"
    draw = "load(study).paths.figures.mkdir(parents=True, exist_ok=True); "
    draw += "1 / (load(study).training.epochs == 1 or arm == 'plain')"
    notebook.write_text(notebook.read_text().replace("with open", f"{draw}\\nwith open"))
    code, output = place.run(snakemake=("--until", "robustness"))
    assert code == 1 and "failed: stand_in_passes_2/05_fine_tuning-sharp-1, cell In [3]: ZeroDivisionError" in output
    assert "runs/stand_in_passes_2/notebooks/05_fine_tuning-sharp-1.ipynb" in output
    assert "stand_in_passes_2/05_fine_tuning-plain-1: done" in output and "\n05_fine_tuning-plain-1: done" in output
    assert "not run, because they need what failed: 07_robustness" in output
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["stand_in"]
