"""Who a patient is and how far their foramina are narrowed: draws by patient, and the MRI-like grade of the result.

Each draw has its own stream, named by (seed, patient, subject), and parameters scale standard draws: changing one
leaves every other draw of every patient as it was. Shown in 01_data_audit.
"""

import numpy as np

from cervical_phantom.anatomy import FORAMEN_ANGLE, FORAMEN_HEIGHT, FORAMEN_WIDTH, Narrowing, Person
from cervical_phantom.parameters import Disease, Label, SyntheticCohort

STREAMS = ("person", "disease", "site", "positioning", "exposure", "label", "marker", "noise", "laterality")
# Relative SD of a normal foramen: between patients, and about as much again between a patient's levels.
WIDTH_SD, HEIGHT_SD = 0.13, 0.11
# The walls of a drawn foramen bulge inwards, so its measured size is a little below the size it is built
# with.
WIDTH_BULGE = np.array([1.0, 1.02, 1.04, 1.04, 1.04, 1.03])
HEIGHT_BULGE = np.array([1.0, 1.02, 1.03, 1.03, 1.03, 1.02])


def stream(seed: int, patient: int, subject: str, side: int = 0) -> np.random.Generator:
    """The random generator of one subject of one patient (side 0) or one image (side 1 left, 2 right)."""
    return np.random.Generator(np.random.SFC64([seed, patient, side, STREAMS.index(subject)]))


def draw_person(parameters: SyntheticCohort, patient: int) -> Person:
    """Age, sex and sizes of one patient, without disease."""
    rng = stream(parameters.seed, patient, "person")
    age = float(np.clip(parameters.age_mean + parameters.age_sd * rng.standard_normal(), 18, 92))
    female = bool(rng.random() < parameters.female_share)
    z, spread = rng.standard_normal(8), parameters.anatomy_sd
    scale = (0.965 if female else 1.035) * np.exp(0.045 * spread * z[0])
    own = np.exp(
        spread * WIDTH_SD * (0.6 * z[1] + 0.8 * rng.standard_normal((6, 1)) * 0.7 + 0.4 * rng.standard_normal((6, 2)))
    )
    tall = np.exp(
        spread * HEIGHT_SD * (0.5 * z[2] + 0.7 * rng.standard_normal((6, 1)) + 0.3 * rng.standard_normal((6, 2)))
    )
    shrink = 1 - 0.0015 * (age - 50) * np.array([0.5, 0.8, 1.0, 1.4, 1.2, 0.6])
    return Person(
        age=age,
        female=female,
        scale=float(scale),
        lordosis=np.radians(14 + 11 * spread * z[3]),
        inclination=np.radians(-9 + 4 * spread * z[4]),
        neck=np.array([58.0, 62.0]) * (0.94 if female else 1.05) * np.exp(0.08 * spread * z[5]),
        width=(FORAMEN_WIDTH * WIDTH_BULGE * shrink)[:, None] * scale * own,
        height=(FORAMEN_HEIGHT * HEIGHT_BULGE)[:, None] * scale * tall,
        root=float(np.exp(0.05 * spread * z[6]) * scale),
        jaw=float(spread * z[7]),
        angle=FORAMEN_ANGLE + np.radians(4.0) * spread * (rng.standard_normal() + rng.standard_normal(6)),
    )


def draw_narrowing(parameters: SyntheticCohort, patient: int, age: float) -> Narrowing:
    """Disease of one patient, from a liability with age, level, patient and side effects (all in SD)."""
    d: Disease = parameters.disease
    rng = stream(parameters.seed, patient, "disease")
    common, apart = np.sqrt(d.left_right_correlation), np.sqrt(1 - d.left_right_correlation)
    wide = common * rng.standard_normal() + apart * rng.standard_normal(2)
    local = common * rng.standard_normal((6, 1)) + apart * rng.standard_normal((6, 2))
    residual = np.sqrt(d.clustering) * wide + np.sqrt(1 - d.clustering) * local
    aging = d.age_effect * (age - 55) / 10
    usual = d.onset + np.array(d.level_effects)
    liability = usual[:, None] + aging + residual
    lost = d.maximum_loss * (1 - np.exp(-d.steepness * np.maximum(liability, 0)))
    front_share = 0.25 + 0.5 * rng.random((6, 2))
    soft = rng.random((6, 2)) < d.soft_share
    # The signs have the variance of the liability, of which the share `follow` is the same as the liability's
    # own.
    follow, spread = d.signs_follow_narrowing, np.hypot(1, d.age_effect * parameters.age_sd / 10)
    own = aging + residual.mean(1) / np.sqrt((1 + d.left_right_correlation) / 2)
    degeneration = usual + 0.9 + np.sqrt(follow) * own + np.sqrt(1 - follow) * spread * rng.standard_normal(6)
    extent = 1 - np.exp(-1.3 * np.maximum(degeneration, 0))
    return Narrowing(
        front=np.where(soft, 0, lost * front_share),
        back=np.where(soft, 0, lost * (1 - front_share)),
        soft=np.where(soft, lost, 0),
        signs=d.signs * extent,
        growth=2 * d.signs * extent,
    )


def grade(narrowest_mm: np.ndarray, soft_mm: np.ndarray, root_mm: float) -> np.ndarray:
    """MRI-like grade 0 to 3 from the narrowest free width, less what a soft disc takes, against the nerve root's width.

    1: at most the root's width, 2: at most half of it (Kim's grading, doi:10.3348/kjr.2015.16.6.1294); 3: at most a
    quarter (an extension of this study).
    """
    free = (np.asarray(narrowest_mm) - soft_mm) / root_mm
    return (free <= 1).astype(int) + (free <= 0.5) + (free <= 0.25)


def reader_error(kappa: float) -> float:
    """Error rate of two independent, equally good readers whose kappa, at a prevalence of one half, is `kappa`.

    They agree with probability 1 - 2e(1 - e), which is (1 + kappa) / 2 there.
    """
    return float((1 - np.sqrt(kappa)) / 2)


def is_stenotic(grades: np.ndarray, label: Label, levels: tuple[str, ...]) -> bool:
    """Whether any counted level reaches the grade that the label asks for."""
    return bool(max(grades[levels.index(name)] for name in label.levels) >= label.minimum_grade)
