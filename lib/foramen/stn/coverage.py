"""What each arm reads of the films, and whether that fits them; told before any training (notebooks 02 and 04).

Where the column of foramina is known (the phantom, a box in the user's table, a detector that is sure), a crop, a
region or an STN at its start fits if it reads the column. Where nothing tells the place, only the whole film is safe:
what lies beyond a frame, no network can see.
"""

import numpy as np
import pandas as pd
import torch

from foramen.cohort import step as cohort
from foramen.core import geometry
from foramen.core.display import readings
from foramen.core.files import read_frame, write_frame
from foramen.preprocessing import step as preprocessing
from foramen.preprocessing.regions import frames
from foramen.stn.step import build
from foramen.study.model import Study
from foramen.study.step import make

POINTS, FILMS = 64, 1000  # points along each side of a film, and films at the most, that are looked at
LOST = 0.05  # share of the films on which the known column may be cut, in an arm that fits
UNREAD = 0.1  # share of the films' area that may be left out where nothing tells the place of the column


def prepare(study: Study) -> pd.DataFrame:
    """What each arm reads (`coverage`), kept in coverage.parquet; `misfit` of run.json: the arms that do not fit."""
    films, folder = cohort.prepare(study), study.paths.coverage
    inputs = [films.folder] + [study.paths.regions] * study.detects

    def work(facts: dict) -> None:
        table = coverage(study, films)
        write_frame(folder / "coverage.parquet", table)
        facts["misfit"] = " ".join(readings("stn").misfit(*misfits(table)).split())

    if study.detects:
        preprocessing.prepare_regions(study)
    make(folder, study, "coverage", inputs, work)
    return read_frame(folder / "coverage.parquet")


def coverage(study: Study, films: cohort.Cohort) -> pd.DataFrame:
    """A row an arm: arm, film, column.

    `film`: mean share of a film's own area that the arm reads, of an STN at its start. `column`: share of the films on
    which both ends of the column of foramina lie there; missing where the detector does not fit the films.
    """
    index = np.unique(np.linspace(0, len(films.boxes) - 1, FILMS).round().astype(int))
    ends, boxes, size = preprocessing.columns(study, films)[index], films.boxes[index], films.images.shape[-1]
    known = np.isfinite(ends).all(axis=(1, 2))
    rows = []
    for name, arm in study.arms.items():
        places = frames(preprocessing.place(study, films, arm.region)[index])[:, None]
        theta = (places @ build(study.run(name, study.seeds[0])).frame.reshape(-1, 3, 3))[..., :2, :]
        told = known.mean() >= 1 - preprocessing.DOUBTFUL
        column = holds_points(theta[known], ends[known]).mean() if told else np.nan
        rows.append((name, share_read(theta, boxes, size).mean(), column))
    return pd.DataFrame(rows, columns=["arm", "film", "column"])


def share_read(theta: torch.Tensor, boxes: np.ndarray, size: int) -> np.ndarray:
    """Share (n,) of the valid areas `boxes` (n, 4) of square films of `size` pixels that theta (n, k, 2, 3) reads."""
    middles = (np.arange(POINTS) + 0.5) / POINTS * size
    down, right = ((middles >= boxes[:, i, None]) & (middles < boxes[:, i + 2, None]) for i in (0, 1))
    own = down[:, :, None] & right[:, None]
    return (geometry.read(theta, POINTS).numpy() & own).sum(axis=(1, 2)) / own.sum(axis=(1, 2)).clip(1)


def holds_points(theta: torch.Tensor, points: np.ndarray) -> np.ndarray:
    """Which films (n,) bool have all their points (n, p, 2) within what theta (n, k, 2, 3) reads."""
    back = geometry.inverse(theta.reshape(-1, 2, 3)).view(theta.shape)
    where = back[..., :2] @ torch.from_numpy(points).float().mT[:, None] + back[..., 2:]  # (n, k, 2, p)
    return (where.abs() <= 1).all(dim=2).any(dim=1).all(dim=1).numpy()


def misfits(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of `coverage` whose arms cut the known column, and of those that leave films out without knowing a place."""
    return table[table["column"] < 1 - LOST], table[table["column"].isna() & (table["film"] < 1 - UNREAD)]
