"""What a score follows: scores that are built from known facts are seen through."""

import numpy as np
import pandas as pd
import pytest

from diagnostic_accuracy import follows
from made_up_scores import N, frame, known

FACTS = ["signs", "narrowness", "age"]


def test_a_score_made_of_one_fact_follows_that_fact_alone():
    facts = known()
    table = follows.followed(
        frame(reader=facts["narrowness"].to_numpy(), cheat=facts["signs"].to_numpy()), facts[FACTS], resamples=200
    ).set_index(["arm", "fact"])
    assert table.loc[("reader", "narrowness"), "estimate"] > 0.95 and table.loc[("cheat", "signs"), "estimate"] > 0.95
    for arm, fact in (("reader", "signs"), ("reader", "age"), ("cheat", "narrowness"), ("cheat", "age")):
        row = table.loc[(arm, fact)]
        assert row.low < 0.02 and row.high > -0.02 and abs(row.estimate) < 0.05, (arm, fact)
    assert (table.low < table.estimate).all() and (table.estimate < table.high).all()


def test_coefficients_are_those_of_numpys_least_squares():
    facts, given = known(), frame(mixed=known().eval("0.3 * signs + 0.6 * narrowness").to_numpy())
    table = follows.followed(given, facts[FACTS], resamples=100).set_index(["arm", "fact"]).loc["mixed"].estimate
    one = given[given.seed == 1].set_index("image_id").score
    both = np.mean(
        [(s - s.mean()) / s.std() for s in (one.to_numpy(), given[given.seed == 2].score.to_numpy())], axis=0
    )
    facts = facts[["signs", "narrowness", "age"]]
    design = np.column_stack([np.ones(N), (facts - facts.mean()) / facts.std(ddof=0)])
    expected = np.linalg.lstsq(design, both, rcond=None)[0][1:]
    assert table.to_numpy() == pytest.approx(expected, abs=1e-3)


@pytest.mark.filterwarnings("error")
def test_a_fact_that_all_images_share_is_not_estimable_and_the_others_are():
    facts, given = known()[["signs", "narrowness"]], frame(reader=known()["narrowness"].to_numpy())
    table = follows.followed(given, facts.assign(age=60.0), 100)
    assert table["fact"].to_list() == FACTS and table.iloc[2][follows.INTERVAL].isna().all()
    pd.testing.assert_frame_equal(table[table["fact"] != "age"], follows.followed(given, facts, 100))
    assert follows.leaning(table, "reader", "narrowness", "signs") == "more than"
    assert follows.leaning(table, "reader", "narrowness", "age") == "to a degree not estimable against"
    assert follows.followed(given, facts[[]].assign(age=60.0), 100)["estimate"].isna().all()


@pytest.mark.filterwarnings("error")
def test_without_two_patients_alike_in_their_labels_there_is_no_interval():
    facts = known()
    few = frame(reader=facts["narrowness"].to_numpy()).query("image_id in ['I0', 'I1', 'I2', 'I3']")
    few = few.assign(patient_id=few["image_id"].map({"I0": "a", "I1": "b", "I2": "b", "I3": "c"}))
    few = few.assign(label=few["image_id"].map({"I0": 0, "I1": 0, "I2": 1, "I3": 1}))
    for table in (
        follows.followed(few, facts[["signs"]], 20),
        follows.within(few, pd.Series("A", index=facts.index, name="site"), 20),
    ):
        assert table["estimate"].notna().all() and table[["low", "high"]].isna().all(axis=None)


def test_a_reader_calls_more_positive_the_worse_the_grade_and_a_coin_does_not():
    facts = known()
    facts["grade"] = pd.qcut(facts["narrowness"], 4, labels=False)
    given = frame(reader=facts["narrowness"].to_numpy(), coin=np.random.default_rng(5).standard_normal(N))
    validation = given.assign(split="val", image_id=given["image_id"] + "v", patient_id=given["patient_id"] + "v")
    table = follows.called_by(pd.concat([given, validation]), facts["grade"], 200).set_index(["arm", "grade"])
    assert (table["n_images"] == N // 4).all() and (table["low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["high"]).all() and table[["low", "high"]].stack().between(0, 1).all()
    reader, coin, labelled = table.loc["reader", "estimate"], table.loc["coin"], table.loc["reader", "labelled"]
    assert reader.is_monotonic_increasing and reader.iloc[0] < 0.1 and reader.iloc[-1] > 0.9
    assert coin["estimate"].between(0.35, 0.65).all() and labelled.is_monotonic_increasing
    one = given[(given["arm"] == "coin") & (given["seed"] == 1)].set_index("image_id")
    assert labelled[3] == pytest.approx(one["label"][facts["grade"] == 3].mean())


def test_an_interval_counts_the_seeds_too():
    facts, rng = known(), np.random.default_rng(6)
    alike = frame(reader=facts["narrowness"].to_numpy())
    apart = alike.assign(score=alike["score"] + alike["seed"].map({1: 0.0, 2: 1.0}) * rng.standard_normal(2 * N) / 20)
    for measure, known_facts in (
        (follows.followed, facts[FACTS]),
        (follows.within, (facts["signs"] > 0).rename("many")),
    ):
        one, other = (measure(some, known_facts, 200) for some in (alike, apart))
        assert (other.high - other.low).mean() > 1.5 * (one.high - one.low).mean(), measure


def test_what_is_followed_more_is_said_as_the_intervals_allow():
    table = pd.DataFrame(
        {"arm": "net", "fact": ["a", "b"], "estimate": [0.6, 0.2], "low": [0.5, 0.1], "high": [0.7, 0.3]}
    )
    assert follows.leaning(table, "net", "a", "b") == "more than"
    assert follows.leaning(table, "net", "b", "a") == "less than"
    assert follows.leaning(table.assign(low=[0.25, 0.1]), "net", "a", "b") == "about as much as"


def test_facts_that_are_not_known_are_named_all_at_once():
    facts = known()[FACTS].drop(index="I7")
    facts.loc["I9", "age"] = np.nan
    given = frame(reader=known()["narrowness"].to_numpy())
    with pytest.raises(
        ValueError, match="(?s)signs: unknown of 1 test images, first I7.*age: unknown of 2 test images"
    ):
        follows.followed(given, facts, 20)
    for grouped in (follows.within, follows.called_by):
        with pytest.raises(ValueError, match="site: unknown of 1 test images, first I7"):
            grouped(given, pd.Series("A", index=facts.index, name="site"), 20)
    with pytest.raises(ValueError, match="score is no number from 0 to 1"):
        follows.followed(given.assign(score=7), known()[FACTS], 20)
