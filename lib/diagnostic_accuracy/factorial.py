"""Main effects and interactions where the arms form a full factorial of their switches (notebook 07)."""

from itertools import combinations

import numpy as np
import pandas as pd

from diagnostic_accuracy.bootstrap import Resampled
from diagnostic_accuracy.comparisons import contrasts
from diagnostic_accuracy.multiple_testing import holm


def is_full_factorial(switches: pd.DataFrame) -> bool:
    """True where every combination of the boolean columns occurs once."""
    return len(switches) == len(switches.drop_duplicates()) == 2 ** switches.shape[1]


def factorial_effects(resampled: Resampled, switches: pd.DataFrame, order: int = 2) -> pd.DataFrame:
    """Main effects and interactions of a full factorial of arms, in points.

    Columns `term, order, metric, gain, low, high, p_value, p_holm, note`.

    `switches` has one row for each arm (its index) and one boolean column for each switch, every combination
    once. A main effect is the mean of the arms with the switch on less that with it off. The interaction
    `a:b` is the effect of a where b is on less its effect where b is off, and so on for higher orders. Holm
    within each metric.
    """
    switches = switches.astype(bool)
    cells = len(switches.drop_duplicates())
    if not is_full_factorial(switches):
        raise ValueError(
            f"not a full factorial: {len(switches)} arms with {cells} different combinations of "
            f"{switches.shape[1]} switches (needed: each of {2 ** switches.shape[1]} once)"
        )
    if absent := [arm for arm in switches.index if arm not in resampled.arms]:
        raise ValueError(f"no predictions of arm {', '.join(map(repr, absent))}, which the factorial needs")
    wanted = []
    for size in range(1, min(order, switches.shape[1]) + 1):
        for term in combinations(switches.columns, size):
            coefficients = np.where(switches[list(term)], 1, -1).prod(axis=1) * 2.0**size / cells
            name = {"term": ":".join(term), "order": size}
            wanted.append((name, dict(zip(switches.index, coefficients, strict=True))))
    frame = contrasts(resampled, wanted)
    frame["p_holm"] = frame.groupby("metric").p_value.transform(holm)
    return frame[["term", "order", "metric", "gain", "low", "high", "p_value", "p_holm", "note"]]
