"""What a pixel of each arm's input is on the film."""

import dataclasses

import numpy as np
import pytest

from cervical_phantom.acquisition import FILM_MM
from foramen.cohort import step as cohort
from foramen.core import paths
from foramen.stn import scale
from foramen.study import load
from foramen.study.model import Study

ARMS = {
    "film": {"input": [64, 64]},
    "basic": {"region": "fixed"},
    "crop": {"region": "fixed", "stn": "crop"},
    "proposed": {"region": "fixed", "stn": "self_supervised"},
}


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    values = {
        "name": "scale",
        "cohort": {"image_size": 64, "synthetic": {"patients": 12, "seed": 3}},
        "region": {"height": 0.5, "size": 48},
        "stn": {"magnification": 1.25},
        "training": {"input": [64, 32]},
        "arms": ARMS,
        "plan": {"primary": {"arm": "basic"}},
    }
    return Study.model_validate(values)


def test_millimetres_a_pixel_follow_from_film_region_and_crop(study):
    table = scale.scales(study, cohort.prepare(study)).set_index("arm")
    assert table.loc["film", "input"] == "64 x 64" and table.loc["film", "seen"] == 1
    np.testing.assert_allclose(table.loc["film", ["height_mm", "width_mm"]].astype(float), FILM_MM[0])
    assert table.loc["basic", "mm_pixel"] == pytest.approx(0.5 * FILM_MM[0] / 64)
    assert table.loc["basic", "width_mm"] == pytest.approx(0.25 * FILM_MM[0])  # a tall input: the middle half
    assert table.loc["crop", "mm_pixel"] == pytest.approx(table.loc["basic", "mm_pixel"] / 1.25)
    np.testing.assert_allclose(table["foramen_pixels"] * table["mm_pixel"], scale.WIDTH)


def test_without_pixel_spacings_there_is_the_share_of_the_film_alone(study):
    films = cohort.prepare(study)
    unknown = dataclasses.replace(films, acquisition=films.acquisition.assign(spacing_mm=np.nan))
    assert list(scale.scales(study, unknown).columns) == ["arm", "input", "seen"]


@pytest.mark.parametrize("name", ["default", "reference"])
def test_the_control_of_the_stn_has_its_millimetres_a_pixel_at_the_start(name, tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    chosen = load(paths.PARAMS / f"{name}.yaml")
    few = {"image_size": 64, "synthetic": {"patients": 12, "seed": 3}}
    films = cohort.prepare(
        Study.model_validate(chosen.model_dump() | {"cohort": few, "plan": chosen.plan.model_dump()})
    )
    monkeypatch.setattr(scale.preprocessing, "place", lambda study, films, source: np.array([[0.0, 0.1, 0.4]]))
    table = scale.scales(chosen, films).set_index("arm").drop(columns="input")
    np.testing.assert_allclose(table.loc["he_flip_crop"], table.loc["proposed"])
    assert table.loc["proposed", "mm_pixel"] < table.loc["basic", "mm_pixel"]
