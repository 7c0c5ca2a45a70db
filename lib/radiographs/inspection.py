"""What is found out about each of many files: header, decoded square, digests, or why it cannot be used."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radiographs import near_duplicates, reading
from radiographs.radiograph import FULL_SCALE, ImageFault, letterbox


@dataclass(frozen=True)
class FileToRead:
    """One file to look at. With `store`, the decoded square is written to row `slot` of that array file."""

    slot: int
    path: str
    root: str
    size: int
    pixels: bool = True
    store: str = ""
    offset: int = 0


def inspect(file: FileToRead) -> dict[str, Any]:
    """Facts of one file: `slot`, `fault` ("" where it is usable), `modified` (ns; 0: unknown), header facts, and with
    pixels box, digests, coarse picture.
    """
    facts: dict[str, Any] = {"slot": file.slot, "fault": "", "modified": 0}
    try:
        path = inside(Path(file.root), file.path)
        facts["modified"] = path.stat().st_mtime_ns
        if not file.pixels:
            return facts | reading.read_header(path).facts()
        radiograph = reading.read(path, file.size)
        square, box = letterbox(radiograph, file.size)
        facts |= radiograph.header.facts() | _describe(square, box) | {"burnt_in": bool(radiograph.text_like)}
    except ImageFault as fault:
        return facts | {"fault": str(fault)}
    if facts["constant"]:
        return facts | {"fault": "constant: all pixels have the same value"}
    if file.store:
        # not through a memory map: its pages would count as this process's memory
        with open(file.store, "r+b") as stream:
            stream.seek(file.offset + file.slot * square.nbytes)
            stream.write(square.tobytes())
    return facts


def failed(file: FileToRead, why: str) -> dict[str, Any]:
    """Facts of a file whose decoder took its process down or did not end."""
    return {"slot": file.slot, "fault": f"damaged: {why}", "modified": 0}


def inside(root: Path, name: str) -> Path:
    """The file called `name` within `root`; ImageFault where it is missing or leads out of the folder."""
    try:
        path = (root / name).resolve(strict=True)
    except FileNotFoundError:
        raise ImageFault("no such file") from None
    except (OSError, RuntimeError, ValueError) as error:
        loop = isinstance(error, RuntimeError) or getattr(error, "errno", None) == 40
        raise ImageFault("a symbolic link that leads to itself" if loop else "not a usable file name") from None
    if not path.is_relative_to(root.resolve()):
        raise ImageFault("leads out of the folder of the images")
    if not path.is_file():
        raise ImageFault("not a file")
    if not os.access(path, os.R_OK):
        raise ImageFault("cannot be opened: permission denied")
    return path


def _describe(square: np.ndarray, box: np.ndarray) -> dict[str, Any]:
    """Facts of a letterboxed image: box, digests, grey levels, constant or clipped."""
    top, left, bottom, right = (int(v) for v in box)
    valid = square[top:bottom, left:right]
    return near_duplicates.describe(valid) | {
        "box": [top, left, bottom, right],
        "digest": hashlib.sha256(square.tobytes()).hexdigest()[:32],  # equal pictures, whatever else the files hold
        "constant": bool(valid.max() - valid.min() <= FULL_SCALE // 255),
        "levels": int(np.count_nonzero(np.bincount(valid.ravel() >> 8))),  # of 256
        "clipped": round(float(((valid == 0) | (valid == FULL_SCALE)).mean()), 4),
    }
