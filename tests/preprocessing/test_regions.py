"""Regions of interest: what is cut out of a film, and where anatomy lies in it."""

import numpy as np
import pytest

from foramen.preprocessing import regions


def test_a_region_on_whole_pixels_is_a_slice_of_the_film():
    film = np.random.default_rng(0).integers(0, 65536, (64, 64)).astype(np.uint16)
    cut, box = regions.cut(film, np.array([0, 0, 64, 64], np.int16), np.array([0.25, -0.25, 0.5]), 32)
    np.testing.assert_array_equal(cut, film[8:40, 24:56])
    assert cut.dtype == np.uint16 and box.tolist() == [0, 0, 32, 32] and box.dtype == np.int16


def test_a_coarser_region_is_a_mean_of_the_films_pixels():
    film = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)
    cut, _ = regions.cut(film, np.array([0, 0, 32, 32], np.int16), np.array(regions.FILM), 16)
    np.testing.assert_array_equal(cut, film.reshape(16, 2, 16, 2).mean(axis=(1, 3)).round())


def test_the_valid_box_moves_with_the_region_and_ends_with_the_film():
    film, box = np.full((64, 64), 1000, np.uint16), np.array([4, 10, 60, 50], np.int16)
    _, inside = regions.cut(film, box, np.array([0.0, 0.0, 0.5]), 32)
    assert inside.tolist() == [0, 0, 32, 32]  # pixels 16 to 48 of the film, all of them valid
    _, beyond = regions.cut(film, box, np.array([-0.75, -0.75, 0.5]), 32)
    assert beyond.tolist() == [12, 18, 32, 32]  # pixels -8 to 24: the film's edge cuts, the box's top and left stay
    _, missed = regions.cut(film, box, np.array([0.95, 0.95, 0.03]), 32)
    assert missed[0] >= missed[2] or missed[1] >= missed[3]  # nothing valid: an empty box


def test_masks_are_cut_where_films_are():
    mask = np.zeros((64, 64), np.uint8)
    mask[20:24, 30:40] = 6
    region = np.array([0.1, -0.2, 0.4])
    film = mask.astype(np.uint16) * 10000
    cut, _ = regions.cut(film, np.array([0, 0, 64, 64], np.int16), region, 64)
    seen = regions.cut_mask(mask, region, 64)
    assert set(np.unique(seen)) == {0, 6}
    assert ((cut > 30000) != (seen > 0)).mean() < 0.01
    assert not regions.cut_mask(mask, np.array([-1.9, 0.0, 0.5]), 32).any()  # beyond the film there is nothing


def test_the_ends_of_a_column_give_its_region_and_its_place_there():
    poses = np.array([[0.0, 0.2, 0.1, 0.3], [np.pi / 2, 0.2, 0.0, 0.0]])  # upright; lying on its side
    ends = regions.column_ends(poses)
    np.testing.assert_allclose(ends[0], [[0.1, 0.1], [0.1, 0.5]], atol=1e-12)
    np.testing.assert_allclose(ends[1], [[0.2, 0.0], [-0.2, 0.0]], atol=1e-12)
    around = regions.around_columns(ends, margin=2.0)
    np.testing.assert_allclose(around, [[0.1, 0.3, 0.4], [0.0, 0.0, 0.4]], atol=1e-12)
    seen = regions.within(poses, around)
    np.testing.assert_allclose(seen, [[0.0, 0.5, 0.0, 0.0], [np.pi / 2, 0.5, 0.0, 0.0]], atol=1e-12)


def test_upright_ends_within_a_region_give_that_region():
    places = np.array([[0.1, 0.3, 0.4], [np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(regions.around_columns(regions.ends_within(places, 2.5), 2.5), places)


def test_intersection_over_union():
    one = np.array([[0.0, 0.0, 0.5]] * 3)
    others = np.array([[0.0, 0.0, 0.5], [0.5, 0.0, 0.5], [2.0, 0.0, 0.5]])
    assert regions.iou(one, others) == pytest.approx([1.0, 1 / 3, 0.0])
