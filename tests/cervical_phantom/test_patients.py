"""The cohort on disk: the contract of its files, exact repeatability, atomic writing, flat memory, the ceiling."""

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cervical_phantom import patients
from cervical_phantom.anatomy import LEVELS
from cervical_phantom.case import Case
from cervical_phantom.parameters import SyntheticCohort
from cervical_phantom.rendering import factor_for, mask_bits

SIZE = 96
PARAMETERS = SyntheticCohort(patients=12, seed=2)
FILES = ["boxes.npy", "images.npy", "manifest.parquet", "masks.npy", "truth.parquet"]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    patients.write(PARAMETERS, SIZE, folder, 1)
    return folder


@pytest.fixture(scope="module")
def tables(written) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_parquet(written / "manifest.parquet"), pd.read_parquet(written / "truth.parquet")


def test_files_and_tables(written, tables):
    manifest, truth = tables
    assert sorted(digests(written)) == FILES
    assert list(manifest) == patients.MANIFEST_COLUMNS and len(manifest) == len(truth) == 24
    assert (manifest["image_id"] == truth["image_id"]).all() and manifest["image_id"].is_unique
    assert manifest["label"].dtype == np.int8 and set(manifest["label"]) <= {0, 1}
    assert (manifest.groupby("patient_id")["side"].agg("".join) == "LR").all()
    assert set(manifest["site"]) <= {"A", "B"} and set(manifest["sex"]) <= {"F", "M"}
    shown = manifest["view"].map({"RPO": "L", "LPO": "R", "LAO": "L", "RAO": "R"})
    assert (shown == manifest["side"]).all()


def test_truth_has_every_level(tables):
    truth = tables[1]
    for level in LEVELS:
        key = level.replace("/", "_")
        for column in (f"area_mm2_{key}", f"width_mm_{key}", f"height_mm_{key}", f"narrowest_projected_mm_{key}"):
            assert truth[column].between(0, 200).all()
        assert truth[f"grade_{key}"].between(0, 3).all()
    assert truth.select_dtypes("number").notna().all(axis=None)


def test_draw_gives_the_same_tables_without_images(tables):
    drawn = patients.draw(PARAMETERS).astype({"label": "int8"})
    pd.testing.assert_frame_equal(drawn[patients.MANIFEST_COLUMNS], tables[0])
    pd.testing.assert_frame_equal(drawn.drop(columns=patients.MANIFEST_COLUMNS[1:]), tables[1])


def test_images_boxes_and_masks(written, tables):
    images, boxes, masks = (np.load(written / f"{name}.npy") for name in ("images", "boxes", "masks"))
    assert images.shape == masks.shape == (24, SIZE, SIZE) and images.dtype == np.uint16 and masks.dtype == np.uint8
    assert boxes.shape == (24, 4) and boxes.dtype == np.int16
    for image, (top, left, bottom, right) in zip(images, boxes, strict=True):
        inside = image[top:bottom, left:right]
        assert inside.min() > 0 and np.count_nonzero(image) == inside.size, "all else is padding"
        assert right - left < bottom - top, "portrait"
    for bits, site in ((14, "A"), (12, "B")):
        steps = images[tables[0]["site"] == site] / 65535 * (2**bits - 1)
        assert np.abs(steps - np.round(steps)).max() < 0.2, "the levels of the detector"


def test_masks_lie_on_the_pose(written, tables):
    masks, truth = np.load(written / "masks.npy"), tables[1]
    for mask, row in zip(masks, truth.itertuples(), strict=True):
        shown = [mask & mask_bits([level]) > 0 for level in ("C3/4", "C4/5", "C5/6", "C6/7")]
        centres = [np.argwhere(foramen).mean(0) for foramen in shown if foramen.any()]
        y, x = (np.mean(centres, axis=0) + 0.5) / SIZE * 2 - 1
        assert (x, y) == pytest.approx((row.pose_x, row.pose_y), abs=0.06)
        tilt = np.arctan2(-(centres[-1][1] - centres[0][1]), centres[-1][0] - centres[0][0])
        assert tilt == pytest.approx(row.pose_angle, abs=0.15)


def test_mask_area_is_the_projected_foramen():
    size, parameters = 480, SyntheticCohort(patients=1, seed=3, disease={"steepness": 0, "signs": 0})
    case = patients.Case(parameters, 0)
    row = case.row("L")
    masks = patients.render(case, "L", row, size)[2]
    pixel = 240 / size / row["magnification"]
    for bit, level in enumerate(LEVELS[:5]):
        measured = np.count_nonzero(masks >> bit & 1) * pixel**2
        assert measured == pytest.approx(row[f"area_projected_mm2_{level.replace('/', '_')}"], rel=0.12)


@pytest.mark.parametrize(("processes", "chunk"), [(2, 8), (1, 5), (3, 1)])
def test_same_bytes_whatever_the_processes_and_chunks(written, tmp_path, monkeypatch, processes, chunk):
    monkeypatch.setattr(patients, "CHUNK", chunk)
    patients.write(PARAMETERS, SIZE, tmp_path, processes)
    assert digests(tmp_path) == digests(written)


def test_more_patients_leave_the_first_as_they_were(written, tmp_path):
    patients.write(PARAMETERS.model_copy(update={"patients": 4}), SIZE, tmp_path, 1)
    assert np.array_equal(np.load(tmp_path / "images.npy"), np.load(written / "images.npy")[:8])


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def case(parameters: SyntheticCohort, patient: int) -> Case:
        if patient == 9:  # in the second of the tasks
            assert list(tmp_path.iterdir())
            raise KeyboardInterrupt
        return Case(parameters, patient)

    monkeypatch.setattr(patients, "Case", case)
    with pytest.raises(KeyboardInterrupt):
        patients.write(PARAMETERS, SIZE, tmp_path, 1)
    assert not list(tmp_path.iterdir())


def test_memory_does_not_hold_the_images(tmp_path):
    def peak(count: int) -> int:
        tracemalloc.start()
        patients.write(SyntheticCohort(patients=count), 160, tmp_path / str(count), 1)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(2)  # fills the caches
    assert peak(14) - peak(6) < 8 * 2 * 160 * 160 * 3 / 2


def test_some_patients_with_one_side_only(tmp_path):
    parameters = SyntheticCohort(patients=8, laterality={"left_share": 0.5, "right_share": 1.0})
    patients.write(parameters, SIZE, tmp_path, 1)
    manifest = pd.read_parquet(tmp_path / "manifest.parquet")
    assert 8 < len(manifest) < 16 and len(np.load(tmp_path / "images.npy")) == len(manifest)
    assert np.load(tmp_path / "images.npy").any(axis=(1, 2)).all()


def test_ceiling():
    table = pd.DataFrame({
        "image_id": list("abcdefgh"),
        "label": [1, 1, 1, 0, 0, 0, 0, 1],
        "label_before_noise": [1, 1, 1, 0, 0, 0, 1, 1],
        "label_visible": [1, 1, 0, 0, 0, 0, 1, 1],
    })  # fmt: skip
    best = patients.label_noise_ceiling(table.sample(frac=1, random_state=0), table)
    assert best["label_noise"] == best["invisible"] == 1 / 8
    assert best["accuracy"] == 6 / 8
    assert "12.5%" in best["explanation"]


def test_ceiling_of_the_default_cohort():
    drawn = patients.draw(SyntheticCohort(patients=150, seed=8))
    best = patients.label_noise_ceiling(drawn, drawn)
    assert 0.87 < best["accuracy"] < 0.96 and best["invisible"] < 0.03


@pytest.mark.parametrize(("size", "factor"), [(96, 4), (160, 2), (256, 2), (300, 1), (512, 1)])
def test_rays_are_at_most_four_fifths_of_a_millimetre_apart(size, factor):
    assert factor_for(size) == factor and 240 / size / factor <= 0.8
