"""Run a whole study: write what the rules read, let Snakemake (see Snakefile) do the rest, tell how far it is."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from foramen import study
from foramen.core import paths, processes, terminal
from foramen.core.errors import InputError
from foramen.core.files import write_if_changed
from foramen.study import sweeps
from foramen.study.model import Study
from foramen.workflow import check, cluster, gpu, progress
from radiographs import parallel

SNAKEFILE = Path(__file__).with_name("Snakefile")
CLOCKS_DIFFER = 60.0  # seconds, between a machine and its file server
PATIENCE = 60.0  # seconds that Snakemake has to cancel the jobs that it has given to a cluster


@dataclass(frozen=True)
class Means:
    """With what a study is run: `cores` of this machine, or at most `jobs` at once where the profile says.

    `profile` names a folder of `profiles/`, or is the path of one; `arguments` go to Snakemake as they are.
    """

    cores: int = field(default_factory=parallel.available)
    profile: str | None = None
    jobs: int | None = None
    arguments: tuple[str, ...] = ()

    def options(self) -> list[str]:
        """Snakemake's options. Raises InputError where there is no such profile."""
        options = ["--cores", str(self.cores)]
        if self.profile:
            options += ["--profile", str(cluster.profile(self.profile))]
        if self.jobs:
            options += ["--jobs", str(self.jobs)]
        return [*options, *self.arguments]


def run(chosen: Study, means: Means | None = None) -> bool:
    """Make everything of a study that is missing or stale; True where nothing failed.

    The trainings of its sweeps' members are jobs beside its own. Raises InputError where another process runs one of
    them or, before anything is written, where what is still to be read has faults; KeyboardInterrupt, with all jobs
    ended, on Ctrl-C.
    """
    means = means or Means()
    command, started = snakemake_command(chosen, means), time.time()
    check.before_run(chosen)
    members = sweeps.others(chosen)
    with contextlib.ExitStack() as locks:
        for each in (chosen, *members):
            locks.enter_context(locked(each))
            _refuse_the_future(each)
            sweeps.share_images(each, chosen)
            if check.has_new_films(each):
                paths.done_marker(each.paths.cohort).unlink(missing_ok=True)  # so that notebook 01 runs again
            write_parameters(each)
        if means.profile and (hint := cluster.without_accounts(cluster.profile(means.profile), means.arguments)):
            terminal.say(f"warning: {hint}")
        cluster.require_shared(chosen.paths.lock)
        cluster.cancel_left_over(chosen.paths.log)
        chosen.paths.plan.unlink(missing_ok=True)
        with open(chosen.paths.log, "w", encoding="utf-8") as log:
            # A session of its own: Ctrl-C reaches this process alone, which then ends all jobs in order.
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
            try:
                progress.watch(chosen, process, started, means.jobs or means.cores)
            finally:
                if process.poll() is None:
                    if means.profile:
                        terminal.say(
                            f"cancelling the cluster's jobs, up to {PATIENCE:.0f} s; Ctrl-C again ends at once"
                        )
                    processes.end_session(process, PATIENCE)
                    cluster.cancel_left_over(chosen.paths.log)
        for member in members:
            if not member.paths.report_page.exists():  # what its notebooks drew on the way is part of no report
                shutil.rmtree(member.paths.report, ignore_errors=True)
    if {"-n", "--dry-run", "--dryrun"} & {*means.arguments}:
        terminal.say(*chosen.paths.log.read_text(encoding="utf-8").splitlines())
        return process.returncode == 0
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
    each = [*(f"variant_{variant}" for variant in chosen.variants), *(f"arm_{arm}" for arm in chosen.arms)]
    own = {"pretraining": [chosen.pretraining.file], "evaluation": chosen.evaluation.external.values()}
    for stage in ("cohort", "regions", "preprocessing", "augmentation", "pretraining", "stn", *each, "evaluation"):
        changed = {path: os.stat(path).st_mtime_ns for path in own.get(stage, []) if os.path.isfile(path)}
        text = json.dumps(chosen.stage(stage) | changed, indent=1, sort_keys=True)
        write_if_changed(chosen.paths.parameters(stage), text + "\n")


def snakemake_command(chosen: Study, means: Means) -> list[str]:
    """Snakemake's command line for a study.

    Its own lock is off because it survives a `kill -9`; ours does not. Modification times alone trigger, see
    the Snakefile.
    """
    return [
        *(sys.executable, "-m", "foramen.workflow"),
        *("--snakefile", str(SNAKEFILE), "--directory", str(chosen.paths.runs)),
        *("--scheduler", "greedy"),
        *("--rerun-triggers", "mtime", "--rerun-incomplete", "--keep-going", "--nolock", "--nocolor"),
        *means.options(),
        *([] if means.profile else gpu.options(chosen.training.device)),  # a cluster's GPUs are not this machine's
        *("--config", f"study={chosen.paths.study_file}"),
    ]
