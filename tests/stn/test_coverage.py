"""What arms read of the films, and which of them do not fit."""

import numpy as np
import pytest
import torch

import films
from foramen import stn
from foramen.core import geometry
from foramen.stn import coverage
from foramen.study import load, provenance
from foramen.study.model import Study

ARMS = {"whole": {}, "crop": {"stn": "crop"}, "proposed": {"stn": "self_supervised"}, "fixed": {"region": "fixed"}}


def of(study: Study):
    return stn.prepare_coverage(study).set_index("arm")


def test_a_crop_reads_its_share_of_the_films_own_area():
    theta = geometry.crop_frame(1.6)[:2].expand(3, 1, 2, 3)
    boxes = np.array([[0, 0, 64, 64], [0, 16, 64, 48], [0, 0, 4, 4]])  # square, portrait, in a corner
    np.testing.assert_allclose(coverage.share_read(theta, boxes, 64), [1 / 1.6**2, 1 / 1.6, 0], atol=0.02)


def test_points_may_lie_in_any_of_the_crops_but_none_outside():
    upper, lower = (geometry.crop_frame(4.0, (0.0, down))[:2] for down in (-0.5, 0.5))
    theta = torch.stack([upper, lower]).expand(3, 2, 2, 3)
    points = np.array([[[0, -0.5], [0.2, 0.6]], [[0, -0.5], [0, 0]], [[0, -0.5], [0.3, 0.5]]])
    assert coverage.holds_points(theta, points).tolist() == [True, False, False]


def test_where_the_column_is_known_an_arm_fits_that_reads_it(tmp_path, monkeypatch):
    """On synthetic films: the crop leaves out a third of a film but never the column, the small region often does."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = Study.model_validate(
        {
            "name": "read",
            "cohort": {"image_size": 64, "synthetic": {"patients": 30, "seed": 3}},
            "region": {"height": 0.4, "centre_down": 0.0},
            "stn": {"magnification": 1.3},
            "arms": ARMS,
            "plan": {"reference": "whole", "primary": {"arm": "crop"}},
        }
    )
    table = of(study)
    assert (table.loc[["whole", "crop", "proposed"], "column"] == 1).all() and table.loc["fixed", "column"] < 0.8
    assert table.loc["crop", "film"] < 0.9 < table.loc["whole", "film"] == 1
    (said,) = provenance.misfits(study)
    assert f"it is cut by fixed on {1 - table.loc['fixed', 'column']:.0%} of the films." in said
    assert "crop" not in said and "Nothing tells" not in said


@pytest.mark.parametrize("boxed", [False, True])
def test_where_nothing_tells_the_place_arms_are_named_that_leave_out_part_of_the_film(boxed, tmp_path, monkeypatch):
    """Films of 72 x 96 pixels: a crop of 1.5 reads two thirds of the height and eight ninths of the width."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    box = {"region_left": 20, "region_top": 30, "region_right": 50, "region_bottom": 60} if boxed else {}
    films.cohort_folder(tmp_path, patients=16, **box)
    path = films.study_file(tmp_path)
    wide = ["arms={whole: {}, crop: {stn: crop}}", "plan.reference=whole", "plan.primary.arm=crop"]
    study = load(path, [*wide, "stn.magnification=1.5"])
    table = of(study)
    assert table.loc["whole", "film"] == 1 and table.loc["crop", "film"] == pytest.approx(2 / 3 * 8 / 9, abs=0.03)
    if boxed:
        assert (table["column"] == 1).all() and provenance.misfits(study) == []
    else:
        (said,) = provenance.misfits(study)
        assert table["column"].isna().all()
        assert f"of their area crop reads {table.loc['crop', 'film']:.0%}. What lies beyond is never seen." in said
