"""How far a running study is, read from what its jobs leave on disk, shown in the terminal.

Snakemake writes the plan (the jobs to be run), each job its status, each training its progress.json. On a
terminal a table is redrawn every second: a row an arm, a column a seed. Elsewhere a line is printed for every
finished job, and a heartbeat.
"""

import statistics
import subprocess
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from foramen.core.files import read_json
from foramen.core.paths import StudyPaths
from foramen.core.terminal import say
from foramen.study.model import Study
from foramen.study.provenance import misfits

HEARTBEAT = 60.0  # seconds between two lines about the running jobs, where there is no terminal
STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "failed": "bold red"}


@dataclass(frozen=True)
class Job:
    """A job of the plan: state `waiting`, `running`, `done` or `failed`, seconds since its start.

    `study` is the member of a sweep that it belongs to, empty for the study itself.
    """

    name: str
    state: str = "waiting"
    seconds: float = 0.0
    epoch: int = 0
    epochs: int = 0
    left: float | None = None  # seconds, as the training itself estimates
    cell: int | None = None
    message: str = ""
    started: float = 0.0  # seconds of `time.time`
    processor_seconds: float = 0.0
    peak_memory_mib: int = 0
    study: str = ""

    @property
    def label(self) -> str:
        """Its name among the jobs of all studies."""
        return f"{self.study}/{self.name}" if self.study else self.name

    @property
    def likes(self) -> list[str]:
        """What jobs that take about as long have in common, the best first: all but the seed, the notebook."""
        return [self.name.rsplit("-", 1)[0], self.kind]

    @property
    def kind(self) -> str:
        """The notebook or step."""
        return self.name.split("-")[0]

    def describe(self) -> str:
        """A few words for the table and the heartbeat."""
        if self.state == "running" and self.epochs:
            left = f", {duration(self.left)} left" if self.left is not None else ""
            return f"epoch {self.epoch}/{self.epochs}{left}"
        return f"{self.state}, {duration(self.seconds)}" if self.state in ("running", "done") else self.state


def duration(seconds: float) -> str:
    """`0:42`, `12:05`, `3:02:11`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def jobs(study: Study, started: float, now: float) -> list[Job]:
    """The jobs of the plan and where they stand; none while Snakemake has not written the plan yet."""
    plan = _read(study.paths.plan) or []
    return [_job(Path(entry["status"]), study, Path(entry["progress"]), started, now) for entry in plan]


def _job(path: Path, study: Study, progress: Path, started: float, now: float) -> Job:
    """The job as its status says, where that is of this run; a training tells more while it runs."""
    status, training, runs = _read(path), _read(progress) or {}, path.parents[1]
    job = Job(path.stem, study="" if runs == study.paths.runs else runs.name)
    if not status or status["started"] < started:
        return job
    job = replace(job, **status)
    if job.state != "running":
        return job
    job = replace(job, seconds=now - job.started)
    if training.get("updated", 0) < job.started:
        return job
    left = max(0.0, training["eta_seconds"] - (now - training["updated"]))
    return replace(job, epoch=training["epoch"], epochs=training["epochs"], left=left)


def _read(path: Path) -> Any:
    """A JSON file; None where there is none. Files are renamed into place, so none is half-written."""
    try:
        return read_json(path)
    except FileNotFoundError:
        return None


def remaining(known: list[Job], cores: int) -> float | None:
    """Seconds until the last job will be done, shared among the cores; None until enough is known of their length.

    A waiting job is taken to last as long as its like did or will; a single one without its like, as long as the
    mean of all. Several that wait without their like (the trainings, at first) may be most of the work.
    """
    lengths: dict[str, list[float]] = {}
    for job in known:
        if job.state == "done" or job.left is not None:
            for like in job.likes:
                lengths.setdefault(like, []).append(job.seconds + (job.left or 0.0))
    waiting = Counter(job.kind for job in known if job.state == "waiting")
    if not lengths or any(count > 1 and kind not in lengths for kind, count in waiting.items()):
        return None
    means = {like: statistics.mean(values) for like, values in lengths.items()}
    typical = statistics.mean(means.values())
    left = []
    for job in known:
        if job.state in ("waiting", "running"):
            length = next((means[like] for like in job.likes if like in means), typical)
            left.append(max(0.0, length - job.seconds) if job.left is None else job.left)
    return max([sum(left) / cores, *left], default=0.0)


def summary(known: list[Job], cores: int, elapsed: float) -> str:
    """The whole in a line: jobs, share of the time, time left."""
    count = Counter(job.state for job in known)
    parts = [f"{count['done']} of {len(known)} jobs done"]
    if count["failed"]:
        parts[0] += f", {count['failed']} failed"
    parts.append(f"{duration(elapsed)} so far")
    left = remaining(known, cores)
    if left is not None:
        parts += [f"{elapsed / max(elapsed + left, 1e-9):.0%}", f"about {duration(left)} left"]
    return " · ".join(parts)


def watch(study: Study, process: subprocess.Popen, started: float, cores: int) -> None:
    """Show how far the study is until Snakemake ends."""
    console, running, told, last = Console(), True, set[str](), started
    with Live(console=console, refresh_per_second=4) if console.is_terminal else nullcontext() as live:
        while running:
            running = process.poll() is None  # before looking, so that the last job is seen to end
            now = time.time()
            known = jobs(study, started, now)
            whole = summary(known, cores, now - started)
            if live and known:
                live.update(table(study, known, whole))
            elif known and (news := _news(known, told, now - last >= HEARTBEAT)):
                last = now
                say(*(f"{line} · {whole}" for line in news))
            for misfit in misfits(study, told):
                told.add(misfit)
                say(f"warning: {misfit}")
            if running:
                time.sleep(0.5)


def _news(known: list[Job], told: set[str], heartbeat: bool) -> list[str]:
    """A line for every job that has ended and was not `told` yet; where none has, the `heartbeat` of those that run."""
    ended = [job for job in known if job.state in ("done", "failed") and f"{job.label} {job.state}" not in told]
    told.update(f"{job.label} {job.state}" for job in ended)
    if ended or not heartbeat:
        return [f"{job.label}: {job.describe()}" for job in ended]
    return ["; ".join(f"{job.label} {job.describe()}" for job in known if job.state == "running")]


def table(study: Study, known: list[Job], caption: str) -> RenderableType:
    """One row a notebook (and arm), one column a seed; of a sweep's members those that run or have failed."""
    grid = Table(title=f"Study {study.name}", caption=caption, title_justify="left", caption_justify="left", box=None)
    grid.add_column("")
    for number in study.seeds:
        grid.add_column(f"seed {number}")
    rows: dict[str, dict[str, Job]] = {}
    for job in known:
        row, seed = job.label.rsplit("-", 1) if job.name.count("-") == 2 else (job.label, str(study.seeds[0]))
        if not job.study or job.state in ("running", "failed"):
            rows.setdefault(row, {})[seed] = job
    for row in sorted(rows):
        cells = [rows[row].get(str(number)) for number in study.seeds]
        grid.add_row(row.replace("-", " "), *[Text(j.describe(), STYLES[j.state]) if j else Text("") for j in cells])
    return grid


def conclude(study: Study, started: float, succeeded: bool) -> bool:
    """Print what failed and why, or where the report is; True where nothing failed."""
    known = jobs(study, started, time.time())
    failed = [job for job in known if job.state in ("failed", "running")]
    for job in failed:
        where = f", cell In [{job.cell}]" if job.cell else ""
        told, *more = (job.message or "it was killed").split("\n")
        say(f"failed: {job.label}{where}: {told}")
        say(*(f"        {line}" for line in more))
        log = StudyPaths(job.study or study.name).executed(job.name)
        if log.exists():
            say(f"        see {shown(log)}")
    waiting = sorted(job.label for job in known if job.state == "waiting")
    if failed and waiting:
        say(f"not run, because they need what failed: {', '.join(waiting)}")
    if not succeeded and not failed:
        say(f"Snakemake stopped; the end of {shown(study.paths.log)}:")
        say(*study.paths.log.read_text(encoding="utf-8").splitlines()[-20:])
    if succeeded:
        done = f"{len(known)} jobs in {duration(time.time() - started)}" if known else "nothing to do"
        say(f"{study.name}: {done}")
        if study.paths.report_page.exists():
            say(f"The report: {shown(study.paths.report_page)}")
    return succeeded and not failed


def shown(path: Path) -> str:
    """A path as a reader types it: from the working directory where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
