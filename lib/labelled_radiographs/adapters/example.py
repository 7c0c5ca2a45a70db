"""An adapter to copy: radiographs sorted into a folder for each class, as teaching files often are.

    radiographs/
        stenosis/  0007_L_2.png  0007_R_1.png
        normal/    0011_L_1.png

A file's folder is its label; its name holds patient, side and a running number. To write your own adapter,
copy this file to `my_adapter.py`, change `table`, and name it: `Layout(path="radiographs", adapter="my_adapter.py")`,
or in a study file

    cohort:
      source: manifest
      manifest: {path: radiographs, adapter: my_adapter.py}

`table` returns text cells only, with the columns of `labelled_radiographs.manifest.COLUMNS`. All checks come after it,
and are the same for every adapter: it needs no more than what it takes to find the images and their labels.
"""

import re
from pathlib import Path

import pandas as pd

from labelled_radiographs.adapters import Source, locate
from labelled_radiographs.layout import Layout
from user_tables import InputError, each

LABELS = {"normal": 0, "stenosis": 1}
NAME = re.compile(r"(?P<patient>\w+)_(?P<side>[LR])_\d+")


def table(section: Layout) -> Source:
    """One row for each image below `section.path`."""
    root = locate(section)
    files = sorted(path for label in LABELS for path in (root / label).glob("*") if path.is_file())
    if not files:
        raise InputError(f"{root}: no files in {' or '.join(f'{label}/' for label in LABELS)}")

    def row(path: Path) -> dict[str, str]:
        name = NAME.fullmatch(path.stem)
        if name is None:
            raise InputError(f"{path}: the name is not <patient>_<L or R>_<number>")
        image, label = str(path.relative_to(root)), path.parent.name
        return {"image_path": image, "patient_id": name["patient"], "label": label, "side": name["side"]}

    return Source(pd.DataFrame(each(files, row)), root, root, LABELS)
