"""The synthetic cohort against published figures; the same tables as in 01_data_audit."""

import numpy as np
import pytest

from cervical_phantom import literature, patients
from cervical_phantom.parameters import SyntheticCohort


@pytest.fixture(scope="module")
def drawn():
    return patients.draw(SyntheticCohort(patients=150, seed=11))


def test_normal_foramina_have_the_published_means(drawn):
    table = literature.foramen_sizes(drawn)
    assert len(table) == 18 and (table["n"] >= 40).all()
    error = table["sd"] / table["published_sd"] / np.sqrt(table["n"] / 2)  # the two sides of a patient count as one
    assert (table["difference_in_sd"].abs() < 0.2 + error).all()
    assert abs(table["difference_in_sd"].mean()) < 0.1, "no common bias"


def test_radiograph_against_solid(drawn):
    table = literature.radiograph_against_solid(drawn)
    assert table.loc["width", "as_read"] == pytest.approx(table.loc["width", "published"], abs=0.06)
    assert table["as_read"].between(0.7, 0.9).all() and table["as_read"].idxmax() == "width"
    lying = SyntheticCohort(patients=60, seed=11, positioning={"posture_sd_deg": 0})
    same = literature.radiograph_against_solid(patients.draw(lying))
    assert table.loc["height", "r"] < same.loc["height", "r"] - 0.04, "posture changes the height"


def test_severity_follows_level_and_age(drawn):
    table = literature.severity_by_level(drawn, drawn)
    assert table["narrowed"].idxmax() == literature.MOST_NARROWED
    read = table.loc[["C3/4", "C4/5", "C5/6", "C6/7"]]
    assert (read["rho"] > 0).all() and (read["p"].drop("C3/4") < 0.05).all()
    assert (read["grade_2_or_more"] < read["narrowed"]).all()


def test_prevalence_is_a_hospital_cohorts(drawn):
    assert 0.5 < drawn["label_before_noise"].mean() < literature.HOSPITAL_PREVALENCE + 0.04


def test_spectral_exponent_of_known_noise():
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(160)[:, None], np.fft.rfftfreq(160))
    frequency[0, 0] = 1
    for exponent in (0.0, 2.0, 3.0):
        spectrum = np.fft.rfft2(rng.normal(size=(160, 160))) / frequency ** (exponent / 2)
        assert literature.spectral_exponent(np.fft.irfft2(spectrum)) == pytest.approx(exponent, abs=0.3)


def test_images_look_like_real_films(tmp_path):
    patients.write(SyntheticCohort(patients=20, seed=4), 160, tmp_path, 1)
    table = literature.appearance(np.load(tmp_path / "images.npy"), np.load(tmp_path / "boxes.npy"))
    distance = table["difference_in_sd"].abs()
    assert (distance < 1.5).all()


def test_the_table_of_the_notebook(drawn):
    table = literature.literature(drawn, drawn)
    assert table["subject"].is_unique and table.notna().all(axis=None)
