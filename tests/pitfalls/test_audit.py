"""`foramen audit`: every sign is found where it was put, none where it was not; bad tables are refused."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diagnostic_accuracy import operating_point
from foramen import cli
from foramen.core.errors import InputError
from foramen.pitfalls import audit
from made_up_predictions import predictions

CLEAN = {"one": 1.0, "two": 2.0}
CHOSEN = "threshold chosen on the test set"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """One image a patient, three seeds, validation rows."""
    return predictions(200, 1, CLEAN)


def manifest(frame: pd.DataFrame) -> pd.DataFrame:
    """A manifest whose columns know nothing of label or score."""
    rng, rows = (
        np.random.default_rng(1),
        frame.drop_duplicates("image_id")[["image_id", "patient_id", "label", "split"]],
    )
    facts = {"site": ("A", "B"), "sex": ("F", "M"), "side": ("L", "R"), "view": ("RPO", "LPO")}
    known = {name: rng.choice(values, len(rows)) for name, values in facts.items()}
    return rows.assign(image_path=rows["image_id"] + ".png", age=rng.integers(30, 80, len(rows)).astype(float), **known)


def found(signs: list[audit.Sign]) -> dict[str, str]:
    return {sign.pitfall: sign.numbers for sign in signs if sign.verdict == "sign"}


def of(signs: list[audit.Sign], pitfall: str) -> audit.Sign:
    return next(sign for sign in signs if sign.pitfall == pitfall)


def cases(signs: list[audit.Sign]) -> dict[str, str]:
    return {sign.pitfall: sign.cases for sign in signs if sign.verdict == "sign"}


def test_a_clean_table_shows_none(frame):
    signs = audit.signs(frame, manifest(frame))
    assert not found(signs)
    assert all(sign.numbers for sign in signs) and not any(sign.cases for sign in signs)


def test_luck_seldom_makes_a_sign_of_clean_tables():
    """Of eight tables with two images a patient, each check is led astray by one at most, and most checks by none."""
    signs = []
    for seed in range(8):
        frame = predictions(100, 2, CLEAN, seed=seed)
        threshold = operating_point.thresholds(frame)["threshold"].iloc[0]
        first = frame[(frame["arm"] == "one") & (frame["seed"] == 1)]
        reported = [sign for sign in audit.signs(first, threshold=threshold) if sign.pitfall == CHOSEN]
        signs += [*audit.signs(frame, manifest(frame)), *reported]
    counts = pd.Series([sign.pitfall for sign in signs if sign.verdict == "sign"], dtype=str).value_counts()
    assert counts.max() <= 1 and len(counts) <= 3, counts


def test_arms_are_chosen_from_and_seeds_are_averaged(frame):
    one = {sign.pitfall: sign for sign in audit.signs(frame[frame["arm"] == "one"])}["best of many arms"]
    assert one.verdict == "no sign" and one.numbers.startswith("one arm, none to choose from; an arm's best")
    three = predictions(200, 1, CLEAN | {"three": 1.0}, seeds=1)
    many = {sign.pitfall: sign for sign in audit.signs(three)}["best of many arms"]
    luck = "one of 2 differs from the first at p < 0.05, uncorrected, in up to 10% of such studies"
    assert many.verdict == "sign" and luck in many.numbers and "training" not in many.numbers


def test_a_table_without_seeds_is_taken_for_one_training_and_says_so(frame, tmp_path):
    frame.drop(columns="seed").to_csv(tmp_path / "p.csv", index=False)
    signs = found(audit.signs(audit.read([tmp_path / "p.csv"])[0]))
    assert signs["too few seeds"] == f"1 training an arm{NO_SEEDS}"
    assert signs["an image more than once"] == f"160 of 160 test images{NO_SEEDS}"


NO_SEEDS = "; without the column 'seed', all rows of an arm are taken for one training's"


def test_what_needs_a_manifest_is_unknown_without_one(frame):
    verdicts = {sign.pitfall: sign.verdict for sign in audit.signs(frame)}
    assert verdicts["metadata know the label"] == verdicts["scores follow what is no finding"] == "unknown"


def test_patients_on_both_sides_are_named(frame):
    known = manifest(frame)
    shared = frame.loc[frame["split"] == "test", "patient_id"].iloc[0]
    extra = known.iloc[[0]].assign(image_id="new", patient_id=shared, split="train")
    assert cases(audit.signs(frame, pd.concat([known, extra])))["patients in more than one split"] == shared


def test_images_twice_copies_missing_images_and_changed_labels(frame):
    known, test = manifest(frame), frame["split"] == "test"
    first, second, third = frame.loc[test, "image_id"].unique()[:3]
    twin = frame[frame["image_id"] == first].assign(image_id=second)
    changed = pd.concat([frame[~frame["image_id"].isin([second, third])], twin, frame[frame["image_id"] == first]])
    known.loc[known["image_id"] == first, "label"] = 1 - known.loc[known["image_id"] == first, "label"]
    signs = audit.signs(changed, known)
    numbers, named = found(signs), cases(signs)
    assert numbers["an image more than once"].startswith("1 of") and named["an image more than once"] == first
    assert (
        numbers["copies of an image"].startswith("1 pair of") and named["copies of an image"] == f"{first} = {second}"
    )
    assert numbers["test images left out"].startswith("at most 1 of") and named["test images left out"] == third
    assert first in named["label is not the manifest's"].split(", ")
    assert named["patient_id is not the manifest's"] == second
    assert not any(image in number for number in numbers.values() for image in (first, second, third))


def test_a_threshold_of_the_test_set_is_recognised(frame):
    one = frame[(frame["arm"] == "one") & (frame["seed"] == 1)]
    test = one[one["split"] == "test"]
    fine = np.linspace(0, 1, 5001)
    accuracy = ((test["score"].to_numpy() >= fine[:, None]) == (test["label"] == 1).to_numpy()).mean(axis=1)
    best, as_good = fine[accuracy.argmax()], (accuracy == accuracy.max()).mean()
    numbers = found(audit.signs(one, threshold=best))[CHOSEN]
    assert "; it is the best by accuracy or Youden's index, as are " in numbers
    assert float(numbers.split()[-3][:-1]) == pytest.approx(100 * as_good, abs=0.1)
    assert CHOSEN not in found(audit.signs(one, threshold=0.99))
    apart = test.assign(score=0.3 + 0.4 * test["label"])  # a wide choice of faultless thresholds
    assert CHOSEN not in found(audit.signs(apart, threshold=0.5))
    several = of(audit.signs(frame, threshold=best), CHOSEN)
    assert several.verdict == "unknown" and "of which of 6 networks" in several.numbers


def test_a_table_of_test_rows_alone_does_not_tell_where_its_threshold_comes_from(frame):
    test = frame[frame["split"] == "test"]
    unvalidated = of(audit.signs(test), CHOSEN)
    assert unvalidated.verdict == "unknown" and "pp of accuracy to 0.5; no validation rows" in unvalidated.numbers
    one = test[(test["arm"] == "one") & (test["seed"] == 1)]
    assert of(audit.signs(one, threshold=0.99), CHOSEN).verdict == "no sign"


def test_one_seed_several_images_a_patient_and_a_rare_class():
    frame = predictions(200, 4, {"one": 1.0}, seeds=1, alike=True)
    kept = (frame["label"] == 0) | (frame["patient_id"].str[-1] == "7")
    signs = found(audit.signs(frame[kept]))
    assert signs["too few seeds"] == "1 training an arm"
    assert "median" not in signs["intervals that count images"]
    assert float(signs["intervals that count images"].split(" is ")[1].split()[0]) > 1.5
    assert "accuracy under imbalance" in signs
    assert "best of many arms" not in signs


def test_scores_and_labels_that_follow_the_site(frame):
    known = manifest(frame)
    known["site"] = np.where(known["image_id"].str[-1].astype(int) < 5, "A", "B")
    site = frame["image_id"].str[-1].astype(int) < 5
    moved = frame.assign(score=frame["score"] * 0.7 + 0.3 * site)
    signs = found(audit.signs(moved, known))
    assert "mean score of 'A'" in signs["scores follow what is no finding: site"]
    assert "scores follow what is no finding: age" not in signs
    known["age"] = 40 + 20.0 * known["label"]
    assert found(audit.signs(frame, known))["metadata know the label"].startswith("AUROC 1.00")


def test_a_table_that_contradicts_itself_and_networks_without_some_images_are_signs(frame):
    assert not {"label or patient contradicts itself", "networks tested on different images"} & set(
        found(audit.signs(frame))
    )
    test = frame.index[frame["split"] == "test"]
    wrong = frame.drop(test[-1])
    wrong.loc[test[0], "label"] = 1 - wrong.loc[test[0], "label"]
    named, signs = cases(audit.signs(wrong)), found(audit.signs(wrong))
    assert named["label or patient contradicts itself"] == frame.loc[test[0], "image_id"]
    last = frame.loc[test[-1]]
    assert signs["networks tested on different images"].startswith(f"{last['arm']!r}, seed {last['seed']}: ")


def test_faulty_tables_are_refused_with_every_fault(frame, tmp_path):
    with pytest.raises(InputError, match="no rows of the test split"):
        audit.signs(frame[frame["split"] == "val"])
    with pytest.raises(InputError, match="knows no image of the test split"):
        audit.signs(frame, manifest(frame).assign(image_id="other"))
    (tmp_path / "p.csv").write_text("image_id,score\na,1\n")
    (tmp_path / "m.csv").write_text("image_path,patient_id,label\na.png,,7\n")
    with pytest.raises(InputError) as error:
        audit.read([tmp_path / "p.csv"], tmp_path / "m.csv")
    assert any("'label' is missing" in fault for fault in error.value.faults)
    assert any("m.csv" in fault and "patient_id" in fault for fault in error.value.faults)


HEADING = "image_id,patient_id,split,arm,label,score\n"


def faults(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(InputError) as error:
        audit.read([path])
    return error.value.faults


def test_splits_labels_and_scores_that_are_none_are_all_named_with_their_rows(tmp_path):
    path = tmp_path / "p.csv"
    rows = "a,p,testt,x,0,.5\nb,q,VALIDATION,x,2,.5\nc,r,external,x,0,37\nd,s,vali,x,1,-1\n"
    assert faults(path, HEADING + rows) == [
        f"{path}: split is none of train, val, test; the nearest is 'test': row 2 ('testt')",
        f"{path}: split is none of train, val, test: row 4 ('external')",
        f"{path}: split is none of train, val, test; the nearest is 'val': row 5 ('vali')",
        f"{path}: label is neither 0 nor 1: row 3 ('2')",
        f"{path}: score is outside 0 to 1; if these are logits x, give 1 / (1 + exp(-x)): row 4 ('37'), row 5 ('-1')",
    ]


def test_splits_may_be_spelled_as_in_a_manifest(tmp_path):
    words = ("Validation", "valid", "VAL", "Training", "TEST")
    rows = "".join(f"i{k},p{k},{word},x,0,.5\n" for k, word in enumerate(words))
    (tmp_path / "p.csv").write_text(HEADING + rows)
    assert list(audit.read([tmp_path / "p.csv"])[0]["split"]) == ["val", "val", "val", "train", "test"]


def test_missing_columns_are_told_beside_those_of_the_file(tmp_path):
    path = tmp_path / "p.csv"
    assert faults(path, "image_id,patient_id,split,label\na,p,test,0\n") == [
        f"{path}: column 'arm' is missing (columns found: image_id, patient_id, split, label); "
        "a table without it is read where its arm is named (--arm NAME)",
        f"{path}: column 'score' is missing (columns found: image_id, patient_id, split, label)",
    ]


def test_equal_scores_of_one_network_are_no_sign_of_copies(frame):
    one = frame[(frame["arm"] == "one") & (frame["seed"] == 1)]
    rounded = one.assign(score=one["score"].round(3).clip(0.1, 0.9))
    signs = {sign.pitfall: sign for sign in audit.signs(rounded)}
    assert signs["copies of an image"].verdict == "unknown"
    assert signs["best of many arms"].numbers == "one arm, none to choose from"
    assert signs["networks tested on different images"].numbers == "1 network on 160 test images"
    assert signs["accuracy under imbalance"].numbers.endswith("of 1 network no better at the validation threshold")


def scored(rng: np.random.Generator, networks: int, decimals: int, copies: int = 0) -> pd.DataFrame:
    """Scores of 300 images by networks that agree as seeds of one arm do; the last images are copies of the first."""
    logits = rng.normal(size=(300, 1)) + 0.3 * rng.normal(size=(300, networks))
    logits[300 - copies :] = logits[:copies]
    names = [f"i{k:03d}" for k in range(300)]
    scores = pd.DataFrame((1 / (1 + np.exp(-logits))).round(decimals), pd.Index(names, name="image_id"))
    return scores.melt(ignore_index=False, var_name="seed", value_name="score").reset_index().assign(arm="one")


@pytest.mark.parametrize(("networks", "decimals", "seen"), [(2, 3, 0), (3, 3, 8), (2, 6, 8), (3, 6, 8)])
def test_copies_are_told_from_pairs_that_luck_makes_of_rounded_scores(networks, decimals, seen):
    rng, sign = np.random.default_rng(0), audit._same_scores
    lucky = [scored(rng, networks, decimals) for _ in range(20)]
    equal = [frame.pivot(index="image_id", columns="seed", values="score").duplicated().any() for frame in lucky]
    assert any(equal) == (networks == 2 and decimals == 3)
    assert sum(sign(frame).verdict == "sign" for frame in lucky) <= 1
    copied = [sign(scored(rng, networks, decimals, copies=1)) for _ in range(10)]
    assert sum("i000 = i299" in found.cases for found in copied) >= seen


def test_coarse_scores_and_scores_cut_off_at_one_value_are_no_copies():
    frame = scored(np.random.default_rng(1), 3, 6)
    assert audit._same_scores(frame.assign(score=frame["score"].round(1))).verdict == "unknown"
    clipped = audit._same_scores(frame.assign(score=frame["score"].clip(0.1, 0.8)))
    assert clipped.verdict == "no sign" and " near a network's lowest or highest score left out)" in clipped.numbers
    assert audit._same_scores(frame.assign(score=frame["score"].clip(0.4, 0.6))).verdict == "unknown"
    apart = frame[(frame["image_id"] < "i150") == (frame["seed"] == 0)]  # no image that all networks have seen
    assert audit._same_scores(apart).verdict == "unknown"


def test_a_reported_threshold_takes_the_place_of_one_half(frame):
    test = frame[frame["split"] == "test"]
    right = (test["score"] >= 0.37) == test["label"]
    gains = []
    for _, run in test.assign(right=right).groupby(["arm", "seed"]):
        best = max(((run["score"] >= limit) == run["label"]).mean() for limit in [*run["score"], np.inf])
        gains.append(100 * (best - run["right"].mean()))
    numbers = of(audit.signs(test, threshold=0.37), CHOSEN).numbers
    assert f"add up to {max(gains):.1f} pp of accuracy to the reported 0.37;" in numbers


def test_every_check_calls_positive_at_the_reported_threshold():
    frame = predictions(200, 4, {"one": 1.0}, seeds=1, alike=True)
    test = frame[frame["split"] == "test"]
    assert (
        "1 of 1 network no better at the reported 1"
        in found(audit.signs(frame, threshold=1.0))["accuracy under imbalance"]
    )
    at = {None: "the validation threshold", 0.4: "the reported 0.4"}
    for threshold, words in at.items():
        numbers = {sign.pitfall: sign.numbers for sign in audit.signs(frame, threshold=threshold)}
        for pitfall in ("threshold chosen on the test set", "intervals that count images", "accuracy under imbalance"):
            assert words in numbers[pitfall]
    assert "at 0.5" in found(audit.signs(test))["intervals that count images"]


@pytest.mark.parametrize("threshold", ["37", "-0.1", "nan"])
def test_a_threshold_that_is_none_is_refused(threshold, capsys):
    with pytest.raises(SystemExit):
        cli.main(["audit", "p.csv", f"--threshold={threshold}"])
    assert f"--threshold: {threshold} is not between 0 and 1" in capsys.readouterr().err


def test_the_command_prints_a_line_a_check(frame, tmp_path, capsys):
    frame.drop(columns="arm")[frame["arm"] == "one"].to_csv(tmp_path / "p.csv", index=False)
    manifest(frame).to_csv(tmp_path / "m.csv", index=False)
    options = ["--manifest", str(tmp_path / "m.csv"), "--arm", "ours", "--threshold", "0.5"]
    assert cli.main(["audit", str(tmp_path / "p.csv"), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("sign ", "no sign ", "unknown ")) for line in lines)
    assert "no sign  patients in more than one split: 0 of 160 test patients" in lines
    assert cli.main(["audit", str(tmp_path / "missing.csv")]) == 1
    assert "no such table" in capsys.readouterr().err


def test_a_manifest_of_images_that_are_not_files_needs_no_paths(frame, tmp_path):
    """As the manifests of synthetic runs: without the column, or with nothing in it."""
    frame.to_csv(tmp_path / "p.csv", index=False)
    whole = manifest(frame)
    for name, table in {"without": whole.drop(columns="image_path"), "empty": whole.assign(image_path="")}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        known = audit.read([tmp_path / "p.csv"], tmp_path / f"{name}.csv")[1]
        assert known is not None and list(known["image_id"]) == list(whole["image_id"])
    table.assign(image_id=table["image_id"].replace("i0001", "i0000")).to_csv(tmp_path / "twice.csv", index=False)
    with pytest.raises(InputError) as error:
        audit.read([tmp_path / "p.csv"], tmp_path / "twice.csv")
    (fault,) = error.value.faults
    assert fault.endswith("row 2 ('i0000'), row 3 ('i0000'): image_id stands more than once")


def test_several_tables_and_the_folder_of_a_run_are_one_table(frame, tmp_path, capsys):
    run, paths = tmp_path / "runs" / "mine", []
    for (arm, seed), rows in frame.groupby(["arm", "seed"]):
        paths.append(run / "arms" / str(arm) / str(seed) / "predictions.parquet")
        paths[-1].parent.mkdir(parents=True)
        rows.to_parquet(paths[-1])
    (run / "cohort").mkdir()
    manifest(frame).to_parquet(run / "cohort" / "manifest.parquet")
    whole = frame.sort_values(["arm", "seed"], kind="stable", ignore_index=True)
    for given, knows in ((paths, False), ([run], True)):
        read, known = audit.read(given)
        pd.testing.assert_frame_equal(read, whole, check_like=True, check_dtype=False)
        assert (known is not None) == knows
    assert cli.main(["audit", str(run)]) == 0
    assert "all 6 networks on 160 test images" in capsys.readouterr().out
    assert cli.main(["audit", str(tmp_path), str(paths[0]), str(tmp_path / "none.csv")]) == 1
    assert f"{tmp_path}: no folder of a run" in capsys.readouterr().err


def test_the_terminal_names_what_a_notebook_only_counts(frame, tmp_path, capsys):
    test = frame["split"] == "test"
    pd.concat([frame, frame[test].iloc[:1]]).to_csv(tmp_path / "p.csv", index=False)
    cli.main(["audit", str(tmp_path / "p.csv")])
    line = f"sign     an image more than once: 1 of 160 test images: {frame.loc[test, 'image_id'].iloc[0]}"
    assert line in capsys.readouterr().out.splitlines()


def test_many_images_take_little_memory():
    one = predictions(10_000, 3, {"one": 1.0}, seeds=1)
    tracemalloc.start()
    signs = audit.signs(one, threshold=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500e6 and not any(sign.verdict == "sign" for sign in signs if sign.pitfall == CHOSEN)


def test_one_arm_of_a_table_is_picked_or_the_arms_are_named(frame, tmp_path, capsys):
    frame.to_csv(tmp_path / "p.csv", index=False)
    read, _ = audit.read([tmp_path / "p.csv"], arm="two")
    assert list(read["arm"].unique()) == ["two"] and len(read) == len(frame) / 2
    assert cli.main(["audit", str(tmp_path / "p.csv"), "--arm", "tow"]) == 1
    fault = f"{tmp_path / 'p.csv'}: no rows of arm 'tow'; the nearest is 'two' (arms: one, two)"
    assert fault in capsys.readouterr().err


def test_test_images_unknown_to_the_manifest_are_a_sign_with_the_row_that_was_meant(frame):
    known, test = manifest(frame), frame["split"] == "test"
    renamed = {"i0150": "150", "i0151": "films/i0151.PNG", "i0152": "other"}
    known["image_id"] = known["image_id"].replace("i0150", "00150")
    known["scanner"] = np.where(known.index % 2, "x", "y")
    signs = audit.signs(frame.replace({"image_id": renamed}), known)
    pitfall, total = "test images that the manifest does not know", frame.loc[test, "image_id"].nunique()
    hint = "but for folder, extension, leading zeros or case, it knows 2 of them"
    assert found(signs)[pitfall] == f"3 of {total} test images; {hint}"
    assert cases(signs)[pitfall] == "150 (00150 in the manifest), films/i0151.PNG (i0151 in the manifest), other"
    part = f"{total - 3} test images that the manifest knows"
    assert of(signs, "label is not the manifest's").numbers == f"0 of {part}"
    assert of(signs, "scores follow what is no finding: scanner").numbers.endswith(part)
    unseen = audit.signs(frame, manifest(frame).query("image_id < 'i0150'"))
    assert of(unseen, "patients in more than one split").numbers.endswith("the manifest does not know 50 of them")
    with pytest.raises(InputError, match=r"here 'i0040', in the manifest 'films/i0000.png'"):
        audit.signs(frame, manifest(frame).assign(image_id=lambda rows: "films/" + rows["image_id"] + ".png"))


def test_no_row_is_taken_for_meant_where_two_may_be(frame):
    known = manifest(frame).replace({"image_id": {"i0150": "a/left.png", "i0151": "b/left.png"}})
    signs = audit.signs(frame.replace({"image_id": {"i0150": "left"}}), known)
    assert cases(signs)["test images that the manifest does not know"] == "i0151, left"


def test_columns_of_ones_own_are_looked_at_or_named(frame, tmp_path):
    """A scanner of twelve that moves scores, its tube voltage, and columns that can tell nothing."""
    rng, images = np.random.default_rng(2), frame["image_id"].unique()
    scanner = pd.Series(rng.integers(0, 4, len(images)), images)
    frame.assign(score=frame["score"] * 0.7 + 0.3 * (frame["image_id"].map(scanner) == 2)).to_csv(
        tmp_path / "p.csv", index=False
    )
    own = {"scanner": "S" + scanner.astype(str), "kV": 60 + 5 * (scanner == 2), "dose": rng.random(len(images))}
    own |= {"dose_moved": scanner.eq(2) + 0.1 * rng.random(len(images)), "room": "1", "note": "note " + scanner.index}
    extra = pd.DataFrame(own).rename_axis("image_id").reset_index()
    manifest(frame).merge(extra).to_csv(tmp_path / "m.csv", index=False)
    signs = audit.signs(*audit.read([tmp_path / "p.csv"], tmp_path / "m.csv"))
    follows = "scores follow what is no finding"
    named = {pitfall.removeprefix(f"{follows}: ") for pitfall in found(signs) if pitfall.startswith(follows)}
    assert named == {"scanner", "kV", "dose_moved"}
    assert of(signs, f"{follows}: scanner").numbers.startswith("mean score of 'S2' is 0.")
    assert of(signs, f"{follows}: kV").numbers.startswith("mean score of 65 is 0.")
    assert of(signs, f"{follows}: dose").numbers.startswith("Spearman's correlation ")
    assert of(signs, follows).numbers.endswith(" patients each: room, note")


def test_few_patients_show_nothing_that_scores_follow(frame):
    few = frame[frame["image_id"].isin(frame.loc[frame["split"] == "test", "image_id"].unique()[:4])]
    signs = audit.signs(few, manifest(frame).assign(dose=range(200)))
    assert of(signs, "scores follow what is no finding").numbers.endswith("site, age, sex, side, view, dose")


@pytest.mark.parametrize(
    "score, fault",
    [
        ('"0,37"', "score is not a number; write a decimal point, not a comma"),
        ("37%", "score is not a number; write per cent as shares of 1"),
        ("37", "score is outside 0 to 1; if these are per cent, divide by 100"),
        ("-1.2", "score is outside 0 to 1; if these are logits x, give 1 / (1 + exp(-x))"),
        ("high", "score is not a number"),
        ("1e9", "score is outside 0 to 1"),
    ],
)
def test_scores_of_another_kind_are_told_from_what_they_look_like(tmp_path, score, fault):
    path = tmp_path / "p.csv"
    text = score.strip('"')
    assert faults(path, f"{HEADING}a,p,test,x,0,{score}\n") == [f"{path}: {fault}: row 2 ({text!r})"]


def test_headings_are_told_what_they_are_like_and_labels_may_be_words(tmp_path):
    path = tmp_path / "p.csv"
    missing = faults(path, "Image_ID,PatientID,split,arm,Label,score\na,p,test,x,0,.5\n")
    near = [fault.split(" is missing; the nearest is ")[1].split(" ")[0] for fault in missing]
    assert near == ["'Image_ID'", "'PatientID'", "'Label'"]
    path.write_text(HEADING + "".join(f"i{k},p,test,x,{word},.5\n" for k, word in enumerate(("yes", "No", "1.0", "0"))))
    assert list(audit.read([path])[0]["label"]) == [1, 0, 1, 0]
