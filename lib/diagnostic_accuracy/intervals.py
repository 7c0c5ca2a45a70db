"""Confidence intervals and p-values from resampled patients and repeated seeds (notebook 06).

**Patients.** A resample (`bootstrap`) draws patients with replacement within strata (all images negative, all
positive, both), since the images of one patient are not independent. The intervals are therefore conditional on the
test set's mix of classes. Validation patients are drawn as well, and each draw chooses its threshold: held fixed, 116
of them leave sensitivity and specificity intervals that cover 83 to 85 %. All arms and seeds are scored on the same
draws, so differences between arms are paired. A bootstrap of n patients in h strata understates a variance by about
(n - h) / n and ignores that the variance is estimated; both are corrected, as in the expanded percentile interval
(Hesterberg 2015, doi:10.1080/00031305.2015.1089789).

**Seeds.** An estimate is the mean over k seeds. Its error has two parts: what the seeds share, because they are
tested on the same patients, and what each has of its own. To draw seeds with replacement along with the patients
would mix the parts: it understates the second by (k - 1) / k, ignores that k values tell little about a variance, and
counts the scatter that the finite test set adds to each seed more than once. Here the second part is the plain
variance of the k values over k, with k - 1 degrees of freedom. The first is the variance of the mean between
resamples, less the scatter between seeds within resamples over k, which the second part already holds. The sum has
Student's t distribution with 1 / freedom the average of the two parts' 1 / freedom, weighted by their shares of the
variance. It is exact at both ends; between them Welch and Satterthwaite's formula falls to 92 % coverage with 3 seeds
and the Behrens-Fisher distribution rises to 98 %, this keeps to 94 to 96 %
(tests/diagnostic_accuracy/test_coverage.py). Average precision is the slowest to converge: simulated coverage 91 %
with 200 patients, 95 % with 500. Two seeds tell next to nothing of their variance: it is pooled over the arms where at
least three vary (`bootstrap.Resampled.between`). With one seed there is no second part, and a note says that the
interval describes this one trained network.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]

LEVEL = 0.95  # of every confidence interval
POWER = 0.8  # of a detectable difference


@dataclass(frozen=True)
class Error:
    """The standard error of a mean over seeds and the degrees of freedom of its t distribution."""

    standard_error: float
    freedom: float

    def half_width(self) -> float:
        """What chance alone exceeds, either way, with probability 1 - LEVEL."""
        return float(stats.t.ppf((1 + LEVEL) / 2, self.freedom)) * self.standard_error

    def p_value(self, size: float) -> float:
        """Two-sided p-value of an estimate of this size; below 1 - LEVEL where the half width is below |size|."""
        return float(2 * stats.t.sf(abs(size) / self.standard_error, self.freedom))

    def detectable(self) -> float:
        """The true value that would be called different from 0 with probability POWER, by the noncentral t."""
        limit = stats.t.ppf((1 + LEVEL) / 2, self.freedom)
        return float(special.nctdtrinc(self.freedom, 1 - POWER, limit)) * self.standard_error


@dataclass(frozen=True)
class Spread:
    """A variance between seeds with its degrees of freedom."""

    variance: float
    freedom: int


def pooled(points: Iterable[Array]) -> Spread | None:
    """The variance between seeds that several sets of values (seeds,) share; None where no set has two seeds."""
    several = [values for values in points if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    if not freedom:
        return None
    return Spread(sum(((v - v.mean()) ** 2).sum() for v in several) / freedom, freedom)


def error(points: Array, draws: Array, freedom: int, understated: float, between: Spread | None = None) -> Error:
    """The error of a mean over seeds, of `points` (k,) with `draws` (k, resamples) under resampled patients.

    `between` is the variance between seeds where it is known better than from these few (`pooled`).

    `freedom` and `understated` are those of `Resampled`. With one seed, or where all seeds give the same
    value, there is nothing to tell the two parts by: all is the patients'.
    """
    k = len(points)
    shared = float(np.nanvar(draws.mean(axis=0), ddof=1)) / understated
    between = between or pooled([points]) or Spread(0.0, 1)
    own = between.variance / k
    if own < 1e-20:
        return Error(float(np.sqrt(shared)), freedom)
    if k > 1:
        scatter = float(np.nanmean((draws - points[:, None]).var(axis=0, ddof=1))) / understated
        shared = max(0.0, shared - scatter / k)
    total = shared + own
    return Error(float(np.sqrt(total)), total / (shared / freedom + own / between.freedom))


def percentile_interval(
    points: Array, draws: Array, freedom: int, understated: float, between: Spread | None = None
) -> tuple[float, float]:
    """The percentile interval of a mean over seeds, expanded to the half width of its `error` (same arguments).

    So it has the skewness of the resamples and the width of both parts of the error; where the resamples do
    not vary it is symmetrical.
    """
    estimate, tail = float(points.mean()), (1 - LEVEL) / 2
    means = draws.mean(axis=0)
    spread = float(np.nanstd(means, ddof=1))
    half = error(points, draws, freedom, understated, between).half_width()
    if spread < 1e-12:
        return estimate - half, estimate + half
    low, high = np.nanquantile(means, [tail, 1 - tail]) - estimate
    factor = half / (spread * stats.norm.ppf(1 - tail))
    return estimate + factor * float(low), estimate + factor * float(high)
