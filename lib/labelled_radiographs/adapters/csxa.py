"""CSXA, the cervical spine X-ray atlas (Ran et al., Scientific Data 2024; doi 10.57760/sciencedb.15391).

`path` is the folder that holds `datasets.xlsx` and `datasets-PNG/`. Lateral views; there is
no foraminal label, the class of curvature stands in for it. The 23 keypoints of each image give the pose of
the spine. Assumption: the JSON files are of labelme's layout (`shapes`, each with `points`); the descriptor
does not say.
"""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from labelled_radiographs.adapters import Source, locate
from labelled_radiographs.layout import Layout
from user_tables import InputError, each, first_few, raise_any, read_table

CURVATURES = {"1": "lordotic", "2": "straight", "3": "sigmoid 1", "4": "sigmoid 2", "5": "kyphotic"}
LORDOTIC_OR_NOT = {"1": 0, "2": 1, "3": 1, "4": 1, "5": 1}
KEYPOINTS = 23
UNLABELLED = "curvature class without a label"


def table(section: Layout) -> Source:
    """One row an image, labelled by class of curvature: 0 lordotic, 1 any other, or as `section.labels` says.

    Classes that `section.labels` does not name are excluded. A case counts as one patient.
    """
    root = locate(section)
    book, folder = root / "datasets.xlsx", root / "datasets-PNG"
    if not folder.is_dir():
        raise InputError(f"{root}: no folder datasets-PNG/")
    cases = _cases(book)
    labels = section.labels or LORDOTIC_OR_NOT

    def row(path: Path) -> dict[str, str]:
        parts = re.fullmatch(r"(\d{4})\D*(\d{1,3})?", path.stem)
        number = str(int(parts[1])) if parts else ""
        if parts is None or number not in cases.index:
            raise InputError(f"{book}: no row with the Number of {path.name}")
        place = {"image_path": str(path.relative_to(root)), "patient_id": number, "view": "LATERAL"}
        if cases[number] in labels:
            return place | {"age": parts[2] or "", "label": cases[number], "excluded": ""}
        return place | {"age": parts[2] or "", "label": next(iter(labels)), "excluded": UNLABELLED}

    frame = pd.DataFrame(each(sorted(folder.rglob("*.png")), row))
    if frame.empty:
        raise InputError(f"{folder}: no PNG files")
    shown = ", ".join(f"{CURVATURES.get(name, name)}: {label}" for name, label in labels.items())
    notes = [f"CSXA: no foraminal label is published; the label is the class of curvature ({shown})"]
    return Source(frame, book, root, dict(labels), notes, keypoints=_keypoints(root, frame))


def _cases(book: Path) -> pd.Series:
    """Class of curvature (`1` to `5`) by case number."""
    sheet = read_table(book)
    column = next((name for name in sheet.columns if name.lower().startswith("curvature")), None)
    if column is None or "Number" not in sheet.columns:
        raise InputError(f"{book}: columns 'Number' and 'Curvature: 1.Lordotic, ...' are expected")
    number = pd.to_numeric(sheet["Number"], errors="coerce")
    number = number.where(number % 1 == 0)
    twice = number[number.duplicated(keep=False)].dropna().sort_values(kind="stable")
    cases = sheet[column].str.extract(r"^(\d+)", expand=False)
    bad = [f"{book}: row {row}: no Number" for row in sheet.index[number.isna()]]
    bad += [f"{book}: row {row}: no class of curvature" for row in sheet.index[~cases.isin(list(CURVATURES))]]
    if len(twice):
        shown = first_few(f"row {row} ({value:.0f})" for row, value in twice.items())
        bad += [f"{book}: {shown}: Number stands more than once"]
    raise_any(bad)
    return pd.Series(cases.to_numpy(), index=number.astype(int).astype(str))


def _keypoints(root: Path, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The points (23, 2) in pixels of each image that has a JSON file, by image_path; InputError for damaged ones."""
    files = {path.stem: path for path in root.rglob("*.json")}

    def keypoints(name: str) -> np.ndarray:
        path = files[Path(name).stem]
        try:
            shapes = json.loads(path.read_text(encoding="utf-8-sig"))["shapes"]
            points = np.array([point for shape in shapes for point in shape["points"]], float)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError):
            raise InputError(f"{path}: no keypoints in labelme's layout") from None
        if points.shape != (KEYPOINTS, 2):
            raise InputError(f"{path}: {len(points)} keypoints, {KEYPOINTS} are expected")
        return points

    known = [name for name in frame["image_path"] if Path(name).stem in files]
    return dict(zip(known, each(known, keypoints), strict=True))
