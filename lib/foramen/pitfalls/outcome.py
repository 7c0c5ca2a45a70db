"""One row a pitfall: the wrong number, the right number, the truth, and the inflation with its interval (notebook 09).

All are in percentage points of the pitfall's metric. The inflation is the wrong number less the truth: above zero the
mistake flatters (or, for an error rate, errs more often than is said), below zero it hides something.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from diagnostic_accuracy.intervals import LEVEL

COLUMNS = ["pitfall", "metric", "wrong", "right", "truth", "inflation", "low", "high", "n", "of", "note"]
Row = dict[str, object]


def over_repetitions(
    pitfall: str, metric: str, wrong: ArrayLike, right: ArrayLike, truth: ArrayLike, test_over_train: float = 0.0
) -> Row:
    """The means of shares that were measured in repetitions (n,), and the t interval of the mean inflation.

    Repetitions drawn afresh from the same patients are independent given these patients, whom the interval takes for
    the population. Where each is another split of them, and the inflation is that of models trained on it, training
    sets overlap: then `test_over_train`, the test images for each training image, widens it (Nadeau and Bengio 2003,
    doi:10.1023/A:1024068626366). Not so where it is luck that each split draws anew (`choices.epoch`). Repetitions in
    which a number does not exist are left out.
    """
    numbers = np.array(np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, float)) for x in (wrong, right, truth))))
    kept = 100 * numbers[:, ~np.isnan(numbers).any(axis=0)]
    n = kept.shape[1]
    if n < 2:
        return unknown(pitfall, metric, "too few patients")
    inflation = kept[0] - kept[2]
    error = inflation.std(ddof=1) * np.sqrt(1 / n + test_over_train)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    return _row(
        pitfall, metric, kept.mean(axis=1), (inflation.mean() - half, inflation.mean() + half), n, "repetitions"
    )


def over_patients(pitfall: str, metric: str, points: Iterable[float], draws: NDArray, patients: int) -> Row:
    """The shares `points` (wrong, right, truth), and the middle 95 % of wrong less truth in `draws` (resamples,)."""
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(100 * draws, [tail, 1 - tail])
    return _row(pitfall, metric, 100 * np.array(list(points)), (low, high), patients, "patients")


def unknown(pitfall: str, metric: str, note: str) -> Row:
    """A pitfall that this study cannot measure, and why."""
    return dict.fromkeys(COLUMNS, np.nan) | {"pitfall": pitfall, "metric": metric, "n": 0, "of": "", "note": note}


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows as a table with the columns of `COLUMNS`."""
    return pd.DataFrame(list(rows), columns=COLUMNS)


def _row(pitfall: str, metric: str, numbers: NDArray, interval: tuple[float, float], n: int, of: str) -> Row:
    wrong, right, truth = numbers.tolist()
    found = [wrong, right, truth, wrong - truth, *map(float, interval)]
    return dict(zip(COLUMNS, [pitfall, metric, *found, n, of, ""], strict=True))
