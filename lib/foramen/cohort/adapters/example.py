"""An adapter to copy: radiographs sorted into a folder for each class, as teaching files often are.

    films/
        stenosis/  0007_L_2.png  0007_R_1.png
        normal/    0011_L_1.png

A file's folder is its label; its name holds patient, side and a running number. To write your own adapter,
copy this file to `my_adapter.py`, change `table`, and put into the study file

    cohort:
      source: manifest
      manifest: {path: films, adapter: my_adapter.py}

`table` returns text cells only, with the columns of `foramen.cohort.manifest.COLUMNS`. All checks come after it, and
are the same for every adapter: it needs no more than what it takes to find the images and their labels.
"""

import re

import pandas as pd

from foramen.cohort.adapters import Source, locate
from foramen.core.errors import InputError
from foramen.study.model import ManifestCohort

LABELS = {"normal": 0, "stenosis": 1}
NAME = re.compile(r"(?P<patient>\w+)_(?P<side>[LR])_\d+")


def table(section: ManifestCohort) -> Source:
    """One row for each image below `section.path`."""
    root = locate(section)
    rows, faults = [], []
    for path in sorted(p for label in LABELS for p in (root / label).glob("*") if p.is_file()):
        name = NAME.fullmatch(path.stem)
        if name is None:
            faults.append(f"{path}: the name is not <patient>_<L or R>_<number>")
            continue
        rows.append(
            {
                "image_path": str(path.relative_to(root)),
                "patient_id": name["patient"],
                "label": path.parent.name,
                "side": name["side"],
            }
        )
    if faults or not rows:
        raise InputError(faults or f"{root}: no files in {' or '.join(f'{label}/' for label in LABELS)}")
    frame = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="row"))
    return Source(frame, root, root, LABELS)
