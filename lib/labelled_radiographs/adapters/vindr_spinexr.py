"""VinDr-SpineXR as PhysioNet publishes it (version 1.0.0, doi 10.13026/q45h-5h59; credentialed access).

`path` is the folder that holds `annotations/` (or `annotation/`) with train.csv and test.csv,
and `train_images/` and `test_images/` with one `<image_id>.dicom` each.
"""

from pathlib import Path

import pandas as pd

from labelled_radiographs.adapters import Source, locate
from labelled_radiographs.layout import Layout
from user_tables import InputError, each, nearest, raise_any, read_table

COLUMNS = ("study_id", "series_id", "image_id", "rad_id", "lesion_type")
STENOSIS = "Foraminal stenosis"
LESIONS = (
    "Osteophytes",
    "Disc space narrowing",
    "Surgical implant",
    STENOSIS,
    "Spondylolysthesis",  # spelt so in the published files
    "Vertebral collapse",
    "Other lesions",
    "No finding",
)
RULES = {"any": lambda share: share > 0, "majority": lambda share: share > 0.5, "all": lambda share: share == 1}


def table(section: Layout) -> Source:
    """One row an image: positive where `section.readers` of its readers drew a box of foraminal stenosis.

    The official test set stays the test set; validation is carved from training later, by patient. Published
    files name no patient, so a study counts as one; where headers keep a PatientID, studies that share it
    stay together.
    """
    root = locate(section)
    folder = next((root / name for name in ("annotations", "annotation") if (root / name).is_dir()), None)
    if folder is None:
        raise InputError(f"{root}: no folder annotations/ (or annotation/) with train.csv and test.csv")
    parts = each(("train", "test"), lambda split: _images(folder / f"{split}.csv", split, section.readers))
    notes = [
        f"VinDr-SpineXR: positive where {section.readers} of an image's readers marked {STENOSIS}",
        "VinDr-SpineXR: patients are not published; a study is taken as a patient, so one person's radiographs of "
        "different days may lie in different splits unless their headers share a PatientID",
        "VinDr-SpineXR: no side, view or level is published",
    ]
    return Source(pd.concat(parts), folder, root, notes=notes)


def _images(path: Path, split: str, rule: str) -> pd.DataFrame:
    """One row an image from one file of boxes."""
    boxes = read_table(path)
    raise_any([f"{path}: column {name!r} is missing" for name in COLUMNS if name not in boxes.columns])
    unknown = boxes.loc[~boxes["lesion_type"].isin(LESIONS), "lesion_type"]
    if len(unknown):
        hint = nearest(unknown.iloc[0], LESIONS, 0.3)
        text = f"row {unknown.index[0]}: lesion_type {unknown.iloc[0]!r} is not one of the published{hint}"
        raise InputError(f"{path}: {text}" + (f" ({len(unknown)} such rows)" if len(unknown) > 1 else ""))
    marked = boxes.assign(positive=boxes["lesion_type"] == STENOSIS)
    readers = marked.groupby(["image_id", "rad_id"], sort=False)["positive"].any()
    share = readers.groupby("image_id", sort=False).mean()
    images = boxes.groupby("image_id", sort=False)["study_id"].first()
    return pd.DataFrame(
        {
            "image_id": images.index,
            "image_path": [f"{split}_images/{image_id}.dicom" for image_id in images.index],
            "patient_id": images.to_numpy(),
            "label": RULES[rule](share.reindex(images.index)).astype(int).astype(str).to_numpy(),
            "split": split,
        }
    )
