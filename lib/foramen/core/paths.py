"""The name of every artefact of a study, in one place.

`runs/` holds what the workflow makes on the way (kept out of version control); `reports/` holds the tables,
figures and pages that a reader looks at. Both lie in the checkout, or below `FORAMEN_OUTPUT` where that
variable is set.
"""

import os
from dataclasses import dataclass
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
)


def output_root() -> Path:
    """Where `runs/` and `reports/` lie."""
    return Path(os.environ.get("FORAMEN_OUTPUT", ROOT)).resolve()


@dataclass(frozen=True)
class StudyPaths:
    """Paths of the study called `name`. A directory's `run.json` is written last: where it exists, the rest
    is complete.
    """

    name: str

    @property
    def runs(self) -> Path:
        """Everything made on the way."""
        return output_root() / "runs" / self.name

    @property
    def study_file(self) -> Path:
        """The study file with all overrides applied; the notebooks of the workflow read this one."""
        return self.runs / "study.yaml"

    def parameters(self, stage: str) -> Path:
        """The values that a stage depends on; rewritten only when one of them changes."""
        return self.runs / "parameters" / f"{stage}.json"

    @property
    def cohort(self) -> Path:
        """manifest.parquet, truth.parquet (synthetic), images.npy, boxes.npy, masks.npy (synthetic),
        audit.json, run.json.
        """
        return self.runs / "cohort"

    @property
    def regions(self) -> Path:
        """The detected region of each film: regions.parquet, detector.safetensors, history.csv, run.json."""
        return self.runs / "regions"

    def variant(self, variant: str) -> Path:
        """A region of each film after a contrast treatment: images.npy (uint8), boxes.npy, cdf.parquet, run.json."""
        return self.runs / "images" / variant

    @property
    def augmentation(self) -> Path:
        """flip.json (is a flip safe for this label?), run.json."""
        return self.runs / "augmentation"

    @property
    def pretraining(self) -> Path:
        """Done marker of the pre-training; all studies share the weights themselves, see `pretraining` below."""
        return self.runs / "pretraining"

    def localisation(self, key: str, seed: int) -> Path:
        """A localisation network taught before fine-tuning: localisation.safetensors, history.csv,
        diagnostics.json, run.json.
        """
        return self.runs / "stn" / key / str(seed)

    def arm(self, arm: str, seed: int) -> Path:
        """One training: predictions.parquet, history.csv, weights.safetensors (first seed), progress.json,
        run.json.
        """
        return self.runs / "arms" / arm / str(seed)

    @property
    def evaluation(self) -> Path:
        """run.json of the evaluation."""
        return self.runs / "evaluation"

    @property
    def robustness(self) -> Path:
        """run.json of the checks of robustness."""
        return self.runs / "robustness"

    @property
    def explanation(self) -> Path:
        """run.json of the explanations."""
        return self.runs / "explanation"

    def executed(self, notebook: str, *parts: object) -> Path:
        """An executed notebook: `05_fine_tuning-proposed-1.ipynb`."""
        return self.runs / "notebooks" / ("-".join([notebook, *map(str, parts)]) + ".ipynb")

    @property
    def log(self) -> Path:
        """What Snakemake and its jobs printed during the last run."""
        return self.runs / "workflow.log"

    @property
    def plan(self) -> Path:
        """The jobs that the workflow found to be run, written before the first of them starts."""
        return self.runs / "plan.json"

    @property
    def lock(self) -> Path:
        """Locked while a process runs this study."""
        return self.runs / ".lock"

    def job_status(self, *parts: object) -> Path:
        """State, times and error of one job of the workflow: `05_fine_tuning-proposed-1.json`."""
        return self.runs / "jobs" / ("-".join(map(str, parts)) + ".json")

    @property
    def report(self) -> Path:
        """index.html, tables/, figures/, notebooks/ as pages."""
        return output_root() / "reports" / self.name

    @property
    def report_page(self) -> Path:
        """The page to open."""
        return self.report / "index.html"

    @property
    def tables(self) -> Path:
        """CSV, Markdown and LaTeX, each file called after what it shows."""
        return self.report / "tables"

    @property
    def figures(self) -> Path:
        """SVG and PNG, each file called after what it shows."""
        return self.report / "figures"


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
