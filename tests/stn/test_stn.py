"""The spatial transformer: geometry, sampling, bounds, teaching without truth, and the verdict on a collapse."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from foramen.core import compute, geometry
from foramen.core.display import readings
from foramen.stn import diagnostics, step
from foramen.stn.self_supervision import fit_localisation, predict_poses
from foramen.stn.transformer import SpatialTransformer, standardised_disc
from foramen.study.model import Arm, Run, Study
from foramen.training import backbone
from foramen.training.classifier import Classifier

SIZE = 64


def study_of(**parameters: object) -> Study:
    """A study with every way of training the STN."""
    ways = ("none", "crop", "joint", "self_supervised", "true_pose")
    return Study.model_validate(
        {
            "name": "views",
            "cohort": {"image_size": SIZE},
            "stn": {"localisation_size": 32} | parameters,
            "arms": {way: {"stn": way} for way in ways},
            "training": {"input": [32, 32]},
            "plan": {"reference": "none", "primary": {"arm": "crop"}},
        }
    )


def random_poses(n: int, seed: int = 0, share: float = 1.0) -> torch.Tensor:
    limits = torch.tensor([np.radians(20), np.log(1.3), 0.2, 0.2], dtype=torch.float32) * share
    return (2 * torch.rand(n, 4, generator=torch.Generator().manual_seed(seed)) - 1) * limits


def necks(poses: torch.Tensor) -> torch.Tensor:
    """Radiograph-like pictures (n, 1, SIZE, SIZE) uint8: a ladder of blocks, larger at its foot, in these poses."""
    line = torch.linspace(-1, 1, SIZE)
    y, x = torch.meshgrid(line, line, indexing="ij")
    column = (x.abs() < 0.12 + 0.06 * y) * (0.6 + 0.4 * (10 * y).sin())
    upright = 0.2 + 0.6 * column * (y.abs() < 0.5) + 0.15 * ((x - 0.3).square() + (y + 0.2).square() < 0.01)
    seen = geometry.sample(
        upright.expand(len(poses), 1, SIZE, SIZE), torch.linalg.inv(geometry.matrices(poses))[:, :2], SIZE
    )
    noise = torch.randn(seen.shape, generator=torch.Generator().manual_seed(5))
    return ((seen + 0.03 * noise).clamp(0, 1) * 255).to(torch.uint8)


def test_poses_and_matrices_are_inverse():
    poses = random_poses(50)
    torch.testing.assert_close(geometry.poses(geometry.matrices(poses)), poses)
    both = geometry.matrices(poses[:25]) @ geometry.matrices(poses[25:])
    torch.testing.assert_close(geometry.matrices(geometry.poses(both)), both)


def test_mirrored_pose_belongs_to_the_mirrored_image():
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    poses = random_poses(3)
    seen = geometry.sample(images, geometry.matrices(poses)[:, :2], 32)
    mirrored = geometry.sample(images.flip(-1), geometry.matrices(geometry.mirror(poses))[:, :2], 32)
    torch.testing.assert_close(mirrored, seen.flip(-1), atol=1e-5, rtol=0)


def test_identity_returns_the_image_and_a_crop_its_middle():
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    whole = torch.eye(3)[:2].expand(2, 2, 3)
    torch.testing.assert_close(geometry.sample(images, whole, 32), images, atol=1e-5, rtol=0)
    middle = geometry.crop_frame(2.0)[:2].expand(2, 2, 3)
    torch.testing.assert_close(geometry.sample(images, middle, 16), images[..., 8:24, 8:24], atol=1e-5, rtol=0)


def test_sampling_stays_in_float32_and_repeats_the_border():
    images = torch.full((1, 1, 32, 32), 0.7)
    aside = geometry.matrices(torch.tensor([[0.3, 0.2, 0.9, 0.9]]))[:, :2]
    with compute.autocast("bf16", torch.device("cpu")):
        seen = geometry.sample(images, aside, 32)
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen, torch.full_like(seen, 0.7))
    assert geometry.outside(aside).item() > 0.3


def test_minified_stripes_turn_grey_instead_of_aliasing():
    stripes = (torch.arange(96) % 2).float().expand(1, 1, 96, 96)
    whole = torch.eye(3)[:2].expand(1, 2, 3)
    bare = geometry.sample(stripes, whole, 40)
    smooth = geometry.sample(stripes, whole, 40, geometry.supersampling(96, 40, 1.0))
    assert bare.std() > 0.2
    assert smooth.std() < 0.5 * bare.std()
    assert abs(smooth.mean() - 0.5) < 0.01


def test_every_way_starts_at_its_reference():
    study, images = study_of(), torch.rand(2, 1, SIZE, SIZE)
    crop = step.build(study.run("crop", 1)).theta(images)
    for way in ("self_supervised", "true_pose"):
        torch.testing.assert_close(step.build(study.run(way, 1)).eval().theta(images), crop)
    for way in ("none", "joint"):
        theta = step.build(study.run(way, 1)).eval().theta(images)
        torch.testing.assert_close(theta, torch.eye(3)[:2].expand(2, 2, 3))


def test_a_tall_input_has_square_pixels_and_the_height_of_the_region():
    study, images = study_of(), torch.rand(2, 1, SIZE, SIZE)
    tall = study.model_copy(update={"training": study.training.model_copy(update={"input": [32, 16]})})
    whole = torch.tensor([[0.5, 0.0, 0.0], [0.0, 1.0, 0.0]]).expand(2, 2, 3)
    for way in ("none", "joint"):
        transformer = step.build(tall.run(way, 1)).eval()
        torch.testing.assert_close(transformer.theta(images), whole)
        assert transformer(images).shape == (2, 1, 32, 16)
    crop = step.build(tall.run("crop", 1))
    torch.testing.assert_close(crop.theta(images), whole / study.stn.magnification)


def headed(way: str = "self_supervised", **parameters: object) -> Run:
    """A training with four heads along the column of a detected region."""
    study = study_of(head_magnification=4.0, **parameters)
    arm = Arm(region="detected", stn=way, heads=4, input=[24, 24])
    region = study.region.model_copy(update={"size": SIZE})
    return study.model_copy(update={"arms": {"heads": arm}, "region": region}).run("heads", 1)


def test_heads_start_along_the_column_as_the_detector_found_it():
    """The region is `margin` columns high, so the ends of the column lie 1 / margin from its middle."""
    run, images = headed(), torch.rand(2, 1, SIZE, SIZE)
    transformer = step.build(run).eval()
    theta = transformer.theta(images)
    assert theta.shape == (2, 4, 2, 3) and transformer(images).shape == (2, 4, 24, 24)
    torch.testing.assert_close(theta[0, :, 1, 2], torch.tensor([-1, -1 / 3, 1 / 3, 1]) / run.study.region.margin)
    torch.testing.assert_close(theta[0, :, 0, 0], torch.full((4,), 0.25))
    torch.testing.assert_close(step.build(headed("crop")).theta(images), theta)
    one = geometry.sample(images, theta[:, 2], 24, transformer.samples)[:, 0]
    torch.testing.assert_close(transformer(images)[:, 2], one)


def test_each_head_follows_its_own_part_of_the_picture():
    """Learned without truth; judged by where each head looks in pictures that were not learned from."""
    compute.deterministic(1)
    run = headed(epochs=12, rounds=2, learning_rate=3e-3)
    true = random_poses(320, share=0.5)
    images, transformer, given = necks(true), step.build(run), run.study.stn
    known = torch.zeros(256, 4, 4)
    fit_localisation(transformer, images[:256], known, given.rounds, given.epochs, given.learning_rate, 1)
    found = (geometry.matrices(predict_poses(transformer, images[256:])) @ transformer.frame)[..., :2, 2]  # (64, 4, 2)
    wanted = (geometry.matrices(true[256:])[:, None] @ transformer.frame)[..., :2, 2]
    for head in range(4):
        for axis in range(2):
            assert np.corrcoef(found[:, head, axis], wanted[:, head, axis])[0, 1] > 0.7, (head, axis)
    assert not diagnostics.diagnose(transformer, images[256:])["collapsed"]


def test_crop_and_stn_sample_equally_finely():
    study = study_of()
    assert step.build(study.run("crop", 1)).samples == step.build(study.run("self_supervised", 1)).samples


def test_no_answer_leaves_the_limits():
    study = study_of()
    transformer = step.build(study.run("self_supervised", 1)).eval()
    with torch.no_grad():
        transformer.localisation[-1].bias.copy_(torch.tensor([1e4, -1e4, 1e4, -1e4]))
    pose = transformer.pose(torch.rand(1, 1, SIZE, SIZE))[0]
    torch.testing.assert_close(pose, transformer.limits * torch.tensor([1.0, -1.0, 1.0, -1.0]))


def test_localisation_network_sees_nothing_of_the_film_edge():
    """A known transform must be read from the anatomy, not from edges that turn with it."""
    small = torch.rand(1, 1, 32, 32)
    framed = small.clone()
    framed[..., :3, :] = framed[..., :, -3:] = 5.0
    torch.testing.assert_close(standardised_disc(framed), standardised_disc(small))
    torch.testing.assert_close(standardised_disc(3 * small + 2), standardised_disc(small), atol=1e-4, rtol=0)


def fitted(study: Study, arm: Arm, seed: int = 1) -> tuple[SpatialTransformer, torch.Tensor, torch.Tensor]:
    """A localisation network trained without truth on 256 pictures; its poses for 64 others, and their true poses."""
    compute.deterministic(1)
    true = random_poses(320, share=0.5)
    images = necks(true)
    transformer, given = step.build(study.run(arm.stn, seed)), study.stn
    known = torch.zeros(256, 4)
    fit_localisation(transformer, images[:256], known, given.rounds, given.epochs, given.learning_rate, seed)
    return transformer, predict_poses(transformer, images[256:]), true[256:]


@pytest.fixture(scope="module")
def trained() -> tuple[Study, SpatialTransformer, torch.Tensor, torch.Tensor]:
    study = study_of(epochs=12, rounds=2, learning_rate=3e-3)
    return study, *fitted(study, study.arms["self_supervised"])


def test_pose_is_learned_without_truth(trained):
    """Undoing known transforms of training images recovers the unknown pose of images never seen."""
    _, _, answers, true = trained
    for i, name in enumerate(geometry.POSE):
        correlation = np.corrcoef(answers[:, i], true[:, i])[0, 1]
        assert correlation > 0.7, f"{name}: {correlation:.2f}"


def test_a_later_round_shrinks_the_answers_less(trained):
    """The first round answers with less than the whole pose; taking its answers as known mends that."""
    _, _, answers, true = trained
    study = study_of(epochs=12, rounds=1, learning_rate=3e-3)
    _, first, _ = fitted(study, study.arms["self_supervised"])

    def slope(seen: torch.Tensor) -> float:
        return np.mean([np.polyfit(true[:, i], seen[:, i], 1)[0] for i in range(4)])

    assert slope(first) < slope(answers) < 1.2


def test_teaching_repeats_byte_for_byte():
    study = study_of(epochs=1, rounds=1)
    answers = [fitted(study, study.arms["self_supervised"])[1] for _ in range(2)]
    assert torch.equal(*answers)


def films_of(n: int) -> SimpleNamespace:
    rows = pd.DataFrame({"split": ["val"] * n, "side": ["L"] * n})
    return SimpleNamespace(included=rows, poses=None)


def test_a_working_stn_is_not_called_collapsed(trained):
    study, transformer, _, _ = trained
    facts = step.diagnose(transformer, necks(random_poses(40, 9, 0.5)), films_of(40), study.run("self_supervised", 1))
    assert not facts["collapsed"]
    assert min(facts["variation"].values()) > 0
    assert min(facts["follows"]["shift_x"], facts["follows"]["shift_y"]) > diagnostics.FOLLOWS


def test_an_stn_does_not_follow_films_that_share_no_place(trained):
    _, transformer, _, _ = trained
    noise = torch.randint(0, 256, (40, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    found = diagnostics.followed(transformer, noise, predict_poses(transformer, noise))
    assert min(found["shift_x"], found["shift_y"]) < diagnostics.FOLLOWS
    facts = {"images": 40, "det": 0.5, "outside": 0.0, "collapsed": False}
    cases = found, dict.fromkeys(found, 0.9)
    said = [readings("stn").verdict(facts | {"follows": r}, diagnostics.FOLLOWS) for r in cases]
    assert ["one place is hard to find" in text for text in said] == [True, False]


def test_a_collapsed_stn_is_detected():
    study, images, films = study_of(), necks(random_poses(20, 9)), films_of(20)
    run = study.run("self_supervised", 1)
    constant = step.build(run)
    assert step.diagnose(constant, images, films, run)["collapsed"]  # untrained: the same for every image

    class Astray(SpatialTransformer):
        def pose(self, shown: torch.Tensor) -> torch.Tensor:
            return random_poses(len(shown), 3) + torch.tensor([0.0, 0.0, 1.5, 0.0])

    away = Astray(constant.frame, constant.limits, (32, 32), 1, 32)
    facts = step.diagnose(away, images, films, run)
    assert facts["outside"] > diagnostics.OUTSIDE and facts["collapsed"]


def test_true_pose_puts_the_foraminal_column_into_the_middle_of_the_output():
    """What the phantom calls the column's centre lands at the output's centre, also where the image is mirrored."""
    study = study_of()
    poses = pd.DataFrame(
        {"pose_x": [0.2, -0.2], "pose_y": [0.1, 0.1], "pose_angle": [0.1, -0.1], "pose_scale": [0.2, 0.2]}
    )
    films = SimpleNamespace(included=pd.DataFrame({"side": ["L", "R"]}), poses=poses)
    pose = diagnostics.target_poses(*step.known_poses(study, films, Arm(flip="canonical")))
    torch.testing.assert_close(pose[0], pose[1])
    frame = geometry.crop_frame(study.stn.magnification)
    middle = (geometry.matrices(pose) @ frame)[0, :2, 2]
    torch.testing.assert_close(middle, torch.tensor([0.2, 0.1]), atol=1e-6, rtol=0)


def test_an_unknown_pose_spoils_no_other():
    """A film without keypoints has no pose: others are still taught, and the recovery is that of the known ones."""
    study = study_of()
    poses = pd.DataFrame(np.random.default_rng(0).uniform(0.1, 0.3, (6, 4)), columns=step.POSE_COLUMNS)
    poses.loc[1] = np.nan
    rows = pd.DataFrame({"side": ["L"] * 6, "split": ["train"] * 4 + ["val"] * 2, "patient_id": list("abcdef")})
    films = SimpleNamespace(included=rows, poses=poses)
    given = diagnostics.target_poses(*step.known_poses(study, films, Arm()))
    assert given.isfinite().all(dim=1).tolist() == [True, False, True, True, True, True]
    assert step._lesson(study, films, "true_pose").tolist() == [0, 2, 3]
    assert step._lesson(study, films, "self_supervised").tolist() == [0, 1, 2, 3]
    known = diagnostics.mirrored_poses(*step.known_poses(study, films, Arm()))
    assert list(diagnostics.recovery(np.nan_to_num(known), known).values()) == pytest.approx([1.0] * 4)
    assert step._lesson(study, SimpleNamespace(included=rows, poses=None), "true_pose").size == 0


def test_only_a_transformer_that_was_not_taught_learns_its_statistics_with_the_classifier():
    study, images = study_of(), necks(random_poses(8)) / 255.0
    for way, moves in (("joint", True), ("self_supervised", False)):
        transformer = step.build(study.run(way, 1))
        transformer.taught = way != "joint"  # as `initial_transformer` leaves it
        model = Classifier(transformer, backbone.create("resnet50", None, 1)).train()
        before = transformer.localisation[1].running_mean.clone()
        model.sample_input(images)
        assert torch.equal(before, transformer.localisation[1].running_mean) != moves


def test_what_a_view_reads_of_an_image():
    middle = geometry.crop_frame(2.0)[:2]
    aside = geometry.crop_frame(2.0, (0.5, 0.0))[:2]
    read = geometry.read(torch.stack([middle, aside]), 8)
    expected = torch.zeros(2, 8, 8, dtype=torch.bool)
    expected[0, 2:6, 2:6] = expected[1, 2:6, 4:8] = True
    assert torch.equal(read, expected)


def test_a_foramen_that_is_cut_off_is_noticed():
    """Level C4/5 (bit 2) counts, C2/3 (bit 0) does not; the right view is mirrored before it is looked at."""
    study = study_of()
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[0, 3, 3], masks[0, 0, 0] = 4, 1  # in view; what is cut off does not count
    masks[1, 3, 7] = 4  # cut off
    masks[2, 3, 7] = 4  # mirrored, it lies at the left edge: in view
    films = SimpleNamespace(included=pd.DataFrame({"side": ["L", "L", "R"]}), masks=masks)
    theta = geometry.crop_frame(2.0, (-0.5, 0.0))[:2].expand(3, 2, 3)

    def in_view(arm: Arm) -> list[bool]:
        masks, held = step.foramen_masks(study, arm, films, np.arange(3))
        assert held.all()  # by the whole film
        return diagnostics.foramina_in_view(theta, masks).tolist()

    assert in_view(Arm(flip="canonical")) == [True, False, True]
    assert in_view(Arm()) == [True, False, False]


def test_a_foramen_beyond_the_region_is_noticed():
    """The masks of a region hold nothing of a foramen that it lost; so the region is asked, too."""
    study = study_of()
    masks = np.zeros((2, 64, 64), np.uint8)
    masks[0, 30:34, 30:34] = masks[1, 30:34, :4] = 4
    films = SimpleNamespace(included=pd.DataFrame({"side": ["L", "L"]}), masks=masks)
    cut, held = step.foramen_masks(study, Arm(region="fixed"), films, np.arange(2))
    assert held.tolist() == [True, False] and cut[0].any() and not cut[1].any()
