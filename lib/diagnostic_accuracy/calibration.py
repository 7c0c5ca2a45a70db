"""Calibration intercept and slope under many weightings of the same images at once (notebook 06).

A score is calibrated where, of all images with score 0.8, 80 of 100 are positive. A slope below 1 says over-confident:
scores too near 0 and 1; the intercept says whether they are too high or too low on the whole. The reliability curve is
in `curves`.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

Array = NDArray[np.float64]

#: Scores are moved this far from 0 and 1 before the logit, where float32 networks saturate.
SCORE_MARGIN = 1e-6
_MAX_NEWTON_STEPS = 25
_DIVERGED = 1e6  # a step of Newton's method longer than this never comes back


def calibration_metrics(weights: Array, labels: Array, scores: Array) -> dict[str, Array]:
    """Calibration intercept (ideal 0) and slope (ideal 1) of the logit of the scores, by maximum likelihood.

    The slope is that of a logistic regression of the label on the logit of the score; the intercept is that
    of a second regression with the slope fixed at 1, "calibration in the large" (Van Calster et al. 2019,
    doi:10.1186/s12916-019-1466-7). NaN with one class; the slope also where the scores are all equal or
    separate the classes perfectly, since then the likelihood has no maximum.
    """
    offset = logit(np.clip(scores, SCORE_MARGIN, 1 - SCORE_MARGIN))
    ones = np.ones((len(offset), 1))
    return {
        "calibration_intercept": _logistic(weights, labels, ones, offset)[:, 0],
        "calibration_slope": _logistic(weights, labels, np.column_stack([ones, offset]), np.zeros_like(offset))[:, 1],
    }


def recalibrate(frame: pd.DataFrame) -> pd.DataFrame:
    """A predictions table with the scores of each arm and seed scaled by a temperature: the logits are multiplied by
    the number that makes the validation labels most likely (Guo et al. 2017, arXiv:1706.04599).

    Order and threshold rule stay what they were. A run without a most likely number (validation images told
    apart without an error, say) stays as it is. Intervals of what follows take the temperature as given.
    """
    frame = frame.assign(score=frame.score.clip(SCORE_MARGIN, 1 - SCORE_MARGIN))
    for _, run in frame.groupby(["arm", "seed"]):
        val = run[run.split == "val"]
        design, labels = logit(val.score.to_numpy())[:, None], val.label.to_numpy(float)
        factor = _logistic(np.ones((1, len(val))), labels, design, np.zeros(len(val)))[0, 0] if len(val) else np.nan
        if factor > 0:
            frame.loc[run.index, "score"] = expit(factor * logit(run.score))
    return frame


def _logistic(weights: Array, labels: Array, design: Array, offset: Array) -> Array:
    """Coefficients (resamples, p) of weighted logistic regressions by Newton's method, NaN without a maximum.

    All resamples start at the coefficients of the unweighted images; their first step is shared work, two
    more do. When these do not exist (separation) no resample has any.
    """
    start = _newton(np.ones((1, len(labels))), labels, design, offset, np.zeros((1, design.shape[1])))
    if np.isnan(start).any():
        return np.full((len(weights), design.shape[1]), np.nan)
    return _newton(weights, labels, design, offset, start)


def _newton(weights: Array, labels: Array, design: Array, offset: Array, start: Array) -> Array:
    """Newton's method for each row of weights from `start` (1, p).

    It stops at a step below 1e-5: the error is then of the order of that step's square, 1e-10.
    """
    p = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), p * p)
    chance = _expit(start @ design.T + offset)
    gradient = weights @ ((labels - chance).T * design)
    curvature = weights @ ((chance * (1 - chance)).T * products)
    beta = start + _solve(curvature.reshape(-1, p, p), gradient)
    active = np.flatnonzero(np.isfinite(beta).all(axis=1))
    for _ in range(_MAX_NEWTON_STEPS):
        if not len(active):
            return beta
        rows = weights if len(active) == len(weights) else weights[active]
        chance = _expit(beta[active] @ design.T + offset)
        weighted = rows * chance
        gradient = rows @ (labels[:, None] * design) - weighted @ design
        weighted *= 1 - chance
        step = _solve((weighted @ products).reshape(-1, p, p), gradient)
        beta[active] += step
        length = np.abs(step).max(axis=1)
        beta[active[~(length < _DIVERGED)]] = np.nan
        active = active[(length > 1e-5) & (length < _DIVERGED)]
    beta[active] = np.nan
    return beta


def _expit(x: Array) -> Array:
    """The logistic function, in place on a scratch array; twice as fast as scipy's, exact where |x| < 700."""
    x = np.negative(x)
    np.exp(np.clip(x, -700, 700, out=x), out=x)
    x += 1
    return np.reciprocal(x, out=x)


def _solve(matrices: Array, vectors: Array) -> Array:
    """Solve each small symmetric system; NaN where the matrix is singular to working precision."""
    scale = np.sqrt(np.einsum("ijj->ij", matrices))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = matrices / (scale[:, :, None] * scale[:, None, :])
        solvable = np.linalg.det(correlation) > 1e-12
    solution = np.full_like(vectors, np.nan)
    if solvable.any():
        solution[solvable] = np.linalg.solve(matrices[solvable], vectors[solvable][:, :, None])[:, :, 0]
    return solution
