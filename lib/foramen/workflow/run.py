"""Run a whole study: write what the rules read, let Snakemake (see Snakefile) do the rest, tell how far it is."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from foramen import study
from foramen.core import paths, processes
from foramen.core.errors import InputError
from foramen.core.files import write_if_changed
from foramen.study import sweeps
from foramen.study.model import Study
from foramen.workflow import check, progress

SNAKEFILE = Path(__file__).with_name("Snakefile")
CLOCKS_DIFFER = 60.0  # seconds, between a machine and its file server
TRAININGS = ("--until", "fine_tuning")  # all that the study of another cohort is asked for


def run(chosen: Study, cores: int | None = None, arguments: list[str] | None = None) -> bool:
    """Make everything of a study that is missing or stale; True where nothing failed.

    A study with sweeps makes the trainings of their members first. `cores` defaults to all of the machine; `arguments`
    go to Snakemake as they are (`--executor slurm`). Raises InputError where another process runs this study or, before
    anything is written, where what is still to be read has faults; KeyboardInterrupt, with all jobs ended, on Ctrl-C.
    """
    check.before_run(chosen)
    cores, arguments = cores or os.cpu_count() or 1, arguments or []
    trained = [_run_member(member, cores, arguments) for member in sweeps.others(chosen)]
    return all(trained) and _run(chosen, cores, arguments)


def _run_member(member: Study, cores: int, arguments: list[str]) -> bool:
    """The trainings of one member of a sweep. What its notebooks draw on the way is part of no report."""
    done = _run(member, cores, [*TRAININGS, *arguments])
    if not member.paths.report_page.exists():  # unless somebody asked for a report of this very study
        shutil.rmtree(member.paths.report, ignore_errors=True)
    return done


def _run(chosen: Study, cores: int, arguments: list[str]) -> bool:
    """Let Snakemake make what is missing or stale of one study."""
    started = time.time()
    with locked(chosen):
        _refuse_the_future(chosen)
        if check.has_new_films(chosen):
            paths.done_marker(chosen.paths.cohort).unlink(missing_ok=True)  # so that notebook 01 runs again
        write_parameters(chosen)
        chosen.paths.plan.unlink(missing_ok=True)
        command = snakemake_command(chosen, cores, arguments)
        with open(chosen.paths.log, "w", encoding="utf-8") as log:
            # A session of its own: Ctrl-C reaches this process alone, which then ends all jobs in order.
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
            try:
                progress.watch(chosen, process, started, cores)
            finally:
                processes.end_descendants(process.pid)
                process.kill()
                process.wait()
    return progress.conclude(chosen, started, process.returncode == 0)


@contextlib.contextmanager
def locked(chosen: Study) -> Iterator[None]:
    """Keep a second run of this study out.

    The operating system lets go of the lock when the process ends, however it ends.
    """
    chosen.paths.runs.mkdir(parents=True, exist_ok=True)
    if chosen.cohort.source == "manifest":
        chosen.paths.runs.chmod(0o700)  # it may have been there before it held radiographs of patients
    try:
        with FileLock(chosen.paths.lock, timeout=0):
            yield
    except Timeout:
        raise InputError(f"study {chosen.name}: another process is running it") from None


def _refuse_the_future(chosen: Study) -> None:
    """InputError where the clock was put back: what is stale is told by times."""
    made = [marker.stat().st_mtime for marker in chosen.paths.runs.rglob(paths.done_marker(Path()).name)]
    ahead = max(made, default=0.0) - time.time()
    if ahead > CLOCKS_DIFFER:
        text = f"holds results dated {ahead / 60:.0f} minutes ahead of the clock, so what is stale cannot be told"
        raise InputError(f"{chosen.paths.runs}: {text}; set the clock right, or remove this folder")


def write_parameters(chosen: Study) -> None:
    """Write the resolved study, and for each stage what it depends on; an unchanged file is left alone.

    That includes when a reader's own files were changed: one that replaces another may be older than the result.
    """
    write_if_changed(chosen.paths.study_file, study.dump(chosen))
    variants = [f"variant_{variant}" for variant in chosen.variants]
    arms = [f"arm_{arm}" for arm in chosen.arms]
    own = {"pretraining": [chosen.pretraining.file], "evaluation": chosen.evaluation.external.values()}
    for stage in ("cohort", "regions", *variants, "augmentation", "pretraining", "stn", *arms, "evaluation"):
        changed = {path: os.stat(path).st_mtime_ns for path in own.get(stage, []) if os.path.isfile(path)}
        text = json.dumps(chosen.stage(stage) | changed, indent=1, sort_keys=True)
        write_if_changed(chosen.paths.parameters(stage), text + "\n")


def snakemake_command(chosen: Study, cores: int, arguments: list[str]) -> list[str]:
    """Snakemake's command line for a study.

    Its own lock is off because it survives a `kill -9`; ours does not. Modification times alone trigger, see
    the Snakefile.
    """
    return [
        *(sys.executable, "-m", "foramen.workflow"),
        *("--snakefile", str(SNAKEFILE), "--directory", str(chosen.paths.runs)),
        *("--cores", str(cores), "--scheduler", "greedy"),
        *("--rerun-triggers", "mtime", "--rerun-incomplete", "--keep-going", "--nolock", "--nocolor"),
        *arguments,
        *("--config", f"study={chosen.paths.study_file}"),
    ]
