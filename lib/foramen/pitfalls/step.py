"""What notebook 09 takes from a study: small cohorts of its synthetic patients, some with a shortcut."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.transform import resize

from cervical_phantom import SyntheticCohort, patients
from cervical_phantom.acquisition import FILM_MM
from foramen.augmentation.flip import mirrored
from foramen.cohort.loading import Cohort
from foramen.core.files import read_frame
from foramen.pitfalls import shortcuts
from foramen.preprocessing.equalization import equalize
from foramen.study.model import TAUGHT_STN, Study
from radiographs import parallel

PATIENTS = 120  # of each small cohort
FILM = 160  # pixels a side of its films
REGION = 24  # and of the regions that are cut out of them
KNOWS = 0.9  # correlation of marker, site or collimation with the label


class Drawn(NamedTuple):
    """A small synthetic cohort: its rows with truth, films (n, S, S) uint16, valid boxes (n, 4), foramina (n, S, S)."""

    rows: pd.DataFrame
    films: NDArray
    boxes: NDArray
    masks: NDArray

    @property
    def right(self) -> NDArray[np.bool_]:
        """Films (n,) that have to be mirrored to look like those of left foramina."""
        return mirrored(self.rows["side"], "canonical")


def cohorts(study: Study) -> dict[str, Drawn]:
    """The first synthetic patients of a study, alike but for one thing: `clean`; `marker`, `site` and `collimation`,
    where that goes with the label; `collimation by coin`, where as many fields are narrow.
    """
    clean = study.cohort.synthetic
    clean = clean.model_copy(update={"patients": min(PATIENTS, clean.patients)})
    marker = clean.marker.model_copy(update={"label_correlation": KNOWS, "present_share": 0.5})
    site = clean.site.model_copy(update={"label_correlation": KNOWS})
    drawn = {"clean": clean, "marker": clean.model_copy(update={"marker": marker})}
    drawn |= {"site": clean.model_copy(update={"site": site})}
    made = {name: _draw(cohort) for name, cohort in drawn.items()}
    films, boxes, labels = made["clean"].films, made["clean"].boxes, made["clean"].rows["label"].to_numpy()
    for name, correlation in (("collimation", KNOWS), ("collimation by coin", 0.0)):
        narrow = shortcuts.told(labels, correlation)
        made[name] = made["clean"]._replace(films=shortcuts.collimated(films, boxes, narrow))
    return made


def _draw(cohort: SyntheticCohort) -> Drawn:
    with TemporaryDirectory() as folder:
        patients.write(cohort, FILM, folder, parallel.available())
        rows = read_frame(Path(folder) / "manifest.parquet").merge(read_frame(Path(folder) / "truth.parquet"))
        return Drawn(rows, *(np.load(Path(folder) / f"{name}.npy") for name in ("images", "boxes", "masks")))


def markers(drawn: Drawn) -> NDArray[np.float64]:
    """Where the marker lies on each film that has one, when films of right foramina are mirrored: x, y from -1 to 1."""
    places = drawn.rows[["marker_right", "marker_down"]].to_numpy(float) * 2 / FILM_MM[0]
    places[drawn.right, 0] *= -1
    return np.where(drawn.rows[["marker_present"]], places, np.nan)


def regions(study: Study, drawn: Drawn) -> NDArray[np.float32]:
    """The squares about the true columns of foramina (n, 24, 24), those that a faultless detector would cut out.

    Films are equalized over their valid areas.
    """
    pictures = [equalize(film, box, "global") for film, box in zip(drawn.films, drawn.boxes, strict=True)]
    squares = [picture[_square(place)] for picture, place in zip(pictures, _columns(study, drawn), strict=True)]
    cut = [resize(square.astype(float), (REGION, REGION), anti_aliasing=True) for square in squares]
    return np.stack(cut).astype(np.float32)


def places(study: Study, drawn: Drawn) -> NDArray[np.float64]:
    """The region of each film (n, 3), x, y and half its side, -1 to 1: detected in the study, else about the column."""
    if not study.detects:
        return _columns(study, drawn)
    table = read_frame(study.paths.regions / "regions.parquet").set_index("image_id")
    return table.loc[drawn.rows["image_id"], ["x", "y", "half"]].to_numpy()


def _columns(study: Study, drawn: Drawn) -> NDArray[np.float64]:
    return drawn.rows[["pose_x", "pose_y", "pose_scale"]].to_numpy() * [1, 1, study.region.margin]


def _square(place: NDArray) -> tuple[slice, slice]:
    """Rows and columns of a film that a region (centre x, y and half its side, -1 to 1) covers, as far as it does."""
    x, y, half = (np.array([1, 1, 0]) + place) / 2 * FILM
    spans = [np.clip(np.rint([centre - half, centre + half]), 0, FILM).astype(int) for centre in (y, x)]
    return slice(*spans[0]), slice(*spans[1])


def labels_before_noise(films: Cohort) -> pd.Series | None:
    """The label of each image before readers' errors, by image_id; None where only readers know."""
    return None if films.truth is None else films.truth.set_index("image_id")["label_before_noise"]


def crop_arms(study: Study) -> tuple[str, str, str] | None:
    """An arm with a spatial transformer, the one with a fixed crop in its place, the one with neither; None if one is
    missing.
    """
    alike: dict[str, dict[str, str]] = {}
    for name, arm in study.arms.items():
        kind = "transformer" if arm.stn in (*TAUGHT_STN, "joint") else arm.stn
        alike.setdefault(arm.model_dump_json(exclude={"description", "stn"}), {})[kind] = name
    found = (arms for arms in alike.values() if {"transformer", "crop", "none"} <= set(arms))
    return next(((arms["transformer"], arms["crop"], arms["none"]) for arms in found), None)
