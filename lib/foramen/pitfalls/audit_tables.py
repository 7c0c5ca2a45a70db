"""The tables that `audit` looks at: predictions, of files or of a run's folder, and their manifest."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from foramen.core.errors import InputError, each, first_few, raise_any
from labelled_radiographs import Layout, adapters, predictions
from labelled_radiographs.manifest import COLUMNS, identifier
from user_tables import read_table


def read(
    paths: Iterable[Path], manifest: Path | None = None, arm: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Predictions tables (`predictions.read`) as one, and their manifest as `foramen check` reads it (no images).

    The folder of a run (`runs/<study>`) stands for its arms' tables and, unless one is given, for its manifest.
    `arm` is the one to look at, and names that of tables without the column. Identifiers are written in one way
    (`manifest.identifier`). Raises InputError with all faults of all tables.
    """
    given = [Path(path) for path in paths]
    own = [path / "cohort" / "manifest.parquet" for path in given if path.is_dir()]
    if manifest is None and len(own) == 1 and own[0].exists():
        manifest = own[0]
    tables = [table for found in each(given, _tables) for table in found]
    readers: list[Callable[[], Any]] = [partial(predictions.read, table, arm, strict=True) for table in tables]
    readers.append(partial(_manifest, manifest))
    *frames, known = each(readers, lambda reader: reader())
    frame = pd.concat(frames, ignore_index=True)
    if arm is not None:
        frame = predictions.of_arm(frame, arm, first_few(given))
    return frame.assign(**{name: frame[name].map(identifier) for name in ("image_id", "patient_id")}), known


def _tables(path: Path) -> Sequence[Path]:
    """The tables that a path stands for: itself, or those of a run's folder."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("arms/*/*/predictions.parquet"))
    if not found:
        raise InputError(f"{path}: no folder of a run (runs/<study>): there is no arms/*/*/predictions.parquet in it")
    return found


def _manifest(path: Path | None) -> pd.DataFrame | None:
    """The manifest's rows that are not excluded, with columns of the user's own beside ours.

    No image is opened, so `image_id` does for an empty `image_path`.
    """
    if path is None:
        return None
    raw = read_table(path)
    pathless = "image_id" in raw and not ("image_path" in raw and raw["image_path"].any())
    source = adapters.read(Layout(path=str(path), columns={"image_path": "image_id"} if pathless else {}))
    faults = [fault.replace("image_path", "image_id") if pathless else fault for fault in source.faults]
    raise_any(list(dict.fromkeys(faults)))
    own = raw.drop(columns=[*COLUMNS], errors="ignore").apply(_numbers_or_texts)
    table = source.table[source.table["excluded"] == ""].join(own)
    return table.assign(image_id=table["image_id"].where(table["image_id"] != "", table["image_path"].map(identifier)))


def _numbers_or_texts(cells: pd.Series) -> pd.Series:
    """Numbers, NaN where empty, if every cell that is filled holds one."""
    numbers = pd.to_numeric(cells, errors="coerce")
    return numbers if (numbers.notna() | (cells == "")).all() else cells
