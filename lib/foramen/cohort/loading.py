"""A finished cohort in memory: its table, its images and what is known of each (every notebook)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foramen.cohort.split import NAMES
from foramen.core.files import read_frame, read_json

POSE_COLUMNS = ["pose_angle", "pose_scale", "pose_x", "pose_y"]  # in the order of `geometry.POSE`


@dataclass(frozen=True, eq=False)
class Cohort:
    """A finished cohort. Row i of `included`, `acquisition` and `truth` is image i of `images`, `boxes` and `masks`."""

    manifest: pd.DataFrame  # every row, excluded ones too
    included: pd.DataFrame
    boxes: np.ndarray  # (N, 4) int16 top, left, bottom, right of the valid area
    truth: pd.DataFrame | None
    poses: pd.DataFrame | None  # image_id and POSE_COLUMNS, where known (synthetic, CSXA)
    regions: pd.DataFrame | None  # x, y, half (see preprocessing.regions) of the boxes that a user's table gives
    acquisition: pd.DataFrame
    audit: dict
    folder: Path

    @cached_property
    def images(self) -> np.ndarray:
        """(N, S, S) uint16, full scale, bone bright, letterboxed, padding 0; memory-mapped.

        A published archive (`foramen.published`) leaves them out: what reads tables alone never opens them.
        """
        return np.load(self.folder / "images.npy", mmap_mode="r")

    @cached_property
    def masks(self) -> np.ndarray | None:
        """(N, S, S) uint8, one bit a level; memory-mapped. None where nobody knows where the foramina are."""
        path = self.folder / "masks.npy"
        return np.load(path, mmap_mode="r") if path.exists() else None

    @property
    def showable(self) -> pd.DataFrame:
        """Rows of `included` whose radiographs may be shown in a report: no text seems to be burnt into them."""
        return self.included[~self.acquisition["burnt_in"].astype(bool)]

    @property
    def side_mm(self) -> np.ndarray:
        """What the side of each square image is on the film, in mm (N,); NaN where no pixel spacing is stated."""
        known = self.acquisition
        return (known["spacing_mm"] * known[["width", "height"]].max(axis=1)).to_numpy(float)

    def __repr__(self) -> str:
        rows = self.included
        counts = ", ".join(f"{name} {int((rows['split'] == name).sum())}" for name in NAMES)
        return (
            f"Cohort of {len(rows)} radiographs ({self.images.shape[1]} px) of "
            f"{rows['patient_id'].nunique()} patients, "
            f"{rows['label'].mean():.0%} positive; {counts}; {int(self.manifest['excluded'].sum())} excluded"
        )


def load_cohort(folder: Path) -> Cohort:
    """The finished cohort that lies in `folder`."""

    def optional(name: str, read: Callable[[Path], Any]) -> Any:
        return read(folder / name) if (folder / name).exists() else None

    manifest = read_frame(folder / "manifest.parquet")
    truth = optional("truth.parquet", read_frame)
    return Cohort(
        manifest=manifest,
        included=manifest[~manifest["excluded"]].reset_index(drop=True),
        boxes=np.load(folder / "boxes.npy"),
        truth=truth,
        poses=optional("poses.parquet", read_frame) if truth is None else truth[["image_id", *POSE_COLUMNS]],
        regions=optional("regions.parquet", read_frame),
        acquisition=read_frame(folder / "acquisition.parquet"),
        audit=read_json(folder / "audit.json"),
        folder=folder,
    )
