"""A study with stand-in notebooks, which compute nothing, in a folder of its own; for tests of the workflow."""

import functools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import yaml

from foramen.core import paths

# A stand-in leaves one line in executions.txt, so that a test can count. Those of 01 and 02 make a result, an empty
# one; a training waits where it is told to.
STAND_IN = """
from pathlib import Path
from foramen.study import load
folder = Path(load(study).paths.runs)
with open(folder / "executions.txt", "a") as log:
    log.write("{name} " + " ".join(map(str, [{extra}])) + chr(10))
"""
TRAINING = """
import os, time
from foramen.core import files, paths
home = load(study).paths.arm(arm, seed)
files.write_json(paths.progress(home), {"epoch": 1, "epochs": 3, "eta_seconds": 9, "updated": time.time()})
if f"{arm}-{seed}" in os.environ.get("STAND_IN_WAITS", ""):
    (home / "waiting").touch()
    time.sleep(600)
if os.environ.get("STAND_IN_FAILS") == f"{arm}-{seed}":
    raise ValueError("the stand-in fails as told")
if os.environ.get("STAND_IN_DIES") == f"{arm}-{seed}":
    os.kill(os.getpid(), 9)
"""
RESULT = """
from foramen.study.step import make
made = load(study)
folder = make({folder}, made, {stage}, [{inputs}], lambda facts: None)
"""
VARIANT = {"folder": "made.paths.variant(f'{region}_{equalization}')", "stage": "f'variant_{region}_{equalization}'"}
MORE = {
    "01_data_audit": RESULT.format(folder="made.paths.cohort", stage="'cohort'", inputs=""),
    "02_preprocessing": RESULT.format(**VARIANT, inputs="made.paths.cohort"),
    "05_fine_tuning": TRAINING,
}
EXTRA = {"02_preprocessing": ["region", "equalization"]}
EXTRA |= dict.fromkeys(["04_stn_training", "05_fine_tuning"], ["arm", "seed"])
STUDY = {
    "name": "stand_in",
    "seeds": [1, 2],
    "cohort": {"synthetic": {"patients": 40}},
    "arms": {
        "plain": {"initialisation": "random"},
        "sharp": {"initialisation": "random", "equalization": "clahe", "stn": "self_supervised"},
    },
    "plan": {"reference": "plain", "primary": {"arm": "sharp"}},
}
TRAININGS = ["05_fine_tuning plain 1", "05_fine_tuning plain 2", "05_fine_tuning sharp 1", "05_fine_tuning sharp 2"]
EVALUATIONS = [name for name in paths.NOTEBOOK_NAMES if name >= "06"]
UNTIL, TRAIN = ("--until", *(name[3:] for name in EVALUATIONS)), ("--until", "fine_tuning")
AUDIT = ("--until", "data_audit")
THIRD = ["05_fine_tuning third 1", "05_fine_tuning third 2"]
TEACHINGS = ["04_stn_training sharp 1", "04_stn_training sharp 2"]
VARIANTS = ["02_preprocessing film clahe", "02_preprocessing film none"]
ALL = ["01_data_audit", *VARIANTS, "03_augmentation", *TEACHINGS, *TRAININGS, *EVALUATIONS]


def write_notebook(folder: Path, name: str) -> None:
    """A notebook of a parameters cell and one or two cells of code."""
    extra = EXTRA.get(name, [])
    lines = ['study = "params/smoke.yaml"', *[f"{parameter} = None" for parameter in extra]]
    cells = [nbformat.v4.new_code_cell("\n".join(lines), metadata={"tags": ["parameters"]})]
    cells.append(nbformat.v4.new_code_cell(STAND_IN.format(name=name, extra=", ".join(extra))))
    if name in MORE:
        cells.append(nbformat.v4.new_code_cell(MORE[name]))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / f"{name}.ipynb")


def heed_interrupts() -> None:
    """A test run that was itself started in the background has Ctrl-C ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Place:
    """A folder with a study, stand-in notebooks and outputs of its own; `means` are options of `foramen run`."""

    means: tuple[str, ...] = ("--cores", "3")

    def __init__(self, folder: Path, given: dict = STUDY):
        self.folder = folder
        self.study = folder / "study.yaml"
        self.study.write_text(yaml.safe_dump(given))
        (folder / "notebooks").mkdir()
        for name in paths.NOTEBOOK_NAMES:
            write_notebook(folder / "notebooks", name)
        self.runs = folder / "runs" / "stand_in"
        self.environment = os.environ | {"FORAMEN_OUTPUT": str(folder), "FORAMEN_NOTEBOOKS": str(folder / "notebooks")}

    def start(self, *overrides: str, snakemake: tuple[str, ...] = UNTIL, **environment: str) -> subprocess.Popen:
        """Start the study, up to the evaluation: the report needs real results."""
        options = [option for override in overrides for option in ("--set", override)]
        command = [sys.executable, "-m", "foramen", "run", str(self.study), *options, *self.means]
        return subprocess.Popen(
            [*command, "--snakemake", *snakemake],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=heed_interrupts,
        )

    def run(self, *overrides: str, snakemake: tuple[str, ...] = UNTIL, **environment: str) -> tuple[int, str]:
        """Run the study to its end: exit code and what was printed."""
        process = self.start(*overrides, snakemake=snakemake, **environment)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def planned(self, *overrides: str) -> list[str]:
        """What would be executed, sorted."""
        process = self.start(*overrides, snakemake=("--dry-run",))
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        names = re.findall(r"log: .*/(.*)\.ipynb", (self.runs / "workflow.log").read_text())
        said = {"film_clahe_none_self_supervised": "sharp", "film_": "film ", "-": " "}
        return sorted(functools.reduce(lambda name, pair: name.replace(*pair), said.items(), name) for name in names)

    def done_markers(self, folders: str, since: float) -> list[Path]:
        """Done markers of jobs that were finished after that time."""
        return [path for path in self.runs.glob(f"{folders}/executed") if path.stat().st_mtime > since]

    def executions(self) -> list[str]:
        """What was executed since the last call, sorted."""
        log = self.runs / "executions.txt"
        lines = sorted(line.strip() for line in log.read_text().splitlines()) if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


def still_runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition, process: subprocess.Popen | None = None, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
