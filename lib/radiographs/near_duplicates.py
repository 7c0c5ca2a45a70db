"""Copies among pictures: the same film twice, mirrored, turned by a degree, stretched or re-compressed.

Augmenting before splitting (arXiv 2301.10888) leaves such copies under different patients; a split by patient
then leaks. A perceptual hash (imagehash) proposes pairs, the fine structure of a coarse picture confirms
them: films of one region resemble one another in their broad tones, copies also in their edges. Used by
notebook 01 through `findings`.
"""

import base64

import imagehash
import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter

SIDE = 32  # pixels of the coarse picture
# Chosen on 813 real spine films and 300 synthetic ones: of pairs under different patients, the largest
# correlation among synthetic films was 0.70; real pairs above 0.75 were copies to the eye, most of them above
# 0.9.
BITS = 12  # of the hash's 64 may differ
CORRELATION = 0.75
BLOCK = 1024  # pictures
TYPICAL = 20  # from this many pictures on, what all of them share is taken off before they are compared


def describe(valid: np.ndarray) -> dict[str, str]:
    """Perceptual hashes (upright and mirrored) and the coarse picture of a valid area `(h, w)` uint16."""
    image = Image.fromarray((valid >> 8).astype(np.uint8))
    coarse = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    return {
        "phash": str(imagehash.phash(image)),
        "mirrored_phash": str(imagehash.phash(ImageOps.mirror(image))),
        "coarse": base64.b64encode(coarse.tobytes()).decode(),
    }


def coarse_pictures(rows: pd.DataFrame) -> np.ndarray:
    """The coarse pictures of rows described by `describe`: `(n, 32, 32)` uint8."""
    joined = b"".join(base64.b64decode(text) for text in rows["coarse"])
    return np.frombuffer(joined, np.uint8).reshape(len(rows), SIDE, SIDE)


def blocks(pictures: np.ndarray) -> list[np.ndarray]:
    """Views of so many pictures `(n, h, w)` that what is computed from them takes little memory, also of very many."""
    return np.array_split(pictures, len(pictures) // BLOCK + 1)


def pairs(rows: pd.DataFrame) -> list[tuple[int, int]]:
    """Pairs of index labels of `rows` whose pictures are copies of one another, upright or mirrored."""
    hashes, mirrored_hashes = (
        np.array([int(code, 16) for code in rows[name]], np.uint64) for name in ("phash", "mirrored_phash")
    )
    fine = _fine_structure(coarse_pictures(rows).astype(np.float32))
    found = set()
    for others, turn in ((hashes, 1), (mirrored_hashes, -1)):
        for i, code in enumerate(hashes[:-1]):
            near = np.flatnonzero(np.bitwise_count(others[i + 1 :] ^ code) <= BITS) + i + 1
            alike = np.einsum("nij,ij->n", fine[near], fine[i][:, ::turn]) >= CORRELATION
            found |= {(rows.index[i], rows.index[j]) for j in near[alike]}
    return sorted(found)


def _fine_structure(pictures: np.ndarray) -> np.ndarray:
    """The pictures, changed in place (there may be very many): without broad tones and without what all of them
    share, each of length one, so that products are correlations.
    """
    for block in blocks(pictures):
        block -= gaussian_filter(block, (0, 1.2, 1.2))
    _normalise(pictures)
    if len(pictures) >= TYPICAL:
        shared = pictures.mean(0)
        pictures -= (shared + shared[:, ::-1]) / 2
        _normalise(pictures)
    return pictures


def _normalise(pictures: np.ndarray) -> None:
    """Bring each picture to length one, in place."""
    length = np.sqrt(np.einsum("nij,nij->n", pictures, pictures))
    pictures /= np.maximum(length, 1e-9)[:, None, None]
