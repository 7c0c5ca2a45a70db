"""The step of notebook 02: the region of each film, and its images after one contrast treatment, made once and kept."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from cervical_phantom import SyntheticCohort, patients
from cervical_phantom.rendering import mask_bits
from foramen.cohort import step as cohort
from foramen.cohort.loading import POSE_COLUMNS, Cohort
from foramen.core import compute, geometry, weights
from foramen.core.display import readings
from foramen.core.errors import InputError
from foramen.core.files import read_frame, replacing, write_frame
from foramen.preprocessing import regions
from foramen.preprocessing.detector import ColumnDetector, believed, detect, fit_detector
from foramen.preprocessing.equalization import Treatment, cdf_spread, cdfs, equalize
from foramen.study import provenance
from foramen.study.model import RegionSource, Study
from foramen.study.step import make
from labelled_radiographs import split
from radiographs import parallel

FILM_SIZE = 128  # pixels of the films that the detector sees, at the most
PHANTOM = SyntheticCohort(patients=600, seed=31)  # patients whose films it learns from where no pose is known
WEIGHTS = "detector.safetensors"
DOUBTFUL = 0.2  # share of unsure films above which the detector does not fit a cohort


@dataclass(frozen=True, eq=False)
class Variant:
    """A region of every film after one contrast treatment, in manifest order."""

    images: np.ndarray  # (N, S, S) uint8, mapped from disk
    boxes: np.ndarray  # (N, 4) int16 top, left, bottom, right of the valid area
    folder: Path


def prepare(study: Study, source: RegionSource, kind: Treatment) -> Variant:
    """The region of every film after a contrast treatment.

    Made and cached where missing or stale, with the spread of their CDFs (cdf.parquet) beside them.
    """
    films, folder, given = cohort.prepare(study), study.paths.variant(f"{source}_{kind}"), study.preprocessing
    places, size = place(study, films, source), study.image_size(source)
    inputs = [films.folder] + [study.paths.regions] * (source == "detected")

    def work(facts: dict) -> None:
        boxes = films.boxes.copy()
        with replacing(folder / "images.npy") as temporary:
            treated = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(places), size, size))
            for i, (image, box) in enumerate(zip(films.images, films.boxes, strict=True)):
                if source != "film":
                    image, boxes[i] = regions.cut(image, box, places[i], size)
                treated[i] = equalize(image, boxes[i], kind, given.clahe_clip_limit, given.clahe_tiles)
            treated.flush()
        with replacing(folder / "boxes.npy") as temporary:
            np.save(temporary, boxes)
        write_frame(folder / "cdf.parquet", cdf_spread(cdfs(treated, boxes)))
        facts["images"] = len(treated)

    make(folder, study, f"variant_{source}_{kind}", inputs, work)
    return Variant(np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "boxes.npy"), folder)


def treated(study: Study, films: Cohort, source: RegionSource, kind: Treatment, index: np.ndarray) -> np.ndarray:
    """This region of the films at `index` after a contrast treatment, as in `prepare`: (n, S, S) uint8."""
    given, cuts = study.preprocessing, zip(*seen(study, films, source, index), strict=True)
    return np.stack([equalize(image, box, kind, given.clahe_clip_limit, given.clahe_tiles) for image, box in cuts])


def place(study: Study, films: Cohort, source: RegionSource) -> np.ndarray:
    """The region (N, 3) that an arm with this source sees of each film: see `regions`."""
    if source == "detected":
        return prepare_regions(study)[["x", "y", "half"]].to_numpy()
    given = study.region
    fixed = regions.FILM if source == "film" else (0.0, given.centre_down, given.height)
    return np.tile(fixed, (len(films.included), 1))


def seen(study: Study, films: Cohort, source: RegionSource, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """This region of the films at `index` before any treatment: (n, S, S) uint16, and their valid boxes (n, 4)."""
    if source == "film":
        return np.asarray(films.images[index]), films.boxes[index]
    places, size = place(study, films, source), study.region.size
    cuts = [regions.cut(films.images[i], films.boxes[i], places[i], size) for i in index]
    images, boxes = zip(*cuts, strict=True)
    return np.stack(images), np.stack(boxes)


def side_mm(study: Study, films: Cohort, source: RegionSource) -> np.ndarray:
    """What the side of this region is on each film, in mm (N,); NaN where no pixel spacing is stated."""
    return films.side_mm * place(study, films, source)[:, 2]


def masks(study: Study, films: Cohort, source: RegionSource, index: np.ndarray) -> np.ndarray:
    """The true foramina in this region of the films at `index`: (n, S, S) uint8, one bit a level."""
    assert films.masks is not None
    if source == "film":
        return np.asarray(films.masks[index])
    places = place(study, films, source)
    return np.stack([regions.cut_mask(films.masks[i], places[i], study.region.size) for i in index])


def prepare_regions(study: Study) -> pd.DataFrame:
    """The region of each film: image_id, x, y, half, confidence, detected, given, iou; made where missing or stale.

    The detector learns from training films alone. Where it is less sure than `region.confidence`, or finds a length
    that it was not taught (`believed`), `detected` is false and the region is the fixed one. Where the user's table
    has a box, `given` is true and the region is the square about it. `iou` is what the detector alone reaches there,
    and where the pose is known. Beside regions.parquet lie detector.safetensors and history.csv (epoch, loss);
    `misfit` of run.json says so where the detector does not fit the cohort.
    """
    folder, given = study.paths.regions, study.region
    if not provenance.stands(study.paths.cohort, study):
        cohort.prepare(study)

    def work(facts: dict) -> None:
        films = cohort.prepare(study)
        compute.deterministic(study.training.threads)
        learned, ends = _lesson(study, films, folder)
        device = compute.device(study.training.device)
        with compute.seeded(given.seed):
            detector = ColumnDetector().to(device)
        history = fit_detector(detector, learned.to(device), ends.to(device), given.epochs, given.seed)
        points, confidence = detect(detector, small_films(films.images).to(device))
        found = regions.around_columns(points, given.margin)
        sure = believed(points, confidence, ends.numpy(), given.confidence)
        found = np.where(sure[:, None], found, place(study, films, "fixed"))
        overlap = regions.iou(found, regions.around_columns(_known_ends(study, films), given.margin))
        boxes = _boxes(films)
        own = np.isfinite(boxes[:, 2])
        table = pd.DataFrame(np.where(own[:, None], boxes, found), columns=["x", "y", "half"])
        table = table.assign(confidence=confidence, detected=sure, given=own, iou=overlap)
        table.insert(0, "image_id", films.included["image_id"])
        weights.save(detector, folder / WEIGHTS)
        write_frame(folder / "history.csv", history)
        write_frame(folder / "regions.parquet", table)
        unsure, asked = int((~sure & ~own).sum()), int((~own).sum())
        facts |= {"films": len(learned), "learned_from": given.learned_from, "unsure": unsure}
        facts["misfit"] = readings("preprocessing").misfit(unsure, asked) if unsure > DOUBTFUL * asked else ""

    make(folder, study, "regions", [study.paths.cohort], work)
    return read_frame(folder / "regions.parquet")


def detection_table(study: Study, films: Cohort) -> pd.DataFrame:
    """How the detector did, a row a split: split, films, detected (share), confidence (mean), given (share).

    Where columns are known, iou: intersection over union with the region about them (mean). Where foramina are, holds,
    holds_fixed: share of the films on which the region, or the fixed one, holds all that the label is about.
    """
    table, fixed = prepare_regions(study), place(study, films, "fixed")
    found = table[["x", "y", "half"]].to_numpy()
    if films.masks is not None:
        counted = mask_bits(study.cohort.synthetic.label.levels)
        for name, places in (("holds", found), ("holds_fixed", fixed)):
            table[name] = regions.holds((mask & counted for mask in films.masks), places)
    means = table.drop(columns=["image_id", "x", "y", "half"]).groupby(films.included["split"]).mean()
    means.insert(0, "films", films.included["split"].value_counts())
    columns = ["films", "detected", "confidence", "given", "iou", "holds", "holds_fixed"]
    means = means.filter(columns).dropna(axis=1, how="all").drop(columns=[] if table["given"].any() else "given")
    return means.reindex(list(split.NAMES)).rename_axis("split").reset_index()


def small_films(films: np.ndarray) -> torch.Tensor:
    """Whole films (N, S, S) uint16 as the detector sees them: (N, 1, s, s) uint8 of at most FILM_SIZE pixels a side."""
    size = min(FILM_SIZE, films.shape[-1])
    samples, whole = geometry.supersampling(films.shape[-1], size, 1.0), torch.eye(3)[None, :2]
    small = torch.empty(len(films), 1, size, size, dtype=torch.uint8)
    for i, film in enumerate(films):
        image = torch.from_numpy(film.astype(np.float32) / 257)[None, None]
        small[i] = geometry.sample(image, whole, size, samples)[0].round().to(torch.uint8)
    return small


def _lesson(study: Study, films: Cohort, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """The films that the detector learns from (n, 1, s, s) uint8, and the ends of their columns (n, 2, 2)."""
    if study.region.learned_from == "phantom":
        with TemporaryDirectory(dir=folder) as drawn:
            patients.write(PHANTOM, FILM_SIZE, drawn, parallel.available())
            known = read_frame(Path(drawn) / "truth.parquet")
            small = small_films(np.load(Path(drawn) / "images.npy"))
            ends = regions.column_ends(known[POSE_COLUMNS].to_numpy())
    else:
        ends = _known_ends(study, films)
        known = np.flatnonzero(np.isfinite(ends).all(axis=(1, 2)) & cohort.learned_from(study, films))
        if not len(known):
            raise InputError("region.learned_from: no column is known here; phantom learns from synthetic films")
        small, ends = small_films(films.images[known]), ends[known]
    return small, torch.from_numpy(ends.astype(np.float32))


def _known_ends(study: Study, films: Cohort) -> np.ndarray:
    """Ends (N, 2, 2) of each film's column, from the box that the table gives, else from its pose; NaN if unknown."""
    ends = regions.ends_within(_boxes(films), study.region.margin)
    if films.poses is None:
        return ends
    return np.where(np.isfinite(ends), ends, regions.column_ends(films.poses[POSE_COLUMNS].to_numpy()))


def columns(study: Study, films: Cohort) -> np.ndarray:
    """Ends (N, 2, 2) of each film's column as far as anything tells them: box, pose, else a sure detector; NaN."""
    ends = _known_ends(study, films)
    if not study.detects:
        return ends
    table = prepare_regions(study)
    found = regions.ends_within(table[["x", "y", "half"]].to_numpy(), study.region.margin)
    return np.where(np.isfinite(ends) | ~table["detected"].to_numpy()[:, None, None], ends, found)


def _boxes(films: Cohort) -> np.ndarray:
    """Regions (N, 3) that the user's table gives; NaN where it gives none."""
    if films.regions is None:
        return np.full((len(films.included), 3), np.nan)
    return films.regions[["x", "y", "half"]].to_numpy()
