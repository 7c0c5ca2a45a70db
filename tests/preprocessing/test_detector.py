"""The detector: heatmaps and back, what it learns, how sure it is; the step that cuts the films of a study."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import films
from foramen.cohort import step as cohort
from foramen.core import compute, paths, weights
from foramen.core.errors import InputError
from foramen.preprocessing import detector, regions, step
from foramen.study import load
from foramen.study.model import Study


def columns(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Films (n, 1, 64, 64) uint8 with a bright bar from a blob to a ring, and the ends (n, 2, 2) of the bar."""
    draw = torch.Generator().manual_seed(seed)
    centre = (torch.rand(n, 2, generator=draw) - 0.5) * 0.6
    angle, half = (torch.rand(n, generator=draw) - 0.5) * 0.6, 0.3 + 0.1 * torch.rand(n, generator=draw)
    run = torch.stack([-angle.sin(), angle.cos()], dim=1) * half[:, None]
    ends = torch.stack([centre - run, centre + run], dim=1)
    line = detector.cell_centres(64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    films = 0.1 * torch.rand(n, 64, 64, generator=draw)
    for i, (upper, lower) in enumerate(ends):
        share = ((x - upper[0]) * (lower - upper)[0] + (y - upper[1]) * (lower - upper)[1]) / (
            lower - upper
        ).square().sum()
        aside = torch.hypot(x - upper[0] - share * (lower - upper)[0], y - upper[1] - share * (lower - upper)[1])
        films[i] += 0.4 * ((aside < 0.05) & (share > 0) & (share < 1))
        films[i] += 0.5 * (torch.hypot(x - upper[0], y - upper[1]) < 0.1)
        films[i] += 0.5 * ((torch.hypot(x - lower[0], y - lower[1]) - 0.1).abs() < 0.04)
    return (films.clamp(0, 1) * 255).to(torch.uint8)[:, None], ends


def test_a_heatmap_is_read_back_to_a_fraction_of_its_cells():
    points = torch.tensor([[[0.13, -0.42], [-0.3, 0.55]]])
    heat = detector.target_heatmaps(points, 32)
    torch.testing.assert_close(heat.sum(dim=(-1, -2)), torch.ones(1, 2))
    found, sure = detector.read_heatmaps(heat.clamp_min(1e-12).log())
    torch.testing.assert_close(found, points, atol=0.1 * 2 / 32, rtol=0)
    assert (sure > 0.9).all()


def test_two_places_that_are_as_likely_are_not_sure():
    both = detector.target_heatmaps(torch.tensor([[[-0.5, 0.0]], [[0.5, 0.0]]]), 32).mean(dim=0, keepdim=True)
    _, sure = detector.read_heatmaps(both.clamp_min(1e-12).log())
    assert sure.item() == pytest.approx(0.5, abs=0.05)


def test_the_loss_is_least_at_the_target():
    points = torch.tensor([[[0.1, 0.2], [0.3, -0.4]]])
    right = detector.target_heatmaps(points, 16).clamp_min(1e-12).log()
    wrong = detector.target_heatmaps(points + 0.3, 16).clamp_min(1e-12).log()
    assert detector.heatmap_loss(right, points) < detector.heatmap_loss(wrong, points)


def test_a_random_change_moves_films_and_ends_alike():
    films, ends = columns(8)
    changed, moved = detector.change_at_random(films / 255.0, ends, torch.Generator().manual_seed(3))
    assert not torch.allclose(moved, ends, atol=0.01)
    for film, (upper, _) in zip(changed, moved, strict=True):
        if (upper.abs() < 0.9).all():
            column, row = ((upper + 1) / 2 * 64).long().tolist()
            assert film[0, row, column] > 0.5  # the middle of the blob


def test_the_detector_finds_columns_that_it_was_not_shown():
    compute.deterministic(1)
    films, ends = columns(192)
    torch.manual_seed(0)
    network = detector.ColumnDetector((8, 16, 16, 16))
    history = detector.fit_detector(network, films[:160], ends[:160], epochs=12, seed=0)
    assert list(history.columns) == ["epoch", "loss"] and history.loss.iloc[-1] < history.loss.iloc[0]
    found, sure = detector.detect(network, films[160:])
    away = np.linalg.norm(found - ends[160:].numpy(), axis=2)
    middle = np.linalg.norm(ends[160:].mean(dim=0).numpy() - ends[160:].numpy(), axis=2)
    assert np.median(away) < 0.25 * np.median(middle)
    assert ((sure > 0) & (sure <= 1)).all()


def study_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **region: object) -> Study:
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    return Study.model_validate(
        {
            "name": "places",
            "cohort": {"image_size": 64, "synthetic": {"patients": 12, "seed": 3}},
            "region": {"size": 48, "epochs": 1} | region,
            "arms": {"basic": {"region": "detected"}},
            "plan": {"primary": {"arm": "basic"}},
        }
    )


def test_a_study_cuts_its_films_once_where_its_detector_found_them(tmp_path, monkeypatch):
    monkeypatch.setattr(step, "believed", lambda points, *_: np.ones(len(points), bool))
    study = study_of(tmp_path, monkeypatch)
    variant, table = step.prepare(study, "detected", "none"), step.prepare_regions(study)
    assert variant.images.shape == (24, 48, 48) and variant.images.dtype == np.uint8
    assert list(table.columns) == ["image_id", "x", "y", "half", "confidence", "detected", "given", "iou"]
    made, before = cohort.load(study), (study.paths.regions / "run.json").stat().st_mtime_ns
    kept = detector.ColumnDetector()
    kept.load_state_dict(weights.read(study.paths.regions / step.WEIGHTS))
    found, sure = detector.detect(kept, step.small_films(made.images))
    np.testing.assert_allclose(regions.around_columns(found, 2.0), table[["x", "y", "half"]], atol=1e-6)
    np.testing.assert_allclose(sure, table["confidence"], atol=1e-6)
    image, box = regions.cut(made.images[0], made.boxes[0], table.loc[0, ["x", "y", "half"]].to_numpy(float), 48)
    top, left, bottom, right = variant.boxes[0]
    assert box.tolist() == variant.boxes[0].tolist()
    np.testing.assert_array_equal(variant.images[0][top:bottom, left:right], (image >> 8)[top:bottom, left:right])
    step.prepare(study, "detected", "global")
    assert (study.paths.regions / "run.json").stat().st_mtime_ns == before  # one detector for all treatments


def test_where_the_detector_is_not_sure_the_fixed_region_is_cut(tmp_path, monkeypatch):
    study = study_of(tmp_path, monkeypatch, confidence=1.0, height=0.6, centre_down=0.2)
    table = step.prepare_regions(study)
    assert not table["detected"].any()
    np.testing.assert_allclose(table[["x", "y", "half"]], [[0.0, 0.2, 0.6]] * 24)
    assert (table["confidence"] < 1).all()  # what it found is still told
    recorded = pd.read_json(paths.StudyPaths("places").regions / "run.json", typ="series")
    assert recorded["unsure"] == 24
    assert "does not fit these films: on 24 of 24 (100%) it is not sure" in recorded["misfit"]


def test_a_column_without_a_length_is_not_believed_however_sure_the_detector(tmp_path, monkeypatch):
    study = study_of(tmp_path, monkeypatch, confidence=0.0)
    monkeypatch.setattr(step, "detect", lambda network, films: (np.zeros((len(films), 2, 2)), np.ones(len(films))))
    table = step.prepare_regions(study)
    assert not table["detected"].any() and (table["half"] == study.region.height).all()
    assert step.prepare(study, "detected", "none").images.any()


def test_a_column_is_believed_where_the_detector_is_sure_and_the_length_is_one_that_was_taught():
    upright = np.array([[0.0, -0.5], [0.0, 0.5]])
    answers = np.stack([upright * scale for scale in (1.0, 1.0, 0.5, 1.25, 2.0)])
    believed = detector.believed(answers, np.array([0.9, 0.7, 0.9, 0.9, 0.9]), upright[None], 0.8)
    assert believed.tolist() == [True, False, False, True, False]


def own_films(folder: Path, boxed: int) -> Study:
    """A study of a folder of films, the first ones with a box in the table."""
    box = {"region_left": 20, "region_top": 30, "region_right": 52, "region_bottom": 62}  # of 72 x 96 pixels
    table = films.cohort_folder(folder, **box).astype(object)
    table.loc[boxed:, list(box)] = ""
    table.to_csv(folder / "manifest.csv", index=False)
    path = films.study_file(folder)
    arms = {"arms": {"basic": {"region": "detected"}}, "region": {"size": 48, "epochs": 1}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | arms))
    return load(path)


def test_boxes_of_the_table_are_taken_and_teach_the_detector_for_the_rest(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    study = own_films(tmp_path / "own", boxed=40)
    cohort_made, table = cohort.prepare(study), step.prepare_regions(study)
    assert table["given"].tolist() == [True] * 40 + [False] * 8
    square = [(20 + 52 - 72) / 96, (30 + 62 - 96) / 96, 32 / 96]
    np.testing.assert_allclose(table.loc[:39, ["x", "y", "half"]], [square] * 40)
    assert table["iou"].notna().tolist() == table["given"].tolist()
    learned, ends = step._lesson(study, cohort_made, tmp_path)
    assert len(learned) == (table["given"] & (cohort_made.included["split"] == "train")).sum() < 40
    np.testing.assert_allclose(
        regions.around_columns(ends.numpy(), study.region.margin), [square] * len(ends), atol=1e-6
    )
    quality = step.detection_table(study, cohort_made).set_index("split")
    assert quality["given"].between(0.5, 1).all() and quality["iou"].between(0, 1).all() and "holds" not in quality


def test_a_detector_without_anything_to_learn_from_is_a_fault_of_the_cohort(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path / "output"))
    with pytest.raises(InputError, match=r"no film has a box \(region_left, .*learned_from: phantom"):
        cohort.prepare(own_films(tmp_path / "own", boxed=0))


def test_own_films_are_shown_to_the_detector_even_where_no_arm_uses_it(tmp_path):
    films.cohort_folder(tmp_path)
    assert not load(films.study_file(tmp_path)).detects
    assert load(films.study_file(tmp_path), ["region.learned_from=phantom"]).detects


def test_only_training_films_are_learned_from(tmp_path, monkeypatch):
    study = study_of(tmp_path, monkeypatch)
    made = cohort.prepare(study)
    learned, ends = step._lesson(study, made, tmp_path)
    assert len(learned) == len(ends) == (made.included["split"] == "train").sum() < len(made.included)


def test_a_learning_curve_teaches_the_detector_by_its_share_of_patients(tmp_path, monkeypatch):
    study = study_of(tmp_path, monkeypatch)
    few = study.model_copy(update={"training": study.training.model_copy(update={"share": 0.5})})
    made = cohort.prepare(study)
    learned, _ = step._lesson(few, made, tmp_path)
    assert len(learned) == cohort.learned_from(few, made).sum() < len(step._lesson(study, made, tmp_path)[0])
    assert few.stage("regions") != study.stage("regions")


def test_no_known_pose_is_said_with_the_way_out(tmp_path, monkeypatch):
    study = study_of(tmp_path, monkeypatch)
    made = cohort.prepare(study)
    for poses in (None, made.poses.assign(pose_scale=np.nan)):
        object.__setattr__(made, "poses", poses)
        with pytest.raises(InputError, match=r"region\.learned_from: no column is known here; phantom"):
            step._lesson(study, made, tmp_path)


def test_films_without_poses_are_found_by_what_was_learned_from_synthetic_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(step, "PHANTOM", step.PHANTOM.model_copy(update={"patients": 6}))
    study = study_of(tmp_path, monkeypatch, learned_from="phantom")
    made = cohort.prepare(study)
    learned, _ = step._lesson(study, made, tmp_path)
    assert learned.shape == (12, 1, step.FILM_SIZE, step.FILM_SIZE)
    assert len(step.prepare_regions(study)) == len(made.included)
