"""Predictions tables: one row for each image, arm and seed (notebooks 06 to 08).

Columns: image_id, patient_id, split (train, val, test), arm, seed, label (0 or 1), score (0 to 1, the higher
the more probable is label 1). Everything in these notebooks follows from such tables, ours and those of other
systems.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from foramen.core.errors import InputError, first_few
from foramen.evaluation.metrics import operating_threshold

COLUMNS = ("image_id", "patient_id", "split", "arm", "seed", "label", "score")
#: The threshold of a table without validation rows.
DEFAULT_THRESHOLD = 0.5
_TEXT = ("image_id", "patient_id", "split", "arm")
_NUMBERS = ("seed", "label", "score")


def read(path: Path | str, arm: str | None = None) -> pd.DataFrame:
    """Read a predictions table (.csv or .parquet) into the columns of `COLUMNS`.

    `arm` names the arm of a table of another system, which then needs no `arm` column; a table without `seed`
    gets seed 0. Identifiers are read as text, so that `007` stays `007`. Raises InputError naming file,
    column and rows.
    """
    path = Path(path)
    frame = _load(path)
    if frame.empty:
        raise InputError(f"{path}: holds no rows")
    if arm is not None:
        frame["arm"] = arm
    if "seed" not in frame:
        frame["seed"] = 0
    if missing := [column for column in COLUMNS if column not in frame]:
        found = ", ".join(map(str, frame.columns))
        raise InputError([f"{path}: column {column!r} is missing (columns found: {found})" for column in missing])
    frame = frame[list(COLUMNS)].reset_index(drop=True)
    faults = []
    for column in _TEXT:
        frame[column] = frame[column].astype("string").fillna("").astype(object)
        faults += _listed(f"{path}: {column} is empty", _rows(path, frame[column] == ""))
    for column in _NUMBERS:
        numbers = pd.to_numeric(frame[column], errors="coerce").astype(float)
        wrong = ~np.isfinite(numbers) if column == "score" else ~(np.isfinite(numbers) & (numbers % 1 == 0))
        kind = "a number" if column == "score" else "a whole number"
        faults += _listed(f"{path}: {column} is not {kind}", _rows(path, wrong))
        frame[column] = numbers
    if faults:
        raise InputError(faults)
    return frame.astype({"seed": int, "label": int})


def _load(path: Path) -> pd.DataFrame:
    """The raw table; whatever a reader's file can have wrong with it becomes an InputError."""
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        if path.suffix.lower() == ".csv":
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read: {reason}") from error
    raise InputError(f"{path}: a predictions table is a .csv or .parquet file")


def _rows(path: Path, wrong: pd.Series) -> list[str]:
    """Names of the rows that are wrong: line numbers of a CSV file, row numbers from 1 otherwise."""
    first, word = (2, "line") if path.suffix.lower() == ".csv" else (1, "row")
    return [f"{word} {i + first}" for i in np.flatnonzero(wrong.to_numpy(dtype=bool))]


def _listed(what: str, keys: list[str]) -> list[str]:
    """One line that says what is wrong and where, or none."""
    return [f"{what}: {first_few(keys)}"] if keys else []


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
    faults = []
    for (arm, seed), rows in frame.groupby(["arm", "seed"], sort=True):
        faults += list(_faults_of_run(f"arm {arm!r}, seed {seed}", rows, known))
    if not len(frame):
        faults = ["the predictions table has no rows"]
    if faults:
        raise InputError(faults)


def _faults_of_run(name: str, rows: pd.DataFrame, known: pd.DataFrame) -> Iterator[str]:
    """What is wrong with the rows of one arm and seed, given the manifest by image_id."""
    ids = rows.image_id.astype(str)
    yield from _listed(f"{name}: score outside 0 to 1", list(ids[~rows.score.between(0, 1)]))
    yield from _listed(f"{name}: more than one row for image", list(ids[ids.duplicated()].unique()))
    found = ids.isin(known.index)
    yield from _listed(f"{name}: image is not in the manifest, or is excluded from it", list(ids[~found]))
    rows, ids = rows[found], ids[found]
    expected = known.loc[ids]
    training = (expected.split == "train").to_numpy() | (rows.split == "train").to_numpy()
    yield from _listed(f"{name}: image of the training split", list(ids[training]))
    for column in ("split", "label", "patient_id"):
        kind = float if column == "label" else str
        wrong = rows[column].astype(kind).to_numpy() != expected[column].astype(kind).to_numpy()
        if column == "split":
            wrong &= ~training
        yield from _listed(f"{name}: {column} contradicts the manifest for image", list(ids[wrong]))
    missing = known.index[known.split == "test"].difference(ids)
    yield from _listed(f"{name}: image of the test split is missing", list(missing))


def thresholds(frame: pd.DataFrame) -> pd.DataFrame:
    """The operating threshold of each arm and seed, from validation rows: `arm, seed, threshold, source`.

    The rule is `metrics.operating_threshold`. Without validation rows, or with one class among them, the
    threshold is 0.5 and `source` says so.
    """
    rows = []
    for (arm, seed), run in frame.groupby(["arm", "seed"], sort=False):
        val = run[run.split == "val"]
        value, source = DEFAULT_THRESHOLD, "0.5, for want of validation rows"
        if len(val):
            value = operating_threshold(val.label.to_numpy(), val.score.to_numpy())
            source = "as many validation rows called positive as are"
        if len(val) and val.label.nunique() < 2:
            source = "0.5, for want of one class among the validation rows"
        rows.append({"arm": arm, "seed": seed, "threshold": value, "source": source})
    return pd.DataFrame(rows, columns=["arm", "seed", "threshold", "source"])


def drop_collapsed(frame: pd.DataFrame, collapsed: Collection[tuple[str, int]]) -> pd.DataFrame:
    """The predictions without the `collapsed` runs (arm, seed); an arm of which nothing would be left stays."""
    runs = pd.MultiIndex.from_frame(frame[["arm", "seed"]])
    left = {arm for arm, _ in set(runs) - set(collapsed)}
    return frame[~runs.isin([run for run in collapsed if run[0] in left])]
