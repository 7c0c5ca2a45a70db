"""The step of notebook 02: the study's radiographs after one contrast treatment, made once and kept."""

import numpy as np

from foramen.cohort import step as cohort
from foramen.core.files import replacing, write_frame
from foramen.preprocessing.equalization import Treatment, cdf_spread, cdfs, equalize
from foramen.study.model import Study
from foramen.study.step import make


def prepare(study: Study, kind: Treatment) -> np.ndarray:
    """The cohort's images after one contrast treatment, (N, S, S) uint8 in manifest order, mapped from disk.

    Made and cached where missing or stale, with the spread of its CDFs (cdf.parquet) beside it.
    """
    films, folder = cohort.prepare(study), study.paths.variant(kind)
    given = study.preprocessing

    def work(facts: dict) -> None:
        with replacing(folder / "images.npy") as temporary:
            treated = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=films.images.shape)
            for i, (image, box) in enumerate(zip(films.images, films.boxes, strict=True)):
                treated[i] = equalize(image, box, kind, given.clahe_clip_limit, given.clahe_tiles)
            treated.flush()
        write_frame(folder / "cdf.parquet", cdf_spread(cdfs(treated, films.boxes)))
        facts["images"] = len(treated)

    make(folder, study, f"variant_{kind}", [films.folder], work)
    return np.load(folder / "images.npy", mmap_mode="r")
