"""What is found out about every file of a cohort: header, decoded square, digests. Shared by `check` and
`cohort`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radiographs import images
from radiographs import near_duplicates as copies
from radiographs.images import ImageFault


@dataclass(frozen=True)
class Job:
    """One file to look at. With `store`, the decoded square is written to row `slot` of that array file."""

    slot: int
    path: str
    root: str
    size: int
    pixels: bool = True
    store: str = ""
    offset: int = 0


def inspect(job: Job) -> dict[str, Any]:
    """Facts of one file: `slot`, `fault` ("" where it is usable), `modified` (ns; 0: unknown), header facts, and
    with pixels box, digests, sketch.
    """
    facts: dict[str, Any] = {"slot": job.slot, "fault": "", "modified": 0}
    try:
        path = inside(Path(job.root), job.path)
        facts["modified"] = path.stat().st_mtime_ns
        if not job.pixels:
            return facts | images.read_header(path).facts()
        radiograph = images.read(path, job.size)
        square, box = images.letterbox(radiograph, job.size)
        facts |= radiograph.header.facts() | _describe(square, box) | {"burnt_in": bool(radiograph.text_like)}
    except ImageFault as fault:
        return facts | {"fault": str(fault)}
    if facts["constant"]:
        return facts | {"fault": "constant: all pixels have the same value"}
    if job.store:
        # not through a memory map: its pages would count as this process's memory
        with open(job.store, "r+b") as stream:
            stream.seek(job.offset + job.slot * square.nbytes)
            stream.write(square.tobytes())
    return facts


def crashed(job: Job) -> dict[str, Any]:
    """Facts of a file whose decoder took its process down."""
    return {"slot": job.slot, "fault": "damaged: its decoder crashed", "modified": 0}


def inside(root: Path, name: str) -> Path:
    """The file called `name` within `root`; ImageFault where it is missing or leads out of the folder."""
    try:
        path = (root / name).resolve(strict=True)
    except FileNotFoundError:
        raise ImageFault("no such file") from None
    except (OSError, RuntimeError, ValueError) as error:
        loop = isinstance(error, RuntimeError) or getattr(error, "errno", None) == 40
        raise ImageFault("a symbolic link that leads to itself" if loop else "not a usable file name") from None
    if not path.is_relative_to(root):
        raise ImageFault("leads out of the folder of the images (cohort.manifest.images can name another)")
    if not path.is_file():
        raise ImageFault("not a file")
    if not os.access(path, os.R_OK):
        raise ImageFault("cannot be opened: permission denied")
    return path


def _describe(square: np.ndarray, box: np.ndarray) -> dict[str, Any]:
    """Facts of a letterboxed image: box, digests, constant or clipped."""
    top, left, bottom, right = (int(v) for v in box)
    valid = square[top:bottom, left:right]
    return copies.describe(valid) | {
        "box": [top, left, bottom, right],
        "digest": images.thumbnail_digest(square),
        "constant": bool(valid.max() - valid.min() <= images.FULL_SCALE // 255),
        "clipped": round(float(((valid == 0) | (valid == images.FULL_SCALE)).mean()), 4),
    }
