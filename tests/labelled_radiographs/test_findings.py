"""Findings on very many films: what is held of them is small beside their pixels."""

import base64
import tracemalloc
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from labelled_radiographs import findings
from labelled_radiographs.manifest import REGION
from radiographs import near_duplicates

FILMS = 4 * near_duplicates.BLOCK


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """What `inspection.inspect` says of unlike pictures."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(40, 220, (FILMS, near_duplicates.SIDE, near_duplicates.SIDE)).astype(np.uint8)
    codes = {name: [rng.bytes(8).hex() for _ in range(FILMS)] for name in ("phash", "mirrored_phash")}
    coarse = [base64.b64encode(picture.tobytes()).decode() for picture in pictures]
    return pd.DataFrame(codes | {"coarse": coarse, "clipped": 0.0, "levels": 200})


def test_a_region_is_measured_on_the_film_not_in_its_pixels():
    box = dict(zip(REGION, (10.0, 20.0, 25.0, 25.0), strict=True))  # 15 wide, under 10 % of the film where that is tall
    rows = pd.DataFrame([box | {"width": 72, "height": 96, "aspect": aspect} for aspect in (1.0, 2.0)], [2, 3])
    (found,) = findings.regions(rows)
    assert found.message == "row 3: the region is under 10% of the film"


@pytest.mark.parametrize(
    ("look", "most"),  # bytes a film; its pixels take 200,000 at 320 x 320
    [(near_duplicates.pairs, 6500), (lambda rows: list(findings.greys(rows)), 6500)],
    ids=["copies", "greys"],
)
def test_little_memory_for_each_film(rows: pd.DataFrame, look: Callable, most: int):
    tracemalloc.start()
    assert look(rows) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < most * FILMS


def test_greys_do_not_depend_on_blocks(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch):
    few = rows.head(200).copy()
    few.loc[150, "coarse"] = base64.b64encode(bytes([5] * near_duplicates.SIDE**2)).decode()
    whole = list(findings.greys(few))
    monkeypatch.setattr(near_duplicates, "BLOCK", 64)
    assert whole == list(findings.greys(few)) != []
