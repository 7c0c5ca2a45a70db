"""Who a patient is and how far their foramina are narrowed: draws by patient, and the MRI-like grade of the result.

Each draw has its own stream, named by (seed, patient, subject), and parameters scale standard draws: changing one
leaves every other draw of every patient as it was. Shown in 01_data_audit.
"""

from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from cervical_phantom.anatomy import FORAMEN_ANGLE, FORAMEN_HEIGHT, FORAMEN_WIDTH, Narrowing, Person
from cervical_phantom.parameters import Disease, SyntheticCohort

STREAMS = ("person", "disease", "site", "positioning", "exposure", "label", "marker", "noise", "laterality", "posture")
# Relative SD of a normal foramen: between patients, and about as much again between a patient's levels.
WIDTH_SD, HEIGHT_SD = 0.13, 0.11
# The distance between the walls of a foramen over its measured size: the uncinate process (up to 1.9 mm behind the
# body's edge), the disc, the pillar and the pedicles all bulge into it. Set so that unaffected foramina of the default
# cohort have the published means.
WIDTH_BULGE = np.array([1.035, 1.035, 1.125, 1.05, 1.11, 1.08])
HEIGHT_BULGE = np.array([1.055, 1.067, 1.09, 1.095, 1.10, 1.07])


# Shares of the nerve root's width at or below which a foramen has grade 1, 2, 3 (Kim's grading,
# doi:10.3348/kjr.2015.16.6.1294; 3 is an extension of this study).
CUTS = np.array([1.0, 0.5, 0.25])
# Quantiles (0, 0.05, … 1) of the least `free_share` among the counted levels of an image: 2000 patients of the
# default cohort.
DECIDING = np.array([
    -0.42, 0.17, 0.21, 0.24, 0.26, 0.28, 0.32, 0.38, 0.50, 0.66, 0.85,
    1.00, 1.08, 1.14, 1.19, 1.25, 1.30, 1.35, 1.40, 1.49, 1.95,
])  # fmt: skip


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


def free_share(narrowest_mm: np.ndarray, soft_mm: np.ndarray, root_mm: float) -> np.ndarray:
    """The narrowest free width, less what a soft disc takes, in shares of the nerve root's width."""
    return (np.asarray(narrowest_mm) - soft_mm) / root_mm


def grade(free: np.ndarray) -> np.ndarray:
    """MRI-like grade 0 to 3 from a `free_share`: how many of CUTS it does not exceed."""
    return (np.asarray(free)[..., None] <= CUTS).sum(-1)


@lru_cache
def reader_sd(kappa: float) -> float:
    """SD of a reader's measurement of an image's deciding share, at which two readers of the default cohort agree with
    Cohen's `kappa`.

    A reader calls an image stenotic where the measured share is at or below the cut; the measurement is Gaussian about
    the true one, so that errors lie near the cut (the psychometric function of Green & Swets 1966). Solved for the
    cohort of DECIDING: precision belongs to the reader, and where more foramina lie near the cut the same readers agree
    less.
    """
    share = np.interp(np.linspace(0, 1, 401), np.linspace(0, 1, len(DECIDING)), DECIDING)
    sd = np.geomspace(1e-3, 1e3, 300)
    chance = ndtr((CUTS[0] - share) / sd[:, None])
    agreed, positive = (chance**2 + (1 - chance) ** 2).mean(1), chance.mean(1)
    expected = positive**2 + (1 - positive) ** 2
    found = (agreed - expected) / (1 - expected)
    return float(np.interp(-kappa, [-1.0, *-found], [0.0, *sd]))


def called_stenotic(free: float, cut: float, kappa: float) -> float:
    """Probability that a reader of precision `kappa` calls an image stenotic whose deciding share is `free`."""
    sd = reader_sd(kappa)
    return float(ndtr((cut - free) / sd)) if sd else float(free <= cut)
