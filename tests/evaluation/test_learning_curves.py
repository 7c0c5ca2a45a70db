"""The gain along a sweep is, at the study itself, that of the study."""

import pandas as pd

from diagnostic_accuracy import comparisons, resample
from foramen.evaluation import learning_curves
from made_up_predictions import predictions


def test_the_gain_at_factor_1_of_a_sweep_is_that_of_the_step():
    names, few, margin = learning_curves.METRICS, 200, {"accuracy": 2.0}
    own, other = (resample(predictions(seed=seed), few, 0, names) for seed in (0, 1))
    curve = learning_curves.gain_curve({0.5: other, 1.0: own}, "proposed", "basic", margin)
    step = comparisons.steps(own, [("proposed", "basic")], margin).set_index("metric")
    measured = curve[curve.factor == 1].set_index("metric")
    columns = ["gain", "low", "high", "p_value", "p_equivalence"]
    pd.testing.assert_frame_equal(measured[columns], step.loc[list(names), columns])
    assert measured.p_equivalence.notna().tolist() == [True, False]
