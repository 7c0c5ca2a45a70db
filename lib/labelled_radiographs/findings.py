"""What is wrong, or worth a look, in a cohort of files: from its table and the facts of each file (notebook 01).

A fault has to be mended first, a warning need not, a note only informs. Each function here looks at one kind of thing
and returns findings; nothing reads files (`radiographs.inspection` did).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from labelled_radiographs.adapters import Source
from labelled_radiographs.manifest import REGION
from labelled_radiographs.pseudonyms import pool_rare
from radiographs import near_duplicates
from user_tables import first_few, raise_any

# Which foramina an oblique view shows: posterior obliques the far side, anterior obliques the near one.
SIDE_OF_VIEW = {"RPO": "L", "LAO": "L", "LPO": "R", "RAO": "R"}
SIDE_STATED = (  # column that states a side, the side by what it holds, and the fault where it is another
    ("view", SIDE_OF_VIEW, "the side shown contradicts the view (RPO and LAO show the left foramina)"),
    ("laterality", {"L": "L", "R": "R"}, "the side contradicts the header's laterality"),
    ("view_position", SIDE_OF_VIEW, "the side contradicts the header's view position"),
)
SAME_VIEW = {"LAT": "LATERAL", "OBL": "OBLIQUE"}
# What a view may be called more closely, in the codes of headers and tables. LLD and RLD are missing: they tell how the
# patient lies, not where the rays come from.
CLOSER_VIEWS = {
    "OBLIQUE": {"LLO", "RLO", "LAO", "LPO", "RAO", "RPO"},
    "LLO": {"LAO", "LPO"},  # the left side is nearer to the detector
    "RLO": {"RAO", "RPO"},
    "LATERAL": {"LL", "RL", "FLEXION", "EXTENSION", "SWIMMERS"},
    "LL": {"FLEXION", "EXTENSION", "SWIMMERS"},
    "RL": {"FLEXION", "EXTENSION", "SWIMMERS"},
    "AP": {"ODONTOID"},
}
VIEWS = {"PA", *CLOSER_VIEWS}.union(*CLOSER_VIEWS.values())
RADIOGRAPHY = ("", "CR", "DX", "RG", "OT", "SC")
PLACEHOLDER = 5  # a header's PatientID shared by more manifest patients than this says nothing ("ANONYMOUS")
SMALLEST_REGION = 0.1  # of the film's longer side
LISTED = 20  # lines for unreadable files with one and the same reason
HINTS = {"leads out of the folder of the images": " (`images`, beside the table's `path`, can name another)"}

Severity = Literal["fault", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One line of the list. `public` never names rows or files (for a report), `named` may (for the terminal)."""

    severity: Severity
    subject: str
    public: str
    named: str = ""

    @property
    def message(self) -> str:
        """What the user of the radiographs is told."""
        return self.named or self.public


@dataclass(frozen=True)
class Verdict:
    """The findings on a cohort, and its usable rows with their facts and their `group` (see
    `linked_patients`).
    """

    findings: list[Finding]
    usable: pd.DataFrame

    def stop_on_faults(self, origin: Path) -> None:
        """InputError with all the faults; `origin`, the table, is named in those that do not name it themselves."""
        faults = [finding for finding in self.findings if finding.severity == "fault"]
        raise_any([f.message if f.subject == "table" else f"{origin}: {f.subject}: {f.message}" for f in faults])


@dataclass(frozen=True)
class Expectations:
    """What is asked of the radiographs."""

    image_size: int  # side of the square that they are fitted into, in pixels
    test_share: float = 0.2  # of the patients
    unreadable_share: float = 0.0  # of the images, which may be left out
    side_needed: str = ""  # what needs the side of each image, for the fault where one is missing
    region_needed: str = ""  # what needs a region of some image, for the fault where none has one


def judge(source: Source, facts: pd.DataFrame, expected: Expectations) -> Verdict:
    """All findings on a cohort: its typed table and, by row, the facts of its files (`radiographs.inspection`).

    `facts` has the rows that are not excluded; columns that were not found out are missing.
    """
    rows = source.table[source.table["excluded"] == ""]
    rows = rows.join(facts, how="left") if len(rows) else rows.assign(fault="")
    found = [Finding("fault", "table", "rows of the table are faulty", fault) for fault in source.faults]
    found += unreadable(rows, source.origin.name, expected.unreadable_share)
    usable = rows[rows["fault"] == ""]
    pairs = near_duplicates.pairs(usable) if "phash" in usable else []
    usable = usable.assign(group=linked_patients(usable, pairs))
    found += [*near_identical(usable, pairs), *same_pictures(usable), *same_identifiers(usable)]
    found += [*sides(usable, expected.side_needed), *headers(usable), *private_data(usable)]
    found += regions(usable, "" if source.keypoints or source.faults else expected.region_needed)
    found += [*resolutions(usable, expected.image_size), *greys(usable), *keypoints(usable, source)]
    found += leaks(usable)
    if not source.faults:  # what is left of a faulty table says nothing about its classes, nor which splits are missing
        found += [*classes(usable, expected.test_share), *splits(usable)]
    return Verdict(found + [Finding("note", "source", note) for note in source.notes], usable)


def summary(source: Source, facts: pd.DataFrame, verdict: Verdict) -> dict[str, Any]:
    """What a cohort's report may say: `reasons` why rows are left out, `findings`, and how many `linked_patients` were
    joined. Names nobody.
    """
    kept = verdict.usable
    excluded = source.table.drop(kept.index)
    given = pool_rare(excluded["excluded"], excluded["patient_id"]).replace("other", "by the table")
    unreadable = "unreadable: " + facts["fault"].map(public)
    reasons = given.where(given != "", unreadable.reindex(excluded.index))
    lines = Counter((f.severity, f.subject, f.public) for f in verdict.findings)
    return {
        "reasons": [
            {"reason": reason, "images": len(some), "patients": int(some["patient_id"].nunique())}
            for reason, some in excluded.groupby(reasons)
        ],
        "findings": [
            {"severity": severity, "subject": subject, "message": f"{count} times: {text}" if count > 1 else text}
            for (severity, subject, text), count in lines.items()
        ],
        "linked_patients": int(kept["patient_id"].nunique() - kept["group"].nunique()),
    }


def unreadable(rows: pd.DataFrame, table: str, allowed: float) -> Iterator[Finding]:
    """Files that cannot be used: faults, or warnings where their share is `allowed`. `table` is its name."""
    bad = rows[rows["fault"] != ""]
    share = len(bad) / max(1, len(rows))
    severity: Severity = "fault" if share > allowed else "warning"
    for reason, some in bad.groupby("fault", sort=False):
        for row, name in some["image_path"].head(LISTED).items():
            text = f"row {row}, {table}: {name}: {reason}{HINTS.get(reason, '')}"
            yield Finding(severity, "image", f"one image: {public(reason)}", text)
        if len(some) > LISTED:
            yield Finding(severity, "image", f"{len(some) - LISTED} more images: {public(reason)}")
    if len(bad) and allowed:
        text = f"{len(bad)} of {len(rows)} images ({share:.1%}) are unreadable; {allowed:.1%} are allowed"
        yield Finding(severity, "image", text)


def public(fault: str) -> str:
    """Why a file cannot be used, without what a library quotes from it."""
    return fault.split(":")[0]


def classes(rows: pd.DataFrame, test_share: float) -> Iterator[Finding]:
    """Classes too small to be in every split."""
    for label in (0, 1):
        patients = rows.loc[rows["label"] == label, "patient_id"].nunique()
        few = f"only {patients} patients with label {label}"
        if patients < 3:
            yield Finding("fault", "label", f"{few}; each of train, val and test needs at least one")
        elif patients * test_share < 10:
            yield Finding("warning", "label", f"{few}; the test set will hold fewer than 10 of them")


def same_pictures(rows: pd.DataFrame) -> Iterator[Finding]:
    """The same picture in two rows: with two labels, under two patients, or twice for one."""
    for same in _repeated(rows, "digest") if "digest" in rows else []:
        conflict = same["label"].nunique() > 1
        if conflict:
            yield from _about(same, "fault", "label", "the same picture with different labels")
        if same["patient_id"].nunique() > 1:
            yield from _about(same, "fault", "duplicate", "the same picture under different patients")
        elif not conflict:
            yield from _about(same, "warning", "duplicate", "the same picture twice for one patient")


def near_identical(rows: pd.DataFrame, pairs: list[tuple[int, int]]) -> Iterator[Finding]:
    """Copies (upright or mirrored, not identical) under different patients, and how many disagree in their label."""
    if not pairs:
        return
    patient, label, digest = (rows[name].to_dict() for name in ("patient_id", "label", "digest"))
    near = [(a, b) for a, b in pairs if patient[a] != patient[b] and digest[a] != digest[b]]
    if near:
        disagree = sum(label[a] != label[b] for a, b in near)
        text = "near-identical (or mirrored) pictures under different patients; kept in one split"
        text += f", {disagree} of them with different labels" if disagree else ""
        shown = first_few((f"rows {a} and {b}" for a, b in near), separator="; ")
        yield Finding("warning", "duplicate", f"{len(near)} pairs of {text}", f"{shown}: {text}")


def same_identifiers(rows: pd.DataFrame) -> Iterator[Finding]:
    """One patient in the headers who is several patients in the table."""
    for same in _shared_identifier(rows):
        text = f"the headers name one patient, the table {same['patient_id'].nunique()}; kept in one split"
        yield from _about(same, "warning", "patient", text)


def leaks(rows: pd.DataFrame) -> Iterator[Finding]:
    """Patients (or linked patients) in two splits of the table's own."""
    for members in _repeated(rows[rows["split"] != ""], "group", "split"):
        linked = members["patient_id"].nunique() > 1
        who = "patients linked by near-identical images or one header identifier" if linked else "one patient"
        yield from _about(members, "fault", "split", f"{who} in {' and '.join(sorted(members['split'].unique()))}")


def splits(rows: pd.DataFrame) -> Iterator[Finding]:
    """Rows, or whole splits of the table's own, that are missing."""
    without = rows[rows["split"] == ""]
    if len(without) == len(rows):
        return
    if len(without):
        yield from _about(without, "fault", "split", "no split, while other rows have one")
        return
    missing = {"train", "val", "test"} - set(rows["split"])
    for name in sorted(missing - {"val"}):
        yield Finding("fault", "split", f"no row is in {name}")
    if missing == {"val"}:
        yield Finding("note", "split", "no validation set in the table; it is carved from the training set, by patient")


def sides(rows: pd.DataFrame, needed: str = "") -> Iterator[Finding]:
    """Sides that are missing where they are `needed` (by what), or that contradict view or header."""
    severity: Severity = "fault" if needed else "warning"
    if needed:
        yield from _about(rows[rows["side"] == ""], severity, "side", f"no side, which {needed}")
    given = rows[rows["side"] != ""]
    for column, sides_of, text in SIDE_STATED:
        if column in rows:
            stated = given[column].astype(str).str.upper().map(sides_of)
            yield from _about(given[stated.notna() & (stated != given["side"])], severity, "side", text)


def regions(rows: pd.DataFrame, needed: str = "") -> Iterator[Finding]:
    """Boxes of the table that are none, or lie beyond the film; none at all where one is `needed` (by what)."""
    given = rows[list(REGION)].notna()
    left, top, right, bottom = (rows[name] for name in REGION)
    box = (left < right) & (top < bottom)
    odd = [
        (given.any(axis=1) & ~given.all(axis=1), f"only some of {', '.join(REGION)} are filled"),
        (given.all(axis=1) & ~box, "region_left must be less than region_right, region_top less than region_bottom"),
    ]
    if "width" in rows:
        sides = np.maximum(right - left, (bottom - top) * rows["aspect"])
        longer = np.maximum(rows["width"], rows["height"] * rows["aspect"])
        beyond = (left < 0) | (top < 0) | (right > rows["width"]) | (bottom > rows["height"])
        odd += [(box & beyond, "the region reaches beyond the film (it is in pixels of the file as stored)")]
        odd += [(box & (sides < SMALLEST_REGION * longer), f"the region is under {SMALLEST_REGION:.0%} of the film")]
    for which, text in odd:
        yield from _about(rows[which], "fault", "region", text)
    if needed and not given.any(axis=None):
        text = f"no film has a box ({', '.join(REGION)}) or keypoints, which {needed}"
        yield Finding("fault", "region", text)


def headers(rows: pd.DataFrame) -> Iterator[Finding]:
    """Files that are no plain radiography, or whose header names another view than the table."""
    if "modality" not in rows:
        return
    other = rows[~rows["modality"].isin(RADIOGRAPHY)]
    text = f"modality {', '.join(sorted(other['modality'].unique()))} is no plain radiography (CR, DX, RG)"
    yield from _about(other, "fault", "modality", text)
    views = zip(rows["view"].str.upper(), rows["view_position"], strict=True)
    wrong = rows[[contradictory(view, stated) for view, stated in views]]
    yield from _about(wrong, "warning", "view", "the view contradicts the header's ViewPosition")


def contradictory(view: str, other: str) -> bool:
    """True where no film can be of both views. Of one that is not in VIEWS (free text, OTHER) nothing is known."""
    view, other = (SAME_VIEW.get(name, name) for name in (view, other))
    may_be = {view, *CLOSER_VIEWS.get(view, ())}
    return {view, other} <= VIEWS and other not in may_be and view not in CLOSER_VIEWS.get(other, ())


def private_data(rows: pd.DataFrame) -> Iterator[Finding]:
    """Identifying fields that are filled in file headers, and likely burnt-in text. Nothing of either is kept."""
    if "private_fields" in rows and rows["private_fields"].map(len).any():
        filled = _counts(rows["private_fields"].explode().value_counts())
        text = f"identifying fields are filled in image headers: {filled}; none is stored"
        yield Finding("warning", "private data", text)
    if "burnt_in" in rows:
        text = "likely text burnt into the pixels; left out of the report's pictures"
        yield from _about(rows[rows["burnt_in"].astype(bool)], "warning", "private data", text)


def resolutions(rows: pd.DataFrame, image_size: int) -> Iterator[Finding]:
    """Mixed pixel spacings and bit depths, images smaller than `image_size`."""
    if "width" not in rows:
        return
    spacing = rows["spacing_mm"].dropna()
    if len(spacing) and spacing.max() / spacing.min() > 1.05:
        yield Finding("warning", "resolution", f"pixel spacings range from {spacing.min():g} to {spacing.max():g} mm")
    if 0 < len(spacing) < len(rows):
        yield Finding("note", "resolution", f"{len(rows) - len(spacing)} of {len(rows)} images state no pixel spacing")
    text = f"smaller than image_size ({image_size}) and magnified"
    small = rows[rows[["width", "height"]].max(axis=1) < image_size]
    yield from _about(small, "warning", "resolution", text)
    depths = rows["bits"].dropna().astype(int).value_counts().sort_index().rename("{} bits".format)
    if len(depths) > 1:
        yield Finding("note", "resolution", f"mixed depths: {_counts(depths)}")


def keypoints(rows: pd.DataFrame, source: Source) -> Iterator[Finding]:
    """Keypoints that do not lie in their image, as those of another size of it do."""
    if source.keypoints and "width" in rows:
        given = rows[rows["image_path"].isin(list(source.keypoints))]
        text = "keypoints outside the image (of another size of it?); the pose of the spine counts as unknown"
        yield from _about(given[~source.located(given)], "warning", "pose", text)


def greys(rows: pd.DataFrame) -> Iterator[Finding]:
    """Greys that are poor in themselves, and images whose grey runs against that of the cohort, or is unlike it."""
    if "levels" not in rows or rows.empty:
        return
    pictures = near_duplicates.blocks(near_duplicates.coarse_pictures(rows))
    dark, bright, mean, spread = np.hstack([_tones(block) for block in pictures])
    odd = [
        (rows["clipped"] > 0.3, "over 30 % of the valid area is fully black or white"),
        ((dark < 26) | (bright > 229), "nearly black or white all over"),
        (rows["levels"] < 32, "has fewer than 32 of 256 grey levels"),
    ]
    if len(rows) >= 10:
        likeness = _likeness(pictures)
        against = likeness < -0.4
        odd.append((against, "grey seems reversed against the other images (bone must be bright)"))
        unlike = np.any([_far_out(values) for values in (mean, spread, 100 * likeness)], axis=0) & ~against
        odd.append((unlike, "unlike the other images in brightness, contrast or what it shows"))
    for which, text in odd:
        yield from _about(rows[which], "warning", "grey", text)


def _tones(pictures: np.ndarray) -> np.ndarray:
    """95th and 5th percentile, mean and standard deviation of the greys of each picture `(n, h, w)`: `(4, n)`."""
    greys = pictures.reshape(len(pictures), -1)
    return np.vstack([np.percentile(greys, (95, 5), axis=1), greys.mean(axis=1), greys.std(axis=1)])


def _likeness(pictures: list[np.ndarray]) -> np.ndarray:
    """Correlation of each picture, in blocks `(n, h, w)`, with what they all share, their first principal component;
    negative where grey is reversed. Mirror images (left and right obliques) count as alike.
    """
    covariance = sum(flat.T @ flat for flat in map(_unit_vectors, pictures))
    shared = np.linalg.eigh(covariance)[1][:, -1]
    likeness = np.concatenate([_unit_vectors(block) @ shared for block in pictures])
    return likeness * np.sign(np.median(likeness))


def _unit_vectors(pictures: np.ndarray) -> np.ndarray:
    """Each picture `(n, h, w)` with its mirror image added, less its mean, as a vector of length one."""
    flat = (pictures + pictures[:, :, ::-1].astype(np.float32)).reshape(len(pictures), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)


def _far_out(values: np.ndarray) -> np.ndarray:
    """Farther from the median than six robust standard deviations, and than a fifth of the range of grey (0..255)."""
    distance = np.abs(values - np.median(values))
    return distance > np.maximum(6 * 1.4826 * np.median(distance), 50)


def linked_patients(rows: pd.DataFrame, pairs: list[tuple[int, int]]) -> np.ndarray:
    """A group number for each row: patients joined by `pairs` of rows or by one header identifier share one.

    A split that keeps groups together cannot put one person on both sides by mistake.
    """
    patients, names = pd.factorize(rows["patient_id"])
    joined = pairs + [(same.index[0], row) for same in _shared_identifier(rows) for row in same.index[1:]]
    if not joined:
        return patients
    left, right = (patients[rows.index.get_indexer(ends)] for ends in zip(*joined, strict=True))
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(names), len(names)))
    return connected_components(graph, directed=False)[1][patients]


def _shared_identifier(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Groups of rows whose headers name one patient while the table names a few."""
    if "patient_digest" not in rows:
        return []
    groups = _repeated(rows[rows["patient_digest"] != ""], "patient_digest", "patient_id")
    return [group for group in groups if group["patient_id"].nunique() <= PLACEHOLDER]


def _repeated(rows: pd.DataFrame, key: str, differing: str | None = None) -> list[pd.DataFrame]:
    """Groups of rows with the same `key`: of more than one row, or of more than one value of `differing`."""
    groups = rows.groupby(key)
    counts = groups[differing].transform("nunique") if differing else groups[key].transform("size")
    return [group for _, group in rows[counts > 1].groupby(key, sort=False)]


def _about(rows: pd.DataFrame, severity: Severity, subject: str, text: str) -> list[Finding]:
    """What is to be said of `rows`, which are counted in public and else named; nothing where there are none."""
    public = f"{len(rows)} image{'s' * (len(rows) > 1)}: {text}"
    return [Finding(severity, subject, public, f"{_rows(rows)}: {text}")] if len(rows) else []


def _rows(rows: pd.DataFrame) -> str:
    """Rows of the table by number: the first few, and how many more."""
    return f"row{'s' if len(rows) > 1 else ''} {first_few(rows.index)}"


def _counts(counts: pd.Series) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items())
