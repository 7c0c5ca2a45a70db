"""What is wrong, or worth a look, in a cohort of files: from its table and the facts of each file (notebook 01).

A fault stops the study, a warning does not, a note only informs. Each function here looks at one kind of thing and
returns findings; nothing reads files (`radiographs.inspection` did).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from foramen.cohort.adapters import Source
from foramen.core.errors import first_few
from radiographs import near_duplicates

# Which foramina an oblique view shows: posterior obliques the far side, anterior obliques the near one.
SIDE_OF_VIEW = {"RPO": "L", "LAO": "L", "LPO": "R", "RAO": "R"}
RADIOGRAPHY = ("", "CR", "DX", "RG", "OT", "SC")
PLACEHOLDER = 5  # a header's PatientID shared by more manifest patients than this says nothing ("ANONYMOUS")
LISTED = 20  # lines for unreadable files with one and the same reason
HINTS = {"leads out of the folder of the images": " (cohort.manifest.images can name another)"}

Severity = Literal["fault", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One line of the list. `message` may name rows and files (for the terminal); `public` never does (for a
    report).
    """

    severity: Severity
    subject: str
    message: str
    public: str

    def __str__(self) -> str:
        return f"{self.severity:<8}{self.subject}: {self.message}"


@dataclass(frozen=True)
class Verdict:
    """The findings on a cohort, and its usable rows with their facts and their `group` (see
    `linked_patients`).
    """

    findings: list[Finding]
    usable: pd.DataFrame

    @property
    def faults(self) -> list[Finding]:
        """What stops the study."""
        return [finding for finding in self.findings if finding.severity == "fault"]


@dataclass(frozen=True)
class Expectations:
    """What a study asks of its radiographs."""

    image_size: int  # side of the square that they are fitted into, in pixels
    test_share: float  # of the patients
    unreadable_share: float = 0.0  # of the images, which may be left out
    canonical_arms: tuple[str, ...] = ()  # names of the arms that need a side, to flip by


def judge(source: Source, facts: pd.DataFrame, expected: Expectations) -> Verdict:
    """All findings on a cohort: its typed table and, by row, the facts of its files (`radiographs.inspection`).

    `facts` has the rows that are not excluded; columns that were not found out are missing.
    """
    rows = source.table[source.table["excluded"] == ""]
    rows = rows.join(facts, how="left") if len(rows) else rows.assign(fault="")
    found = [Finding("fault", "table", fault, "rows of the table are faulty") for fault in source.faults]
    found += unreadable(rows, source.origin.name, expected.unreadable_share)
    usable = rows[rows["fault"] == ""]
    pairs = near_duplicates.pairs(usable) if "phash" in usable else []
    usable = usable.assign(group=linked_patients(usable, pairs))
    found += near_identical(usable, pairs) + same_pictures(usable) + same_identifiers(usable)
    found += sides(usable, expected.canonical_arms) + headers(usable) + private_data(usable)
    found += resolutions(usable, expected.image_size) + greys(usable)
    if not source.faults:  # what is left of a faulty table says nothing about its classes and splits
        found += classes(usable, expected.test_share) + splits(usable)
    return Verdict(found + [Finding("note", "source", note, note) for note in source.notes], usable)


def unreadable(rows: pd.DataFrame, table: str, allowed: float) -> list[Finding]:
    """Files that cannot be used: faults, or warnings where their share is `allowed`. `table` is its name."""
    bad = rows[rows["fault"] != ""]
    share = len(bad) / max(1, len(rows))
    severity: Severity = "fault" if share > allowed else "warning"
    found = []
    for reason, some in bad.groupby("fault", sort=False):
        for row, name in some["image_path"].head(LISTED).items():
            text = f"row {row}, {table}: {name}: {reason}{HINTS.get(reason, '')}"
            found.append(Finding(severity, "image", text, f"one image: {public(reason)}"))
        if len(some) > LISTED:
            text = f"{len(some) - LISTED} more images: {public(reason)}"
            found.append(Finding(severity, "image", text, text))
    if len(bad) and allowed:
        text = f"{len(bad)} of {len(rows)} images ({share:.1%}) are unreadable; the study allows {allowed:.1%}"
        found.append(Finding(severity, "image", text, text))
    return found


def public(fault: str) -> str:
    """Why a file cannot be used, without what a library quotes from it."""
    return fault.split(":")[0]


def classes(rows: pd.DataFrame, test_share: float) -> list[Finding]:
    """Classes too small to be in every split."""
    found = []
    for label in (0, 1):
        patients = rows.loc[rows["label"] == label, "patient_id"].nunique()
        if patients < 3:
            text = f"only {patients} patients with label {label}; each of train, val and test needs at least one"
            found.append(Finding("fault", "label", text, text))
        elif patients * test_share < 10:
            text = f"only {patients} patients with label {label}; the test set will hold fewer than 10 of them"
            found.append(Finding("warning", "label", text, text))
    return found


def same_pictures(rows: pd.DataFrame) -> list[Finding]:
    """The same picture in two rows: with two labels, under two patients, or twice for one."""
    found = []
    for _, same in _repeated(rows, "digest") if "digest" in rows else []:
        text, conflict = f"{_rows(same)}: the same picture", same["label"].nunique() > 1
        if conflict:
            found.append(Finding("fault", "label", f"{text} with different labels", "the same picture, two labels"))
        if same["patient_id"].nunique() > 1:
            found.append(Finding("fault", "duplicate", f"{text} under different patients", "one picture, two patients"))
        elif not conflict:
            found.append(Finding("warning", "duplicate", f"{text} twice for one patient", "one picture twice"))
    return found


def near_identical(rows: pd.DataFrame, pairs: list[tuple[int, int]]) -> list[Finding]:
    """Copies (upright or mirrored, not identical) under different patients, and how many disagree in their
    label.
    """
    patient, label, digest = (
        (rows[name].to_dict() for name in ("patient_id", "label", "digest")) if pairs else ({},) * 3
    )
    near = [(a, b) for a, b in pairs if patient[a] != patient[b] and digest[a] != digest[b]]
    if not near:
        return []
    disagree = sum(label[a] != label[b] for a, b in near)
    shown = first_few((f"rows {a} and {b}" for a, b in near), separator="; ")
    text = "near-identical (or mirrored) pictures under different patients; kept in one split"
    labels = f", {disagree} of them with different labels" if disagree else ""
    return [Finding("warning", "duplicate", f"{shown}: {text}{labels}", f"{len(near)} pairs of {text}{labels}")]


def same_identifiers(rows: pd.DataFrame) -> list[Finding]:
    """One patient in the headers who is several patients in the table."""
    found = []
    for _, same in _shared_identifier(rows):
        several = same["patient_id"].nunique()
        text = f"{_rows(same)}: the headers name one patient, the table {several}; kept in one split"
        found.append(Finding("warning", "patient", text, "one patient in the headers, several in the table"))
    return found


def splits(rows: pd.DataFrame) -> list[Finding]:
    """Patients (or linked patients) in two splits of the table's own, and splits that are missing."""
    given = rows["split"] != ""
    if not given.any():
        return []
    if not given.all():
        text = f"{_rows(rows[~given])}: no split, while other rows have one"
        return [Finding("fault", "split", text, "rows without a split")]
    found = []
    for _, members in _repeated(rows, "group", "split"):
        linked = members["patient_id"].nunique() > 1
        who = "patients linked by near-identical images or one header identifier" if linked else "one patient"
        text = f"{_rows(members)}: {who} in {' and '.join(sorted(members['split'].unique()))}"
        found.append(Finding("fault", "split", text, f"{who} in two splits"))
    missing = {"train", "test"} - set(rows["split"])
    found += [Finding("fault", "split", f"no row is in {name}", f"no row is in {name}") for name in sorted(missing)]
    if "val" not in set(rows["split"]) and not missing:
        text = "the table has no validation set; it is carved from the training set, by patient"
        found.append(Finding("note", "split", text, text))
    return found


def sides(rows: pd.DataFrame, canonical: Sequence[str] = ()) -> list[Finding]:
    """Sides that are missing where arms flip to the canonical side, or that contradict view or header."""
    found = []
    missing = rows[rows["side"] == ""]
    if canonical and len(missing):
        text = f"{_rows(missing)}: no side, which arms with flip: canonical need ({', '.join(canonical)})"
        found.append(Finding("fault", "side", text, f"{len(missing)} images without a side"))
    severity: Severity = "fault" if canonical else "warning"
    expected = rows["view"].str.upper().map(SIDE_OF_VIEW)
    wrong = rows[(rows["side"] != "") & expected.notna() & (expected != rows["side"])]
    if len(wrong):
        text = f"{_rows(wrong)}: the side shown contradicts the view (RPO and LAO show the left foramina)"
        found.append(Finding(severity, "side", text, f"{len(wrong)} sides contradict the view"))
    for field, mapping in (("laterality", {"L": "L", "R": "R"}), ("view_position", SIDE_OF_VIEW)):
        if field in rows:
            said = rows[field].map(mapping)
            wrong = rows[(rows["side"] != "") & said.notna() & (said != rows["side"])]
            if len(wrong):
                text = f"{_rows(wrong)}: the side contradicts the header's {field.replace('_', ' ')}"
                found.append(Finding(severity, "side", text, f"{len(wrong)} sides contradict the header"))
    return found


def headers(rows: pd.DataFrame) -> list[Finding]:
    """Files that are no plain radiography, or whose header names another view than the table."""
    if "modality" not in rows:
        return []
    found = []
    other = rows[~rows["modality"].isin(RADIOGRAPHY)]
    if len(other):
        kinds = ", ".join(sorted(other["modality"].unique()))
        text = f"modality {kinds} is no plain radiography (CR, DX, RG)"
        found.append(Finding("fault", "modality", f"{_rows(other)}: {text}", f"{len(other)} images: {text}"))
    said = rows["view_position"]
    wrong = rows[(rows["view"] != "") & (said != "") & (said != rows["view"].str.upper())]
    if len(wrong):
        text = f"{_rows(wrong)}: the view contradicts the header's ViewPosition"
        found.append(Finding("warning", "view", text, f"{len(wrong)} views contradict the header"))
    return found


def private_data(rows: pd.DataFrame) -> list[Finding]:
    """Identifying fields that are filled in file headers, and likely burnt-in text. Nothing of either is
    kept.
    """
    found = []
    if "private_fields" in rows:
        fields = rows["private_fields"].explode().dropna()
        if len(fields):
            counts = ", ".join(f"{name} ({count})" for name, count in fields.value_counts().items())
            text = f"identifying fields are filled in image headers: {counts}; none is stored"
            found.append(Finding("warning", "private data", text, text))
    if "burnt_in" in rows:
        burnt = rows[rows["burnt_in"].astype(bool)]
        if len(burnt):
            text = f"{_rows(burnt)}: likely text burnt into the pixels; left out of the report's pictures"
            found.append(Finding("warning", "private data", text, f"{len(burnt)} images with likely burnt-in text"))
    return found


def resolutions(rows: pd.DataFrame, image_size: int) -> list[Finding]:
    """Mixed pixel spacings and bit depths, images smaller than `image_size`."""
    if "width" not in rows:
        return []
    found = []
    spacing = rows["spacing_mm"].dropna()
    if len(spacing) and spacing.max() / spacing.min() > 1.05:
        text = f"pixel spacings range from {spacing.min():g} to {spacing.max():g} mm"
        found.append(Finding("warning", "resolution", text, text))
    if 0 < len(spacing) < len(rows):
        text = f"{len(rows) - len(spacing)} of {len(rows)} images state no pixel spacing"
        found.append(Finding("note", "resolution", text, text))
    small = rows[rows[["width", "height"]].max(axis=1) < image_size]
    if len(small):
        text = f"smaller than cohort.image_size ({image_size}) and magnified"
        found.append(Finding("warning", "resolution", f"{_rows(small)}: {text}", f"{len(small)} images are {text}"))
    depths = rows["bits"].dropna().astype(int).value_counts()
    if len(depths) > 1:
        text = "mixed depths: " + ", ".join(f"{bits} bits ({count})" for bits, count in sorted(depths.items()))
        found.append(Finding("note", "resolution", text, text))
    return found


def greys(rows: pd.DataFrame) -> list[Finding]:
    """Clipped images, and images whose grey runs against that of the cohort (bone dark)."""
    if "clipped" not in rows or rows.empty:
        return []
    found = []
    clipped = rows[rows["clipped"] > 0.3]
    if len(clipped):
        text = f"{_rows(clipped)}: over 30 % of the valid area is fully black or white"
        found.append(Finding("warning", "grey", text, f"{len(clipped)} images are clipped"))
    pictures = near_duplicates.coarse_pictures(rows).reshape(len(rows), -1)
    typical = np.median(pictures, axis=0)
    against = np.array([np.corrcoef(picture, typical)[0, 1] for picture in pictures]) < -0.4
    if against.any() and len(rows) >= 10:
        text = f"{_rows(rows[against])}: grey seems reversed against the other images (bone must be bright)"
        found.append(Finding("warning", "grey", text, f"{int(against.sum())} images seem reversed"))
    return found


def linked_patients(rows: pd.DataFrame, pairs: list[tuple[int, int]]) -> np.ndarray:
    """A group number for each row: patients joined by `pairs` of rows or by one header identifier share one.

    A split that keeps groups together cannot put one person on both sides by mistake.
    """
    patients, names = pd.factorize(rows["patient_id"])
    joined = pairs + [(same.index[0], row) for _, same in _shared_identifier(rows) for row in same.index[1:]]
    if not joined:
        return patients
    left, right = (patients[rows.index.get_indexer(ends)] for ends in zip(*joined, strict=True))
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(names), len(names)))
    return connected_components(graph, directed=False)[1][patients]


def _shared_identifier(rows: pd.DataFrame) -> list[tuple[object, pd.DataFrame]]:
    """Groups of rows whose headers name one patient while the table names a few."""
    if "patient_digest" not in rows:
        return []
    known = rows[rows["patient_digest"] != ""]
    return [g for g in _repeated(known, "patient_digest", "patient_id") if g[1]["patient_id"].nunique() <= PLACEHOLDER]


def _repeated(rows: pd.DataFrame, key: str, differing: str | None = None) -> list[tuple[object, pd.DataFrame]]:
    """Groups of rows with the same `key`: of more than one row, or of more than one value of `differing`."""
    counts = (
        rows.groupby(key)[differing].transform("nunique") if differing else rows.groupby(key)[key].transform("size")
    )
    return list(rows[counts > 1].groupby(key, sort=False))


def _rows(rows: pd.DataFrame) -> str:
    """Rows of the table by number: the first few, and how many more."""
    return f"row{'s' if len(rows) > 1 else ''} {first_few(rows.index)}"
