"""Which predictions are evaluated."""

import pandas as pd

from foramen.evaluation import predictions


def test_a_collapsed_run_is_left_out_unless_nothing_else_of_its_arm_stands():
    runs = [("basic", 1), ("proposed", 1), ("proposed", 2), ("fallen", 1), ("fallen", 2)]
    table = pd.DataFrame(runs, columns=["arm", "seed"]).assign(score=0.5)
    kept = predictions.drop_collapsed(table, {("proposed", 2), ("fallen", 1), ("fallen", 2)})
    assert list(zip(kept["arm"], kept["seed"], strict=True)) == [run for run in runs if run != ("proposed", 2)]
    pd.testing.assert_frame_equal(predictions.drop_collapsed(table, set()), table)
