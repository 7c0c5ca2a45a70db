"""Views, attenuation, noise and the look-up curve do what radiography says they do."""

from dataclasses import replace

import numpy as np
import pytest

from cervical_phantom import acquisition as acq

POSE = acq.Pose(
    side=1, anterior=False, rotation=50, tube_angle=15, tilt=0, shift_right=0, shift_down=0,
    object_detector=200, source_detector=1800,
)  # fmt: skip
LEFT, BACK, UP = np.eye(3)
EXPOSED = acq.Exposed(0.0, 1.0, 1.0, 1.0, (-110, -80, 110, 80))


def at(pose, point) -> np.ndarray:
    return pose.view().project(20 * np.asarray(point)[None])[0]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("anterior", [False, True])
def test_displayed_as_if_the_patient_faced_the_reader(side, anterior):
    pose = replace(POSE, side=side, anterior=anterior)
    assert at(pose, LEFT)[0] > 0, "the patient's left is on the right of the image"
    assert at(pose, UP)[1] < 0, "the head is up"
    assert np.sign(at(pose, BACK)[0]) == side, "RPO and LAO (left foramina) turn the back to the right of the image"


@pytest.mark.parametrize("side", [1, -1])
def test_posterior_obliques_show_the_foramina_far_from_the_detector(side):
    for anterior in (False, True):
        view = replace(POSE, side=side, anterior=anterior).view()
        shown, other = view.magnification(np.array([[side * 12.0, 6, 0], [-side * 12.0, 6, 0]]))
        assert (shown > other) == (not anterior)
        assert (view.source[1] < 0) == (not anterior), "posterior obliques: the beam enters in front"
        assert (view.source[2] < 0) == (not anterior), "the tube is angled to the head from in front"


def test_magnification_and_shift():
    pose = replace(POSE, shift_right=12.0, shift_down=-5.0)
    assert pose.view().magnification(np.zeros((1, 3)))[0] == pytest.approx(1800 / 1600)
    assert at(pose, np.zeros(3)) == pytest.approx([12.0, -5.0])
    assert at(replace(POSE, shift_right=3.0, rotation=90, tube_angle=0, tilt=90), np.zeros(3)) == pytest.approx([3, 0])


@pytest.mark.parametrize("kev", [40, 50, 60, 80])
def test_attenuation_is_nist_at_the_tabulated_energies(kev):
    i = [40, 50, 60, 80].index(kev)
    bone, trabecular, soft = acq.attenuation(kev / acq.EFFECTIVE_ENERGY)
    assert (bone, soft) == pytest.approx((acq.MU_BONE[i], acq.MU_SOFT[i]))
    assert soft < trabecular < bone


def detected(noise: float, scatter: float, equipment=acq.EQUIPMENT["A"], seed: int = 0) -> np.ndarray:
    paths = {"cortex": np.zeros((240, 180)), "spongy": np.zeros((240, 180)), "soft": np.full((240, 180), 120.0)}
    exposed = replace(EXPOSED, noise=noise, scatter=scatter, box=(-500, -500, 500, 500))
    return acq.detect(paths, equipment, exposed, 1.0, 1, np.random.default_rng(seed))


def test_beer_lambert():
    _, _, soft = acq.attenuation(75)
    assert detected(0, 0) == pytest.approx(np.exp(-120 * soft), rel=1e-6)


def test_scatter_adds_its_share_of_the_signal():
    equipment = acq.EQUIPMENT["A"]
    assert detected(0, 1) / detected(0, 0) == pytest.approx(1 + equipment.scatter, rel=1e-3)


def test_quantum_noise_is_poisson_and_white():
    clean, noisy = detected(0, 0), detected(1, 0)
    photons = acq.EQUIPMENT["A"].photons
    noise = noisy - clean
    assert noise.var() == pytest.approx(clean.mean() / photons, rel=0.03)
    shifted = np.mean(noise[1:] * noise[:-1]) / noise.var()
    assert abs(shifted) < 0.02


def test_more_bone_is_brighter_and_more_exposure_darker():
    signal = np.tile(np.geomspace(1e-3, 1, 180), (240, 1))
    equipment = replace(acq.EQUIPMENT["B"], detail=0.0)
    value = acq.look_up(signal, equipment, EXPOSED, 1.0)
    assert (np.diff(value[0]) < 0).all()
    assert value.min() >= acq.DISPLAY[0] and value.max() <= acq.DISPLAY[1]
    assert (acq.look_up(signal, equipment, replace(EXPOSED, log_exposure=0.3), 1.0) < value).all()


def test_a_fully_automatic_unit_hides_the_exposure():
    signal = np.full((240, 180), 0.03)
    unit = replace(acq.EQUIPMENT["A"], automatic=1.0)
    values = [acq.look_up(signal, unit, replace(EXPOSED, log_exposure=e), 1.0) for e in (-0.4, 0.4)]
    assert values[0] == pytest.approx(values[1], abs=1e-9)


@pytest.mark.parametrize("letter", ["L", "R"])
def test_the_marker_lies_where_it_is_put(letter):
    signal = np.ones((240, 180))
    acq.put_marker(signal, letter, 40.0, -60.0, 12.0, 0.0, 1.0)
    rows, columns = np.nonzero(signal < 0.5)
    assert rows.mean() - 119.5 == pytest.approx(-60, abs=3) and columns.mean() - 89.5 == pytest.approx(40, abs=3)
    assert 8 <= np.ptp(rows) <= 16


def test_a_marker_outside_the_film_is_no_error():
    signal = np.ones((240, 180))
    acq.put_marker(signal, "R", 300.0, 0.0, 12.0, 0.0, 1.0)
    assert (signal == 1).all()


def test_enlarging_is_exact_for_a_plane():
    plane = np.add.outer(np.arange(12.0) * 4, np.arange(9.0) * 8).astype(np.float32)
    assert acq.enlarge(plane, 40, 32, 4) == pytest.approx(np.add.outer(np.arange(40.0), 2 * np.arange(32.0)))
