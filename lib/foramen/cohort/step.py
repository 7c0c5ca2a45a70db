"""The cohort of a study: one table, one array of images, one split. Used by every notebook; made by notebook
01.

Both sources end in the same files: manifest.parquet, images.npy, boxes.npy, acquisition.parquet, audit.json;
the synthetic cohort adds truth.parquet and masks.npy, a reader's own adds key.parquet, which leads from
pseudonyms back to the reader's identifiers and stays here.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from foramen.cohort import adapters, decoding, findings, privacy
from foramen.cohort.adapters import Source
from foramen.cohort.findings import Verdict
from foramen.core.errors import InputError
from foramen.core.files import digest_file, read_json, replacing, write_json
from foramen.study import provenance
from foramen.study.model import Split, Study
from foramen.study.step import make
from radiographs import inspection, parallel

MANIFEST = ["image_id", "image_path", "patient_id", "label", "side", "view", "site", "age", "sex", "split", "excluded"]
POSE_COLUMNS = ["pose_angle", "pose_scale", "pose_x", "pose_y"]  # in the order of `geometry.POSE`
ACQUISITION = {
    "format": "",
    "width": 0,
    "height": 0,
    "bits": 0,
    "grey": "",
    "spacing_mm": None,
    "transfer_syntax": "",
    "modality": "",
    "body_part": "",
    "view_position": "",
    "laterality": "",
    "clipped": 0.0,
    "burnt_in": False,
}
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Cohort:
    """A finished cohort. Row i of `included`, `acquisition` and `truth` is image i of `images`, `boxes` and
    `masks`.
    """

    manifest: pd.DataFrame  # every row, excluded ones too
    included: pd.DataFrame
    images: np.ndarray  # (N, S, S) uint16, full scale, bone bright, letterboxed, padding 0; memory-mapped
    boxes: np.ndarray  # (N, 4) int16 top, left, bottom, right of the valid area
    truth: pd.DataFrame | None
    masks: np.ndarray | None  # (N, S, S) uint8, one bit a level; memory-mapped
    poses: pd.DataFrame | None  # image_id and POSE_COLUMNS, where known (synthetic, CSXA)
    acquisition: pd.DataFrame
    audit: dict
    folder: Path

    @property
    def showable(self) -> pd.DataFrame:
        """Rows of `included` whose pictures may stand in a report: no text seems to be burnt into them."""
        return self.included[~self.acquisition["burnt_in"].astype(bool)]

    def __repr__(self) -> str:
        rows = self.included
        counts = ", ".join(f"{name} {int((rows['split'] == name).sum())}" for name in ("train", "val", "test"))
        return (
            f"Cohort of {len(rows)} radiographs ({self.images.shape[1]} px) of "
            f"{rows['patient_id'].nunique()} patients, "
            f"{rows['label'].mean():.0%} positive; {counts}; {int(self.manifest['excluded'].sum())} excluded"
        )


def prepare(study: Study, progress: Progress | None = None) -> Cohort:
    """The study's cohort, made where it is missing or stale.

    `progress(done, total)` is called as images are decoded or rendered. InputError lists what is wrong with a
    reader's own cohort; a study that went that far resumes from the images decoded so far.
    """
    folder = study.paths.cohort

    def work(facts: dict, decoded: tuple | None) -> None:
        if decoded is None:
            _make_synthetic(study, folder, progress)
        else:
            _make_from_files(study, folder, *decoded)
            facts["content"] = digest_file(folder / "images.npy")
        facts["images"] = len(np.load(folder / "boxes.npy", mmap_mode="r"))

    synthetic = study.cohort.source == "synthetic"
    make(folder, study, "cohort", [], work, lambda: None if synthetic else _decoded(study, folder, progress))
    cohort = load(study)
    faults = [f for f in findings.sides(study, cohort.included) if f.severity == "fault"]
    if faults:
        raise InputError([f"cohort: {fault.public}; flip: canonical needs a side" for fault in faults])
    return cohort


def load(study: Study) -> Cohort:
    """A finished cohort as it lies on disk."""
    folder = study.paths.cohort
    manifest = pd.read_parquet(folder / "manifest.parquet")

    def optional(name: str, read: Callable) -> object:
        return read(folder / name) if (folder / name).exists() else None

    truth = optional("truth.parquet", pd.read_parquet)
    return Cohort(
        manifest=manifest,
        included=manifest[~manifest["excluded"]].reset_index(drop=True),
        images=np.load(folder / "images.npy", mmap_mode="r"),
        boxes=np.load(folder / "boxes.npy"),
        truth=truth,
        masks=optional("masks.npy", lambda path: np.load(path, mmap_mode="r")),
        poses=optional("poses.parquet", pd.read_parquet) if truth is None else truth[["image_id", *POSE_COLUMNS]],
        acquisition=pd.read_parquet(folder / "acquisition.parquet"),
        audit=read_json(folder / "audit.json"),
        folder=folder,
    )


def assign_split(labels: pd.Series, groups: np.ndarray, split: Split) -> pd.Series:
    """`train`, `val` or `test` for each image: all images of a group (patient) together, shares of patients
    as asked.

    Stratified by what a patient's images show: none positive, some, all (none or any where one of these is
    rare). The result depends on the order of rows and on `split.seed`, never on what identifiers look like.
    """
    number = pd.Series(pd.factorize(groups)[0], index=labels.index)
    test = held_out(labels, number, split.test, split.seed)
    val = held_out(labels[~test], number[~test], split.validation / (1 - split.test), split.seed)
    name = pd.Series("train", index=labels.index)
    name[test] = "test"
    name[val.index[val]] = "val"
    return name


def held_out(labels: pd.Series, groups: pd.Series, share: float, seed: int) -> pd.Series:
    """True for the images of a random `share` of the groups, stratified by what a group's images show."""
    per_group = labels.groupby(groups).mean()
    stratum = np.ceil(per_group * 2).where(per_group.isin((0, 1)), 1).astype(int)
    if stratum.value_counts().min() < 10:
        stratum = (per_group > 0).astype(int)
    count = max(stratum.nunique(), round(share * len(stratum)))
    if stratum.value_counts().min() < 2 or count > len(stratum) - stratum.nunique():
        raise InputError(f"split: {len(stratum)} patients are too few to hold out {share:.0%} of them with both labels")
    _, held = train_test_split(stratum.index.to_numpy(), test_size=count, stratify=stratum, random_state=seed)
    return groups.isin(held)


def learned_from(study: Study, films: Cohort) -> np.ndarray:
    """True for the rows of `included` that networks learn from: training images of the share
    `training.share` of the training patients, drawn by `split.seed`; a smaller share lies within a larger one.
    """
    training = (films.included["split"] == "train").to_numpy()
    patients = films.included.loc[training, "patient_id"].unique()
    drawn = np.random.default_rng(study.split.seed).permutation(patients)
    drawn = drawn[: max(2, round(study.training.share * len(drawn)))]
    return training & films.included["patient_id"].isin(drawn).to_numpy()


def pseudonym_of(study: Study) -> dict[str, str]:
    """The pseudonym of each image by the reader's own name for it (image_id, else image_path); empty for
    synthetic.
    """
    path = study.paths.cohort / "key.parquet"
    if not path.exists():
        return {}
    key = pd.read_parquet(path)
    return dict(zip(key["given_image"], key["image_id"], strict=True))


def _make_synthetic(study: Study, folder: Path, progress: Progress | None) -> None:
    from cervical_phantom import patients
    from cervical_phantom.acquisition import FILM_MM

    try:
        patients.write(study.cohort.synthetic, study.cohort.image_size, folder, parallel.available(), progress)
    except patients.EmptyCohort as fault:
        raise InputError(f"cohort.synthetic.{fault}") from fault
    manifest = pd.read_parquet(folder / "manifest.parquet")
    manifest["split"] = assign_split(manifest["label"], manifest["patient_id"].to_numpy(), study.split)
    manifest["excluded"] = False
    size = study.cohort.image_size
    known = {"format": "synthetic", "width": size, "height": size, "bits": 16, "grey": "MONOCHROME2"}
    known |= {"spacing_mm": FILM_MM[0] / size, "body_part": "CSPINE", "view_position": manifest["view"]}
    known |= {"laterality": manifest["side"]}
    acquisition = manifest[["image_id"]].assign(**(ACQUISITION | known))
    _write(folder, manifest, acquisition, {"source": "synthetic", "reasons": [], "findings": []})


def _decoded(study: Study, folder: Path, progress: Progress | None) -> tuple[Source, pd.DataFrame, Verdict]:
    """The reader's table, the facts of its files and the findings on both; InputError where one of them is a
    fault.
    """
    source = adapters.read(study.cohort.manifest)
    wanted = source.table[source.table["excluded"] == ""]
    paths = pd.DataFrame({"fault": [_path_fault(source, name) for name in wanted["image_path"]]}, index=wanted.index)
    _stop_on_faults(source, findings.judge(study, source, paths))
    facts = decoding.decode(source, study.cohort.image_size, folder, progress)
    verdict = findings.judge(study, source, facts)
    _stop_on_faults(source, verdict)
    return source, facts, verdict


def _make_from_files(study: Study, folder: Path, source: Source, facts: pd.DataFrame, verdict: Verdict) -> None:
    kept = verdict.usable.copy()
    kept["split"] = _own_or_assigned_split(kept, study.split)
    _check_split(kept, source)
    decoding.keep_usable(folder, facts, study.cohort.image_size)
    with replacing(folder / "boxes.npy") as temporary:
        np.save(temporary, np.array(kept["box"].to_list(), np.int16))
    manifest, key = _pseudonymise(source.table, kept["split"], study)
    _write_frame(folder / "key.parquet", key.assign(unreadable=facts["fault"].reindex(key["row"]).to_numpy()))
    acquisition = kept[[c for c in ACQUISITION if c in kept]].reset_index(drop=True)
    acquisition.insert(0, "image_id", manifest.loc[~manifest["excluded"], "image_id"].to_numpy())
    seen = facts.loc[facts["modified"] > 0, "modified"]
    files = [str(source.images / name) for name in source.table.loc[seen.index, "image_path"]]
    provenance.write_outside(folder, dict(zip(files, seen.tolist(), strict=True)))
    for name in ("truth.parquet", "masks.npy"):  # of a synthetic cohort that this study had before
        (folder / name).unlink(missing_ok=True)
    if source.keypoints is not None:
        poses = source.poses(kept).assign(image_id=acquisition["image_id"].to_numpy())
        _write_frame(folder / "poses.parquet", poses)
    _write(folder, manifest, acquisition, _audit(study, source, facts, verdict))


def _audit(study: Study, source: Source, facts: pd.DataFrame, verdict: Verdict) -> dict:
    """audit.json: why rows are left out, what was found, which patients were joined. Names nobody."""
    kept, adapter = verdict.usable, study.cohort.manifest.adapter
    excluded = source.table.drop(kept.index)
    given = privacy.pool_rare(excluded["excluded"], excluded["patient_id"]).replace("other", "by the table")
    unreadable = "unreadable: " + facts["fault"].map(findings.public)
    reasons = given.where(given != "", unreadable.reindex(excluded.index))
    lines = Counter((f.severity, f.subject, f.public) for f in verdict.findings)
    return {
        "source": adapter if adapter in adapters.NAMES else "own adapter",
        "reasons": [
            {"reason": reason, "images": len(some), "patients": int(some["patient_id"].nunique())}
            for reason, some in excluded.groupby(reasons)
        ],
        "findings": [
            {"severity": severity, "subject": subject, "message": f"{count} times: {text}" if count > 1 else text}
            for (severity, subject, text), count in lines.items()
        ],
        "linked_patients": int(kept["patient_id"].nunique() - kept["group"].nunique()),
        "ignored_columns": source.ignored,
        "notes": source.notes,
    }


def _path_fault(source: Source, name: str) -> str:
    try:
        inspection.inside(source.images, name)
    except inspection.ImageFault as fault:
        return str(fault)
    return ""


def _stop_on_faults(source: Source, verdict: Verdict) -> None:
    if verdict.faults:
        raise InputError(
            [
                f.message if f.subject == "table" else f"{source.origin}: {f.subject}: {f.message}"
                for f in verdict.faults
            ]
        )


def _own_or_assigned_split(kept: pd.DataFrame, split: Split) -> pd.Series:
    """The table's own split where it has one (validation carved from training where missing), else ours."""
    if (kept["split"] == "").all():
        return assign_split(kept["label"], kept["group"].to_numpy(), split)
    own = kept["split"].copy()
    if "val" not in set(own):
        training = own == "train"
        share = split.validation / (1 - split.test)
        val = held_out(kept.loc[training, "label"], kept.loc[training, "group"], share, split.seed)
        own[val.index[val]] = "val"
    return own


def _check_split(kept: pd.DataFrame, source: Source) -> None:
    classes = kept.groupby("split")["label"].nunique().reindex(["train", "val", "test"], fill_value=0)
    if (classes < 2).any():
        raise InputError(
            [f"{source.origin}: split: {name} holds only one class" for name in classes.index[classes < 2]]
        )


def _pseudonymise(table: pd.DataFrame, split: pd.Series, study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The manifest with pseudonyms for images and patients, and the key back. Rows without a split are
    excluded.
    """
    secret = privacy.salt(study.paths.runs)
    given = table["image_id"].where(table["image_id"] != "", table["image_path"])
    manifest = table.assign(
        image_id=[privacy.pseudonym(name, "img", secret) for name in given],
        patient_id=[privacy.pseudonym(name, "pat", secret) for name in table["patient_id"]],
        image_path="",
        split=split.reindex(table.index).fillna(""),
        excluded=~table.index.isin(split.index),
    )
    for column in ("view", "site"):  # free text: what stands for a few patients only may be a name
        manifest[column] = privacy.pool_rare(manifest[column].map(privacy.plain), manifest["patient_id"])
    key = pd.DataFrame(
        {
            "row": table.index,
            "image_id": manifest["image_id"],
            "patient_id": manifest["patient_id"],
            "given_image": given,
            "given_path": table["image_path"],
            "given_patient": table["patient_id"],
        }
    )
    return manifest[MANIFEST].reset_index(drop=True), key.reset_index(drop=True)


def _write(folder: Path, manifest: pd.DataFrame, acquisition: pd.DataFrame, audit: dict) -> None:
    _write_frame(folder / "manifest.parquet", manifest[MANIFEST].astype({"label": "int8", "age": float}))
    _write_frame(folder / "acquisition.parquet", acquisition)
    write_json(folder / "audit.json", audit)


def _write_frame(path: Path, frame: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)
