"""Many patients: every image's draws and truth, the images on disk, and the label-noise ceiling (notebook 01)."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from cervical_phantom.case import Case
from cervical_phantom.disease import stream
from cervical_phantom.files import replacing
from cervical_phantom.parameters import SyntheticCohort
from cervical_phantom.rendering import render

MANIFEST_COLUMNS = ["image_id", "image_path", "patient_id", "label", "side", "view", "site", "age", "sex"]
CHUNK = 8  # patients per task of a worker


class EmptyCohort(ValueError):
    """No patient of these parameters has a radiograph."""


def draw(parameters: SyntheticCohort) -> pd.DataFrame:
    """Everything about each image of the cohort without rendering it: manifest and truth columns, one row an image."""
    cases = (Case(parameters, patient) for patient in range(parameters.patients))
    return pd.DataFrame([case.row(name) for case in cases for name in case.sides])


def _rows_before(parameters: SyntheticCohort) -> np.ndarray:
    """Index of each patient's first image, and their total last (patients + 1,)."""
    shares = (parameters.laterality.left_share, parameters.laterality.right_share)
    if shares == (1.0, 1.0):
        return 2 * np.arange(parameters.patients + 1)
    counts = [(stream(parameters.seed, p, "laterality").random(2) < shares).sum() for p in range(parameters.patients)]
    return np.concatenate([[0], np.cumsum(counts)])


def _write_patients(
    parameters: SyntheticCohort, image_size: int, arrays: dict[str, Path], task: list[tuple[int, int]]
) -> pd.DataFrame:
    """Render the patients of one task into the arrays; returns their manifest and truth."""
    images, boxes, masks = (np.load(arrays[name], mmap_mode="r+") for name in ("images", "boxes", "masks"))
    rows = []
    for patient, first in task:
        case = Case(parameters, patient)
        for i, name in enumerate(case.sides):
            row = case.row(name)
            images[first + i], boxes[first + i], masks[first + i] = render(case, name, row, image_size)
            rows.append(row)
    return pd.DataFrame(rows)


def write(parameters: SyntheticCohort, image_size: int, folder: Path | str, processes: int = 1) -> None:
    """Write the cohort to `folder`: manifest.parquet, truth.parquet, images.npy, boxes.npy and masks.npy.

    Images are square (image_size), uint16, bone bright, letterboxed with zeros; boxes (N, 4) hold the exposed area as
    top, left, bottom, right; bit i of a mask is the outline of foramen LEVELS[i] of the shown side. The bytes do not
    depend on `processes`. The manifest appears last. EmptyCohort where no patient has a radiograph.
    """
    first = _rows_before(parameters)
    total = int(first[-1])
    if not total:
        raise EmptyCohort("laterality: with these shares no patient has an image")
    shapes = {
        "images": ((total, image_size, image_size), np.uint16),
        "boxes": ((total, 4), np.int16),
        "masks": ((total, image_size, image_size), np.uint8),
    }
    with ExitStack() as stack:
        manifest, truth = (stack.enter_context(replacing(Path(folder) / f"{n}.parquet")) for n in ("manifest", "truth"))
        arrays = {n: stack.enter_context(replacing(Path(folder) / f"{n}.npy")) for n in shapes}
        for name, (shape, dtype) in shapes.items():
            np.lib.format.open_memmap(arrays[name], "w+", dtype, shape)
        patients = list(zip(range(parameters.patients), first[:-1].tolist(), strict=True))
        tasks = [patients[i : i + CHUNK] for i in range(0, len(patients), CHUNK)]
        parts = list(_spread(partial(_write_patients, parameters, image_size, arrays), tasks, processes))
        table = pd.concat([part for part in parts if len(part)], ignore_index=True).astype({"label": "int8"})
        table[MANIFEST_COLUMNS].to_parquet(manifest, index=False)
        table.drop(columns=MANIFEST_COLUMNS[1:]).to_parquet(truth, index=False)


def some(parameters: SyntheticCohort, image_size: int, index: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, S, S) and masks (n, S, S) of those images of a cohort alone, as `write` writes them."""
    first, made = _rows_before(parameters), []
    with threadpool_limits(1):
        for i in index:
            patient = int(np.searchsorted(first, i, side="right")) - 1
            case = Case(parameters, patient)
            name = list(case.sides)[i - first[patient]]
            made.append(render(case, name, case.row(name), image_size))
    images, _, masks = zip(*made, strict=True)
    return np.stack(images), np.stack(masks)


def _spread(work: Callable, tasks: list, processes: int) -> Iterator:
    """The results of work(task), in order, from a pool of processes (or this one)."""
    if processes <= 1:
        with threadpool_limits(1):
            yield from map(work, tasks)
        return
    context = get_context("forkserver" if os.name == "posix" else "spawn")  # a fork with threads can hang
    with ProcessPoolExecutor(processes, context, _start_worker) as pool:
        yield from pool.map(work, tasks)


def _start_worker() -> None:
    """One thread, because the processes use the cores already; ends with its parent, even one that was killed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threadpool_limits(1)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # this runs in the processes of a pool
    parent.join()
    os._exit(1)


def label_noise_ceiling(manifest: pd.DataFrame, truth: pd.DataFrame) -> dict:
    """The best accuracy that anyone who sees only the radiographs can reach, and what limits it.

    Who reads every visible narrowing correctly says `label_visible`; what they then miss is soft disc, which the film
    cannot show, and the readers' error, which is independent of the image. Returns accuracy, label_noise, invisible
    (shares of the images) and explanation.
    """
    labels = manifest.set_index("image_id")["label"].reindex(truth["image_id"]).to_numpy()
    answer, clean = truth["label_visible"].to_numpy(), truth["label_before_noise"].to_numpy()
    noise, invisible = float((labels != clean).mean()), float((answer != clean).mean())
    accuracy = float((labels == answer).mean())
    return {
        "accuracy": accuracy,
        "label_noise": noise,
        "invisible": invisible,
        "explanation": f"{noise:.1%} of the labels are wrong by readers' error, mostly near the cut, and "
        f"{invisible:.1%} of the images owe their stenosis to soft disc alone, which a radiograph cannot show. "
        f"Who reads every visible narrowing correctly agrees with {accuracy:.1%} of the labels.",
    }
