"""How much of a result is due to training patients, seed, threshold and test patients (notebook 07).

An interval from resampled test patients and repeated seeds holds the training patients fixed. What they add is measured
on several cohorts (Bouthillier et al. 2021, arXiv:2103.03098): each network gets a threshold from the validation
patients of every cohort, and each is tested on the test patients of every cohort. So the sources are crossed, only the
seed is nested in the training patients, and none has to be told from another by a resample.

A metric is then a sum of independent parts, one for each source and each combination of them, and the mean squares of
the analysis of variance give their variances (all sources random). The intervals are generalized confidence intervals
(Weerahandi 1993, doi:10.1080/01621459.1993.10476355): each mean square is divided by a draw of chi squared over its
degrees of freedom. Five cohorts leave four degrees of freedom, so they are wide.
"""

from itertools import chain, combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diagnostic_accuracy import intervals, metrics

Array = NDArray[np.float64]
METRICS = ("accuracy", "auroc")
TRAINING, SEED, THRESHOLD, TEST = range(4)  # axes of a crossed array
_SUBSETS = chain.from_iterable(combinations(range(4), size) for size in range(1, 5))
#: What varies: a source, or sources together. A seed is drawn anew for each set of training patients.
TERMS = tuple(frozenset(axes) for axes in _SUBSETS if SEED not in axes or TRAINING in axes)
_NAMED = {"training patients": {TRAINING}, "seed": {TRAINING, SEED}, "threshold": {THRESHOLD}, "test patients": {TEST}}
ONE_STUDY, HELD = "all, in one study", "what an interval holds"


def mean_squares(crossed: Array) -> tuple[Array, Array]:
    """The mean square of each of `TERMS` and its degrees of freedom; `crossed` is (training, seed, threshold, test)."""
    squares, freedoms = [], []
    for term in TERMS:
        part, freedom, averaged = crossed, 1, 1
        for axis, size in enumerate(crossed.shape):
            mean = part.mean(axis=axis, keepdims=True)
            if axis not in term:
                part, averaged = mean, averaged * size
            elif axis == TRAINING and SEED in term:  # its mean goes with the seed's
                freedom *= size
            else:
                part, freedom = part - mean, freedom * (size - 1)
        squares.append(averaged * (part**2).sum() / freedom)
        freedoms.append(freedom)
    return np.array(squares), np.array(freedoms)


def expected(shape: tuple[int, ...]) -> Array:
    """The mean squares (rows) that a variance of 1 of each term (columns) leads one to expect."""
    repeated = {term: np.prod([size for axis, size in enumerate(shape) if axis not in term]) for term in TERMS}
    return np.array([[repeated[other] if term <= other else 0.0 for other in TERMS] for term in TERMS])


def shares(n_seeds: int) -> dict[str, Array]:
    """Each source, and the result of one study, as a sum of `TERMS`: by name, how often each counts.

    One study has one cohort and the mean over its seeds; its interval holds all but its training patients.
    """
    alone = {name: np.array([float(term == axes) for term in TERMS]) for name, axes in _NAMED.items()}
    whole = np.array([1 / n_seeds if SEED in term else 1.0 for term in TERMS])
    combined = 1 - np.sum(list(alone.values()), axis=0)
    return {**alone, "their combinations": combined, HELD: whole - alone["training patients"], ONE_STUDY: whole}


def components(crossed: Array, n_draws: int = 10000, seed: int = 0) -> pd.DataFrame:
    """The standard deviation that each source gives a result, in its units: `source, sd, low, high` (95 %).

    `crossed` holds a metric as (training cohort, seed, cohort of the threshold, test cohort), each with two levels or
    more. An estimated variance below zero is shown as 0.
    """
    squares, freedoms = mean_squares(crossed)
    chance = np.random.default_rng(seed).chisquare(freedoms, (n_draws, len(TERMS))) / freedoms
    variances = np.linalg.solve(expected(crossed.shape), np.vstack([squares, squares / chance]).T)
    rows = []
    for source, counts in shares(crossed.shape[SEED]).items():
        estimate, *draws = np.sqrt(np.maximum(counts @ variances, 0))
        rows.append((source, estimate, *np.quantile(draws, [(1 - intervals.LEVEL) / 2, (1 + intervals.LEVEL) / 2])))
    return pd.DataFrame(rows, columns=["source", "sd", "low", "high"])


def cross(frame: pd.DataFrame, arm: str) -> dict[str, Array]:
    """Each of `METRICS` of an arm as (training cohort, seed, cohort of the threshold, test cohort).

    `frame` is a predictions table in which every network scores the validation and test images of every cohort, with
    `trained` and `tested`, the cohorts.
    """
    own = frame[frame["arm"] == arm]
    networks = own.groupby(["trained", "seed"], sort=True)
    cohorts, seeds = own["trained"].unique(), own["seed"].unique()
    values = np.stack([_network(rows) for _, rows in networks], axis=1)
    return dict(zip(METRICS, values.reshape(len(METRICS), len(cohorts), len(seeds), *values.shape[2:]), strict=True))


def _network(rows: pd.DataFrame) -> Array:
    """The metrics of one network: (metrics, cohort of the threshold, test cohort)."""
    val, test = ([part for _, part in rows[rows["split"] == name].groupby("tested")] for name in ("val", "test"))
    limits = [metrics.operating_threshold(np.ones((1, len(part))), part["label"], part["score"])[0] for part in val]
    ones = [np.ones((len(limits), len(part))) for part in test]
    scored = zip(ones, test, strict=True)
    found = [metrics.evaluate(w, t["label"], t["score"], np.array(limits), METRICS) for w, t in scored]
    return np.stack(found, axis=2)


def decompose(frame: pd.DataFrame, arm: str, control: str) -> pd.DataFrame:
    """The components of an arm, its control and the gain of the one over the other, in percentage points.

    `frame` as for `cross`. Columns `result, metric, source, sd, low, high`.
    """
    of = {name: cross(frame, name) for name in (control, arm)}
    of[f"{arm} over {control}"] = {metric: of[arm][metric] - of[control][metric] for metric in METRICS}
    tables = [
        components(100 * crossed).assign(result=result, metric=metric)
        for result, by_metric in of.items()
        for metric, crossed in by_metric.items()
    ]
    return pd.concat(tables, ignore_index=True)[["result", "metric", "source", "sd", "low", "high"]]
