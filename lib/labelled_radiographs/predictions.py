"""Predictions on labelled radiographs: a table with one row for each image, arm and seed (notebooks 06 to 08).

Columns: image_id, patient_id, split (train, val, test), arm, seed, label (0 or 1), score (0 to 1, the higher
the more probable is label 1). Everything in these notebooks follows from such tables, ours and those of other
systems; `diagnostic_accuracy` says what they are worth.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from diagnostic_accuracy.table import COLUMNS
from labelled_radiographs.manifest import LABELS, NEAR, SPLITS
from user_tables import InputError, first_few, nearest, raise_any, read_table

_TEXT = ("image_id", "patient_id", "split", "arm")
_NUMBERS = ("seed", "label", "score")


def read(path: Path | str, arm: str | None = None, strict: bool = False) -> pd.DataFrame:
    """Read a predictions table, of any kind that `user_tables` reads, into the columns of `COLUMNS`.

    `arm` names the arm of a table without that column (`of_arm` picks one from a table with it); a table without
    `seed` gets seed 0. Identifiers are read as text, so that `007` stays `007`. Raises InputError naming file,
    column and rows. `strict`, for tables that `validate` does not see: splits and labels may be spelled as in a
    manifest, and other splits, scores outside 0 to 1 and labels but 0 and 1 are faults, too.
    """
    path = Path(path)
    frame = read_table(path)
    found = list(frame)
    if arm is not None and "arm" not in frame:
        frame["arm"] = arm
    if "seed" not in frame:
        frame["seed"] = "0"
    missing = {name: nearest(name, found, NEAR) for name in COLUMNS if name not in frame}
    hint = {"arm": "; a table without it is read where its arm is named (--arm NAME)"}
    seen = f"(columns found: {', '.join(found)})"
    raise_any(
        [f"{path}: column {name!r} is missing{near} {seen}{hint.get(name, '')}" for name, near in missing.items()]
    )
    if strict:
        frame["split"] = frame["split"].str.lower().map(SPLITS).fillna(frame["split"])
        frame["label"] = frame["label"].str.lower().map(LABELS).map("{:.0f}".format, "ignore").fillna(frame["label"])
    numbers = frame[list(_NUMBERS)].apply(_as_numbers)
    wrong = {(column, "is empty"): frame[column] == "" for column in _TEXT}
    wrong |= {(column, "holds a null character"): frame[column].str.contains("\0", regex=False) for column in _TEXT}
    whole = (numbers % 1 == 0) & (numbers.abs() < 2**53)
    wrong |= {(column, "is not a whole number"): ~whole[column] for column in ("seed", "label")}
    unread = ~np.isfinite(numbers["score"])
    wrong |= {("score", "is not a number" + _in_text(frame["score"][unread])): unread}
    if strict:
        wrong |= _unknown_splits(frame["split"])
        wrong |= {("label", "is neither 0 nor 1"): whole["label"] & ~numbers["label"].isin((0, 1))}
        outside = ~unread & ~numbers["score"].between(0, 1)
        wrong |= {("score", "is outside 0 to 1" + _in_numbers(numbers["score"][outside])): outside}
    held = {key: [f"row {row} ({text[:40]!r})" for row, text in frame[key[0]][at].items()] for key, at in wrong.items()}
    raise_any([f"{path}: {column} {what}: {first_few(rows)}" for (column, what), rows in held.items() if rows])
    kept = frame[list(_TEXT)].join(numbers.astype({"seed": int, "label": int}))
    return kept[list(COLUMNS)].reset_index(drop=True)


def of_arm(frame: pd.DataFrame, arm: str, origin: str) -> pd.DataFrame:
    """The rows of one arm of a table (`read`) from `origin`; InputError where it has none, naming the arms it has."""
    rows = frame[frame["arm"] == arm]
    if rows.empty:
        found = frame["arm"].unique()
        raise InputError(f"{origin}: no rows of arm {arm!r}{nearest(arm, found, NEAR)} (arms: {first_few(found, 12)})")
    return rows.reset_index(drop=True)


def _in_text(scores: pd.Series) -> str:
    """What scores that cannot be read probably are: the end of a fault's line."""
    forms = {r"[+-]?\d*,\d+": "write a decimal point, not a comma", r"[\d.,]+ ?%": "write per cent as shares of 1"}
    return next((f"; {advice}" for form, advice in forms.items() if scores.str.fullmatch(form).any()), "")


def _in_numbers(scores: pd.Series) -> str:
    """What scores outside 0 to 1 probably are: the end of a fault's line."""
    if (scores < 0).any():
        return "; if these are logits x, give 1 / (1 + exp(-x))"
    return "; if these are per cent, divide by 100" if (scores <= 100).all() else ""


def _unknown_splits(splits: pd.Series) -> dict[tuple[str, str], pd.Series]:
    """For each word that was probably meant, which cells hold something else."""
    words = ("train", "val", "test")
    meant = splits[~splits.isin(("", *words))].map(lambda word: nearest(word.lower(), words, NEAR))
    what = f"is none of {', '.join(words)}"
    return {("split", what + hint): meant.reindex(splits.index) == hint for hint in meant.unique()}


def _as_numbers(cells: pd.Series) -> pd.Series:
    """Cells as numbers, to the last digit; NaN where they hold none."""
    numbers = pd.to_numeric(cells, errors="coerce").notna() & ~cells.str.contains("\0", regex=False)
    return cells.where(numbers, "nan").astype(float)


def validate(frame: pd.DataFrame, manifest: pd.DataFrame) -> None:
    """Check predictions against the cohort's manifest; raises InputError with all faults.

    `manifest` has image_id, patient_id, label, split and, where images are left out, a boolean `excluded`.
    Refused are: scores outside 0-1, duplicates, images that are unknown, excluded or of the training split, a
    split, label or patient that contradicts the manifest, and, for each arm and seed, missing images of the
    test split.
    """
    known = manifest.assign(image_id=manifest.image_id.astype(str)).set_index("image_id")
    if "excluded" in known:
        known = known[~known.excluded.astype(bool)]
    raise_any([] if len(frame) else ["the predictions table has no rows"])
    wrong = [
        f"arm {arm!r}, seed {seed}: {what}: {first_few(images)}"
        for (arm, seed), rows in frame.groupby(["arm", "seed"], sort=True)
        for what, images in _wrong(rows.set_index(rows.image_id.astype(str)), known).items()
        if len(images)
    ]
    raise_any(wrong)


def _wrong(rows: pd.DataFrame, known: pd.DataFrame) -> dict[str, pd.Index]:
    """What can be wrong with the rows of one arm and seed, and the images concerned; both tables by image_id."""
    faults = {
        "score outside 0 to 1": rows.index[~rows.score.between(0, 1)],
        "more than one row for image": rows.index[rows.index.duplicated()].unique(),
        "image is not in the manifest, or is excluded from it": rows.index[~rows.index.isin(known.index)],
    }
    rows = rows[rows.index.isin(known.index)]
    expected = known.loc[rows.index]
    training = (expected.split == "train") | (rows.split == "train")
    faults["image of the training split"] = rows.index[training]
    for column, kind in (("split", str), ("label", float), ("patient_id", str)):
        wrong = rows[column].astype(kind) != expected[column].astype(kind)
        faults[f"{column} contradicts the manifest for image"] = rows.index[wrong & ~(training & (column == "split"))]
    return faults | {"image of the test split is missing": known.index[known.split == "test"].difference(rows.index)}
