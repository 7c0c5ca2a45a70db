"""What counts as at a foramen: what lies near its edge, by a distance relative to the picture."""

import numpy as np
import pytest

from foramen.evaluation import pointing


@pytest.mark.parametrize("size", [100, 400])
def test_a_place_within_three_per_cent_of_the_side_is_near_on_coarse_and_fine_films(size):
    place = (np.arange(size) + 0.5) / size
    down, right = np.meshgrid(place - 0.5, place - 0.5, indexing="ij")
    near = pointing.near(np.hypot(down, right) <= 0.1, size)
    assert near.mean() == pytest.approx(np.pi * 0.13**2, rel=0.06)
    assert near[np.hypot(down, right) < 0.12].all() and not near[np.hypot(down, right) > 0.145].any()


def test_nothing_is_near_where_there_is_no_foramen():
    assert not pointing.near(np.zeros((20, 20), bool), 20).any()
