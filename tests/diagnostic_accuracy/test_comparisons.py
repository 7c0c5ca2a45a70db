"""The tables of results: what they contain, that they hang together, and what degenerate inputs give."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve

from diagnostic_accuracy import comparisons, incremental, metrics, operating_point, paired_tests
from diagnostic_accuracy.baselines import baseline_estimates
from diagnostic_accuracy.bootstrap import patient_strata, patient_weights, resample
from diagnostic_accuracy.calibration import recalibrate
from diagnostic_accuracy.factorial import factorial_effects
from diagnostic_accuracy.intervals import Error, pooled
from diagnostic_accuracy.results import estimates, percentages
from diagnostic_accuracy.subgroups import interactions

FEW = 200  # resamples: these tests are about structure; test_coverage.py is about truth


def table(
    separations: dict[str, float],
    seeds: tuple[int, ...] = (1, 2, 3),
    patients: int = 60,
    images: int = 2,
    seed: int = 0,
) -> pd.DataFrame:
    """Predictions of arms that separate the classes by so much; a third of the patients validate."""
    rng = np.random.default_rng(seed)
    ids = np.arange(patients * images)
    labels = ids // 5 % 2  # both classes in each split
    shared = rng.normal(size=patients).repeat(images) * 0.5 + rng.normal(size=len(ids)) * 0.5
    split = np.where(ids // images % 3 == 0, "val", "test")
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "image_id": [f"i{k:04d}" for k in ids],
                    "patient_id": [f"p{k // images:03d}" for k in ids],
                    "split": split,
                    "arm": arm,
                    "seed": s,
                    "label": labels,
                    "score": expit(separation * (labels - 0.5) + shared + rng.normal(size=len(ids)) * 0.7),
                }
            )
            for arm, separation in separations.items()
            for s in seeds
        ],
        ignore_index=True,
    )


LADDER = {"basic": 1.0, "he": 1.6, "proposed": 2.0}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return table(LADDER)


@pytest.fixture(scope="module")
def resampled(frame):
    return resample(frame, FEW, 0)


def test_results_have_a_row_for_each_arm_and_metric(frame, resampled):
    found = estimates(resampled)
    assert list(found.columns) == [
        "arm",
        "metric",
        "estimate",
        "low",
        "high",
        "n_images",
        "n_patients",
        "n_seeds",
        "note",
    ]
    assert list(zip(found.arm, found.metric, strict=True)) == [(a, m) for a in LADDER for m in metrics.METRICS]
    assert (found.low <= found.estimate).all() and (found.estimate <= found.high).all()
    assert found[["n_images", "n_patients", "n_seeds"]].drop_duplicates().to_numpy().tolist() == [[80, 40, 3]]


def test_results_as_text_have_a_dash_where_there_is_no_estimate():
    found = pd.DataFrame({"arm": ["a", "a", "b", "b"], "metric": ["auroc", "f1"] * 2})
    found = found.assign(
        estimate=[0.5, 0.25, np.nan, 0.75], low=[0.4, np.nan, np.nan, 0.7], high=[0.6, np.nan, np.nan, 0.8]
    )
    shown = percentages(found, ["f1", "auroc"])
    assert shown.to_numpy().tolist() == [["25.0", "50.0 (40.0–60.0)"], ["75.0 (70.0–80.0)", "–"]]


def test_estimate_is_the_mean_over_seeds_at_each_seed_s_own_threshold(frame, resampled):
    limits = operating_point.thresholds(frame).set_index(["arm", "seed"]).threshold
    test = frame[(frame.split == "test") & (frame.arm == "he")]
    expected = np.mean(
        [((rows.score >= limits["he", seed]) == rows.label).mean() for seed, rows in test.groupby("seed")]
    )
    found = estimates(resampled).set_index(["arm", "metric"]).estimate["he", "accuracy"]
    assert found == pytest.approx(expected, abs=1e-12)


def test_resampling_does_not_depend_on_row_order_or_blocks(frame, resampled, monkeypatch):
    monkeypatch.setattr("diagnostic_accuracy.bootstrap._BLOCK", 80 * 7)
    shuffled = frame.sample(frac=1, random_state=0).sort_values(["arm", "seed"], kind="stable")
    again = resample(shuffled, FEW, 0)
    for arm in LADDER:
        for metric in metrics.METRICS:
            np.testing.assert_allclose(again.draws(arm, metric), resampled.draws(arm, metric), rtol=0, atol=1e-9)


def test_patients_are_drawn_whole_and_within_their_stratum():
    patients = np.array(["a", "a", "b", "b", "c", "c", "d", "d", "e", "e", "f", "f"])
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 1, 1])
    strata, index = patient_strata(patients, labels)
    assert strata.tolist() == [0, 0, 1, 1, 2, 2]
    weights = patient_weights(strata, 500, np.random.default_rng(0))
    assert (weights.reshape(500, 3, 2).sum(axis=2) == 2).all()
    assert (weights[:, index] @ labels == labels.sum()).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(6), abs=0.15)


def test_gains_are_differences_of_results_with_the_paper_beside_the_primary_arm(resampled):
    paper = {"accuracy": (5.3, 6.9), "sensitivity": (0.8, 4.3)}
    gains = comparisons.gains(resampled, "basic", ("proposed", "accuracy"), paper=paper)
    found = estimates(resampled).set_index(["arm", "metric"]).estimate
    assert list(gains.columns[:8]) == ["arm", "metric", "gain", "low", "high", "p_value", "paper_low", "paper_high"]
    for row in gains.itertuples():
        sign = -1 if row.metric == "brier" else 1
        difference = found[row.arm, row.metric] - found["basic", row.metric]
        assert row.gain == pytest.approx(100 * sign * difference, abs=1e-9)
    claimed = gains[gains.paper_low.notna()]
    assert {
        m: (low, high) for m, low, high in zip(claimed.metric, claimed.paper_low, claimed.paper_high, strict=True)
    } == paper
    assert set(claimed.arm) == {"proposed"} and set(claimed.paper_data) == {"other data"}


def test_p_value_and_interval_agree(resampled):
    gains = comparisons.gains(resampled, "basic")
    excludes = (gains.low > 0) | (gains.high < 0)
    assert (excludes == (gains.p_value < 0.05)).all()
    assert excludes.any() and not excludes.all()


def test_holm_leaves_the_primary_contrast_alone_and_adjusts_the_rest(resampled):
    gains = comparisons.gains(resampled, "basic", ("proposed", "accuracy"))
    primary = gains[gains.primary]
    assert len(primary) == 1 and primary.p_holm.item() == primary.p_value.item()
    rest = gains[~gains.primary].sort_values("p_value")
    factors = np.arange(len(rest), 0, -1)
    expected = np.minimum(1, np.maximum.accumulate(rest.p_value * factors))
    np.testing.assert_allclose(rest.p_holm, expected)


def test_holm_corrects_the_families_of_the_plan(resampled):
    primary, metrics = ("proposed", "accuracy"), ["accuracy", "auroc"]
    for by_metric in (False, True):
        gains = comparisons.gains(resampled, "basic", primary, metrics, by_metric)
        assert gains[~gains.metric.isin(metrics)].p_holm.isna().all()
        rest = gains[gains.metric.isin(metrics) & ~gains.primary]
        for _, family in rest.groupby(rest.metric if by_metric else lambda row: "all"):
            assert family.p_holm.min() == pytest.approx(min(1, len(family) * family.p_value.min()))


def test_steps_compare_each_arm_with_its_predecessor(resampled):
    steps = comparisons.steps(resampled, [("he", "basic"), ("proposed", "he")]).set_index(["arm", "metric"])
    gains = comparisons.gains(resampled, "basic").set_index(["arm", "metric"])
    whole = steps.gain["he", "auroc"] + steps.gain["proposed", "auroc"]
    assert whole == pytest.approx(gains.gain["proposed", "auroc"])
    assert set(steps.reference) == {"basic", "he"}


def test_unknown_arms_and_contrasts_are_refused(resampled):
    with pytest.raises(ValueError, match="no predictions of arm 'nobody'"):
        comparisons.steps(resampled, [("he", "nobody")])
    with pytest.raises(ValueError, match="primary contrast"):
        comparisons.gains(resampled, "basic", ("proposed", "calibration_slope"))


@pytest.mark.parametrize("freedom", [2, 3.7, 12, 400])
def test_detectable_difference_has_the_power_it_states(freedom):
    """Estimates with a standard error that is estimated, too: 80 % are significant."""
    known, rng = 1.3, np.random.default_rng(0)
    wanted = Error(known, freedom).detectable()
    found = rng.normal(wanted, known, 40000)
    errors = known * np.sqrt(rng.chisquare(freedom, 40000) / freedom)
    significant = [Error(own, freedom).p_value(size) < 0.05 for size, own in zip(found[:4000], errors, strict=False)]
    assert np.mean(significant) == pytest.approx(0.8, abs=0.02)


def test_two_arms_are_equivalent_where_both_one_sided_tests_say_so():
    """Arms that differ by the margin are called equivalent in 5 %, equal ones often; without a margin nothing is."""
    rng, freedom = np.random.default_rng(0), 30
    errors = 0.6 * np.sqrt(rng.chisquare(freedom, 4000) / freedom)
    for true, (least, most) in {2.0: (0.04, 0.06), -2.0: (0.04, 0.06), 0.0: (0.85, 1.0)}.items():
        table = pd.DataFrame({"metric": "auroc", "gain": rng.normal(true, 0.6, 4000), "standard_error": errors})
        p_values = comparisons.equivalence(table.assign(freedom=freedom), {"auroc": 2.0})
        assert least < (p_values < 0.05).mean() < most
    assert comparisons.equivalence(table.assign(freedom=freedom), {"accuracy": 2.0}).isna().all()


def test_the_variance_of_two_seeds_is_pooled_over_arms_that_vary(frame):
    two = resample(frame[frame.seed < 3], FEW, 0, ("auroc",))
    values = [two.points(arm, "auroc") for arm in LADDER]
    shared = two.between("auroc")
    assert (shared.variance, shared.freedom) == (pytest.approx(np.mean([v.var(ddof=1) for v in values])), 3)
    row = comparisons.differences(two, [("he", "basic")]).iloc[0]
    assert row.note == "" and row.freedom >= 3
    pair = resample(frame[(frame.seed < 3) & (frame.arm != "proposed")], FEW, 0, ("auroc",))
    assert pair.between("auroc") is None
    told = [comparisons.differences(pair, [("he", "basic")]), estimates(pair)]
    assert all((table.note == "two seeds cannot tell how much trainings differ").all() for table in told)


def test_detectable_difference_matches_the_textbook_for_independent_pairs():
    """5.3 points of accuracy need about 417 independent pairs at 15 % discordance (Connor 1987)."""
    label, k = np.arange(417) % 2, np.arange(417)
    wrong = {"a": k < 31, "b": (k >= 31) & (k < 62)}
    frame = pd.concat(
        [
            pd.DataFrame(
                {
                    "image_id": k,
                    "patient_id": k,
                    "split": "test",
                    "arm": arm,
                    "seed": 0,
                    "label": label,
                    "score": np.where(wrong[arm], 1 - label, label),
                }
            )
            for arm in "ab"
        ]
    )
    row = comparisons.detectable(resample(frame, 2000, 0, ("accuracy",)), [("b", "a")]).iloc[0]
    assert row.detectable == pytest.approx(5.3, abs=0.2)


def test_factorial_recovers_effects_and_interactions():
    switches = pd.DataFrame(
        [(a, b) for a in (0, 1) for b in (0, 1)], columns=["he", "stn"], index=["none", "stn", "he", "both"]
    ).astype(bool)
    resampled = resample(table({"none": 0.6, "stn": 1.2, "he": 1.4, "both": 3.0}), FEW, 0, ("auroc",))
    effects = factorial_effects(resampled, switches).set_index("term")
    m = {arm: 100 * resampled.points(arm, "auroc").mean() for arm in switches.index}
    assert effects.gain["he"] == pytest.approx((m["he"] + m["both"] - m["none"] - m["stn"]) / 2)
    assert effects.gain["stn"] == pytest.approx((m["stn"] + m["both"] - m["none"] - m["he"]) / 2)
    assert effects.gain["he:stn"] == pytest.approx((m["both"] - m["stn"]) - (m["he"] - m["none"]))
    assert effects.order.tolist() == [1, 1, 2]


def test_factorial_of_four_switches_covers_all_terms():
    cells = [tuple(bool(k >> bit & 1) for bit in range(4)) for k in range(16)]
    arms = {f"a{k}": 1.0 + 0.1 * k for k in range(16)}
    switches = pd.DataFrame(cells, columns=["equalization", "flip", "stn", "tuned"], index=list(arms))
    resampled = resample(table(arms, seeds=(1, 2)), 50, 0, ("accuracy",))
    assert len(factorial_effects(resampled, switches)) == 4 + 6
    assert len(factorial_effects(resampled, switches, order=4)) == 15


def test_incomplete_factorial_is_refused(resampled):
    switches = pd.DataFrame({"he": [False, True, True], "stn": [False, False, True]}, index=list(LADDER))
    with pytest.raises(ValueError, match="not a full factorial"):
        factorial_effects(resampled, switches)
    with pytest.raises(ValueError, match="no predictions of arm 'nobody'"):
        factorial_effects(resampled, pd.DataFrame({"he": [False, True]}, index=["basic", "nobody"]))


def test_rank_swaps_count_pairs_of_seeds_that_disagree():
    frame = table({"a": 1.0, "b": 1.0}, seeds=(1, 2, 3))
    order = {("a", 1): 0.9, ("b", 1): 0.8, ("a", 2): 0.7, ("b", 2): 0.8, ("a", 3): 0.9, ("b", 3): 0.6}
    frame["score"] = [
        0.5 + (0.4 if label else -0.4) * (1 if k % 10 < 10 * order[arm, seed] else -1)
        for k, (arm, seed, label) in enumerate(zip(frame.arm, frame.seed, frame.label, strict=True))
    ]
    row = comparisons.rank_swaps(resample(frame, 20, 0, ("accuracy",))).iloc[0]
    assert (row.leads, row.swaps) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_one_seed_is_said_and_rank_swaps_need_two():
    resampled = resample(table({"a": 1.0, "b": 2.0}, seeds=(4,)), 50, 0, ("accuracy",))
    assert estimates(resampled).note.str.contains("one seed").all()
    assert comparisons.gains(resampled, "a").note.str.contains("one seed").all()
    assert comparisons.rank_swaps(resampled).note.str.startswith("not estimable").all()


def test_external_arm_with_one_seed_meets_every_seed(frame):
    external = table({"radiologist": 2.0}, seeds=(0,), seed=5)
    both = resample(pd.concat([frame, external[external.split == "test"]]), FEW, 0, ("accuracy",))
    row = comparisons.gains(both, "basic").set_index("arm").loc["radiologist"]
    expected = both.points("radiologist", "accuracy")[0] - both.points("basic", "accuracy").mean()
    assert row.gain == pytest.approx(100 * expected)
    assert "one seed of radiologist" in row.note


def test_seeds_that_only_one_arm_has_are_left_out_of_the_gain_and_said():
    frame = table({"a": 1.0, "b": 2.0}, seeds=(1, 2, 3))
    resampled = resample(frame[(frame.arm == "a") | (frame.seed < 3)], FEW, 0, ("accuracy",))
    row = comparisons.gains(resampled, "a").iloc[0]
    expected = resampled.points("b", "accuracy").mean() - resampled.points("a", "accuracy")[:2].mean()
    said = "from the seeds in common: 1, 2; two seeds cannot tell how much trainings differ"
    assert (row.gain, row.note) == (pytest.approx(100 * expected), said)
    other = resample(
        frame[(frame.arm == "a") == (frame.seed < 3)].pipe(lambda f: pd.concat([f, f[f.arm == "b"].assign(seed=4)])),
        FEW,
        0,
        ("accuracy",),
    )
    assert comparisons.gains(other, "a").note.item() == "not estimable: the arms have no seed in common"


def test_subgroups_partition_the_test_images(frame):
    images = frame[frame.arm == "basic"].drop_duplicates("image_id")
    metadata = pd.DataFrame(
        {
            "image_id": images.image_id,
            "side": np.where(np.arange(len(images)) % 2, "L", "R"),
            "age": np.linspace(30, 90, len(images)),
            "severity": np.linspace(0, 3, len(images)),
            "site": ["A", None] * (len(images) // 2),
        }
    )
    found = interactions(frame, metadata, ("he", "basic"), n_resamples=50)
    sizes = found.drop_duplicates(["subgroup", "value"]).groupby("subgroup").n_images.sum()
    assert sizes.to_dict() == {"side": 80, "age_band": 80, "severity": 80}  # all at one site: nothing to compare
    assert found[found.subgroup == "age_band"].value.unique().tolist() == ["0-44", "45-54", "55-64", "65-74", "75+"]
    assert found[found.subgroup == "severity"].value.nunique() == 4
    alone = found[(found.subgroup == "side") & (found.metric == "accuracy")].set_index("value")
    assert alone.interaction["L"] == pytest.approx(alone.gain["L"] - alone.gain["R"])
    assert alone.low["L"] < alone.gain["L"] < alone.high["L"] and np.isnan(alone.interaction["R"])
    left = frame[(frame.split == "val") | frame.image_id.isin(metadata.image_id[metadata.side == "L"])]
    expected = comparisons.differences(resample(left, 50, 0, ("accuracy",)), [("he", "basic")]).gain[0]
    assert alone.gain["L"] == pytest.approx(expected)


def test_subgroup_with_one_class_says_so(frame):
    images = frame.drop_duplicates("image_id")
    metadata = images[["image_id"]].assign(severity=np.where(images.label == 1, "severe", "none"))
    found = interactions(frame, metadata, ("he", "basic"), n_resamples=50).set_index(["value", "metric"]).note
    assert found["none", "auroc"].startswith("not estimable: no image with label 1")
    assert not found["severe", "accuracy"]


def test_a_note_on_the_gain_does_not_hide_why_there_is_no_interaction(frame):
    images = frame.drop_duplicates("image_id")
    apart = (images.label == 1) & (images.patient_id < "p030")
    metadata = images[["image_id"]].assign(site=np.where(apart, "B", "A"))
    for seeds, first in (([1], "one seed: the interval leaves out the variation between trainings; "), ([1, 2, 3], "")):
        found = interactions(frame[frame.seed.isin(seeds)], metadata, ("he", "basic"), ("auroc",), n_resamples=50)
        row, other = found.set_index("value").loc["A"], found.set_index("value").loc["B"]
        assert np.isfinite(row.gain) and np.isnan(row.interaction)
        assert row.note.startswith(f"{first}interaction: not estimable: no image with label 0 (seed 1)")
        assert other.note.startswith("not estimable: no image with label 0") and "interaction" not in other.note


def test_an_interaction_is_found_where_there_is_one_and_not_elsewhere():
    """An arm that is better on left images only, and equal on right ones."""
    frame, rng = table({"basic": 1.0, "he": 1.0}, patients=300), np.random.default_rng(0)
    images = frame.image_id.unique()
    metadata = pd.DataFrame({"image_id": images, "side": rng.choice(["L", "R"], len(images))})
    metadata["sex"] = rng.choice(["F", "M"], len(images))
    better = (frame.arm == "he") & frame.image_id.isin(images[metadata.side == "L"])
    frame["score"] = frame.score.where(~better, (frame.score + 2 * frame.label) / 3)
    found = interactions(frame, metadata, ("he", "basic"), ("auroc",), FEW).set_index(["subgroup", "value"])
    assert found.interaction_low["side", "L"] > 0 and found.p_value["side", "L"] < 0.05
    assert found.interaction_low["sex", "F"] < 0 < found.interaction_high["sex", "F"]


def test_recalibration_undoes_a_temperature_and_keeps_the_order(frame):
    bold = frame.assign(score=expit(3 * logit(frame.score)))
    one, other = recalibrate(frame), recalibrate(bold)
    np.testing.assert_allclose(one.score, other.score, atol=1e-6)
    before, after = (estimates(resample(t, 20, 0)).set_index(["metric", "arm"]).estimate for t in (bold, other))
    assert after["auroc"].to_dict() == pytest.approx(before["auroc"].to_dict())
    np.testing.assert_allclose(recalibrate(one).score, one.score, atol=1e-6)
    assert (after["calibration_slope"] > before["calibration_slope"]).all()


def test_a_score_adds_what_the_facts_do_not_know():
    frame = table({"useful": 3.0, "useless": 0.0}, seeds=(1, 2), patients=240)
    images = frame.drop_duplicates("image_id").set_index("image_id")
    rng = np.random.default_rng(0)
    known = pd.DataFrame({"age": images.label + rng.normal(size=len(images)), "side": rng.integers(0, 2, len(images))})
    both = incremental.joined(frame, known)
    val, test = (images.index[images.split == split] for split in ("val", "test"))
    alone = LogisticRegression(max_iter=1000).fit(known.loc[val], images.label[val]).decision_function(known.loc[test])
    resampled = resample(both, FEW, 0, ("auroc",))
    found = estimates(resampled).set_index("arm").estimate
    assert found[incremental.ALONE] == pytest.approx(roc_auc_score(images.label[test], alone), abs=1e-3)
    added = comparisons.differences(resampled, comparisons.over(resampled, incremental.ALONE)).set_index("arm")
    assert added.low["useful"] > 0 > added.low["useless"]
    assert incremental.joined(frame[frame.split == "test"], known).empty


def test_baselines_the_majority_class_and_the_label_noise_ceiling(frame):
    images = frame[frame.split == "test"].drop_duplicates("image_id").set_index("image_id")
    truth = images.label.where(np.arange(len(images)) % 10 != 0, 1 - images.label)
    found = baseline_estimates(frame, truth, n_resamples=FEW).set_index(["arm", "metric"]).estimate
    share = images.label.mean()
    assert found["no-information rate", "accuracy"] == max(share, 1 - share)
    assert found["majority class", "accuracy"] in (pytest.approx(share), pytest.approx(1 - share))
    assert found["majority class", "balanced_accuracy"] == 0.5
    assert found["label-noise ceiling", "accuracy"] == pytest.approx(0.9)
    with pytest.raises(ValueError, match="true state of 1 test"):
        baseline_estimates(frame, truth.iloc[1:], n_resamples=FEW)


def test_a_guess_without_the_film_is_thresholded_and_scored_as_an_arm_is(frame):
    arm = frame[(frame.arm == "he") & (frame.seed == 1)]
    guess = baseline_estimates(frame, blind={"metadata only": arm.set_index("image_id").score}, n_resamples=FEW)
    guess = guess[guess.arm == "metadata only"].set_index("metric").estimate
    alone = estimates(resample(arm, FEW, 0)).set_index("metric").estimate
    assert guess.to_dict() == pytest.approx(alone[guess.index].to_dict())


def test_an_arm_that_every_seed_trains_alike_is_marked(frame):
    one = frame[(frame.arm == "he") & (frame.seed == 1)]
    twins = pd.concat([one, one.assign(seed=2)])
    found = estimates(resample(pd.concat([twins, frame[frame.arm == "basic"]]), FEW, 0))
    assert (found[found.arm == "he"].note == "the same with every seed").all()
    assert not found[found.arm == "basic"].note.str.contains("same").any()


def test_holm_counts_the_steps_within_a_metric(resampled):
    table = comparisons.steps(resampled, [("he", "basic"), ("proposed", "he")])
    for _, part in table.groupby("metric"):
        assert part.p_holm.min() == pytest.approx(min(1, 2 * part.p_value.min()))


def test_a_pooled_variance_between_seeds_narrows_an_interval_by_its_freedom(resampled):
    own = comparisons.seed_gains(resampled, "proposed", "basic", "auroc")
    alone = pooled([own])
    assert (alone.variance, alone.freedom) == (pytest.approx(own.var(ddof=1)), 2)
    both = pooled([own, own + 1, own[:1]])
    assert (both.variance, both.freedom) == (pytest.approx(own.var(ddof=1)), 4)
    assert pooled([own[:1]]) is None

    def width(between):
        row = (
            comparisons.differences(resampled, [("proposed", "basic")], between={"auroc": between})
            .set_index("metric")
            .loc["auroc"]
        )
        return row.high - row.low

    step = comparisons.steps(resampled, [("proposed", "basic")]).set_index("metric").loc["auroc"]
    assert width(alone) == width(None) == pytest.approx(step.high - step.low)
    assert width(both) <= width(alone)
    twins = resample(table({"one": 1.0}).pipe(lambda t: pd.concat([t, t.assign(arm="two")])), FEW, 0)
    assert (
        comparisons.differences(twins, [("two", "one")], between={"auroc": both}).note == "the same in every resample"
    ).all()


def degenerate(labels, scores, patients) -> pd.DataFrame:
    n = len(labels)
    one = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(n)],
            "patient_id": patients,
            "split": "test",
            "seed": 0,
            "label": labels,
            "score": scores,
        }
    )
    return pd.concat([one.assign(arm="a"), one.assign(arm="b", score=[0.4, 0.6] * (n // 2))])


LABELS, SCORES = [0, 1] * 10, [0.3, 0.4, 0.6, 0.7, 0.2, 0.9, 0.5, 0.8, 0.1, 0.55] * 2
PATIENTS = [f"p{k // 2}" for k in range(20)]
DEGENERATE = {
    "one class": ([1] * 20, SCORES, PATIENTS),
    "the other class": ([0] * 20, SCORES, PATIENTS),
    "all scores equal": (LABELS, [0.5] * 20, PATIENTS),
    "all scores one": (LABELS, [1.0] * 20, PATIENTS),
    "one patient": (LABELS, SCORES, ["p"] * 20),
    "one patient of a class": ([1, 1] + [0] * 18, SCORES, PATIENTS),
    "perfect separation": (LABELS, [0.1, 0.9] * 10, PATIENTS),
    "perfectly wrong": (LABELS, [0.9, 0.1] * 10, PATIENTS),
    "two images": ([0, 1], [0.2, 0.8], ["p", "q"]),
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.filterwarnings("error")
def test_degenerate_inputs_give_numbers_or_say_why_not(case):
    frame = degenerate(*DEGENERATE[case])
    resampled = resample(frame, FEW, 0)
    tables = {
        "results": (estimates(resampled), ["estimate", "low", "high"]),
        "gains": (comparisons.gains(resampled, "b"), ["gain", "low", "high", "p_value"]),
        "detectable": (comparisons.detectable(resampled, [("a", "b")]), ["detectable"]),
        "tests": (paired_tests.compare_pairs(frame, [("a", "b")]), ["difference", "p_value"]),
    }
    for name, (found, numbers) in tables.items():
        lost = found[found[numbers].isna().any(axis=1)]
        assert lost.note.str.contains("not estimable: .+").all(), (name, lost)
        assert not found.note.str.contains("not estimable").drop(lost.index).any(), name


def test_perfect_separation_has_wilson_intervals_that_count_patients():
    found = estimates(resample(degenerate(*DEGENERATE["perfect separation"]), FEW, 0))
    found = found[found.arm == "a"].set_index("metric")
    assert found.loc["accuracy", ["estimate", "high"]].tolist() == [1.0, 1.0]
    assert found.low["accuracy"] == pytest.approx(1 / (1 + 1.959964**2 / 10), abs=1e-6)
    assert found.estimate["auroc"] == 1.0 and "every resample gives the same value" in found.note["auroc"]


def test_identical_arms_have_no_gain_with_certainty():
    frame = degenerate(LABELS, SCORES, PATIENTS)
    twins = pd.concat([frame[frame.arm == "a"], frame[frame.arm == "a"].assign(arm="twin")])
    gains = comparisons.gains(resample(twins, FEW, 0), "a")
    assert (gains[["gain", "low", "high"]] == 0).all(axis=None) and (gains.p_value == 1).all()
    tests = paired_tests.compare_pairs(twins, [("twin", "a")])
    assert (tests.p_value == 1).all()


def test_arms_without_the_same_test_images_are_refused(frame):
    with pytest.raises(ValueError, match="arm 'he', seed 2: 1 images of the test split are missing"):
        resample(frame.drop(frame[(frame.arm == "he") & (frame.seed == 2) & (frame.split == "test")].index[:1]), 10)
    with pytest.raises(ValueError, match="no rows of the test split"):
        resample(frame[frame.split == "val"], 10)
    with pytest.raises(ValueError, match="more than one row for an image of an arm and seed: 1 row"):
        resample(pd.concat([frame, frame[frame.split == "test"].head(1)]), 10)


def test_paired_tests_choose_their_form_by_the_data(frame):
    clustered = paired_tests.compare_pairs(frame, [("proposed", "basic")])
    assert clustered.groupby("seed").size().to_dict() == {1: 4, 2: 4, 3: 4}
    one_each = clustered.n_images == clustered.n_patients
    assert (clustered.method.str.contains("patient") == ~one_each).all() and not one_each.all()
    single = table(LADDER, images=1, patients=120)
    independent = paired_tests.compare_pairs(single, [("proposed", "basic")])
    assert set(independent.method) == {"exact McNemar", "DeLong"}
    with pytest.raises(ValueError, match="nobody"):
        paired_tests.compare_pairs(frame, [("nobody", "basic")])


def test_equal_specificity_reads_the_roc_curve_where_the_reference_stands(frame):
    found = comparisons.equal_specificity(frame, "basic", FEW).set_index("arm")
    test = frame[frame.split == "test"]
    limits = operating_point.thresholds(frame).set_index(["arm", "seed"]).threshold
    gains = []
    for seed in (1, 2, 3):
        basic, proposed = (
            test[(test.arm == arm) & (test.seed == seed)].sort_values("image_id") for arm in ("basic", "proposed")
        )
        called = (basic.score >= limits["basic", seed]) & (basic.label == 0)
        at = []
        for run in (proposed, basic):
            rate, sensitivity, _ = roc_curve(run.label, run.score, drop_intermediate=False)
            step = sensitivity[np.isclose(rate, called.sum() / (basic.label == 0).sum())]
            at.append((step.min() + step.max()) / 2)
        gains.append(at[0] - at[1])
    assert found.gain["proposed"] == pytest.approx(100 * np.mean(gains))
    assert (found.low < found.gain).all() and (found.gain < found.high).all()


def test_equal_specificity_of_the_same_scores_is_no_gain(frame):
    basic = frame[frame.arm == "basic"]
    found = comparisons.equal_specificity(pd.concat([basic, basic.assign(arm="twin")]), "basic", FEW).iloc[0]
    assert found.gain == 0 and found.note == "the same in every resample"


def test_equal_specificity_of_one_seed_and_of_one_class(frame):
    reader = frame[(frame.arm == "he") & (frame.seed == 1)].assign(arm="reader", seed=0)
    found = comparisons.equal_specificity(pd.concat([frame, reader]), "basic", FEW).set_index("arm")
    assert np.isfinite(found.gain["reader"]) and "one seed of reader" in found.note["reader"]
    one = comparisons.equal_specificity(frame[frame.label == 1], "basic", FEW)
    assert one.gain.isna().all() and one.note.str.contains("not estimable: no image with label 0").all()


@pytest.mark.parametrize("seed", [0, 1])  # of the reader: none of the networks', one of them
def test_equal_specificity_to_a_reader_counts_every_seed(frame, seed):
    he = frame[(frame.arm == "he") & (frame.seed == 1)]
    found = comparisons.equal_specificity(pd.concat([frame, he.assign(arm="reader", seed=seed)]), "reader", FEW)
    assert found.arm.to_list() == list(LADDER)
    assert (found.note == "one seed of reader: its variation between trainings is left out").all()
    every = pd.concat([frame, *(he.assign(arm="reader", seed=one) for one in (1, 2, 3))])
    numbers = ["sensitivity", "specificity", "gain", "low", "high", "p_value", "p_holm"]
    np.testing.assert_allclose(found[numbers], comparisons.equal_specificity(every, "reader", FEW)[numbers])


def test_equal_specificity_without_a_seed_in_common_is_not_estimable(frame):
    reader = frame[(frame.arm == "he") & (frame.seed < 3)].assign(arm="reader", seed=lambda rows: rows.seed + 10)
    for reference, lost in (("basic", ["reader"]), ("reader", list(LADDER))):
        found = comparisons.equal_specificity(pd.concat([frame, reader]), reference, FEW).set_index("arm")
        assert found.gain[lost].isna().all() and found.note[lost].str.contains("no seed in common").all()
        assert found.gain.drop(lost).notna().all() and (found.reference == reference).all()
