"""A finished cohort in memory: its table, its images and what is known of each (every notebook)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foramen.core.files import read_frame, read_json
from labelled_radiographs.split import NAMES

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
    render: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None  # some images and masks, by row

    @cached_property
    def images(self) -> np.ndarray:
        """(N, S, S) uint16, full scale, bone bright, letterboxed, padding 0; memory-mapped.

        A published archive (`foramen.published`) leaves them out; synthetic ones are then rendered as they are read
        (`OnDemand`).
        """
        return self._array("images.npy", 0)

    @cached_property
    def masks(self) -> np.ndarray | None:
        """(N, S, S) uint8, one bit a level; as `images`. None where nobody knows where the foramina are."""
        known = self.render or (self.folder / "masks.npy").exists()
        return self._array("masks.npy", 1) if known else None

    def _array(self, name: str, place: int) -> Any:
        if self.render and not (self.folder / name).exists():
            return OnDemand(self.render, place, len(self.included))
        return np.load(self.folder / name, mmap_mode="r")

    @property
    def showable(self) -> pd.DataFrame:
        """Rows of `included` whose radiographs may be shown in a report: no text seems to be burnt into them."""
        return self.included[~self.acquisition["burnt_in"].astype(bool)]

    @property
    def side_mm(self) -> np.ndarray:
        """What the side of each square image is on the film, in mm (N,); NaN where no pixel spacing is stated."""
        rows = self.acquisition  # without `aspect`, as in archives published earlier, pixels are square
        return np.array(rows["spacing_mm"] * np.maximum(rows["width"], rows["height"] * rows.get("aspect", 1)), float)

    def __repr__(self) -> str:
        rows = self.included
        counts = ", ".join(f"{name} {int((rows['split'] == name).sum())}" for name in NAMES)
        return (
            f"Cohort of {len(rows)} radiographs ({self.images[:1].shape[1]} px) of "
            f"{rows['patient_id'].nunique()} patients, "
            f"{rows['label'].mean():.0%} positive; {counts}; {int(self.manifest['excluded'].sum())} excluded"
        )


@dataclass(frozen=True)
class OnDemand:
    """In place of an array that was left out: its rows, rendered when they are asked for by number or numbers."""

    render: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    place: int  # of the array in what `render` returns
    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int | slice | list[int] | np.ndarray) -> np.ndarray:
        rows = np.arange(self.length)[index]
        found = self.render(np.atleast_1d(rows))[self.place]
        return found if np.ndim(rows) else found[0]


def load_cohort(folder: Path, render: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None) -> Cohort:
    """The finished cohort that lies in `folder`; `render` makes images and masks that were left out of it."""

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
        render=render,
    )
