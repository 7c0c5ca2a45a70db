"""Saliency: images chosen by rule, maps put back where they belong, checks that can fail."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from foramen.core import geometry
from foramen.evaluation import saliency
from foramen.evaluation.saliency import Explained
from foramen.training import backbone

SIZE = 64


def predictions(n: int = 80) -> pd.DataFrame:
    """Two images a patient; half of the labels are called right."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "image_id": [f"i{k:03d}" for k in range(n)],
            "patient_id": [f"p{k // 2:03d}" for k in range(n)],
            "split": np.where(np.arange(n) < n // 4, "val", "test"),
            "arm": "basic",
            "seed": 1,
            "label": rng.integers(0, 2, n),
            "score": rng.random(n),
        }
    )


def test_outcomes_take_turns_and_patients_come_once():
    chosen = saliency.choose(predictions(), "basic", 1, 12)
    assert chosen["rule"].to_list() == [*saliency.OUTCOMES] * 3
    assert chosen["patient_id"].is_unique
    right = chosen["called"] == chosen["label"]
    assert (right == chosen["rule"].str.startswith("true")).all()
    assert ((chosen["called"] == 1) == chosen["rule"].str.endswith("positive")).all()


def test_the_first_of_each_outcome_has_the_middle_score():
    frame = predictions()
    chosen = saliency.choose(frame, "basic", 1, 4)
    everything = saliency.choose(frame.assign(patient_id=frame["image_id"]), "basic", 1, 1000)
    for row in chosen.itertuples():
        scores = np.sort(everything.loc[everything["rule"] == row.rule, "score"])
        assert row.score == scores[len(scores) // 2]


def test_choice_is_from_the_test_set_whole_and_without_hidden_images():
    frame = predictions().assign(patient_id=lambda rows: rows["image_id"])
    test = set(frame.loc[frame["split"] == "test", "image_id"])
    hidden = sorted(test)[:5]
    chosen = saliency.choose(frame, "basic", 1, 1000, hidden)
    assert set(chosen["image_id"]) == test - set(hidden)
    shuffled = saliency.choose(frame.sample(frac=1, random_state=1), "basic", 1, 1000, hidden)
    pd.testing.assert_frame_equal(chosen, shuffled)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_spot_seen_through_the_transformer_returns_to_its_place(mirrored):
    radiograph = np.zeros((1, SIZE, SIZE), np.float32)
    radiograph[0, 20:24, 36:40] = 1
    given = torch.as_tensor(radiograph[:, None])
    given = given.flip(-1) if mirrored else given
    pose = torch.tensor([[0.3, np.log(1.1), -0.1 if mirrored else 0.1, -0.2]], dtype=torch.float32)
    theta = (geometry.matrices(pose) @ geometry.crop_frame(1.5))[:, :2]
    seen = geometry.sample(given, theta, SIZE)[:, 0].numpy()
    back = saliency.to_radiograph(seen, theta, np.array([mirrored]), SIZE)
    assert np.unravel_index(back[0].argmax(), back[0].shape) == pytest.approx((21.5, 37.5), abs=1.1)
    assert back[0].sum() == pytest.approx(radiograph.sum(), rel=0.1)


def test_outside_what_is_seen_a_map_is_zero():
    theta = geometry.crop_frame(2.0)[None, :2]
    back = saliency.to_radiograph(np.ones((1, 3, 3)), theta, np.array([False]), SIZE)[0]
    inside = np.zeros((SIZE, SIZE), bool)
    inside[16:48, 16:48] = True
    assert back[inside] == pytest.approx(1) and (back[~inside] == 0).all()


class Spot(nn.Module):
    """A network whose logit is the brightness of the upper left quarter: the truth about it is known."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(8)

    def forward(self, images):
        return self.pool(images)[:, :, :4, :4].mean(dim=(1, 2, 3))[:, None]


def test_grad_cam_finds_what_the_logit_depends_on():
    images, spot = torch.rand(saliency.BATCH + 3, 1, SIZE, SIZE) + 0.5, Spot()
    maps = saliency.grad_cam(spot, images, spot.pool)
    assert maps.shape == (len(images), 8, 8)
    expected = images.unfold(2, 8, 8).unfold(3, 8, 8).mean(dim=(1, 4, 5))
    gradient = 1 / 16 * 16 / 64  # of each cell, averaged over all cells
    assert maps == pytest.approx((expected * gradient).numpy(), rel=1e-4)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(224, ("layer4", "layer3")), (96, ("layer3", "layer2")), (64, ("layer3", "layer2")), (32, ("layer2", "layer1"))],
)
def test_maps_come_from_stages_that_can_say_where(size, expected):
    assert saliency.layers((size, size)) == saliency.layers((2 * size, size)) == expected
    for name in ("resnet50", "tf_efficientnet_lite0"):
        network = backbone.create(name).eval()
        for stage in expected:
            maps = saliency.grad_cam(network, torch.rand(1, 1, size, size), saliency.last(network, stage))
            assert maps.shape[-1] == size // saliency.STRIDES[stage] >= 4


def test_randomising_goes_from_the_output_down_and_keeps_the_values():
    network = backbone.create("resnet50", seed=3).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    reached = []
    for stage, shuffled in saliency.randomised(network, seed=1):
        reached.append(stage)
        after = shuffled.state_dict()
        changed = {name.split(".")[0] for name, v in after.items() if not torch.equal(v, before[name])}
        assert ("conv1" in changed) == (stage == "stem") and "fc" in changed
    assert reached == [*reversed(backbone.STAGES)]
    for name in ("conv1.weight", "layer4.2.conv3.weight", "fc.weight"):
        assert torch.equal(after[name].flatten().sort().values, before[name].flatten().sort().values)
        assert not torch.equal(after[name], before[name])
    assert all(torch.equal(v, before[name]) for name, v in network.state_dict().items())


def explained(maps: dict[str, np.ndarray], masks: np.ndarray | None) -> Explained:
    n = len(next(iter(maps.values())))
    rows = pd.DataFrame({"image_id": range(n), "patient_id": range(n), "label": 1, "score": 0.9, "rule": "x"})
    boxes = np.tile([4, 4, 60, 60], (n, 1))
    return Explained(rows, np.zeros((n, SIZE, SIZE), np.uint16), boxes, masks, maps)


@pytest.fixture
def masks():
    masks = np.zeros((20, SIZE, SIZE), bool)
    for i in range(20):
        masks[i, 10 + 2 * i : 14 + 2 * i, 30:34] = True
    return masks


def test_overlap_tells_a_perfect_map_from_a_blind_one(masks):
    noise = np.random.default_rng(0).random(masks.shape)
    maps = {"Grad-CAM layer4": masks.astype(float), "randomised network": 0.0 * masks, "edge detector": noise}
    table = saliency.overlap({"basic": explained(maps, masks)}).set_index(["method", "measure"])
    perfect, empty, blind = (table.xs(name) for name in maps)
    assert perfect["estimate"].to_list() == [1.0, 1.0]
    assert empty.loc["pointing_game", "estimate"] == 0 and empty["zero_maps"].to_list() == [20, 20]
    assert empty.loc["auprc", "estimate"] == pytest.approx(16 / 56**2)
    assert blind.loc["auprc", "estimate"] == pytest.approx(blind.loc["auprc", "chance"], abs=0.01)
    assert blind.loc["pointing_game", "estimate"] <= 0.2
    assert (table["low"] <= table["estimate"]).all() and (table["estimate"] <= table["high"]).all()
    assert table.xs("edge detector")["arm"].eq("").all() and perfect["arm"].eq("basic").all()


def test_what_does_not_look_at_the_network_stands_once(masks):
    maps = {"Grad-CAM layer4": masks.astype(float), "edge detector": masks.astype(float)}
    table = saliency.overlap({"basic": explained(maps, masks), "proposed": explained(maps, masks)})
    assert (table["method"] == "edge detector").sum() == 2 and (table["method"] == "Grad-CAM layer4").sum() == 4


def test_without_the_truth_there_is_no_overlap():
    table = saliency.overlap({"basic": explained({"Grad-CAM layer4": np.ones((2, SIZE, SIZE))}, None)})
    assert not len(table) and "estimate" in table


def test_centre_prior_peaks_in_the_middle_of_the_valid_area():
    prior = saliency._centre(np.array([[10, 20, 31, 41]]), SIZE)[0]
    assert np.unravel_index(prior.argmax(), prior.shape) in {(20, 30), (20, 31), (21, 30), (21, 31)}


def test_first_keeps_rows_and_maps_together(masks):
    given = explained({"Grad-CAM layer4": masks.astype(float)}, masks).first(3)
    assert len(given.rows) == len(given.images) == len(given.boxes) == len(given.masks) == 3
    assert given.maps["Grad-CAM layer4"].shape[0] == 3


def test_maps_are_correlated_pair_by_pair_and_a_constant_one_has_no_correlation():
    maps = np.random.default_rng(0).random((3, 4, 4))
    found = saliency.correlations(maps, np.stack([2 * maps[0] + 1, -maps[1], np.zeros((4, 4))]), maps >= 0)
    assert found[:2] == pytest.approx([1, -1]) and np.isnan(found[2])


def test_maps_are_correlated_where_the_network_looked_as_both_are_zero_elsewhere():
    one, other, given = np.zeros((3, 1, 40, 40))
    given[:, 10:30, 10:30] = 1
    one[given > 0], other[given > 0] = 1 + np.random.default_rng(0).random((2, 400))
    assert saliency.correlations(one, other, given >= 0)[0] > 0.9
    assert abs(saliency.correlations(one, other, given > 0)[0]) < 0.2
