"""The small cohorts of notebook 09, and what a study's arms say of it."""

import numpy as np
import pytest

from foramen import study
from foramen.pitfalls import probe, step


@pytest.fixture(scope="module")
def drawn() -> dict[str, step.Drawn]:
    return step.cohorts(study.load("params/smoke.yaml", ["cohort.synthetic.patients=12"]))


def test_cohorts_differ_in_nothing_but_what_knows_the_label(drawn):
    rows = {name: some.rows for name, some in drawn.items()}
    for name in ("marker", "site"):
        assert rows[name][["image_id", "label", "age"]].equals(rows["clean"][["image_id", "label", "age"]])
    stenotic = rows["marker"]["label"] == 1
    shares = [rows["marker"].loc[part, "marker_present"].mean() for part in (stenotic, ~stenotic)]
    assert shares[0] > shares[1] + 0.5
    assert (rows["site"]["site"] != rows["clean"]["site"]).any()


def test_the_collimation_knows_the_label_or_as_much_by_coin(drawn):
    tight = {name: (drawn[name].films != drawn["clean"].films).any(axis=(1, 2)) for name in drawn}
    labels = drawn["clean"].rows["label"].to_numpy()
    assert tight["collimation"].any() and tight["collimation by coin"].any()
    agree = {name: (tight[name] == labels).mean() for name in ("collimation", "collimation by coin")}
    assert agree["collimation"] > 0.8 > agree["collimation by coin"]


def test_markers_lie_where_films_are_brightest_beside_the_column(drawn):
    some = drawn["marker"]
    places, films = step.markers(some), probe.turned(some.films, some.right)
    present = some.rows["marker_present"].to_numpy()
    assert (np.isfinite(places).all(axis=1) == present).all()
    for film, place in zip(films[present], places[present], strict=True):
        x, y = ((place + 1) / 2 * step.FILM).astype(int)
        around = film[max(y - 8, 0) : y + 9, max(x - 8, 0) : x + 9]
        assert around.max() > 0.9 * film.max()


def test_regions_hold_the_foramina(drawn):
    regions, foramina = step.regions(study.load("params/smoke.yaml"), drawn["clean"])
    assert regions.shape == foramina.shape == (24, step.REGION, step.REGION)
    assert foramina.any(axis=(1, 2)).all()
    rows, columns = (np.flatnonzero(foramina.any(axis=(0, axis))) for axis in (2, 1))
    middle = (step.REGION - 1) / 2
    assert abs(rows.mean() - middle) < 3 and abs(columns.mean() - middle) < 3


def test_the_arms_that_show_a_collapsed_transformer():
    assert step.crop_arms(study.load("params/default.yaml")) == ("proposed", "he_flip_crop", "he_flip")
    assert step.crop_arms(study.load("params/smoke.yaml")) is None
