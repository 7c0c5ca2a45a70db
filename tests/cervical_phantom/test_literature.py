"""The synthetic cohort against published figures; the same tables as in 01_data_audit."""

import numpy as np
import pytest

from cervical_phantom import literature, patients
from cervical_phantom.parameters import SyntheticCohort


@pytest.fixture(scope="module")
def drawn():
    return patients.draw(SyntheticCohort(patients=150, seed=11))


def test_normal_foramina_are_within_one_sd_of_the_published_means(drawn):
    table = literature.foramen_sizes(drawn)
    assert len(table) == 18 and (table["n"] >= 40).all()
    assert table["difference_in_sd"].abs().max() < 1


def test_radiograph_against_solid(drawn):
    table = literature.radiograph_against_solid(drawn)
    assert table.loc[["width", "area"], "as_read"].between(0.8, 0.95).all()
    assert table.loc["width", "as_read"] == pytest.approx(table.loc["width", "published"], abs=0.06)


def test_severity_follows_level_and_age(drawn):
    table = literature.severity_by_level(drawn, drawn)
    assert table["narrowed"].idxmax() == literature.MOST_NARROWED
    read = table.loc[["C3/4", "C4/5", "C5/6", "C6/7"]]
    assert (read["rho"] > 0).all() and (read["p"].drop("C3/4") < 0.05).all()
    assert (read["grade_2_or_more"] < read["narrowed"]).all()
    decades = literature.prevalence_by_age(drawn, drawn).query("n >= 20")["prevalence"]
    assert decades.is_monotonic_increasing and len(decades) >= 4


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
    assert distance["spectral exponent"] < 2 and distance["grey mean"] < 2 and distance["grey entropy"] < 2.5
    assert distance["grey SD"] < 4, "wider than in films that somebody has already enhanced"


def test_the_table_of_the_notebook(drawn):
    table = literature.literature(drawn, drawn)
    assert table["subject"].is_unique and table.notna().all(axis=None)
