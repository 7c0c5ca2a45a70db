"""From the metadata-only baseline to a perfect reader, bar by bar."""

import numpy as np
import pandas as pd
import pytest

from foramen.evaluation import where_points_go

STEPS = [["he", "basic"], ["proposed", "he"], ["proposed", "basic"], ["per_foramen", "proposed"]]


def levels(**estimates: float) -> pd.DataFrame:
    return pd.DataFrame({"arm": list(estimates), "estimate": list(estimates.values())})


def test_the_ladder_leads_to_the_primary_arm_by_its_first_steps():
    assert where_points_go.ladder(STEPS, "proposed") == ["basic", "he", "proposed"]
    assert where_points_go.ladder([], "proposed") == ["proposed"]
    assert where_points_go.ladder([["a", "b"], ["b", "a"]], "a") == ["b", "a"]


def test_bars_join_and_end_at_a_perfect_reader():
    arms = where_points_go.ladder(STEPS, "proposed")
    baselines = levels(
        **{"majority class": 0.5, "metadata only": 0.6, "opening alone": 0.85, "label-noise ceiling": 0.9}
    )
    steps = pd.DataFrame({"arm": ["he"], "reference": ["basic"], "low": [-1.0], "high": [3.0]})
    table = where_points_go.measure(levels(basic=0.7, he=0.71, proposed=0.8, frozen=0.5), baselines, steps, arms)
    assert list(table["what"]) == [
        "basic",
        "he",
        "proposed",
        "opening alone",
        "label-noise ceiling",
        "without label noise",
    ]
    assert list(table["start"].iloc[1:]) == list(table["end"].iloc[:-1])
    assert table["start"].iloc[0] == 60 and table["end"].iloc[-1] == 100
    assert table["low"].tolist() == pytest.approx([np.nan, -1.0, *[np.nan] * 4], nan_ok=True)
    assert list(table["kind"]) == ["step"] * 3 + ["gap"] * 3


def test_what_is_not_known_has_no_bar():
    baselines, steps = (
        levels(**{"metadata only": 0.6, "opening alone": np.nan}),
        pd.DataFrame(columns=["arm", "reference", "low", "high"]),
    )
    table = where_points_go.measure(levels(proposed=0.8), baselines, steps, ["proposed"])
    assert list(table["what"]) == ["proposed", "not reached"]


def test_what_the_last_arm_exceeds_is_no_gap():
    baselines = levels(**{"metadata only": 0.6, "opening alone": 0.85, "label-noise ceiling": 0.9})
    steps = pd.DataFrame(columns=["arm", "reference", "low", "high"])
    table = where_points_go.measure(levels(proposed=0.87), baselines, steps, ["proposed"])
    assert list(table["what"]) == ["proposed", "label-noise ceiling", "without label noise"]
    assert table["end"].tolist() == pytest.approx([87, 90, 100])
    table = where_points_go.measure(levels(proposed=0.95), baselines, steps, ["proposed"])
    assert list(table["what"]) == ["proposed", "not reached"]
