"""What a score follows on a synthetic cohort: facts from its truth, the readers beside the arms, attention."""

import numpy as np
import pandas as pd
import pytest

from diagnostic_accuracy import follows
from foramen.evaluation import shortcuts
from labelled_radiographs import metadata
from made_up_scores import N, frame, known


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
        metadata.fitted(some, shortcuts.facts(some, truth, levels)[["signs", "age"]]) for some in (rows, spoiled)
    )
    pd.testing.assert_series_equal(scores, other)
    assert scores[rows["label"].to_numpy() == 1].mean() > scores[rows["label"].to_numpy() == 0].mean() + 0.5
    film = metadata.fitted(rows, found[["narrowness"]])
    assert abs(film.corr(found["narrowness"], method="spearman")) == pytest.approx(1), "narrowness and nothing else"


def test_two_readers_give_the_scale():
    facts = known()
    rows = frame(x=facts["narrowness"].to_numpy()).drop_duplicates("image_id").drop(columns=["arm", "seed", "score"])
    rows["split"] = np.repeat(["train", "test"], N // 2)
    given = frame(reader=facts["narrowness"].to_numpy())
    several = shortcuts.with_readers(given, rows, facts)
    assert list(several["arm"].unique()) == ["reader", "signs and age", "label-noise ceiling"]
    assert len(several) == len(given) + 2 * N and not several.isna().any().any()
    table = follows.followed(several, facts[shortcuts.FACTS], 200).set_index(["arm", "fact"])["estimate"]
    assert table["signs and age", "signs"] > 0.9 and abs(table["signs and age", "narrowness"]) < 0.1
    assert table["label-noise ceiling", "narrowness"] > 0.85 and abs(table["label-noise ceiling", "signs"]) < 0.1


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
