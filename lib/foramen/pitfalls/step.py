"""What notebook 09 takes from a study: its films made small, and small cohorts in which something knows the label."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cervical_phantom import SyntheticCohort, patients
from cervical_phantom.anatomy import LEVELS
from foramen.augmentation.flip import mirrored
from foramen.cohort.step import Cohort
from foramen.core.files import read_frame
from foramen.pitfalls import probe
from foramen.preprocessing import step as preprocessing
from foramen.study.model import TAUGHT_STN, Study
from radiographs import parallel

SIDE = 24  # pixels a side of the regions that small classifiers see
FILM_SIZE = 64  # and of the films of the small cohorts
MOST = 200  # patients whose regions they see
PATIENTS = 120  # of each small cohort
KNOWS = 0.9  # correlation of marker or site with the label


class Regions(NamedTuple):
    """Rows of `included`, and what the primary arm sees of them before its flip, (n, s, s), and turned (n, s, s)."""

    rows: pd.DataFrame
    images: NDArray
    turned: NDArray


def regions(study: Study, films: Cohort, most: int = MOST) -> Regions:
    """The regions of the first patients, averaged down to about 24 pixels a side; turned: all like left sides."""
    arm, names = study.arms[study.plan.primary.arm], films.included["patient_id"].unique()[:most]
    index = np.flatnonzero(films.included["patient_id"].isin(names))
    rows = films.included.iloc[index]
    images = preprocessing.prepare(study, arm.region, arm.equalization).images[index]
    kept, canonical = np.zeros(len(rows), bool), mirrored(rows["side"], "canonical")
    return Regions(rows, probe.small(images, kept, SIDE), probe.small(images, canonical, SIDE))


def foramina(study: Study, films: Cohort, most: int = MOST) -> NDArray | None:
    """Masks (n, S, S) bool of the foramina that the label is about, in the primary arm's regions of test films; None
    where they are not known.
    """
    if films.masks is None:
        return None
    arm, levels = study.arms[study.plan.primary.arm], study.cohort.synthetic.label.levels
    index = np.flatnonzero(films.included["split"] == "test")[:most]
    return preprocessing.masks(study, films, arm.region, index) & sum(1 << LEVELS.index(level) for level in levels) > 0


def labels_before_noise(films: Cohort) -> pd.Series | None:
    """The label of each image before readers' errors, by image_id; None where only readers know."""
    return None if films.truth is None else films.truth.set_index("image_id")["label_before_noise"]


class Shortcuts(NamedTuple):
    """Labels and patients of small cohorts, and features of their films: `clean`, `marker` and `site`."""

    labels: NDArray
    patients: NDArray
    features: dict[str, NDArray]


def shortcuts(study: Study) -> Shortcuts:
    """The first synthetic patients of the study drawn three times: alike but for the marker, or the site."""
    drawn = study.cohort.synthetic.model_copy(update={"patients": min(PATIENTS, study.cohort.synthetic.patients)})
    marker = drawn.marker.model_copy(update={"label_correlation": KNOWS, "present_share": 0.5})
    site = drawn.site.model_copy(update={"label_correlation": KNOWS})
    cohorts = {"clean": drawn, "marker": drawn.model_copy(update={"marker": marker})}
    cohorts["site"] = drawn.model_copy(update={"site": site})
    features = {}
    for name, cohort in cohorts.items():
        rows, images = _drawn(cohort)
        features[name] = probe.marks(probe.small(images, mirrored(rows["side"], "canonical"), FILM_SIZE))
    return Shortcuts(rows["label"].to_numpy(), rows["patient_id"].to_numpy(), features)


def _drawn(cohort: SyntheticCohort) -> tuple[pd.DataFrame, NDArray]:
    """The manifest and the small films of a cohort."""
    with TemporaryDirectory() as folder:
        patients.write(cohort, FILM_SIZE, folder, parallel.available())
        return read_frame(Path(folder) / "manifest.parquet"), np.load(Path(folder) / "images.npy")


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
