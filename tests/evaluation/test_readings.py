"""What sentences claim: nothing where the interval includes zero, nothing that Holm takes back."""

import numpy as np
import pandas as pd
import pytest

from diagnostic_accuracy import follows
from foramen.core.display import readings

READING = readings("evaluation")

FACTS = ("narrowness", "signs")


def said_of(name: str, *given: object) -> str:
    """A sentence on one line, as Markdown shows it."""
    return " ".join(getattr(READING, name)(*given).split())


def difference(gain: float, low: float, high: float, **more: object) -> pd.Series:
    return pd.Series({"gain": gain, "low": low, "high": high, "note": ""} | more)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (difference(5, 1, 9), "a **gain**"),
        (difference(5, -1, 11), "the interval includes zero, so we claim no gain"),
        (
            difference(5, -1, 11, p_equivalence=0.3),
            "that it is smaller than the margin is not shown either (two one-sided tests, p: 0.300)",
        ),
        (
            difference(0.5, -1, 2, p_equivalence=0.01),
            "no gain; **smaller than the margin** (two one-sided tests, p: 0.010)",
        ),
        (
            difference(0.7, 0.1, 1.3, p_equivalence=0.001, p_holm=0.2),
            "**not significant after Holm correction** (p: 0.200); **smaller than the margin**",
        ),
        (difference(0.7, 0.1, 1.3, p_equivalence=0.001, p_holm=0.02), "a **gain**; **smaller than the margin**"),
        (difference(5, -1, 11, p_equivalence=np.nan), "so we claim no gain"),
        (difference(5, 1, 9, note="two seeds cannot tell"), "a **gain** (two seeds cannot tell)"),
        (difference(-5, -9, -1), "a **loss**"),
        (
            difference(5, 1, 9, p_holm=0.2),
            "a gain before correction, **not significant after Holm correction** (p: 0.200)",
        ),
        (difference(-5, -9, -1, p_holm=0.2), "a loss before correction, **not significant after Holm correction**"),
        (difference(5, 1, 9, p_holm=0.04), "+5.0 pp (95 % confidence interval +1.0 to +9.0): a **gain**"),
        (difference(np.nan, np.nan, np.nan, note="not estimable: one class"), "not estimable: one class"),
    ],
)
def test_a_gain_is_claimed_only_where_its_interval_and_holm_allow_it(row, said):
    assert said in said_of("gain", row)
    assert ("**gain**" in said_of("gain", row)) == ("**gain**" in said)


def estimates(**intervals: tuple[float, float]) -> pd.DataFrame:
    rows = [
        {"arm": "basic", "metric": metric, "estimate": (low + high) / 2, "low": low, "high": high}
        for metric, (low, high) in intervals.items()
    ]
    return pd.DataFrame(rows)


def test_over_confident_is_a_slope_whose_interval_lies_below_one():
    shift = (-0.2, 0.2)
    assert said_of("calibration", estimates(calibration_slope=(0.5, 0.8), calibration_intercept=shift)) == (
        "Over-confident (slope below 1): `basic` 0.65 (0.50 to 0.80)."
    )
    perfect = estimates(calibration_slope=(0.8, 1.2), calibration_intercept=shift)
    assert said_of("calibration", perfect) == "No interval excludes perfect calibration."


def test_an_arm_that_metadata_alone_could_match_is_named():
    measured = estimates(accuracy=(0.60, 0.68), auroc=(0.6, 0.7))
    floor = pd.DataFrame({"arm": ["no-information rate", "metadata only"], "metric": "accuracy"})
    text = said_of("results", measured, floor.assign(estimate=[0.56, 0.65]), "basic", "basic")
    assert "Majority class: 56.0. Metadata alone: 65.0, not clearly exceeded by `basic`." in text


def test_an_interaction_is_told_with_its_correction_and_every_grade_is_given():
    row = {"metric": "accuracy", "interaction": -8.0, "interaction_low": -15.0, "interaction_high": -1.0}
    rows = [
        {"subgroup": "severity", "value": grade, "gain": gain, "p_value": p, "p_holm": 2 * p, **row}
        for grade, gain, p in (("1", -5.0, 0.03), ("2", 10.0, 0.4))
    ]
    text = said_of("subgroups", pd.DataFrame(rows))
    assert "Of 2 interactions in accuracy, 1 has p < 0.05 and 0 after Holm correction; the smallest" in text
    assert "grade 1 -5.0 pp, grade 2 +10.0 pp" in text
    assert said_of("subgroups", pd.DataFrame()) == "No interaction is estimable."


def test_stable_ranks_are_read_beside_those_of_equal_arms():
    rows = pd.DataFrame({"arm": "a", "other": ["b", "c"], "metric": "accuracy", "n_seeds": 3, "swaps": [0.0, 2 / 3]})
    text = said_of("rank_swaps", rows, "accuracy")
    assert (
        "1 of 2 pairs of arms keep their order with every seed; two equally good arms do so with 3 seeds in 25%" in text
    )


def test_a_useless_score_is_useful_at_no_threshold():
    threshold = np.linspace(0.01, 0.99, 99)
    treat_all = 0.5 - 0.5 * threshold / (1 - threshold)
    curve = pd.DataFrame({"arm": "basic", "threshold": threshold, "low": np.maximum(treat_all, 0) - 0.01})
    assert said_of("decision", curve, 0.5, "basic").startswith("At no threshold probability")
    assert "at 99 of 99 threshold" in said_of("decision", curve.assign(low=1.0), 0.5, "basic")


def test_a_map_that_survives_randomisation_is_called_so():
    row = {"similarity": 0.8, "low": 0.7, "high": 0.9}
    assert "part of them does **not** come from what was learned" in said_of("cascade", pd.DataFrame([row]))
    gone = pd.DataFrame([{"similarity": 0.1, "low": -0.1, "high": 0.3}])
    assert "0.10 (-0.10 to 0.30)" in said_of("cascade", gone) and "nothing is shown to be left" in said_of(
        "cascade", gone
    )


def test_what_a_score_follows_is_read_between_two_readers():
    weights = {"net": (0.6, 0.2), "signs and age": (0.0, 0.9), "label-noise ceiling": (0.8, 0.1)}
    rows = [
        (arm, fact, x, x - 0.1, x + 0.1) for arm, pair in weights.items() for fact, x in zip(FACTS, pair, strict=True)
    ]
    table = pd.DataFrame([*rows, ("net", "age", 0.0, -0.1, 0.1)], columns=["arm", "fact", "estimate", "low", "high"])
    text = said_of("follows", table, "net", "more than")
    follows_both = (
        "**more than** the signs beside it, standardised coefficients 0.60 (0.50 to 0.70) and 0.20 (0.10 to 0.30)"
    )
    assert follows_both in text
    assert "A guess from signs and age has 0.00 and 0.90" in text and "noise alone 0.80 and 0.10" in text
    table.loc[table["fact"] == "signs", ["estimate", "low", "high"]] = np.nan
    text = said_of("follows", table, "net", follows.leaning(table, "net", *FACTS))
    assert "narrowest foramen **to a degree not estimable against** the signs beside it" in text
    assert "beside it, standardised coefficients 0.60 (0.50 to 0.70)" in text
    assert "and not estimable; age" in text and "has 0.00 and –" in text and "nan" not in text
    assert "None of them shows that it reads the foramen" in said_of("not_known")


def test_attention_is_read_beside_rules_that_see_no_foramen():
    row = {"arm": "net", "estimate": 0.62, "commonest": 0.47, "most_signs": 0.56}
    row |= {"over_signs": 0.05, "over_signs_low": 0.01, "over_signs_high": 0.1}
    text = " ".join(said_of("attention", pd.DataFrame([row])).split())
    assert "in 62 %" in text and "commonest level would in 47 %" in text and "is +5.0 points (+1.0 to +10.0)." in text
    text = said_of("attention", pd.DataFrame([row | {"over_signs_low": -0.02}]))
    assert "so attention beyond the signs is not shown" in text


def test_a_wrong_label_is_said_to_be_wrong():
    rows = pd.DataFrame({"label": [1, 0], "note": ["L, 30 years, no narrowing, reader's error", "R"]})
    assert said_of("errors", rows) == (
        "1 false negatives, 1 false positives; in 1 of 2 the *label* is wrong, and the network right."
    )
    assert "label" not in said_of("errors", rows[1:])


def test_areas_are_compared_with_chance_where_there_are_any():
    areas = pd.concat([estimates(auroc=(0.6, 0.8)), estimates(auprc=(0.5, 0.7))])
    text = said_of("discrimination", areas, 0.5)
    assert "0.70 (0.60 to 0.80) (`basic`)" in text and text.endswith(
        "(chance: 0.50). Every interval lies above chance."
    )
    one_class = areas.assign(estimate=np.nan, low=np.nan, high=np.nan)
    assert said_of("discrimination", one_class, 1.0) == "Not estimable on this test set."


def test_a_component_whose_interval_reaches_zero_is_not_shown():
    rows = [("training patients", 1.0), ("what an interval holds", 2.0), ("all, in one study", 2.2)]
    parts = pd.DataFrame(rows, columns=["source", "sd"]).assign(result="net", metric="accuracy", low=0.0, high=3.0)
    study = {"metric": "accuracy", "arm": "net", "reference": "basic", "gain": [4.0, 6.0], "low": [-1.0, 2.0]}
    said = said_of("variance", pd.DataFrame(study), parts)
    assert "runs from +4.0 to +6.0 pp in 2 cohorts; 1 of their intervals lie above zero" in said
    assert "an SD of 1.0 pp (0.0 to 3.0): not shown to differ from zero" in said
    assert "not shown" not in said_of("variance", pd.DataFrame(study), parts.assign(low=0.5))


def test_a_change_elsewhere_is_shown_only_after_holm():
    row = {"sweep": "site", "trained": 0.0, "tested": 1.0, "metric": "accuracy", "arm": "net", "change": -5.0}
    row |= {"change_low": -9.0, "change_high": -1.0}
    for p, shown in ((0.2, False), (0.01, True)):
        said = said_of("transfer", pd.DataFrame([row | {"p_holm": p}]), "accuracy")
        assert "`site`, trained at 0 and tested at 1, accuracy: net -5.0 (-9.0 to -1.0" in said
        assert ("-1.0, **shown**)" in said) == shown


def test_what_the_truth_says_is_called_exploratory():
    levels = pd.DataFrame(
        [("a", "accuracy", 0.8, 0.7, 0.9), ("b", "accuracy", 0.85, 0.75, 0.95)],
        columns=["arm", "metric", "estimate", "low", "high"],
    )
    found = pd.DataFrame([difference(5, -1, 11, arm="b", reference="a", metric="accuracy")])
    said = said_of("before_noise", levels, found)
    assert "`a` 80.0 (70.0–90.0) %, of `b` 85.0 (75.0–95.0) %; difference +5.0 pp" in said
    assert "we claim no gain" in said and said.endswith("exploratory.")
