"""Contrast treatments: scikit-image's values on the valid area only, and what they do to exposure."""

import numpy as np
import pandas as pd
import pytest
from skimage import exposure

from foramen import study
from foramen.cohort import step as cohort
from foramen.preprocessing import equalization, step
from foramen.study.model import Preprocessing

METHODS = ["none", "minmax", "global", "clahe"]
BOX = np.array([10, 20, 90, 70], np.int16)


def film(exposure_time: float = 1.0, seed: int = 0) -> np.ndarray:
    """A 12-bit image of 100 by 100, scaled to 16 bits, with bright rubbish outside its box."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:100, :100]
    signal = (1000 + 800 * np.sin(rows / 15) + 5 * columns) * exposure_time + rng.normal(0, 40, (100, 100))
    image = np.full((100, 100), 65535, np.uint16)
    valid = (slice(10, 90), slice(20, 70))
    image[valid] = (np.clip(signal, 0, 4095).astype(np.uint16) << 4)[valid]
    return image


def inside(image: np.ndarray) -> np.ndarray:
    return image[10:90, 20:70]


@pytest.mark.parametrize("method", METHODS)
def test_outside_the_box_is_zero_and_changes_nothing_inside(method: str):
    image = film()
    treated = equalization.equalize(image, BOX, method)
    assert treated.dtype == np.uint8 and treated.shape == image.shape
    border = np.ones(image.shape, bool)
    border[10:90, 20:70] = False
    assert not treated[border].any()
    other = np.where(border, np.uint16(7), image)
    np.testing.assert_array_equal(treated, equalization.equalize(other, BOX, method))


def test_values_are_scikit_images():
    image = film()
    valid = inside(image)
    expected = {
        "none": valid // 256,
        "minmax": exposure.rescale_intensity(valid.astype(float), out_range=(0, 255)),
        "global": 255 * exposure.equalize_hist(valid),
        "clahe": 255 * exposure.equalize_adapthist(valid, [10, 6], Preprocessing().clahe_clip_limit),
    }
    for method, values in expected.items():
        treated = inside(equalization.equalize(image, BOX, method)).astype(float)
        assert np.abs(treated - values).max() <= 0.51, method


@pytest.mark.parametrize("method", METHODS)
def test_flat_and_empty_areas_are_no_trouble(method: str):
    flat = np.full((100, 100), 0x8000, np.uint16)
    assert (inside(equalization.equalize(flat, BOX, method)) == 0x80).all()
    assert not equalization.equalize(film(), np.array([5, 5, 5, 5]), method).any()


def test_equalization_undoes_exposure_and_plain_scaling_does_not():
    films = [film(exposure_time, seed) for seed, exposure_time in enumerate(np.linspace(0.5, 1.5, 8))]
    boxes = np.tile(BOX, (len(films), 1))
    spread = {}
    for method in METHODS:
        treated = np.stack([equalization.equalize(f, BOX, method) for f in films])
        distributions = equalization.cdfs(treated, boxes)
        np.testing.assert_allclose(distributions[:, -1], 1)
        assert (np.diff(distributions, axis=1) >= 0).all()
        spread[method] = equalization.cdf_spread(distributions)["sd"].mean()
    assert spread["global"] < 0.1 * spread["none"]
    assert spread["minmax"] < spread["none"]


def test_spread_is_zero_for_equal_images_and_known_for_two():
    same = equalization.cdf_spread(np.tile(np.linspace(0, 1, 256), (5, 1)))
    assert same["sd"].max() < 1e-12
    black, white = np.ones(256), np.r_[np.zeros(255), 1.0]
    apart = equalization.cdf_spread(np.stack([black, white]))
    np.testing.assert_allclose(apart["sd"][:255], 0.5)
    np.testing.assert_allclose(apart["mean"][:255], 0.5)


def test_normalisation_is_that_of_the_valid_pixels():
    treated = equalization.equalize(film(), BOX, "minmax")
    mean, sd = equalization.normalisation(treated[None], BOX[None])
    valid = inside(treated) / 255
    assert mean == pytest.approx(valid.mean())
    assert sd == pytest.approx(valid.std())


def test_a_variant_is_made_once_and_again_only_for_what_it_depends_on(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    small = ["cohort.synthetic.patients=12"]
    smoke = study.load("params/smoke.yaml", small)
    images = step.prepare(smoke, "film", "global").images
    folder = smoke.paths.variant("film_global")
    assert len(pd.read_parquet(folder / "cdf.parquet")) == 256
    made = (folder / "images.npy").stat().st_mtime_ns
    other = study.load("params/smoke.yaml", [*small, "preprocessing.clahe_tiles=4"])
    np.testing.assert_array_equal(images, step.prepare(other, "film", "global").images)
    assert (folder / "images.npy").stat().st_mtime_ns == made
    alone = step.treated(smoke, cohort.load(smoke), "film", "global", np.array([5, 2]))
    np.testing.assert_array_equal(alone, images[[5, 2]])
    fewer = study.load("params/smoke.yaml", ["cohort.synthetic.patients=10"])
    assert len(step.prepare(fewer, "film", "global").images) < len(images)
