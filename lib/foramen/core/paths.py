"""The name of every artefact of a study, in one place.

`runs/` holds what the workflow makes on the way (kept out of version control); `reports/` holds the tables,
figures and pages that a reader looks at. Both lie in the checkout, or below `FORAMEN_OUTPUT` where that
variable is set.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOKS = Path(os.environ.get("FORAMEN_NOTEBOOKS", ROOT / "notebooks")).resolve()
PARAMS = ROOT / "params"
PRETRAINING = "pretraining"  # folder of runs/ that all studies share

NOTEBOOK_NAMES = (
    "01_data_audit",
    "02_preprocessing",
    "03_augmentation",
    "04_stn_training",
    "05_fine_tuning",
    "06_evaluation",
    "07_robustness",
    "08_explanation",
    "09_pitfalls",
)


def output_root() -> Path:
    """Where `runs/` and `reports/` lie."""
    return Path(os.environ.get("FORAMEN_OUTPUT", ROOT)).resolve()


class StudyPaths:
    """Paths of the study called `name`. Where a directory has its `run.json`, which is written last, it is complete."""

    def __init__(self, name: str):
        self.runs = runs = output_root() / "runs" / name  # everything made on the way
        self.study_file = runs / "study.yaml"  # with all overrides applied; the notebooks of the workflow read this one
        # These three of a sweep's member may be links to those of its study (`sweeps.share_images`).
        self.cohort, self.regions, self.images = ((runs / part).resolve() for part in ("cohort", "regions", "images"))
        # cohort: manifest.parquet, images.npy, boxes.npy, audit.json; synthetic: truth, masks
        # regions: regions.parquet, detector.safetensors, history.csv: the region of each film
        self.coverage = runs / "coverage"  # coverage.parquet: what each arm reads of the films
        self.augmentation = runs / "augmentation"  # flip.json: is a flip safe for this label?
        self.pretraining = runs / "pretraining"  # done marker; all studies share the weights, see `pretraining` below
        self.evaluation = runs / "evaluation"
        self.robustness = runs / "robustness"
        self.explanation = runs / "explanation"
        self.pitfalls = runs / "pitfalls"
        self.log = runs / "workflow.log"  # what Snakemake and its jobs printed during the last run
        self.plan = runs / "plan.json"  # the jobs to be run, written before the first of them starts
        self.lock = runs / ".lock"  # locked while a process runs this study
        self.report = report = output_root() / "reports" / name
        self.report_page = report / "index.html"  # the page to open
        self.tables = report / "tables"  # CSV, Markdown and LaTeX, each file called after what it shows
        self.figures = report / "figures"  # SVG and PNG, each file called after what it shows

    def parameters(self, stage: str) -> Path:
        """The values that a stage depends on; rewritten only when one of them changes."""
        return self.runs / "parameters" / f"{stage}.json"

    def variant(self, variant: str) -> Path:
        """A region of each film after a contrast treatment: images.npy (uint8), boxes.npy, cdf.parquet, run.json."""
        return self.images / variant

    def localisation(self, key: str, seed: int) -> Path:
        """A localisation network trained before fine-tuning: localisation.safetensors, history.csv, poses.parquet."""
        return self.runs / "stn" / key / str(seed)

    def arm(self, arm: str, seed: int) -> Path:
        """One training: predictions.parquet, history.csv, weights.safetensors (often), progress.json, run.json."""
        return self.runs / "arms" / arm / str(seed)

    def executed(self, notebook: str, *parts: object) -> Path:
        """An executed notebook: `05_fine_tuning-proposed-1.ipynb`."""
        return self.runs / "notebooks" / ("-".join([notebook, *map(str, parts)]) + ".ipynb")

    def job_status(self, *parts: object) -> Path:
        """State, times and error of one job of the workflow: `05_fine_tuning-proposed-1.json`."""
        return self.runs / "jobs" / ("-".join(map(str, parts)) + ".json")


def done_marker(folder: Path) -> Path:
    """File beside a result: the workflow has executed the notebook that makes it to its end, at this time in ns.

    Snakemake takes files of equal content for the same, so each marker says something else.
    """
    return folder / "executed"


def progress(folder: Path) -> Path:
    """How far the training in this folder has come, while it runs: epoch, epochs, eta_seconds."""
    return folder / "progress.json"


def pretraining(key: str) -> Path:
    """Pre-trained weights, shared by all studies that ask for the same: weights.safetensors, history.csv,
    run.json.
    """
    return output_root() / "runs" / PRETRAINING / key
