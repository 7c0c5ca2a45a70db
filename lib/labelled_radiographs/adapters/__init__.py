"""Where a cohort of files comes from: one module for each published layout, all giving the same table.

An adapter is a module with a function `table(section) -> Source`. To add your own, copy `example.py`, change
it, and name your file: `adapter: my_adapter.py`. `read` does the rest. Used by notebook 01.
"""

import contextlib
import functools
import importlib
import importlib.util
import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelled_radiographs import manifest
from labelled_radiographs.layout import Layout
from radiographs import on_square
from user_tables import InputError, first_few

NAMES = ("general", "vindr_spinexr", "csxa", "example")


@dataclass
class Source:
    """What an adapter gives: the raw table (text cells, columns of `manifest.COLUMNS`), and where it comes
    from.
    """

    table: pd.DataFrame
    origin: Path  # named in faults
    images: Path  # the folder that image paths are relative to and must stay in
    labels: dict[str, int] = field(default_factory=dict)  # label texts beside 0/1 and yes/no
    notes: list[str] = field(default_factory=list)  # what the audit should say: assumptions, fall-backs
    faults: list[str] = field(default_factory=list)  # of rows of the table, one line each kind
    keypoints: dict[str, np.ndarray] | None = None  # by image_path, (n, 2) x and y in pixels of the file as stored

    @property
    def wanted(self) -> pd.Series:
        """The image paths of the rows that are not excluded."""
        return self.table.loc[self.table["excluded"] == "", "image_path"]

    def located(self, rows: pd.DataFrame) -> pd.Series:
        """True for each of `rows` (image_path, width, height) that has keypoints, all of them within the image."""
        known = self.keypoints or {}

        def within(row: Any) -> bool:
            points = known.get(row.image_path, np.empty((0, 2)))
            return len(points) > 1 and bool(((points >= 0) & (points <= [row.width, row.height])).all())

        return pd.Series([within(row) for row in rows.itertuples()], rows.index, dtype=bool)

    def poses(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Pose of the spine in each of `rows` (image_path, width, height, aspect, orientation) from its keypoints; NaN
        where none are `located`.

        As in the synthetic truth, in coordinates of the square, upright image (`radiographs.on_square`):
        `pose_x, pose_y` the keypoints' centre, `pose_angle` (radians) from the vertical, clockwise, to their
        principal axis, `pose_scale` half their extent along it.
        """
        known = self.keypoints or {}
        poses = pd.DataFrame(np.nan, index=rows.index, columns=["pose_angle", "pose_scale", "pose_x", "pose_y"])
        for row in rows[self.located(rows)].itertuples():
            points = on_square(known[row.image_path], row)
            centre = points.mean(0)
            axis = np.linalg.svd(points - centre, full_matrices=False)[2][0]
            axis = axis if axis[1] >= 0 else -axis
            poses.loc[row.Index] = [np.arctan2(-axis[0], axis[1]), np.ptp((points - centre) @ axis) / 2, *centre]
        return poses


def read(section: Layout) -> Source:
    """The user's cohort as typed rows. Rows with a fault are left out of the table and listed in `faults`.

    InputError where there is no table, or none with the columns that are needed.
    """
    if section.adapter in NAMES:
        source = importlib.import_module(f"labelled_radiographs.adapters.{section.adapter}").table(section)
    else:
        source = _own(Path(section.adapter), section)
    if source.table.index.name != "row":  # no file of rows that faults could name: they are counted from 1
        source.table = source.table.set_axis(pd.RangeIndex(1, len(source.table) + 1, name="row"))
    source.table = manifest.tidy(source.table.reindex(columns=manifest.COLUMNS, fill_value="").astype(str))
    source.table["image_path"], twins = _as_on_disk(source.table["image_path"], source.images)
    source.faults, good = manifest.validate(source.table, source.labels, source.origin)
    if len(twins):
        text = "image_path: several files whose names differ only in how accented letters are composed; rename them"
        source.faults.append(f"{source.origin}: {first_few(f'row {row}' for row in twins)}: {text}")
    source.table = manifest.normalise(source.table.loc[good], source.labels)
    return source


def locate(section: Layout) -> Path:
    """The user's table or folder; InputError where there is none."""
    path = Path(section.path).expanduser()
    if not path.exists():
        raise InputError(f"path: there is nothing at {path}")
    return path.resolve()


def _as_on_disk(names: pd.Series, root: Path) -> tuple[pd.Series, pd.Index]:
    """Image paths as the disk spells them: a Mac decomposes the letters of file names (NFD), most tables do not.

    And the rows of which the disk has more than one spelling.
    """
    composed = functools.partial(unicodedata.normalize, "NFC")

    @functools.cache
    def spellings(folder: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        with contextlib.suppress(OSError, ValueError):  # no folder, or no possible name: the file will be missed
            for name in os.listdir(folder):
                found.setdefault(composed(name), []).append(name)
        return found

    def on_disk(name: str) -> list[Path]:
        places = [Path()]
        for part in Path(name).parts:
            places = [p / spelt for p in places for spelt in spellings(str(root / p)).get(composed(part), [part])]
        return places

    places = names[~names.map(str.isascii)].map(on_disk)
    twins = places.index[places.map(len) > 1]
    return places.drop(twins).map(lambda only: str(only[0])).reindex(names.index).fillna(names), twins


def _own(path: Path, section: Layout) -> Source:
    """What a user's own adapter gives; whatever goes wrong in it becomes one line."""
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"adapter: {str(path)!r} is none of {', '.join(NAMES)}, nor a Python file")
    spec = importlib.util.spec_from_file_location("own_adapter", path)
    assert spec is not None and spec.loader is not None  # the file ends in .py
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not callable(getattr(module, "table", None)):
            raise InputError(f"{path}: an adapter needs a function table(section)")
        return module.table(section)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: the adapter failed: {type(error).__name__}: {error}") from None
