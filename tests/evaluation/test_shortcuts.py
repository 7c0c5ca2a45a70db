"""What a score follows: scores that are built from known facts are seen through."""

import numpy as np
import pandas as pd
import pytest

from foramen.evaluation import shortcuts

N = 600  # images, two a patient


def known() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    signs = rng.standard_normal(N)
    table = pd.DataFrame(
        {"signs": signs, "narrowness": 0.5 * signs + rng.standard_normal(N), "age": rng.normal(60, 9, N)}
    )
    table["chance"] = 1 / (1 + np.exp(-3 * table["narrowness"]))
    return table.set_index(pd.Index([f"I{i}" for i in range(N)], name="image_id"))


def frame(**scores: np.ndarray) -> pd.DataFrame:
    """Test predictions of arms with these scores, two seeds that differ by noise."""
    rng = np.random.default_rng(1)
    facts = known()
    label = (facts["narrowness"] + rng.standard_normal(N) > 0).astype(int).to_numpy()
    rows = {"image_id": facts.index, "patient_id": [f"P{i // 2}" for i in range(N)], "split": "test", "label": label}
    parts = [
        pd.DataFrame({**rows, "arm": arm, "seed": seed, "score": score + 0.1 * rng.standard_normal(N)})
        for arm, score in scores.items()
        for seed in (1, 2)
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_score_made_of_one_fact_follows_that_fact_alone():
    facts = known()
    table = shortcuts.followed(
        frame(reader=facts["narrowness"].to_numpy(), cheat=facts["signs"].to_numpy()), facts, resamples=200
    ).set_index(["arm", "fact"])
    assert table.loc[("reader", "narrowness"), "estimate"] > 0.95 and table.loc[("cheat", "signs"), "estimate"] > 0.95
    for arm, fact in (("reader", "signs"), ("reader", "age"), ("cheat", "narrowness"), ("cheat", "age")):
        row = table.loc[(arm, fact)]
        assert row.low < 0.02 and row.high > -0.02 and abs(row.estimate) < 0.05, (arm, fact)
    assert (table.low < table.estimate).all() and (table.estimate < table.high).all()


def test_coefficients_are_those_of_numpys_least_squares():
    facts, given = known(), frame(mixed=known().eval("0.3 * signs + 0.6 * narrowness").to_numpy())
    table = shortcuts.followed(given, facts, resamples=100).set_index(["arm", "fact"]).loc["mixed"].estimate
    one = given[given.seed == 1].set_index("image_id").score
    both = np.mean(
        [(s - s.mean()) / s.std() for s in (one.to_numpy(), given[given.seed == 2].score.to_numpy())], axis=0
    )
    facts = facts[["signs", "narrowness", "age"]]
    design = np.column_stack([np.ones(N), (facts - facts.mean()) / facts.std(ddof=0)])
    expected = np.linalg.lstsq(design, both, rcond=None)[0][1:]
    assert table.to_numpy() == pytest.approx(expected, abs=1e-3)


def test_within_fifths_of_the_signs_a_shortcut_knows_less():
    facts = known()
    table = shortcuts.within_fifths(
        frame(reader=facts["narrowness"].to_numpy(), cheat=facts["signs"].to_numpy()), facts, 200
    )
    assert table.groupby("arm").n_images.sum().tolist() == [N, N] and set(table.fifth) == {1, 2, 3, 4, 5}
    assert (table.low < table.estimate).all() and (table.estimate < table.high).all()
    areas = table.set_index(["arm", "fifth"]).estimate
    assert areas["reader"].min() > 0.7 > areas["cheat"].mean()
    one_class = frame(reader=facts["narrowness"].to_numpy()).assign(label=0)
    assert shortcuts.within_fifths(one_class, facts, 20).estimate.isna().all()


def test_a_reader_calls_more_positive_the_worse_the_grade_and_a_coin_does_not():
    facts = known()
    facts["grade"] = pd.qcut(facts["narrowness"], 4, labels=False)
    given = frame(reader=facts["narrowness"].to_numpy(), coin=np.random.default_rng(5).standard_normal(N))
    validation = given.assign(split="val", patient_id=given["patient_id"] + "v")
    table = shortcuts.called_by_grade(pd.concat([given, validation]), facts, 200).set_index(["arm", "grade"])
    assert (table["n_images"] == N // 4).all() and (table["low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["high"]).all() and table[["low", "high"]].stack().between(0, 1).all()
    reader, coin, labelled = table.loc["reader", "estimate"], table.loc["coin"], table.loc["reader", "labelled"]
    assert reader.is_monotonic_increasing and reader.iloc[0] < 0.1 and reader.iloc[-1] > 0.9
    assert coin["estimate"].between(0.35, 0.65).all() and labelled.is_monotonic_increasing
    one = given[(given["arm"] == "coin") & (given["seed"] == 1)].set_index("image_id")
    assert labelled[3] == pytest.approx(one["label"][facts["grade"] == 3].mean())


def test_a_baseline_from_facts_is_learned_from_training_images_alone():
    levels, rng = ["C4/5", "C5/6"], np.random.default_rng(2)
    keys = ["C4_5", "C5_6"]
    truth = pd.DataFrame({f"{sign}_{key}": rng.random(N) for sign in ("disc_loss", "osteophyte") for key in keys})
    truth[[f"narrowest_projected_mm_{key}" for key in keys]] = rng.random((N, 2)) + 2
    truth["visible_probability"] = rng.random(N)
    truth[[f"grade_{key}" for key in keys]] = rng.integers(0, 4, (N, 2))
    rows = pd.DataFrame({"image_id": known().index, "age": 60.0, "split": np.repeat(["train", "test"], N // 2)})
    rows["label"] = (truth["disc_loss_C4_5"] > 0.5).astype(int)
    found = shortcuts.facts(rows, truth, levels)
    assert (
        found["narrowness"] == -truth[[f"narrowest_projected_mm_{key}" for key in keys]].min(axis=1).to_numpy()
    ).all()
    assert (found["chance"].to_numpy() == truth["visible_probability"]).all()
    assert (found["grade"] == truth[["grade_C4_5", "grade_C5_6"]].max(axis=1).to_numpy()).all()
    assert abs(np.corrcoef(found["signs"], truth["disc_loss_C4_5"])[0, 1]) > 0.9
    spoiled = rows.assign(label=np.where(rows["split"] == "test", 1 - rows["label"], rows["label"]))
    scores, other = (
        shortcuts.from_facts(some, shortcuts.facts(some, truth, levels), ["signs", "age"]) for some in (rows, spoiled)
    )
    pd.testing.assert_series_equal(scores, other)
    assert scores[rows["label"].to_numpy() == 1].mean() > scores[rows["label"].to_numpy() == 0].mean() + 0.5
    film = shortcuts.from_facts(rows, found, ["narrowness"])
    assert abs(film.corr(found["narrowness"], method="spearman")) == pytest.approx(1), "narrowness and nothing else"


def test_two_readers_give_the_scale():
    facts = known()
    rows = frame(x=facts["narrowness"].to_numpy()).drop_duplicates("image_id").drop(columns=["arm", "seed", "score"])
    rows["split"] = np.repeat(["train", "test"], N // 2)
    given = frame(reader=facts["narrowness"].to_numpy())
    several = shortcuts.with_readers(given, rows, facts)
    assert list(several["arm"].unique()) == ["reader", "signs and age", "label-noise ceiling"]
    assert len(several) == len(given) + 2 * N and not several.isna().any().any()
    table = shortcuts.followed(several, facts, 200).set_index(["arm", "fact"])["estimate"]
    assert table["signs and age", "signs"] > 0.9 and abs(table["signs and age", "narrowness"]) < 0.1
    assert table["label-noise ceiling", "narrowness"] > 0.85 and abs(table["label-noise ceiling", "signs"]) < 0.1


def test_an_interval_counts_the_seeds_too():
    facts, rng = known(), np.random.default_rng(6)
    alike = frame(reader=facts["narrowness"].to_numpy())
    apart = alike.assign(score=alike["score"] + alike["seed"].map({1: 0.0, 2: 1.0}) * rng.standard_normal(2 * N))
    for measure in (shortcuts.followed, shortcuts.within_fifths):
        (one, other), width = (measure(some, facts, 200) for some in (alike, apart)), lambda t: (t.high - t.low).mean()
        assert width(other) > 1.5 * width(one), measure


def test_attention_is_compared_with_rules_that_see_no_foramen():
    rng, ids = np.random.default_rng(3), [f"I{i}" for i in range(200)]
    openings = pd.DataFrame(rng.random((200, 4)) - [0, 0, 0.4, 0], index=ids)  # the third is narrowest most often
    signs = pd.DataFrame(rng.random((200, 4)), index=ids)
    patients = pd.Series([f"P{i // 2}" for i in range(200)], index=ids)

    def point(weights: np.ndarray) -> dict[str, float]:
        table = pd.DataFrame(weights, columns=[f"head_{k + 1}" for k in range(4)])
        return shortcuts.pointed(table.assign(image_id=ids, seed=1), openings, signs, patients, 200)

    right = point(-openings.to_numpy())
    assert right["estimate"] == right["low"] == right["high"] == 1 and right["n_images"] == 200
    assert right["commonest"] == pytest.approx((openings.to_numpy().argmin(axis=1) == 2).mean())
    assert right["most_signs"] < 0.4 and right["over_signs"] == pytest.approx(1 - right["most_signs"])
    assert right["over_signs_low"] > 0.4
    by_signs = point(signs.to_numpy())
    assert by_signs["over_signs"] == by_signs["over_signs_low"] == by_signs["over_signs_high"] == 0
    blind = point(rng.random((200, 4)))
    assert blind["low"] < 0.25 < blind["high"] and blind["over_signs_low"] < 0 < blind["over_signs_high"]
