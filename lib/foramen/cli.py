"""The command `foramen`. The make targets are thin wrappers of it.

Everything heavy is imported where it is used, so that a finished study is told so at once.
"""

import argparse
import functools
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from foramen import __version__
from foramen.core import paths, processes
from foramen.core.errors import InputError
from foramen.core.files import require_empty
from foramen.core.terminal import say
from foramen.study import Study, load

EXITS = "Exit status: 0 well; 1 faults were found, or a job failed; 2 could not run; 130 interrupted."

Command = Callable[[argparse.Namespace], int]
Parser = argparse.ArgumentParser
Add = Callable[..., Parser]  # name, command, what it does, shared options: the parser of a command


def main(arguments: list[str] | None = None) -> int:
    """Run a command; its exit status is that of `EXITS`."""
    given = parser().parse_args(arguments)
    try:
        with processes.signals_as_interrupts():
            return given.command(given)
    except InputError as error:
        say(*error.faults, file=sys.stderr)
        return 1
    except BrokenPipeError:  # who reads has enough, as in `foramen audit … | head`; the flush at the end finds no pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # a folder that cannot be written, a disk that is full
        say(f"could not run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        processes.end_descendants(os.getpid())
        kept = "" if given.command is check_study else "; the same command goes on from here"
        say(f"interrupted{kept}", file=sys.stderr)
        return 130


def parser() -> Parser:
    """All commands and their options."""
    top = argparse.ArgumentParser(prog="foramen", description=sys.modules["foramen"].__doc__, epilog=EXITS)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str, *parents: Parser) -> Parser:
        added = commands.add_parser(name, help=text, description=text, epilog=EXITS, parents=parents)
        added.set_defaults(command=command)
        return added

    study, job = _study_options(), _job_options()
    _running(add, study)
    _own_tables(add, study)
    _jobs(add, study, job)
    _sharing(add, study)
    _teaching(add)
    return top


def _running(add: Add, study: Parser) -> None:
    """Check a study, make it, ask what it cost, repeat it."""
    check = add("check", check_study, "find everything that is wrong with a study file and its radiographs", study)
    check.add_argument("--pixels", action="store_true", help="decode every image, too")

    text = "make all results and the report of a study; what is there already is kept"
    run = add("run", run_study, text, study)
    run.add_argument("--cores", type=_positive, help="how many jobs' threads run side by side (default: all cores)")
    run.add_argument("--profile", help="run the jobs on a cluster: slurm, or the folder of a profile of your own")
    run.add_argument("--jobs", type=_positive, help="how many jobs a cluster has at once (default: the profile's)")
    text = "all that follows goes to Snakemake as it is"
    run.add_argument("--snakemake", default=[], nargs=argparse.REMAINDER, help=text)

    add("cost", show_cost, "what the jobs of a study have used: processor time, memory, energy", study)

    text = "repeat a study elsewhere (FORAMEN_OUTPUT, default verification/) and compare it with its committed report"
    add("verify", verify_study, text).add_argument("study", help="study file, such as params/default.yaml")


def _own_tables(add: Add, study: Parser) -> None:
    """What goes with radiographs or predictions of one's own."""
    text = "write the synthetic cohort of a study as DICOM files with a manifest, to try the way of own radiographs"
    add("dicom", write_dicom, text, study).add_argument("folder", type=Path, help="empty, or not there yet")

    text = "signs of pitfalls in a predictions table, with numbers (docs/pitfalls.md)"
    audit = add("audit", audit_predictions, text)
    audit.epilog = f"{EXITS} A sign is no fault: it does not change the exit status."
    text = "table, one row for each image, arm and seed; several; or the folder of a run, such as runs/default"
    audit.add_argument("predictions", type=Path, nargs="+", help=text)
    audit.add_argument("--manifest", type=Path, help="table of the images (default: the run's)")
    audit.add_argument("--arm", help="the arm to look at; its name, where the table has no column for it")
    audit.add_argument("--threshold", type=_share, help="the threshold that was reported, 0 to 1")


def _jobs(add: Add, study: Parser, job: Parser) -> None:
    """What the workflow starts; of use by hand, too."""
    notebook = add("notebook", run_notebook, "execute one notebook with papermill", job)
    notebook.add_argument("notebook", help="name, such as 05_fine_tuning, or path")
    notebook.add_argument("output", type=Path, help="where the executed notebook goes")
    notebook.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))

    add("pretrain", pretrain, "make the pre-trained weights that a study starts from", study, job)
    add("report", make_report, "make the report of a study whose evaluation is done", study, job)


def _sharing(add: Add, study: Parser) -> None:
    """What is made of a finished study for others."""
    text = "put the tables of a finished study in one small file for others (docs/teaching.md)"
    archive = add("archive", make_archive, text, study)
    archive.add_argument("file", type=Path, nargs="?", help="default: published.zip beside the report")
    text = "with the network that notebook 08 explains, in half precision; default file: runs/<study>/published.zip"
    archive.add_argument("--weights", action="store_true", help=text)
    text = "unpack such a file in place of trainings, for the notebooks from 06 on"
    use = add("use-published", use_published, text, study)
    use.add_argument("file", type=Path, nargs="?", help="default: that of the committed report")

    text = "write manuscript, checklists, model card, data card and RO-Crate beside the report of a finished study"
    add("publication", write_publication, text, study)
    text = "write a page to look through the test set of a finished study: radiographs, layers, scores, threshold"
    explore = add("explore", write_explorer, text, study)
    explore.add_argument("folder", type=Path, help="where explorer.html goes")
    explore.add_argument("--radiographs", action="store_true", help="show also radiographs of patients")
    text = "README, docs, reports and case explorers of synthetic cohorts as one folder of pages for any web server"
    add("site", make_site, text).add_argument("folder", type=Path, help="empty, or not there yet")


def _teaching(add: Add) -> None:
    """The notebooks to work with."""
    add("lab", open_lab, "open the notebooks in JupyterLab")
    text = "write the notebooks with room in place of the solutions of their exercises, which a cell reveals"
    exercises = add("exercises", write_exercises, text)
    exercises.add_argument("folder", type=Path, help="empty, or not there yet")
    exercises.add_argument(
        "--study", default="params/smoke.yaml", help="study file that they read (default: %(default)s)"
    )


def _study_options() -> Parser:
    """Which study, with which changes."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("study", help="study file, such as params/default.yaml")
    text = "another value for a key of the study file, such as training.epochs=2; may be given several times"
    options.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help=text)
    options.add_argument("--cohort", help="manifest of your own radiographs, in place of the study's cohort")
    return options


def _job_options() -> Parser:
    """What the workflow wants to be told of a job."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--lock", type=Path, help="file that the workflow keeps locked while it runs")
    options.add_argument("--status", type=Path, help="file that tells state, time and error, for the workflow")
    options.add_argument("--done", type=Path, help="done marker: file that is written at the end, for the workflow")
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _overrides(given: argparse.Namespace) -> list[str]:
    manifest = json.dumps(given.cohort)  # quoted, because the value of an override is YAML
    cohort = ["cohort.source=manifest", f"cohort.manifest.path={manifest}"] if given.cohort else []
    return cohort + given.overrides


def _load(given: argparse.Namespace) -> Study:
    return load(given.study, _overrides(given))


def check_study(given: argparse.Namespace) -> int:
    """`foramen check`: 0 clean, 1 faults, 2 could not run."""
    from foramen.workflow import check

    return check.run(given.study, _overrides(given), given.pixels)


def run_study(given: argparse.Namespace) -> int:
    """`foramen run`."""
    from foramen.workflow import run

    cores = {"cores": given.cores} if given.cores else {}
    means = run.Means(**cores, profile=given.profile, jobs=given.jobs, arguments=tuple(given.snakemake))
    return 0 if run.run(_load(given), means) else 1


def show_cost(given: argparse.Namespace) -> int:
    """`foramen cost`."""
    from foramen.report import cost

    chosen = _load(given)
    spent = cost.cost(chosen)
    if spent.empty:
        raise InputError(f"{given.study}: {cost.why_none(chosen)}")
    say(*spent.to_string(index=False).splitlines(), f"Energy: {cost.WATTS_PER_CORE:g} W a busy core, an assumption.")
    return 0


def verify_study(given: argparse.Namespace) -> int:
    """`foramen verify`: 0 every claim holds, 1 one differs or a job failed."""
    os.environ.setdefault("FORAMEN_OUTPUT", str(paths.ROOT / "verification"))
    from foramen.report import index
    from foramen.verification import step
    from foramen.workflow import run

    chosen = load(given.study)
    step.committed(chosen)
    if not run.run(chosen):
        return 1
    found = step.verify(chosen)
    index.prepare(chosen)
    say(*step.lines(chosen, found))
    return int(step.counted(found)["differs"] > 0)


def audit_predictions(given: argparse.Namespace) -> int:
    """`foramen audit`."""
    from foramen.pitfalls import audit

    frame, manifest = audit.read(given.predictions, given.manifest, given.arm)
    for sign in audit.signs(frame, manifest, given.threshold):
        say(f"{sign}: {sign.cases}" if sign.cases else sign)
    return 0


def _as_job(command: Callable[[argparse.Namespace], object]) -> Command:
    """A command that the workflow runs: it ends with its parent and leaves its status and done marker."""

    @functools.wraps(command)
    def job(given: argparse.Namespace) -> int:
        from foramen.workflow import cluster, notebook_job

        processes.end_with_parent()
        try:
            with notebook_job.tracked(given.status, given.done):
                if given.lock:
                    cluster.require_shared(given.lock)
                command(given)
        except notebook_job.NotebookError as error:
            say(f"{given.notebook}, cell In [{error.cell}]: {error}", file=sys.stderr)
            return 1
        return 0

    return job


@_as_job
def run_notebook(given: argparse.Namespace) -> None:
    """`foramen notebook`: papermill, with kernels that do not collide and do not outlive us."""
    import yaml

    from foramen.workflow import notebook_job

    parameters = {name: yaml.safe_load(value) for name, value in given.parameters}
    notebook_job.execute(given.notebook, given.output, parameters)


@_as_job
def pretrain(given: argparse.Namespace) -> None:
    """`foramen pretrain`."""
    from foramen.training import step

    say(step.prepare(_load(given)))


@_as_job
def make_report(given: argparse.Namespace) -> None:
    """`foramen report`."""
    from foramen.report import index

    say(index.prepare(_load(given)))


def write_dicom(given: argparse.Namespace) -> int:
    """`foramen dicom`."""
    chosen = _load(given)
    if chosen.cohort.source != "synthetic":
        raise InputError(f"{given.study}: cohort.source: only a synthetic cohort can be written as DICOM")
    require_empty(given.folder)
    from cervical_phantom import dicom
    from foramen.cohort import step

    say(dicom.write_dicom_folder(step.prepare(chosen).folder, given.folder))
    return 0


def make_archive(given: argparse.Namespace) -> int:
    """`foramen archive`."""
    from foramen.published import step

    made = step.make(_load(given), given.file, given.weights)
    say(f"{made}: {made.stat().st_size / 1e6:.1f} MB")
    return 0


def use_published(given: argparse.Namespace) -> int:
    """`foramen use-published`."""
    from foramen.published import step

    chosen = _load(given)
    contents = step.use(chosen, given.file).contents
    say(f"{chosen.paths.runs}: results of {contents.finished}, published, made with {', '.join(contents.code)}")
    say(f"with {', '.join(contents.halved)}" if contents.halved else "without weights: notebook 08 has no network")
    return 0


def write_publication(given: argparse.Namespace) -> int:
    """`foramen publication`: no part of `run`, because it is needed once, and a person has to go on from it."""
    from foramen.publication import step

    say(*step.prepare(_load(given)))
    return 0


def write_explorer(given: argparse.Namespace) -> int:
    """`foramen explore`."""
    from foramen.explorer import step

    page = step.write(_load(given), given.folder, given.radiographs)
    say(page, "Next: open this page in a browser; it needs neither server nor network.")
    return 0


def make_site(given: argparse.Namespace) -> int:
    """`foramen site`."""
    from foramen.site import build

    reports = [root / "reports" for root in (paths.ROOT, paths.output_root())]  # committed ones, and those made here
    start, *lacking = build.build(paths.ROOT, reports, given.folder)
    say(start, *lacking, "Next: open this first page in a browser, or put the folder on any web server.")
    return 0


def open_lab(given: argparse.Namespace) -> int:
    """`foramen lab`: JupyterLab in this environment, which brings the kernel the notebooks ask for.

    It starts at the notebooks and reaches the whole checkout, where a class's exercises lie.
    """
    os.chdir(paths.ROOT)
    begin = f"--LabApp.default_url=/lab/tree/{paths.NOTEBOOKS.relative_to(paths.ROOT)}"
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", begin])


def write_exercises(given: argparse.Namespace) -> int:
    """`foramen exercises`."""
    from foramen.workflow import exercises

    written = exercises.write(given.folder, given.study)
    say(*written, f"Next: {shlex.join([sys.executable, '-m', 'jupyterlab', str(given.folder)])}")
    return 0
