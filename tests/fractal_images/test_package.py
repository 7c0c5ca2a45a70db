"""Iterated function systems: they contract, and their images are what the package's own example says."""

import textwrap

import numpy as np

import fractal_images


def test_every_system_contracts():
    systems = fractal_images.categories(200, np.random.default_rng(1))
    assert np.linalg.norm(systems[..., :2], ord=2, axis=(-2, -1)).max() < 1


def test_example_of_the_docstring_gives_standardised_images():
    space = {}
    exec(textwrap.dedent("\n".join(fractal_images.__doc__.split("\n\n")[2:4])), space)
    images = space["images"]
    assert images.shape == (40, 64, 64) and images.dtype == np.float32
    np.testing.assert_allclose(images.mean((1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(images.std((1, 2)), 1, atol=1e-3)
