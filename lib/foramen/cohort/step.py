"""The cohort of a study: one table, one array of images, one split. Used by every notebook; made by notebook 01.

Both sources end in the same files: manifest.parquet, images.npy, boxes.npy, acquisition.parquet, audit.json. The
synthetic cohort adds truth.parquet and masks.npy, a user's own key.parquet, which leads from pseudonyms back to the
user's identifiers and stays here.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from foramen.cohort import privacy
from foramen.cohort.loading import POSE_COLUMNS, Cohort, load_cohort
from foramen.core.errors import InputError, raise_any
from foramen.core.files import digest_file, read_frame, replacing, write_frame, write_json
from foramen.study import provenance
from foramen.study.model import Study
from foramen.study.step import make
from labelled_radiographs import Expectations, Source, Verdict, adapters, findings, pseudonyms, reading, split
from labelled_radiographs.manifest import REGION
from radiographs import decoding, on_square, parallel

__all__ = ["POSE_COLUMNS", "Cohort", "expectations", "learned_from", "load", "prepare", "pseudonym_of"]
MANIFEST = ["image_id", "image_path", "patient_id", "label", "side", "view", "site", "age", "sex", "split", "excluded"]
ACQUISITION = ["format", "width", "height", "bits", "grey", "spacing_mm", "aspect", "transfer_syntax", "modality"]
ACQUISITION += ["body_part", "view_position", "laterality", "clipped", "burnt_in"]


def prepare(study: Study) -> Cohort:
    """The study's cohort, made where it is missing or stale.

    InputError lists what is wrong with a user's own cohort and leaves what is there as it is; a later call goes on from
    the images decoded so far.
    """
    folder = study.paths.cohort

    def work(facts: dict, decoded: tuple[Source, pd.DataFrame, Verdict] | None) -> None:
        if decoded is None:
            _make_synthetic(study, folder)
        else:
            _make_from_files(study, folder, *decoded)
            facts["content"] = digest_file(folder / "images.npy")
        facts["images"] = len(np.load(folder / "boxes.npy", mmap_mode="r"))

    synthetic = study.cohort.source == "synthetic"
    make(folder, study, "cohort", [], work, lambda: None if synthetic else _decoded(study, folder))
    cohort = load(study)
    found = findings.sides(cohort.included, expectations(study).side_needed)  # by arms that came later, too
    raise_any([f"cohort: {finding.public}" for finding in found if finding.severity == "fault"])
    return cohort


def load(study: Study) -> Cohort:
    """A finished cohort as it lies on disk; radiographs that a published one lacks are rendered as they are read."""
    if study.cohort.source != "synthetic":
        return load_cohort(study.paths.cohort)
    from cervical_phantom import patients

    return load_cohort(study.paths.cohort, partial(patients.some, study.cohort.synthetic, study.cohort.image_size))


def expectations(study: Study) -> Expectations:
    """What the study asks of its radiographs."""
    canonical = ", ".join(sorted(name for name, arm in study.arms.items() if arm.flip == "canonical"))
    side = f"arms with flip: canonical need ({canonical}); none and random do without" if canonical else ""
    detector = "the detector would learn from; region.learned_from: phantom learns from synthetic films"
    region = detector if study.detects and study.region.learned_from == "cohort" else ""
    allowed = study.cohort.manifest.unreadable_share
    return Expectations(study.cohort.image_size, study.split.test, allowed, side, region)


def learned_from(study: Study, cohort: Cohort) -> np.ndarray:
    """True for the rows of `included` that networks learn from (see `split.learned_from`)."""
    rows = cohort.included
    return split.learned_from(rows["split"], rows["patient_id"], study.training.share, study.split.seed)


def beforehand(study: Study) -> pd.DataFrame:
    """What is known of the cohort without making it: image_id as the user names it, patient_id, label, split, excluded.

    `split` is empty where it is settled only when all radiographs have been decoded. InputError as of `prepare`.
    """
    if study.cohort.source == "synthetic":
        from cervical_phantom import patients

        return _split_synthetic(study, patients.draw(study.cohort.synthetic))
    if provenance.is_current(study.paths.cohort, study, "cohort", []):
        given = {pseudonym: name for name, pseudonym in pseudonym_of(study).items()}
        return load(study).manifest.replace({"image_id": given})
    rows = adapters.read(study.cohort.manifest).table
    names = rows["image_id"].where(rows["image_id"] != "", rows["image_path"])
    return rows.assign(image_id=names, excluded=rows["excluded"] != "")


def pseudonym_of(study: Study) -> dict[str, str]:
    """The pseudonym of each image by the user's own name for it (image_id, else image_path); empty for synthetic."""
    path = study.paths.cohort / "key.parquet"
    if not path.exists():
        return {}
    key = read_frame(path)
    return dict(zip(key["given_image"], key["image_id"], strict=True))


def _make_synthetic(study: Study, folder: Path) -> None:
    from cervical_phantom import patients
    from cervical_phantom.acquisition import FILM_MM

    size = study.cohort.image_size
    try:
        patients.write(study.cohort.synthetic, size, folder, parallel.available())
    except patients.EmptyCohort as fault:
        raise InputError(f"cohort.synthetic.{fault}") from fault
    manifest = _split_synthetic(study, read_frame(folder / "manifest.parquet"))
    known = {"format": "synthetic", "width": size, "height": size, "bits": 16, "grey": "MONOCHROME2"}
    known |= {"spacing_mm": FILM_MM[0] / size, "aspect": 1.0, "body_part": "CSPINE", "clipped": 0.0, "burnt_in": False}
    known |= {"view_position": manifest["view"], "laterality": manifest["side"]}
    acquisition = manifest[["image_id"]].assign(**(dict.fromkeys(ACQUISITION, "") | known))
    _write(folder, manifest, acquisition, {"source": "synthetic", "reasons": [], "findings": []})


def _split_synthetic(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    groups, shares = rows["patient_id"].to_numpy(), study.split
    assigned = split.assign_split(rows["label"], groups, shares.test, shares.validation, shares.seed)
    return rows.assign(split=assigned, excluded=False)


def _decoded(study: Study, folder: Path) -> tuple[Source, pd.DataFrame, Verdict]:
    """The user's table, the facts of its files and the findings on both; InputError where one of them is a fault."""
    source = adapters.read(study.cohort.manifest)
    return source, *reading.decode(source, expectations(study), folder)


def _make_from_files(study: Study, folder: Path, source: Source, facts: pd.DataFrame, verdict: Verdict) -> None:
    shares = study.split
    assigned = split.own_or_assigned(verdict.usable, shares.test, shares.validation, shares.seed)
    kept = verdict.usable.assign(split=assigned)
    classes = kept.groupby("split")["label"].nunique().reindex(list(split.NAMES), fill_value=0)
    raise_any([f"{source.origin}: split: {name} holds only one class" for name in classes.index[classes < 2]])
    with replacing(folder / "images.npy") as temporary:
        decoding.keep(folder, facts["fault"].to_numpy() == "", study.cohort.image_size, temporary)
    with replacing(folder / "boxes.npy") as temporary:
        np.save(temporary, np.array(kept["box"].to_list(), np.int16))
    manifest, key = pseudonyms.pseudonymise(source.table, privacy.salt(study.paths.runs))
    write_frame(folder / "key.parquet", key.assign(unreadable=facts["fault"].reindex(key["row"]).to_numpy()))
    image_ids = manifest.loc[kept.index, "image_id"]
    for name in ("truth.parquet", "masks.npy", "poses.parquet", "regions.parquet"):  # that this study had before
        (folder / name).unlink(missing_ok=True)
    if source.keypoints:
        write_frame(folder / "poses.parquet", source.poses(kept).assign(image_id=image_ids))
    if kept["region_left"].notna().any():
        write_frame(folder / "regions.parquet", _regions(kept).assign(image_id=image_ids))
    seen = facts.loc[facts["modified"] > 0, "modified"]
    files = [str(source.images / name) for name in source.table.loc[seen.index, "image_path"]]
    provenance.write_outside(folder, dict(zip(files, seen.tolist(), strict=True)))
    assigned = assigned.reindex(manifest.index, fill_value="")
    manifest = manifest.assign(split=assigned, excluded=assigned == "")
    acquisition = kept.assign(image_id=image_ids).filter(["image_id", *ACQUISITION])
    adapter = study.cohort.manifest.adapter
    adapter = adapter if adapter in adapters.NAMES else "own adapter"
    _write(folder, manifest, acquisition, {"source": adapter} | findings.summary(source, facts, verdict))


def _regions(kept: pd.DataFrame) -> pd.DataFrame:
    """The square about the box of each row, in its longer side: x, y, half (see preprocessing.regions), or NaN."""
    boxes = zip(kept[list(REGION)].to_numpy().reshape(-1, 2, 2), kept.itertuples(), strict=True)
    corners = np.array([on_square(box, film) for box, film in boxes])
    x, y = corners.mean(axis=1).T
    return pd.DataFrame({"x": x, "y": y, "half": np.ptp(corners, axis=1).max(axis=1) / 2}, kept.index)


def _write(folder: Path, manifest: pd.DataFrame, acquisition: pd.DataFrame, audit: dict) -> None:
    write_frame(folder / "manifest.parquet", manifest[MANIFEST].astype({"label": "int8", "age": float}))
    write_frame(folder / "acquisition.parquet", acquisition)
    write_json(folder / "audit.json", audit)
