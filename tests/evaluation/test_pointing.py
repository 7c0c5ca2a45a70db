"""What counts as at a foramen: a disc about each of its pixels, of one size relative to the picture."""

import numpy as np

from foramen.evaluation import pointing


def test_pixels_within_three_per_cent_of_the_side_are_near():
    mask = np.zeros((100, 100), bool)
    mask[50, 50] = True
    down, right = np.mgrid[-50:50, -50:50]
    assert (pointing.near(mask, 100) == (np.hypot(down, right) <= 3)).all()


def test_nothing_is_near_where_there_is_no_foramen():
    assert not pointing.near(np.zeros((20, 20), bool), 20).any()
