"""The step of notebook 03: is a flip safe for this study's label, and the images of an arm after its flip."""

import numpy as np
import torch

from foramen.augmentation.flip import CANONICAL_SIDE, apply_canonical_flip, mirrored
from foramen.cohort import step as cohort
from foramen.cohort.step import Cohort
from foramen.core.errors import InputError
from foramen.core.files import read_json, write_json
from foramen.preprocessing import step as preprocessing
from foramen.study.model import Arm, Study
from foramen.study.step import make

SIDE_WORDS = {"l", "r", "left", "right"}


def prepare(study: Study) -> dict:
    """The flip audit of a study, kept in flip.json (notebook 03): see `audit`. Raises InputError as `check` does."""
    films, path = cohort.prepare(study), study.paths.augmentation / "flip.json"

    def work(facts: dict, checked: None) -> None:
        write_json(path, audit(study, films))

    make(path.parent, study, "augmentation", [films.folder], work, lambda: check(study))
    return read_json(path)


def side_dependent(study: Study) -> bool:
    """True where a mirrored radiograph has the other label."""
    return study.cohort.source == "manifest" and study.cohort.manifest.side_dependent_label


def arm_images(study: Study, arm: Arm, films: Cohort, index: np.ndarray | None = None) -> torch.Tensor:
    """Images as an arm reads them, (N, 1, S, S) uint8: cut out, treated and, where its flip says so, mirrored.

    All of them, from what `preprocessing.prepare` keeps; or those at `index`, made anew.
    """
    flips = mirrored(films.included["side"], arm.flip)
    if index is None:
        images = preprocessing.prepare(study, arm.region, arm.equalization).images
    else:
        images, flips = preprocessing.treated(study, films, arm.region, arm.equalization, index), flips[index]
    return torch.from_numpy(apply_canonical_flip(images, flips))[:, None]


def check(study: Study) -> None:
    """Raise InputError where a flip that some arm asks for would silently make labels wrong."""
    flips = any(arm.flip != "none" for arm in study.arms.values())
    words = {str(text).strip().lower() for text in study.cohort.manifest.labels}
    if study.cohort.source == "manifest" and words & SIDE_WORDS and not side_dependent(study) and flips:
        raise InputError(
            "cohort.manifest.side_dependent_label: the labels are named after sides, so a mirrored radiograph has the "
            "other label; set it to true, or use flip: none"
        )


def audit(study: Study, films: Cohort) -> dict:
    """What each flip does to this cohort: radiographs mirrored, labels swapped, and the label by side."""
    rows, dependent = films.included, side_dependent(study)
    label = "convention of the label" if study.cohort.source == "synthetic" else "cohort.manifest.side_dependent_label"
    return {
        "flips": sorted({arm.flip for arm in study.arms.values()}),
        "canonical_side": CANONICAL_SIDE,
        "label_depends_on_side": dependent,
        "declared_by": label,
        "label_of_a_mirrored_image": "1 - label" if dependent else "label",
        "sides": {side or "unknown": int(n) for side, n in rows["side"].value_counts().sort_index().items()},
        "mirrored_by_canonical": int(mirrored(rows["side"], "canonical").sum()),
        "prevalence_by_side": {
            side or "unknown": round(float(part.mean()), 4) for side, part in rows.groupby("side")["label"]
        },
    }
