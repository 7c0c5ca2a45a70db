"""What is left of a result under other conditions: networks tested where they were not trained (notebook 07)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from diagnostic_accuracy.bootstrap import Resampled
from diagnostic_accuracy.comparisons import contrast
from diagnostic_accuracy.results import estimates

COLUMNS = ["arm", "metric", "at_home", "away", "low", "high", "change", "change_low", "change_high", "p_value", "note"]


def transfer(home: Resampled, away: Resampled, arm: str, control: str) -> pd.DataFrame:
    """What an arm, its control and the gain of the one over the other are worth elsewhere, and what that has changed.

    `home` and `away` are the same networks, each at the threshold chosen at home, on the same test patients under the
    conditions that they were trained under, and under others. Columns `arm, metric, at_home, away, low, high`,
    `change, change_low, change_high, p_value` (away less home), in percentage points with 95 % intervals, and `note`.
    Changes are paired over seeds and validation patients, and over test patients where the labels are the same. Where
    conditions change labels, they change the strata that test patients are drawn from, and from the first that differs
    on, a patient's draws at home and away are independent: that makes an interval too wide rather than too narrow.
    """
    places, rows = {"home": home, "away": away}, []
    runs = {f"{name} {place}": at.runs[name] for place, at in places.items() for name in (control, arm)}
    both = replace(home, runs=runs)
    levels = {place: estimates(at).set_index(["arm", "metric"]) for place, at in places.items()}
    gains = {place: {f"{arm} {place}": 1.0, f"{control} {place}": -1.0} for place in places}
    for metric in home.metrics:
        for name in (control, arm):
            here, there = (100 * levels[place].loc[(name, metric), ["estimate", "low", "high"]] for place in places)
            change = contrast(both, {f"{name} away": 1, f"{name} home": -1}, metric)
            rows.append((name, metric, here["estimate"], *there, *_found(change)))
        here, there = (contrast(both, gains[place], metric) for place in places)
        change = contrast(both, gains["away"] | {name: -sign for name, sign in gains["home"].items()}, metric)
        rows.append((f"{arm} over {control}", metric, here["gain"], *_found(there)[:3], *_found(change)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _found(row: Mapping[str, Any]) -> list[Any]:
    return [row[name] for name in ("gain", "low", "high", "p_value", "note")]
