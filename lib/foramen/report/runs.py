"""Where the numbers of a report come from: what each run.json of the study says."""

from pathlib import Path
from typing import Any

import pandas as pd

from foramen.core import paths
from foramen.study.model import Study
from foramen.study.provenance import read_run

SHOWN = ("finished", "wall_seconds", "peak_memory_mib", "code_version", "key", "machine", "device")


def runs(study: Study) -> list[dict[str, Any]]:
    """A row a run.json: what, finished, seconds, memory, speed, code, key."""
    where = study.paths
    folders = {"cohort": where.cohort, "regions": where.regions, "augmentation": where.augmentation}
    folders |= {f"images, {name}": where.variant(name) for name in study.variants}
    folders["pre-training"] = _pretraining(study)
    folders |= {str(p.parent.relative_to(where.runs)): p.parent for p in sorted(where.runs.glob("stn/*/*/run.json"))}
    folders |= {f"{run.arm}, seed {run.seed}": run.folder for run in study.runs}
    folders |= {name: getattr(where, name) for name in ("evaluation", "robustness", "explanation", "pitfalls")}
    made = {what: folder for what, folder in folders.items() if (folder / "run.json").exists()}
    return [{"what": f"{what}{_published(folder)}", **_shown(folder)} for what, folder in made.items()]


def _published(folder: Path) -> str:
    """What a result is called besides that was not made here (`foramen.published`)."""
    return " (published)" if "published" in read_run(folder) else ""


def _pretraining(study: Study) -> Path:
    """The folder of the pre-trained weights, which studies share: the trainings name it as input."""
    for run in study.runs:
        for inputs in (run.folder / name for name in read_run(run.folder).get("inputs", [])):
            if inputs.resolve().parent == paths.pretraining("").resolve():
                return inputs.resolve()
    return study.paths.pretraining


def _shown(folder: Path) -> dict[str, Any]:
    """What the page shows of one run.json."""
    made, history = read_run(folder), folder / "history.csv"
    speeds = pd.read_csv(history).get("images_per_second") if history.exists() else None
    return {name: made.get(name, "") for name in SHOWN} | {"speed": "" if speeds is None else f"{speeds.mean():.0f}"}
