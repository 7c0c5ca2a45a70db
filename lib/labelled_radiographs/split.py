"""One split of a cohort: by patient, stratified by what a patient's images show (notebook 01)."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from user_tables import InputError

NAMES = ("train", "val", "test")


def own_or_assigned(rows: pd.DataFrame, test: float, validation: float, seed: int) -> pd.Series:
    """The table's own split where it has one (validation carved from training where missing), else `assign_split`.

    `rows` have split, label and group (`findings.linked_patients`).
    """
    if (rows["split"] == "").all():
        return assign_split(rows["label"], rows["group"].to_numpy(), test, validation, seed)
    if "val" in set(rows["split"]):
        return rows["split"]
    return carve_validation(rows["split"], rows["label"], rows["group"], validation / (1 - test), seed)


def assign_split(labels: pd.Series, groups: np.ndarray, test: float, validation: float, seed: int) -> pd.Series:
    """`train`, `val` or `test` for each image (N,): all images of a group (patient) together, shares of patients as
    asked.

    Stratified by what a patient's images show: none positive, some, all (none or any where one of these is rare). The
    result depends on the order of rows and on `seed`, never on what identifiers look like.
    """
    number = pd.Series(pd.factorize(groups)[0], index=labels.index)
    tested = held_out(labels, number, test, seed)
    name = pd.Series("train", index=labels.index)
    name[tested] = "test"
    return carve_validation(name, labels, number, validation / (1 - test), seed)


def carve_validation(split: pd.Series, labels: pd.Series, groups: pd.Series, share: float, seed: int) -> pd.Series:
    """The split with a random `share` of its training groups in `val`."""
    training = split == "train"
    val = held_out(labels[training], groups[training], share, seed)
    carved = split.copy()
    carved[val.index[val]] = "val"
    return carved


def held_out(labels: pd.Series, groups: pd.Series, share: float, seed: int) -> pd.Series:
    """True for the images of a random `share` of the groups, stratified by what a group's images show."""
    per_group = labels.groupby(groups).mean()
    stratum = np.ceil(per_group * 2).where(per_group.isin((0, 1)), 1).astype(int)
    if stratum.value_counts().min() < 10:
        stratum = (per_group > 0).astype(int)
    count = max(stratum.nunique(), round(share * len(stratum)))
    if stratum.value_counts().min() < 2 or count > len(stratum) - stratum.nunique():
        raise InputError(f"split: {len(stratum)} patients are too few to hold out {share:.0%} of them with both labels")
    _, held = train_test_split(stratum.index.to_numpy(), test_size=count, stratify=stratum, random_state=seed)
    return groups.isin(held)


def learned_from(split: pd.Series, patients: pd.Series, share: float, seed: int) -> np.ndarray:
    """True for the images (N,) that networks learn from: training images of a random `share` of the training patients.

    A smaller share lies within a larger one of the same `seed`, as a learning curve needs it.
    """
    training = (split == "train").to_numpy()
    drawn = np.random.default_rng(seed).permutation(patients[training].unique())
    drawn = drawn[: max(2, round(share * len(drawn)))]
    return training & patients.isin(drawn).to_numpy()
