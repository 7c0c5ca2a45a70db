"""The small cohorts of notebook 09, and what a study's arms say of it."""

import numpy as np
import pandas as pd
import pytest

from foramen import study
from foramen.core.files import write_frame
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


def test_regions_are_about_the_foramina(drawn):
    fixed = [f"arms.{arm}.region=fixed" for arm in study.load("params/smoke.yaml").arms]
    smoke, some = study.load("params/smoke.yaml", fixed), drawn["clean"]
    assert step.regions(smoke, some).shape == (24, step.REGION, step.REGION)
    for mask, (x, y, half) in zip(some.masks > 0, step.places(smoke, some), strict=True):
        down, right = ((place + 0.5) * 2 / step.FILM - 1 for place in np.nonzero(mask))
        assert np.hypot(down.mean() - y, right.mean() - x) < half / 3


def test_regions_that_the_study_detects_are_found_by_their_film(drawn, tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    smoke, names = study.load("params/smoke.yaml"), drawn["clean"].rows["image_id"]
    table = pd.DataFrame({"image_id": names[::-1], "x": np.arange(24.0), "y": 0.1, "half": 0.4})
    write_frame(smoke.paths.regions / "regions.parquet", table)
    assert step.places(smoke, drawn["clean"]).tolist() == [[23.0 - i, 0.1, 0.4] for i in range(24)]


def test_the_arms_that_show_a_collapsed_transformer():
    assert step.crop_arms(study.load("params/default.yaml")) == ("proposed", "he_flip_crop", "he_flip")
    assert step.crop_arms(study.load("params/smoke.yaml")) is None
