"""Flip and random changes: what is mirrored, what happens to the label, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from foramen.augmentation import flip, random_changes
from foramen.augmentation import step as augmentation
from foramen.core import geometry
from foramen.core.errors import InputError
from foramen.study.model import Arm, Study
from foramen.training import backbone
from foramen.training import step as training
from foramen.training.classifier import Classifier, TrainingImages, Transformer
from foramen.training.fine_tuning import FineTuning


def study_of(flip: str, **manifest: object) -> Study:
    """A study of one arm on a reader's own radiographs."""
    return Study.model_validate(
        {
            "name": "flips",
            "cohort": {"source": "manifest", "manifest": {"path": "films.csv"} | manifest},
            "arms": {"basic": {"flip": flip}},
            "plan": {"primary": {"arm": "basic"}},
        }
    )


def films_of(sides: list[str]) -> SimpleNamespace:
    """A cohort of one radiograph a side given; labels alternate."""
    rows = pd.DataFrame({"image_id": [f"film_{i}" for i in range(len(sides))], "side": sides})
    rows["label"] = np.arange(len(sides), dtype=np.int8) % 2
    rows["patient_id"], rows["split"] = rows["image_id"], "train"
    return SimpleNamespace(included=rows)


def test_canonical_flip_mirrors_right_sides_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    films, images = films_of(["L", "R", "R"]), np.random.default_rng(0).integers(0, 255, (3, 8, 8), np.uint8)
    monkeypatch.setattr(augmentation.preprocessing, "prepare", lambda *_: SimpleNamespace(images=images))

    def arm_images(kind: str) -> np.ndarray:
        return augmentation.arm_images(study_of(kind), Arm(flip=kind), films)[:, 0].numpy()

    np.testing.assert_array_equal(arm_images("canonical")[0], images[0])
    np.testing.assert_array_equal(arm_images("canonical")[1:], images[1:, :, ::-1])
    for kind in ("none", "random"):
        np.testing.assert_array_equal(arm_images(kind), images)


def test_examples_show_right_sides_mirrored_onto_left():
    films, images = films_of(["L", "R", "L", "R"]), np.arange(4 * 9).reshape(4, 3, 3)
    chosen = flip.examples(films.included["side"], 4)
    before, sides = images[chosen], films.included["side"][chosen]
    after = flip.apply_canonical_flip(before, flip.mirrored(sides, "canonical"))
    assert sides.tolist() == ["R", "L", "R", "L"]
    np.testing.assert_array_equal(after[0], before[0][:, ::-1])
    np.testing.assert_array_equal(after[1], before[1])


def test_label_follows_the_mirror_where_it_depends_on_the_side(monkeypatch: pytest.MonkeyPatch):
    films = films_of(["L", "R", "L", "R"])
    blank = SimpleNamespace(images=np.zeros((4, 8, 8), np.uint8))
    monkeypatch.setattr(augmentation.preprocessing, "prepare", lambda *_: blank)
    for dependent, taught in ((False, [0, 1, 0, 1]), (True, [0, 0, 0, 0])):
        study = study_of("canonical", side_dependent_label=dependent)
        held = training.images(study.run("basic", 1), films)
        assert held.labels.tolist() == taught
        assert held.swapped.tolist() == [False, dependent, False, dependent]


@pytest.mark.parametrize("dependent", [False, True])
def test_random_flip_mirrors_half_and_swaps_only_side_dependent_labels(dependent: bool):
    study = study_of("random", side_dependent_label=dependent)
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    images, rows = torch.zeros(400, 1, 8, 8, dtype=torch.uint8), torch.arange(400)
    data = TrainingImages(images, torch.ones(400), np.zeros(400, bool), {"train": rows}, dependent)
    model = Classifier(Transformer(torch.eye(3), 8, 1), backbone.create("resnet50"))
    tuning = FineTuning(model, data, study.training, study.augmentation, study.arms["basic"])
    data.inputs = ramp.repeat(400, 1, 1, 1)
    inputs, labels = tuning.batch(rows)
    mirrored = inputs[:, 0, 0, 0] == 7
    assert 150 < int(mirrored.sum()) < 250
    assert torch.equal(labels == 0, mirrored & dependent)


def test_audit_says_what_a_mirror_does_to_the_label():
    films = films_of(["L", "R", "R", "L"])
    safe = augmentation.audit(study_of("canonical"), films)
    assert (safe["label_depends_on_side"], safe["mirrored_by_canonical"]) == (False, 2)
    assert safe["label_of_a_mirrored_image"] == "label"
    swapping = augmentation.audit(study_of("random", side_dependent_label=True), films)
    assert swapping["label_of_a_mirrored_image"] == "1 - label"


def test_flip_of_labels_named_after_sides_is_refused_until_they_are_declared():
    labels = {"L": 0, "R": 1}
    for kind in ("random", "canonical"):
        with pytest.raises(InputError, match="side_dependent_label"):
            augmentation.check(study_of(kind, labels=labels))
        augmentation.check(study_of(kind, labels=labels, side_dependent_label=True))
    augmentation.check(study_of("none", labels=labels))


def test_random_poses_fill_their_limits_and_no_more():
    limits = random_changes.pose_limits(rotation=10, zoom=0.2, shift=0.1)
    poses = random_changes.random_poses(2000, limits, torch.Generator().manual_seed(0))
    reached = poses.abs().max(dim=0).values
    allowed = torch.tensor([np.radians(10), np.log(1.2), 0.2, 0.2], dtype=torch.float32)
    assert (reached <= allowed).all() and (reached > 0.97 * allowed).all()
    assert poses.mean(dim=0).abs().max() < 0.02


def test_no_random_change_leaves_the_view_alone():
    none = random_changes.pose_limits(0, 0, 0)
    assert not none.any()
    theta = geometry.crop_frame(1.8)[None, :2].repeat(3, 1, 1)
    assert torch.equal(random_changes.random_affine(theta, none, torch.Generator()), theta)


def test_a_tall_view_is_turned_in_its_own_coordinates():
    """As the documentation says: twice as high as wide, rows turn by about twice the angle, columns by about half."""
    limits = random_changes.pose_limits(4, 0, 0)
    theta = geometry.crop_frame(1.0, shape=(64, 32))[None, :2]
    (matrix,) = random_changes.random_affine(theta, limits, torch.Generator().manual_seed(1))[..., :2]
    angle = float(random_changes.random_poses(1, limits, torch.Generator().manual_seed(1))[0, 0])
    rows, columns = matrix[:, 0], matrix[:, 1]  # where the input's rightward and downward steps lead on the image
    assert abs(angle) > 0.01
    assert torch.atan2(rows[1], rows[0]).item() == pytest.approx(np.arctan(2 * np.tan(angle)))
    assert torch.atan2(-columns[0], columns[1]).item() == pytest.approx(np.arctan(np.tan(angle) / 2))


def test_random_gain_changes_contrast_about_the_mean():
    batch = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    changed = random_changes.random_gain(batch, 0.5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(changed.mean(dim=(1, 2, 3)), batch.mean(dim=(1, 2, 3)))
    ratio = changed.std(dim=(1, 2, 3)) / batch.std(dim=(1, 2, 3))
    assert ((ratio > 0.5) & (ratio < 1.5)).all() and ratio.std() > 0.01
