"""What notebook 01 asks of a cohort, as tables. Nothing in them names a patient, a file or a row."""

from hashlib import sha256

import pandas as pd

from foramen.cohort.loading import Cohort
from radiographs import near_duplicates

HEADER = ("format", "grey", "bits", "transfer_syntax", "modality", "body_part", "view_position", "laterality")
NOT_STATED = "not stated"
# Columns of a synthetic cohort's truth that tell how a radiograph was taken.
GEOMETRY = {
    "rotation": "rotation from the frontal view (degrees)",
    "tube_angle": "tube angle (degrees)",
    "source_detector": "source to detector (mm)",
    "magnification": "magnification of the spine on the film",
}


def flow(cohort: Cohort) -> pd.DataFrame:
    """Flow of exclusions: `step, images, patients`, from the table as given to the three splits."""

    def counted(step: str, rows: pd.DataFrame) -> tuple[str, int, int]:
        return step, len(rows), rows["patient_id"].nunique()

    lines = [counted("in the table", cohort.manifest)]
    lines += [(f"excluded: {r['reason']}", r["images"], r["patients"]) for r in cohort.audit["reasons"]]
    lines += [counted("in the study", cohort.included)]
    for key, name in {"train": "training", "val": "validation", "test": "test"}.items():
        lines.append(counted(f"{name} set", cohort.included[cohort.included["split"] == key]))
    return pd.DataFrame(lines, columns=["step", "images", "patients"])


def findings(cohort: Cohort) -> pd.DataFrame:
    """The findings of the check that the cohort passed: `severity, subject, message`, without names, rows or
    paths.
    """
    return pd.DataFrame(cohort.audit["findings"], columns=["severity", "subject", "message"])


def leakage(cohort: Cohort) -> pd.DataFrame:
    """Every way in which the test set could be known to the training, looked for: `check, found, verdict`."""
    rows = cohort.included
    shared = int((rows.groupby("patient_id")["split"].nunique() > 1).sum())
    checks = [
        ("patients in more than one split", shared, "LEAK"),
        ("images listed twice", int(rows["image_id"].duplicated().sum()), "LEAK"),
    ]
    if cohort.truth is None:
        duplicates = sum(finding["subject"] == "duplicate" for finding in cohort.audit["findings"])
        linked = cohort.audit.get("linked_patients", 0)
        checks += [
            ("patients joined because their pictures or headers are the same", linked, "one split"),
            ("findings on duplicate pictures", duplicates, "a person decides"),
        ]
    else:
        identical = len(cohort.images) - len({sha256(image).digest() for image in cohort.images})
        alike, compared = lookalikes(cohort)
        false = f"false alarms, {1e6 * alike / max(compared, 1):.1f} in a million pairs"
        checks.append(("identical pictures", identical, "LEAK"))
        checks.append(("pairs of synthetic patients whose pictures look like copies", alike, false))
    lines = [(name, found, verdict if found else "clean") for name, found, verdict in checks]
    return pd.DataFrame(lines, columns=["check", "found", "verdict"])


def lookalikes(cohort: Cohort) -> tuple[int, int]:
    """Pairs of images of different patients that pass for copies (`radiographs.near_duplicates`), and pairs compared.

    In a synthetic cohort no patient is another one, so each of them is a false alarm: necks drawn from one
    distribution resemble one another. Their rate is what the same check owes to chance on a user's radiographs.
    """
    pictures = pd.DataFrame([near_duplicates.describe(image) for image in cohort.images])
    patients = cohort.included["patient_id"]
    alike = sum(patients[i] != patients[j] for i, j in near_duplicates.pairs(pictures))
    of_each = patients.value_counts().to_numpy()
    return alike, (len(patients) ** 2 - int((of_each**2).sum())) // 2


def acquisition(cohort: Cohort) -> pd.DataFrame:
    """How the images were acquired and stored: `property, value, images, share`; continuous properties in
    ranges, or where the truth is known as mean and SD. What no image states is one line.
    """
    facts, images = cohort.acquisition, len(cohort.acquisition)
    stated = facts[list(HEADER)].astype(str).replace({"": NOT_STATED, "nan": NOT_STATED})
    stated.columns = [name.replace("_", " ") for name in HEADER]
    unstated = stated.columns[(stated == NOT_STATED).all()]
    lines = [(name, *line) for name in stated.columns.drop(unstated) for line in stated[name].value_counts().items()]
    lines.append((", ".join(unstated), NOT_STATED, images if len(unstated) else 0))
    if cohort.truth is not None:
        for name, label in GEOMETRY.items():
            values = cohort.truth[name]
            lines.append((label, f"mean {values.mean():.4g}, SD {values.std():.2g}", images))
    spacing = pd.to_numeric(facts["spacing_mm"]).dropna()
    lines.append(("pixel spacing", NOT_STATED, images - len(spacing)))
    lines.append(("pixel spacing", f"{spacing.min():.3g} to {spacing.max():.3g} mm", len(spacing)))
    sizes = (facts["width"].astype(int).astype(str) + " x " + facts["height"].astype(int).astype(str)).value_counts()
    lines += [("size in pixels", *line) for line in sizes.head(5).items()]
    lines.append(("size in pixels", f"{len(sizes) - 5} other sizes", sizes.iloc[5:].sum()))
    lines.append(("likely text in the pixels", "yes", facts["burnt_in"].sum()))
    table = pd.DataFrame(lines, columns=["property", "value", "images"]).astype({"images": int})
    return table[table["images"] > 0].assign(share=lambda t: t["images"] / images).reset_index(drop=True)
