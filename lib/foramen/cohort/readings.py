"""What notebook 01 says of a cohort, in sentences whose numbers come from the cohort itself."""

import pandas as pd

from foramen.cohort.loading import Cohort

SOURCES = {True: "drawn by this study's phantom: **synthetic**, no patient ever had them", False: "of your own"}


def opening(cohort: Cohort, name: str) -> str:
    """How many radiographs of how many patients, at which size, from where."""
    count, patients = len(cohort.included), cohort.included["patient_id"].nunique()
    size = " × ".join(map(str, cohort.images.shape[1:]))
    source = SOURCES[cohort.truth is not None]
    return f"Study **{name}**: {count:,} radiographs of {patients:,} patients, kept at {size} pixels, {source}."


def split(cohort: Cohort) -> str:
    """Patients in more than one split, the size of the test set, the majority class."""
    shared = int((cohort.included.groupby("patient_id")["split"].nunique() > 1).sum())
    test = cohort.included[cohort.included["split"] == "test"]
    share = test["label"].mean()
    return (
        f"Patients that appear in more than one split: **{shared}**. Test set: {len(test):,} radiographs of "
        f"{test['patient_id'].nunique():,} patients, {share:.0%} of them positive. The majority-class baseline, which "
        f"every accuracy of this study is read beside, is right in {max(share, 1 - share):.0%}."
    )


def metadata_only(auroc: dict[str, float], images: int) -> str:
    """The metadata-only baseline without and with age."""
    without, everything = auroc.values()
    return (
        f"From metadata alone: AUROC {without:.2f} from site, side, view and sex, {everything:.2f} with age, on "
        f"{images:,} radiographs. Notebook 06 sets the same baseline beside every arm, on the test images."
    )


def against_literature(sizes: pd.DataFrame, looks: pd.DataFrame) -> str:
    """How the phantom's foramina and radiographs compare with published ones (`literature`)."""
    off = sizes["difference_in_sd"].abs()
    level, measure = off.idxmax()
    found, published = sizes.loc[(level, measure), ["synthetic", "published"]]
    worst = looks.loc[looks["difference_in_sd"].abs().idxmax()]
    inside, real = int((off < 1).sum()), f"{worst['real_mean']:.2f} on real spine radiographs"
    return (
        f"{inside} of {len(off)} mean sizes lie within 1 SD of the published ones; the furthest off is the {measure} "
        f"at {level}, {found:.1f} against {published:.1f}. The weakest point of the images is **{worst.name}**: "
        f"{worst['synthetic_mean']:.2f} here, {real} ({worst['difference_in_sd']:+.1f} SD)."
    )
