"""The command `foramen`. The make targets are thin wrappers of it.

Everything heavy is imported where it is used, so that a finished study is told so at once.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from foramen import __version__
from foramen.core.errors import InputError
from foramen.study import Study, load


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Exit codes: 0 well, 1 faults or failed jobs, 2 could not run, 130 interrupted."""
    given = parser().parse_args(arguments)
    try:
        return given.command(given)
    except InputError as error:
        print(*error.faults, sep="\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(prog="foramen", description=sys.modules["foramen"].__doc__)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_studies(commands)
    _add_jobs(commands)
    _add_tools(commands)
    return top


def _add_studies(commands: argparse._SubParsersAction) -> None:
    """What a reader does with a study."""
    check = _add(commands, "check", check_study, "find everything that is wrong with a study file and its radiographs")
    _study(check)
    check.add_argument("--pixels", action="store_true", help="decode every image, too")

    run = _add(commands, "run", run_study, "make all results and the report of a study; what is there already is kept")
    _study(run)
    run.add_argument("--cores", type=_positive, help="how many jobs' threads run side by side (default: all cores)")
    run.add_argument(
        "--snakemake", default=[], nargs=argparse.REMAINDER, help="all that follows goes to Snakemake as it is"
    )

    dicom = _add(
        commands,
        "dicom",
        write_dicom,
        "write the synthetic cohort of a study as DICOM files with a manifest, to try the way of own radiographs",
    )
    _study(dicom)
    dicom.add_argument("folder", type=Path, help="where the files go; must be empty or not there yet")


def _add_jobs(commands: argparse._SubParsersAction) -> None:
    """Single steps of a study, which the workflow runs."""
    notebook = _add(commands, "notebook", run_notebook, "execute one notebook with papermill")
    notebook.add_argument("notebook", help="name, such as 05_fine_tuning, or path")
    notebook.add_argument("output", type=Path, help="where the executed notebook goes")
    notebook.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    _job_files(notebook)

    for name, command, text in (
        ("pretrain", pretrain, "make the pre-trained weights that a study starts from"),
        ("report", make_report, "make the report of a study whose evaluation is done"),
    ):
        step = _add(commands, name, command, text)
        _study(step)
        _job_files(step)


def _job_files(job: argparse.ArgumentParser) -> None:
    """What the workflow wants to be told of a job."""
    job.add_argument("--record", type=Path, help="file that tells state, time and error, for the workflow")
    job.add_argument("--receipt", type=Path, help="file that is written at the end, for the workflow")


def _add_tools(commands: argparse._SubParsersAction) -> None:
    """What belongs to no study."""
    _add(commands, "lab", open_lab, "open the notebooks in JupyterLab")


def _add(commands: argparse._SubParsersAction, name: str, command, text: str) -> argparse.ArgumentParser:
    added = commands.add_parser(name, help=text, description=text)
    added.set_defaults(command=command)
    return added


def _study(command: argparse.ArgumentParser) -> None:
    command.add_argument("study", help="study file, such as params/default.yaml")
    command.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE")
    command.add_argument("--cohort", help="manifest of your own radiographs, in place of the study's cohort")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _overrides(given: argparse.Namespace) -> list[str]:
    manifest = json.dumps(given.cohort)  # quoted, because the value of an override is YAML
    cohort = ["cohort.source=manifest", f"cohort.manifest.path={manifest}"] if given.cohort else []
    return cohort + given.overrides


def _load(given: argparse.Namespace) -> Study:
    return load(given.study, _overrides(given))


def check_study(given: argparse.Namespace) -> int:
    """`foramen check`: 0 clean, 1 faults, 2 could not run."""
    from foramen.cohort import check

    return check.run(given.study, _overrides(given), given.pixels)


def run_study(given: argparse.Namespace) -> int:
    """`foramen run`."""
    from foramen.workflow import run as workflow

    return 0 if workflow.run(_load(given), given.cores, given.snakemake) else 1


def run_notebook(given: argparse.Namespace) -> int:
    """`foramen notebook`: papermill, with kernels that do not collide and do not outlive us."""
    import yaml

    from foramen.workflow import execution

    execution.end_with_parent()
    parameters = {name: yaml.safe_load(value) for name, value in given.parameters}
    try:
        execution.execute(given.notebook, given.output, parameters, given.record, given.receipt)
    except execution.NotebookError as error:
        print(f"{given.notebook}, cell In [{error.cell}]: {error}", file=sys.stderr)
        return 1
    return 0


def pretrain(given: argparse.Namespace) -> int:
    """`foramen pretrain`."""
    from foramen.workflow import execution

    execution.end_with_parent()
    with execution.recorded(given.record, given.receipt):
        from foramen.training import pretraining

        print(pretraining.prepare(_load(given)))
    return 0


def make_report(given: argparse.Namespace) -> int:
    """`foramen report`."""
    from foramen.workflow import execution

    execution.end_with_parent()
    with execution.recorded(given.record, given.receipt):
        from foramen.report import index as report

        print(report.prepare(_load(given)))
    return 0


def write_dicom(given: argparse.Namespace) -> int:
    """`foramen dicom`."""
    chosen = _load(given)
    if chosen.cohort.source != "synthetic":
        raise InputError(f"{given.study}: cohort.source: only a synthetic cohort can be written as DICOM")
    if given.folder.exists() and not (given.folder.is_dir() and not any(given.folder.iterdir())):
        raise InputError(f"{given.folder}: is there already and not an empty folder")
    from cervical_phantom import dicom
    from foramen.cohort import step as cohort

    print(dicom.write_dicom_folder(cohort.prepare(chosen).folder, given.folder))
    return 0


def open_lab(given: argparse.Namespace) -> int:
    """`foramen lab`: JupyterLab in this environment, which brings the kernel the notebooks ask for."""
    from foramen.core import paths

    os.chdir(paths.ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(paths.NOTEBOOKS.relative_to(paths.ROOT))])
