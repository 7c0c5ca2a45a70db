"""What a table of predictions must be before anything is computed from it."""

from collections.abc import Iterator

import pandas as pd

COLUMNS = ("image_id", "patient_id", "split", "arm", "seed", "label", "score")
SPLITS = ("train", "val", "test")


def check(frame: pd.DataFrame) -> None:
    """ValueError with all faults of a table of predictions, a line each; rows are named by the table's index.

    Asked for are the `COLUMNS`, `SPLITS`, labels 0 or 1, scores from 0 to 1, one row for an image of an arm and seed,
    one label and patient for an image, and the same test images of every arm and seed.
    """
    if missing := [name for name in COLUMNS if name not in frame]:
        raise ValueError(f"columns are missing: {', '.join(missing)} (found: {', '.join(map(str, frame))})")
    if faults := [*_cells(frame), *_images(frame)]:
        raise ValueError("\n".join(faults))


def _cells(frame: pd.DataFrame) -> Iterator[str]:
    wrong = {
        f"split is none of {', '.join(SPLITS)}": ~frame["split"].isin(SPLITS),
        "label is neither 0 nor 1": ~frame["label"].isin((0, 1)),
        "score is no number from 0 to 1": ~pd.to_numeric(frame["score"], errors="coerce").between(0, 1),
        "patient_id is empty": frame["patient_id"].isna(),
        "more than one row for an image of an arm and seed": frame.duplicated(["arm", "seed", "image_id"]),
    }
    for what, at in wrong.items():
        if count := int(at.sum()):
            yield f"{what}: {count} row{'s' * (count > 1)}, first {frame.index[at][0]}"


def _images(frame: pd.DataFrame) -> Iterator[str]:
    test = frame[frame["split"] == "test"]
    if test.empty:
        yield "the predictions table has no rows of the test split"
    for column in ("label", "patient_id"):
        several = frame.groupby("image_id")[column].nunique() > 1
        if several.any():
            yield f"more than one {column} for image {several.index[several][0]!r} ({int(several.sum())} such images)"
    images = test["image_id"].nunique()
    for (arm, seed), run in test.groupby(["arm", "seed"], sort=False)["image_id"]:
        if absent := images - run.nunique():
            yield f"arm {arm!r}, seed {seed}: {absent} images of the test split are missing"
