"""Flip and random changes of a radiograph, and whether a flip is safe for the label (notebook 03).

A flip is one of three switches of an arm:

- `none`: radiographs stay as they are.
- `random`: each training radiograph is mirrored with probability one half each time it is seen; testing mirrors none.
- `canonical`: every radiograph of the right side is mirrored, in training and in testing, so that the network sees
  left sides only. The side comes from the manifest, never from the image.

Where a mirrored radiograph has the other label (`cohort.manifest.side_dependent_label`; for example the side of a
curve), the label is mirrored with it: a mirrored training radiograph is taught as `1 - label`, and the score of a
radiograph mirrored for testing is turned back as `1 - score`.
"""

import numpy as np
import pandas as pd
import torch

from foramen.cohort import step as cohort
from foramen.cohort.step import Cohort
from foramen.core import geometry
from foramen.core.errors import InputError
from foramen.core.files import read_json, write_json
from foramen.study.model import Augmentation, Study
from foramen.study.step import make

CANONICAL_SIDE = "L"
SIDE_WORDS = {"l", "r", "left", "right"}
LISTED = 10


def prepare(study: Study) -> dict:
    """The flip audit of a study, kept in flip.json (notebook 03): see `audit`. Raises InputError as `check` does."""
    films = cohort.prepare(study)
    folder, inputs = study.paths.augmentation, [films.folder]
    make(
        folder,
        study,
        "augmentation",
        inputs,
        lambda facts, _: write_json(folder / "flip.json", audit(study, films)),
        lambda: check(study, films),
    )
    return read_json(folder / "flip.json")


def side_dependent(study: Study) -> bool:
    """True where a mirrored radiograph has the other label."""
    return study.cohort.source == "manifest" and study.cohort.manifest.side_dependent_label


def check(study: Study, films: Cohort) -> None:
    """Raise InputError where a flip that some arm asks for cannot be done, or would silently make labels wrong."""
    faults = []
    flips = {arm.flip: name for name, arm in study.arms.items()}
    rows = films.included
    missing = rows.loc[~rows["side"].isin(["L", "R"]), "image_id"]
    if "canonical" in flips and len(missing):
        faults += [f"manifest: {image}: side is missing, flip: canonical needs L or R" for image in missing[:LISTED]]
        if len(missing) > LISTED:
            faults.append(f"manifest: side is missing for {len(missing) - LISTED} further images")
        faults.append(f"arms.{flips['canonical']}.flip: use none or random where sides are unknown")
    words = {str(text).strip().lower() for text in study.cohort.manifest.labels}
    if study.cohort.source == "manifest" and words & SIDE_WORDS and not side_dependent(study) and set(flips) - {"none"}:
        faults.append(
            "cohort.manifest.side_dependent_label: the labels are named after sides, so a mirrored radiograph has the "
            "other label; set it to true, or use flip: none"
        )
    if faults:
        raise InputError(faults)


def audit(study: Study, films: Cohort) -> dict:
    """What each flip does to this cohort: radiographs mirrored, labels swapped, and the label by side."""
    rows = films.included
    dependent = side_dependent(study)
    label = "convention of the label" if study.cohort.source == "synthetic" else "cohort.manifest.side_dependent_label"
    return {
        "flips": sorted({arm.flip for arm in study.arms.values()}),
        "canonical_side": CANONICAL_SIDE,
        "label_depends_on_side": dependent,
        "declared_by": label,
        "label_of_a_mirrored_image": "1 - label" if dependent else "label",
        "sides": {side or "unknown": int(n) for side, n in rows["side"].value_counts().sort_index().items()},
        "mirrored_by_canonical": int(mirrored(rows, "canonical").sum()),
        "prevalence_by_side": {
            side or "unknown": round(float(part.mean()), 4) for side, part in rows.groupby("side")["label"]
        },
    }


def mirrored(rows: pd.DataFrame, flip: str) -> np.ndarray:
    """Which images (N,) bool an arm with this flip always mirrors, in training and in testing."""
    if flip != "canonical":
        return np.zeros(len(rows), bool)
    return (rows["side"] != CANONICAL_SIDE).to_numpy()


def examples(images: np.ndarray, rows: pd.DataFrame, n: int = 4) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """The first `n` radiographs, alternately right and left, before and after the canonical flip (notebook 03).

    Returns before (n, S, S), after (n, S, S) and their rows.
    """
    by_side = [rows.index[rows["side"] == side] for side in ("R", "L")]
    chosen = [i for pair in zip(*by_side, strict=False) for i in pair][:n] or list(rows.index[:n])
    before, rows = np.asarray(images[chosen]), rows.loc[chosen]
    flags = mirrored(rows, "canonical")[:, None, None]
    return before, np.where(flags, before[:, :, ::-1], before), rows


def random_poses(n: int, parameters: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Random poses (n, 4), each part uniform within the study's limits either way."""
    limits = [np.radians(parameters.rotation), np.log1p(parameters.zoom), 2 * parameters.shift, 2 * parameters.shift]
    return (2 * torch.rand(n, len(limits), generator=generator) - 1) * torch.tensor(limits, dtype=torch.float32)


def moves(parameters: Augmentation) -> bool:
    """True where random changes move the image, so that what the network sees cannot be computed beforehand."""
    return max(parameters.rotation, parameters.zoom, parameters.shift) > 0


def random_flip(n: int, generator: torch.Generator) -> torch.Tensor:
    """Which of `n` images to mirror, each with probability one half: (n,) bool."""
    return torch.rand(n, generator=generator) < 0.5


def random_gain(batch: torch.Tensor, parameters: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """`batch` (n, 1, H, W) with a random contrast about each image's own mean."""
    gain = 1 + parameters.gain * (2 * torch.rand(len(batch), 1, 1, 1, generator=generator) - 1)
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (batch - mean) * gain.to(batch.device)


def random_changes(theta: torch.Tensor, parameters: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """`theta` (n, 2, 3) followed by a random pose each: the network sees the same output moved about its centre."""
    change = geometry.matrices(random_poses(len(theta), parameters, generator)).to(theta.device)
    return theta @ change
