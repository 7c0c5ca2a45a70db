"""The most confident errors on the test set, chosen by rule, and what they have in common (notebook 08)."""

from collections.abc import Sequence

import pandas as pd

from diagnostic_accuracy.operating_point import called


def confident(frame: pd.DataFrame, arm: str, n: int = 8, without: tuple[str, ...] = ()) -> pd.DataFrame:
    """The `n` test images that an arm gets wrong most surely: up to half of them missed, up to half called falsely.

    Sure is a score far on the wrong side of the threshold, mean over the seeds. Columns: image_id, label,
    score (mean over seeds), margin (score less threshold). `without` are images not to be shown.
    """
    test = called(frame[frame["arm"] == arm])
    test = test[~test["image_id"].isin(without)].assign(margin=test["score"] - test["threshold"])
    mean = test.groupby("image_id", as_index=False)[["label", "score", "margin"]].mean()
    wrong = mean[(mean["margin"] >= 0) != (mean["label"] == 1)]
    halves = [
        wrong[wrong["label"] == label].sort_values(["margin", "image_id"], ascending=label == 1).head(n // 2)
        for label in (1, 0)
    ]
    return pd.concat(halves, ignore_index=True).astype({"label": int})


def grades(truth: pd.DataFrame, levels: Sequence[str]) -> pd.DataFrame:
    """The true grades at the levels that the label is about, a column each (`C5/6`)."""
    return truth[[f"grade_{level.replace('/', '_')}" for level in levels]].set_axis(list(levels), axis=1)


def with_truth(
    rows: pd.DataFrame, included: pd.DataFrame, truth: pd.DataFrame | None, levels: Sequence[str]
) -> pd.DataFrame:
    """`rows` with a column `note`: what the manifest (`included`) and, where synthetic, the truth say of each.

    `levels` are those that the label is about, `cohort.synthetic.label.levels` of the study.
    """
    facts = included.set_index("image_id").loc[rows["image_id"]]
    parts = [facts["side"], facts["age"].map("{:.0f} years".format, na_action="ignore").fillna("")]
    if truth is not None:
        truth = truth.set_index("image_id").loc[rows["image_id"]]
        grade = grades(truth, levels)
        worst = "grade " + grade.max(axis=1).astype(str) + " at " + grade.idxmax(axis=1)
        misread = truth["label_before_noise"] != rows["label"].to_numpy()
        hidden = truth["label_visible"] != truth["label_before_noise"]
        parts.append(worst.where(grade.max(axis=1) > 0, "no narrowing"))
        parts += [misread.map({True: "reader's error", False: ""}), hidden.map({True: "not visible", False: ""})]
    return rows.assign(note=[", ".join(filter(None, said)) for said in zip(*parts, strict=True)])


def in_common(
    rows: pd.DataFrame, tested: pd.DataFrame, truth: pd.DataFrame | None, levels: Sequence[str], rotation_deg: float
) -> pd.DataFrame:
    """How the errors differ from the whole test set: fact, errors, test_set (shares, or means with unit).

    `rows` are those of `confident`, best with a large `n`; `tested` is the manifest of the test images; `truth` and
    `levels` as in `with_truth`; `rotation_deg` is the nominal rotation of the synthetic patients,
    `cohort.synthetic.positioning.rotation_deg` of the study.
    """
    facts = pd.DataFrame({"age (years)": tested["age"]})
    facts["right side (share)"] = tested["side"] == "R"
    facts["female (share)"] = tested["sex"] == "F"
    if truth is not None:
        truth = truth.set_index("image_id").loc[tested["image_id"]].set_index(tested.index)
        facts["reader's error in the label (share)"] = truth["label_before_noise"] != tested["label"]
        facts["stenosis not visible (share)"] = truth["label_visible"] != truth["label_before_noise"]
        facts["worst grade 1 (share)"] = grades(truth, levels).max(axis=1) == 1
        facts["in-plane tilt (degrees, size)"] = truth["tilt"].abs()
        facts["rotation off the nominal (degrees, size)"] = (truth["rotation"] - rotation_deg).abs()
    wrong = tested["image_id"].isin(rows["image_id"])
    means = {"errors": facts[wrong].mean(), "test_set": facts.mean()}
    return pd.DataFrame(means, dtype=float).rename_axis("fact").reset_index()
