"""The operating threshold of each arm and seed, chosen on validation patients (notebook 06)."""

import numpy as np
import pandas as pd

from diagnostic_accuracy.metrics import operating_threshold


def thresholds(frame: pd.DataFrame) -> pd.DataFrame:
    """The operating threshold of each arm and seed, from validation rows: `arm, seed, threshold, source`.

    The rule is `metrics.operating_threshold`. Without validation rows, or with one class among them, the
    threshold is 0.5 and `source` says so.
    """
    rows = []
    for (arm, seed), run in frame.groupby(["arm", "seed"], sort=False):
        val = run[run.split == "val"]
        value = operating_threshold(np.ones((1, len(val))), val.label, val.score)[0]
        source = "as many validation rows called positive as are"
        if val.label.nunique() < 2:
            source = f"0.5, for want of {'one class among the ' if len(val) else ''}validation rows"
        rows.append((arm, seed, value, source))
    return pd.DataFrame(rows, columns=["arm", "seed", "threshold", "source"])


def called(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the test split with their run's `threshold`, and whether they are `called` positive (0 or 1)."""
    limits = thresholds(frame)[["arm", "seed", "threshold"]]
    test = frame[frame.split == "test"].merge(limits, on=["arm", "seed"])
    return test.assign(called=(test.score >= test.threshold).astype(int))
