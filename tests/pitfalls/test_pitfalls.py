"""Each pitfall on data whose truth is known: the mistake shows, the right way does not have it."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diagnostic_accuracy import resample
from foramen.core import paths
from foramen.core.display import readings
from foramen.pitfalls import choices, inference, outcome, pictures, probe, reported, shortcuts, splits
from made_up_predictions import predictions


def test_the_interval_is_students_widened_where_training_sets_overlap():
    wrong, truth = np.array([0.6, 0.7, 0.8, np.nan]), np.array([0.5, 0.5, 0.5, 0.5])
    row = outcome.over_repetitions("p", "m", wrong, truth, truth)
    half = stats.t.ppf(0.975, 2) * 10 / np.sqrt(3)
    assert (row["wrong"], row["n"]) == (pytest.approx(70), 3)
    assert (row["low"], row["high"]) == (pytest.approx(20 - half), pytest.approx(20 + half))
    wider = outcome.over_repetitions("p", "m", wrong, truth, truth, test_over_train=1.0)
    assert wider["high"] - 20 == pytest.approx(2 * half)


def test_what_cannot_be_measured_says_why():
    row = outcome.over_repetitions("p", "m", [0.5], [0.5], [0.5])
    assert np.isnan(row["inflation"]) and row["note"] == "too few patients"
    assert outcome.table([row]).columns.tolist() == outcome.COLUMNS


def test_the_most_accurate_threshold_is_that_of_a_search_through_all():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 60), rng.random(60).round(1)
    weights = choices.drawn(np.repeat(np.arange(30), 2), 10, 3, 0)
    assert (weights.sum(axis=1) == 20).all()
    for row, found in zip(weights == 1, choices.most_accurate(weights, labels, scores), strict=True):
        accuracy = {t: ((scores >= t) == labels)[row].mean() for t in np.unique(scores)}
        assert accuracy[found] == max(accuracy.values())


def test_a_threshold_chosen_on_few_test_patients_flatters_a_score_that_knows_nothing():
    frame = predictions(400, skills={"basic": 0.0})
    table = choices.optimism_by_size(frame, "basic")
    assert table["patients"].is_monotonic_increasing and (table["low"] > 0).all()
    assert table["inflation"].iloc[0] > table["inflation"].iloc[-1]
    assert table["right"].to_numpy() == pytest.approx(50, abs=4)


def test_the_best_of_equal_networks_is_no_better_on_fresh_patients():
    row = choices.arm(predictions(skills=dict.fromkeys("abcdef", 1.0)), 20)
    assert row["low"] > 0 and row["wrong"] > row["right"]


@pytest.mark.parametrize("choose", [choices.arm, lambda frame, size: choices.threshold(frame, "a", size)])
def test_who_lets_other_patients_choose_reports_what_the_choice_is_worth(choose):
    row = choose(predictions(200, skills={"a": 0.6, "b": 1.0, "c": 1.2}), 30)
    assert row["right"] == pytest.approx(row["truth"], abs=0.8) and row["wrong"] > row["right"] + 1.5


def test_those_who_choose_and_those_who_are_tested_are_other_patients():
    patients = np.repeat(np.arange(30), 2)
    tested, others = (choices.drawn(patients, 10, 50, 0, after) for after in (0, 10))
    assert (tested.sum(axis=1) == 20).all() and (others.sum(axis=1) == 20).all() and not (tested * others).any()


def test_the_best_epoch_of_a_small_test_set_flatters():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(100, 40)), rng.integers(0, 2, 100)
    row = choices.epoch(features, labels, np.arange(100), repetitions=4)
    assert row["inflation"] > 0 and row["truth"] < 60


@pytest.mark.slow
def test_what_an_epoch_gains_by_luck_does_not_join_the_splits_of_a_cohort():
    """The mean over splits varies between cohorts as that of independent ones: nothing to widen its interval for."""
    rng, splits, rows = np.random.default_rng(0), 6, []
    for _ in range(40):
        patients = np.repeat(np.arange(60), 2)
        labels = rng.integers(0, 2, 60)[patients]
        features = rng.normal(size=(60, 20))[patients] + rng.normal(size=(120, 20)) + 0.3 * labels[:, None]
        rows.append(choices.epoch(features, labels, patients, splits))
    table = outcome.table(rows)
    error = (table["high"] - table["low"]) / 2 / stats.t.ppf(0.975, splits - 1)
    assert table["inflation"].std() / np.sqrt((error**2).mean()) == pytest.approx(1, abs=0.3)  # widened: 0.4
    assert ((table["low"] < table["inflation"].mean()) & (table["inflation"].mean() < table["high"])).mean() > 0.85


@pytest.mark.parametrize("leak", [splits.by_image, splits.copies])
def test_remembered_patients_pass_for_a_finding(leak):
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 2)
    features = rng.normal(size=(40, 20))[patients] + 0.1 * rng.normal(size=(80, 20))
    labels = rng.integers(0, 2, 40)[patients]
    row = leak(features, labels, patients, coin=True, repetitions=3)
    assert row["wrong"] > 85 and row["right"] < 75 and row["truth"] == 50 and row["low"] > 0
    honest = leak(features, labels, patients, repetitions=3)
    assert honest["right"] == honest["truth"]


def test_a_shortcut_is_worth_nothing_where_it_is_missing():
    rng = np.random.default_rng(0)
    labels, clean = rng.integers(0, 2, 120), rng.normal(size=(120, 3))
    confounded = np.where([True, False, False], labels[:, None], clean)
    row = shortcuts.confounded("marker", confounded, clean, labels, np.arange(120), repetitions=4)
    assert row["wrong"] > 95 and row["low"] > 20 and row["right"] == pytest.approx(50, abs=12)


def test_a_map_accuses_the_marker_that_was_learned():
    rng = np.random.default_rng(0)
    labels, clean = np.tile([0, 1], 300), rng.normal(size=(600, 64 + 256))
    cell = rng.integers(0, 64, 600)
    cell[labels == 1] = 9  # the second row's second cell
    places = np.stack([cell % 8, cell // 8], axis=1) / 4 - 0.875
    marked = clean.copy()
    marked[np.arange(600), cell] += 3
    row = shortcuts.pointed(marked, clean, labels, np.arange(600), np.where(labels[:, None] == 1, places, np.nan))
    assert row["wrong"] > row["truth"] + 20 and row["low"] > 0
    nowhere = shortcuts.pointed(marked, clean, labels, np.arange(600), np.full((600, 2), np.nan))
    assert np.isnan(nowhere["inflation"])


def test_evidence_adds_up_to_the_score():
    rng = np.random.default_rng(0)
    features, labels = probe.marks(rng.random((40, 80, 80))), rng.integers(0, 2, 40)
    fitted = probe.linear().fit(features, labels)
    added = probe.evidence(fitted, features).sum(axis=(1, 2)) + fitted[1].intercept_
    assert added == pytest.approx(fitted.decision_function(features))


def test_a_narrower_field_is_black_outside_and_nothing_else():
    films, boxes = np.full((2, 100, 100), 7, np.uint16), np.array([[0, 10, 100, 90]] * 2)
    wide, narrow = shortcuts.collimated(films, boxes, np.array([False, True]))
    assert (wide[:, 10:90] == 7).all() and wide[:, :10].sum() == wide[:, 90:].sum() == 0
    assert (narrow[4:96, 14:86] == 7).all() and narrow.sum() == 7 * 92 * 72


def test_who_is_told_the_label():
    labels = np.tile([0, 1], 2000)
    for correlation in (0.0, 0.9):
        among = shortcuts.told(labels, correlation)
        assert among.mean() == pytest.approx(0.5, abs=0.03)
        assert among[labels == 1].mean() - among[labels == 0].mean() == pytest.approx(correlation, abs=0.05)


def test_a_score_that_is_age_is_nothing_among_those_of_like_age():
    frame = predictions(300, skills={"basic": 0.0}, seeds=1)
    ages = frame.set_index("image_id")["label"] * 8 + np.random.default_rng(0).integers(0, 30, len(frame))
    frame = frame.assign(score=frame["image_id"].map(ages) / 100)
    row = shortcuts.age(frame, "basic", ages)
    assert row["wrong"] > 60 and row["right"] == pytest.approx(50, abs=10) and row["low"] > 0
    nobody = shortcuts.age(frame, "basic", ages * np.nan)
    assert nobody["note"] == "no ages of both classes"


def test_mirrored_images_that_keep_the_label_of_a_side_teach_nothing():
    sides = np.tile(["L", "R"], 150)
    images = np.random.default_rng(0).normal(size=(300, 8, 8)).astype(np.float32)
    images[:, :, :4] += np.where(sides == "L", 3, 0)[:, None, None]
    images[:, :, 4:] += np.where(sides == "R", 3, 0)[:, None, None]
    row = pictures.flip(images, sides, np.repeat(np.arange(150), 2))
    assert row["right"] > 95 and row["wrong"] < 75 and row["high"] < 0


def test_padding_takes_its_share_of_the_grey_scale():
    images = np.zeros((3, 40, 40), np.uint16)
    images[:, :, :20] = np.random.default_rng(0).integers(1, 65535, (3, 40, 20))
    row = pictures.padding(images, np.tile([0, 0, 40, 20], (3, 1)), np.arange(3))
    assert row["right"] == pytest.approx(90, abs=2) and row["wrong"] == pytest.approx(45, abs=2)


def test_the_middle_of_a_region_hits_what_lies_there():
    masks = np.zeros((6, 20, 20), bool)
    masks[:3, 9:12, 9:12] = True
    masks[3:, :2, :2] = True
    row = pictures.place(masks, np.tile([0.0, 0, 1], (6, 1)), np.arange(6))
    assert row["wrong"] == 50 and row["right"] < 10 and (row["n"], row["of"]) == (6, "patients")
    of_three = pictures.place(masks, np.tile([0.0, 0, 1], (6, 1)), np.arange(6) // 2)
    assert of_three["wrong"] == 50 and of_three["n"] == 3 and of_three["high"] > row["high"]
    elsewhere = pictures.place(masks, np.tile([-0.9, -0.9, 0.1], (6, 1)), np.arange(6))
    assert elsewhere["wrong"] == 50 and elsewhere["right"] == 50


@pytest.mark.parametrize("size", [50, 100, 400])
def test_the_middle_is_as_near_on_a_coarse_film_as_on_a_fine_one(size):
    masks = np.zeros((2, size, size), bool)
    masks[0, size // 2 - round(0.02 * size), size // 2] = True
    masks[1, size // 2 - round(0.06 * size), size // 2] = True
    assert pictures.place(masks, np.tile([0.0, 0, 1], (2, 1)), np.arange(2))["wrong"] == 50


def test_the_rare_class_makes_accuracy_large_and_means_little():
    row = reported.imbalance(predictions(skills={"basic": 0.5}), "basic")
    assert row["wrong"] > 85 and row["right"] < 65 and row["low"] > 20


def test_the_best_seed_is_the_largest_of_each_arm():
    resampled = resample(predictions(), 50, 0, ("accuracy",))
    row = reported.best_seed(resampled)
    points = [resampled.points(arm, "accuracy") for arm in resampled.arms]
    assert (
        row["inflation"] == pytest.approx(100 * np.mean([p.max() - p.mean() for p in points])) and row["of"] == "arms"
    )
    single = resample(predictions(seeds=1), 50, 0, ("accuracy",))
    assert np.isnan(reported.best_seed(single)["inflation"])


def test_wrong_labels_among_the_most_confident_errors_are_counted():
    frame = predictions(200, skills={"basic": 8.0}, seeds=1)
    clean = frame.set_index("image_id")["label"]
    flipped = frame["image_id"].isin(clean.index[-30:])
    noisy = frame.assign(label=frame["label"].where(~flipped, 1 - frame["label"]))
    row = reported.label_noise(noisy, "basic", clean)
    assert row["wrong"] == 100 and row["truth"] < 40 and row["low"] > 40 and row["of"] == "patients"
    noisy = noisy.assign(
        patient_id=noisy["image_id"].map(lambda image: "one" if image in set(clean.index[-30:]) else image)
    )
    assert reported.label_noise(noisy, "basic", clean)["low"] < row["low"]
    assert reported.label_noise(noisy, "basic", None)["note"] == "nobody knows which labels are wrong"
    both = reported.accuracy_by_label(noisy, clean).set_index("arm").loc["basic"]
    assert both.recorded < both.before_noise


def test_a_crop_takes_the_praise_of_a_transformer():
    skills = {"plain": 0.5, "crop": 3.0, "stn": 3.0}
    resampled = resample(predictions(200, skills=skills), 200, 0, ("accuracy",))
    row = reported.fixed_crop(resampled, ("stn", "crop", "plain"))
    assert row["low"] > 0 and abs(row["right"]) < row["wrong"]
    assert "no three arms" in reported.fixed_crop(resampled, None)["note"]


def test_a_test_that_counts_images_errs_where_a_patients_images_are_alike():
    row = inference.unclustered(predictions(images=6, alike=True), "basic")
    assert row["wrong"] > 20 and row["right"] == pytest.approx(5, abs=2) and row["low"] > 0
    single = inference.unclustered(predictions(images=1), "basic")
    assert single["wrong"] == single["right"]


def test_one_of_many_equal_arms_is_significant_by_luck():
    row = inference.many_arms(predictions(200, skills=dict.fromkeys("abcdef", 1.0)), "a")
    assert row["pitfall"] == "best of 15 networks"
    assert row["wrong"] > 20 and row["right"] < 7
    alone = inference.many_arms(predictions(skills={"a": 1.0}), "a")
    assert alone["note"] == "no arm differs from the reference"


def test_pairing_finds_more():
    shared = predictions(200, skills={"basic": 1.0}, seeds=1)
    better = shared.assign(arm="proposed", score=shared["score"] + np.where(shared["label"] == 1, 0.1, -0.1))
    row = inference.unpaired(pd.concat([shared, better]), "proposed", "basic", 50)
    assert row["high"] < 0 and row["right"] > row["wrong"]


def test_an_interval_with_a_fixed_threshold_misses_too_often():
    row = inference.without_threshold(predictions(300), "basic", size=80, validated=15, repetitions=200)
    assert row["wrong"] > 15 and row["right"] < row["wrong"] - 5


def test_an_interval_of_one_network_misses_the_mean_of_its_seeds():
    frame = predictions(200, seeds=4)
    worse = frame["seed"] == 1
    frame["score"] = frame["score"].where(~worse, 1 - frame["score"])
    row = inference.without_seeds(frame, 100)
    assert row["wrong"] > 50 and row["right"] < 10
    assert inference.without_seeds(predictions(seeds=1), 50)["note"] == "no arm has two seeds"


def test_an_interval_of_one_training_set_misses_the_mean_over_training_sets():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 160)
    features = rng.normal(size=(160, 30)) + 0.3 * labels[:, None]
    row = inference.without_training(features, labels, np.repeat(np.arange(80), 2), repetitions=30)
    assert row["wrong"] > 10 and row["right"] < row["wrong"] - 4
    few = inference.without_training(features[:40], labels[:40], np.arange(40) // 2)
    assert few["note"] == "too few patients"


def test_parts_keep_groups_together():
    groups = np.repeat(np.arange(10), 3)
    first, second = probe.parts(groups, (0.7, 0.3), 0)
    assert (first ^ second).all() and len(np.unique(groups[second])) == 3
    assert not set(groups[first]) & set(groups[second])


def test_every_reported_pitfall_says_what_its_numbers_are_of():
    table = pd.read_csv(paths.ROOT / "reports/default/tables/pitfalls.csv", keep_default_na=False, na_values=[""])
    lines = str(readings("pitfalls").outcomes(table.to_dict("records"))).split("\n- ")
    assert len(lines) == len(table) and all(re.search(r"Truth: |the truth[ :]", line) for line in lines)
