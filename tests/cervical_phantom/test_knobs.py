"""Every nuisance is a knob whose zero means exactly none, and a knob changes nothing but what it names."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from cervical_phantom.anatomy import LEVELS, Spine
from cervical_phantom.case import Case
from cervical_phantom.disease import DECIDING, reader_sd
from cervical_phantom.foramina import openings
from cervical_phantom.parameters import SyntheticCohort
from cervical_phantom.patients import draw
from cervical_phantom.rendering import render

N = 60
KEYS = [level.replace("/", "_") for level in LEVELS]


def drawn(patients: int = N, **sections) -> pd.DataFrame:
    return draw(SyntheticCohort.model_validate({"patients": patients, "seed": 5} | sections))


@pytest.fixture(scope="module")
def default() -> pd.DataFrame:
    return drawn()


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    return drawn(200)


@pytest.mark.parametrize(
    ("knob", "column", "value"),
    [
        ("rotation_sd_deg", "rotation", 50.0),
        ("tube_angle_sd_deg", "tube_angle", 15.0),
        ("tilt_sd_deg", "tilt", 0.0),
        ("shift_sd_mm", "shift_right", 0.0),
        ("shift_sd_mm", "shift_down", 0.0),
        ("object_detector_sd_mm", "object_detector", 200.0),
    ],
)
def test_positioning_zero_is_none_and_touches_nothing_else(default, knob, column, value):
    table = drawn(positioning={knob: 0})
    assert (table[column] == value).all()
    assert default[column].std() > 0
    poses = {"rotation", "tube_angle", "tilt", "shift_right", "shift_down", "object_detector"}
    rest = {"log_exposure", "age", "label_before_noise", "site", "marker_down", "spur_front_C5_6"}
    others = (poses | rest) - {column}
    others -= {"shift_right", "shift_down"} if knob == "shift_sd_mm" else set()
    for other in others:
        assert (table[other] == default[other]).all(), other


@pytest.mark.parametrize(("knob", "column", "value"), [("exposure_sd", "log_exposure", 0), ("contrast_sd", "slope", 1)])
def test_exposure_zero_is_none(default, knob, column, value):
    table = drawn(exposure={knob: 0})
    assert (table[column] == value).all() and default[column].std() > 0


def image_of(**sections) -> np.ndarray:
    case = Case(SyntheticCohort.model_validate({"seed": 5} | sections), 3)
    return render(case, "L", case.row("L"), 96)[0]


def test_posture_zero_is_that_of_the_scan():
    case = Case(SyntheticCohort.model_validate({"seed": 5, "positioning": {"posture_sd_deg": 0}}), 3)
    assert np.array_equal(case.spines["L"].origin, case.spines["R"].origin)
    bent = Case(SyntheticCohort(seed=5), 3)
    assert not np.allclose(bent.spines["L"].origin, case.spines["L"].origin)
    assert (bent.free["L"] == case.free["L"]).all(), "the grade is the scan's"
    carried, built = bent.bones["L"], bent.spines["L"].solids()
    assert carried.centre == pytest.approx(built.centre) and carried.frame == pytest.approx(built.frame)
    assert carried.normal == pytest.approx(built.normal)


def test_bending_to_one_side_closes_its_foramina_and_opens_the_others():
    case = Case(SyntheticCohort(seed=5, anatomy_sd=0, disease={"steepness": 0, "signs": 0}), 3)
    heights = {}
    for bend in (-4.0, 4.0):
        spine = Spine(case.person, case.narrowing, np.radians([[0.0] * 7, [bend] * 7]))
        left, right = openings(spine, spine.solids(), [(1, None), (-1, None)])
        heights[bend] = np.array([[o.height for o in side[1:5]] for side in (left, right)]).mean(1)
    assert heights[4.0][0] < heights[-4.0][0] - 0.5 and heights[4.0][1] > heights[-4.0][1] + 0.5


def test_noise_zero_is_none():
    assert not np.array_equal(image_of(), image_of(exposure={"noise": 0}))
    rough, smooth = (image_of(exposure={"noise": noise, "texture": 0}).astype(float) for noise in (100, 0))
    middle = np.s_[30:60, 40:55]
    assert np.diff(rough[middle], axis=1).std() > 3 * np.diff(smooth[middle], axis=1).std()


def test_no_marker(default):
    assert not drawn(marker={"present_share": 0})["marker_present"].any()
    assert 0.8 < default["marker_present"].mean() < 1


def test_marker_letter_is_the_side_nearest_the_detector(default):
    assert (default["marker_letter"] == default["view"].str[0]).all()
    left = default["marker_letter"] == "L"
    assert (default.loc[left, "marker_right"] > 0).all() and (default.loc[~left, "marker_right"] < 0).all()


def difference(table: pd.DataFrame, column: str, by: str) -> float:
    return table.loc[table[by] == 1, column].mean() - table.loc[table[by] == 0, column].mean()


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.8])
def test_marker_and_label(correlation):
    table = drawn(marker={"present_share": 0.5, "label_correlation": correlation}, patients=150)
    assert difference(table, "marker_present", "label_before_noise") == pytest.approx(correlation, abs=0.15)


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.8])
def test_site_and_label(correlation):
    table = drawn(site={"b_share": 0.5, "label_correlation": correlation}, patients=150)
    patients = table.groupby("patient_id").agg(any=("label_before_noise", "max"), site=("site", "first"))
    patients["b"] = patients["site"] == "B"
    assert difference(patients, "b", "any") == pytest.approx(correlation, abs=0.25 if correlation == 0 else 0.15)


def test_one_site():
    assert (drawn(site={"b_share": 0})["site"] == "A").all()


def test_laterality():
    assert set(drawn()["side"]) == {"L", "R"} and (drawn()["side"] == "L").mean() == 0.5
    assert set(drawn(laterality={"right_share": 0})["side"]) == {"L"}
    assert set(drawn(laterality={"anterior_share": 0})["view"]) == {"LPO", "RPO"}
    assert set(drawn(laterality={"anterior_share": 1})["view"]) == {"LAO", "RAO"}


def lost(table: pd.DataFrame) -> np.ndarray:
    """Lost share of the width, (images, levels), soft disc included."""
    return np.stack([table[f"spur_front_{k}"] + table[f"spur_back_{k}"] + table[f"soft_disc_{k}"] for k in KEYS], 1)


def left_right(correlation: float) -> float:
    table = drawn(disease={"left_right_correlation": correlation, "age_effect": 0, "onset": 0}, patients=120)
    sides = [lost(table[table["side"] == side])[:, 1:5] > 0.3 for side in ("L", "R")]
    return float(np.mean([np.corrcoef(sides[0][:, i], sides[1][:, i])[0, 1] for i in range(4)]))


def test_left_right_correlation():
    assert abs(left_right(0)) < 0.12
    assert left_right(1) == pytest.approx(1)
    assert 0.15 < left_right(0.6) < 0.8


@pytest.mark.parametrize("section", [{"steepness": 0}, {"maximum_loss": 0}])
def test_no_disease(section):
    table = drawn(disease=section)
    assert (lost(table) == 0).all()
    assert table["label_before_noise"].mean() < 0.15, "only small normal foramina are left"


def test_visible_share(default):
    table = drawn(disease={"soft_share": 0})
    assert (table["label_visible"] == table["label_before_noise"]).all()
    hidden = drawn(disease={"soft_share": 1})
    assert (lost(hidden).sum(1) > 0).any() and sum(hidden[f"spur_front_{k}"].sum() for k in KEYS) == 0
    assert hidden["label_visible"].mean() < 0.15 < hidden["label_before_noise"].mean()
    assert (hidden["label_before_noise"] == default["label_before_noise"]).mean() > 0.9


def test_reader_noise():
    table = drawn(label={"kappa": 1.0})
    assert (table["label"] == table["label_before_noise"]).all()


@pytest.mark.parametrize("kappa", [0.5, 0.8])
def test_kappa_is_that_of_two_readers(many, kappa):
    free, rng = many["free_share"].to_numpy(), np.random.default_rng(0)
    one, two = (free + reader_sd(kappa) * rng.standard_normal((500, free.size)) <= 1 for _ in range(2))
    found = [cohen_kappa_score(*pair) for pair in zip(one, two, strict=True)]
    patients = many["patient_id"].nunique()  # the two sides of a patient count as one
    assert np.mean(found) == pytest.approx(kappa, abs=2 * np.sqrt((1 - kappa**2) / patients))


def test_the_deciding_foramen_has_the_recorded_distribution(many):
    assert np.quantile(many["free_share"], np.linspace(0.1, 0.9, 9)) == pytest.approx(DECIDING[2:-2:2], abs=0.15)


def test_readers_err_near_the_cut_and_to_both_sides(many):
    wrong = many["label"] != many["label_before_noise"]
    away = (many["free_share"] - 1).abs()
    assert 0.03 < wrong.mean() < 0.12
    assert away[wrong].mean() < 0.5 * away[~wrong].mean() and not wrong[away > 4.5 * reader_sd(0.8)].any()
    assert many["label"].mean() == pytest.approx(many["label_before_noise"].mean(), abs=0.05)
    assert ((many["visible_probability"] >= 0.5) == many["label_visible"]).all()
    seen = many[many["label_visible"] == many["label_before_noise"]]
    assert (seen["label"] - seen["visible_probability"]).mean() == pytest.approx(0, abs=0.05)


def correlation_of_signs(follow: float) -> float:
    table = drawn(disease={"signs_follow_narrowing": follow}, patients=150)
    signs = table[[f"disc_loss_{k}" for k in KEYS[1:5]]].max(axis=1)
    return float(np.corrcoef(signs, table["label_visible"])[0, 1])


def test_shortcut_control():
    assert abs(correlation_of_signs(0)) < 0.12
    assert correlation_of_signs(1) > 0.4
    none = drawn(disease={"signs": 0})
    assert (none[[f"disc_loss_{k}" for k in KEYS]] == 0).all(axis=None)


def test_everyone_has_the_mean_spine():
    table = drawn(anatomy_sd=0, female_share=1.0, age_sd=0, disease={"steepness": 0, "signs": 0}, patients=4)
    assert table["area_mm2_C5_6"].nunique() <= 2, "one per side"


def test_unknown_knob():
    with pytest.raises(ValueError, match="rotation"):
        SyntheticCohort.model_validate({"positioning": {"rotation": 3}})
