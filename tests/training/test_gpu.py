"""Training on a GPU. Where there is none, fake CUDA tensors stand in, which know shape, type and device only.

They fail where tensors of two devices meet, as real ones do; of the backward pass, speed, memory and rounding they say
nothing. The other tests need a GPU and are skipped without one.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from foramen.core import compute
from foramen.preprocessing.detector import ColumnDetector, change_at_random, detect, fit_detector, heatmap_loss
from foramen.stn import diagnostics
from foramen.stn.self_supervision import fit_localisation, pose_loss, transform_at_random
from foramen.stn.transformer import SpatialTransformer
from foramen.study.model import Arm, Augmentation, Training
from foramen.training import backbone, linear_probe
from foramen.training.attention import Attention
from foramen.training.classifier import Classifier, TrainingImages, Transformer, logits
from foramen.training.fine_tuning import FineTuning

IMAGES, SIDE, SHAPE = 8, 48, (32, 16)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def fake():
    """Every tensor that is made in the test is fake."""
    with FakeTensorMode():
        yield


def classifier(heads: int, learned: bool) -> Classifier:
    with torch.device("cuda"):
        frame = torch.eye(3) if heads == 1 else torch.eye(3).repeat(heads, 1, 1)
        limits = torch.full((4,), 0.2)
        transformer = SpatialTransformer(frame, limits, SHAPE, 1, 24) if learned else Transformer(frame, SHAPE, 1)
        network = backbone.create("resnet50")
        return Classifier(transformer, network, attention=Attention(network.num_features) if heads > 1 else None)


def images() -> TrainingImages:
    rows = torch.arange(IMAGES)
    splits = {"train": rows[:4], "val": rows[4:6], "test": rows[6:]}
    pixels = torch.zeros(IMAGES, 1, SIDE, SIDE, dtype=torch.uint8, device="cuda")
    return TrainingImages(pixels, torch.zeros(IMAGES, device="cuda"), None, splits, True)


@pytest.mark.parametrize(
    ("heads", "learned", "rate", "flip"),
    [(1, False, 0.0, "canonical"), (1, True, 1e-4, "canonical"), (4, True, 0.0, "random")],
)
def test_the_forward_pass_of_fine_tuning_stays_on_the_gpu(fake, heads: int, learned: bool, rate: float, flip: str):
    changes = Augmentation(rotation=4, zoom=0.1, shift=0.05, gain=0.1) if flip == "random" else Augmentation()
    recipe = Training(epochs=1, batch_size=4, precision="bf16", device="cuda")
    tuning = FineTuning(classifier(heads, learned), images(), recipe, changes, Arm(flip=flip), rate)
    (rows,) = tuning.batches(0)
    value = tuning.loss(rows)
    assert value.device.type == "cuda" and value.dtype == torch.float32
    assert logits(tuning.model, tuning.data, rows, "bf16").device.type == "cpu"


def test_detector_and_localisation_network_learn_on_the_gpu(fake):
    draws = torch.Generator().manual_seed(0)
    films, ends = torch.zeros(4, 1, SIDE, SIDE, device="cuda"), torch.zeros(4, 2, 2, device="cuda")
    with torch.device("cuda"):
        detector, transformer = ColumnDetector(), SpatialTransformer(torch.eye(3), torch.full((4,), 0.2), SHAPE, 1, 24)
    changed, moved = change_at_random(films, ends, draws)
    assert heatmap_loss(detector(changed), moved).device.type == "cuda"
    poses = torch.zeros(4, 4, device="cuda")
    assert pose_loss(transformer, *transform_at_random(films, poses, transformer, draws)).device.type == "cuda"


def blobs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 1, SIDE, SIDE) uint8 with a bright disc, and where its middle is (n, 2), in -1 to 1."""
    places = torch.rand(count, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    line = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    apart = (line[None, :, None] - places[:, 1, None, None]) ** 2 + (line[None, None] - places[:, 0, None, None]) ** 2
    return (255 * torch.exp(-apart / 0.05)).to(torch.uint8)[:, None], places


def fine_tuned(device: str, precision: str, rate: float = 1e-4) -> torch.Tensor:
    """Logits of a classifier, with an STN that learns, after three epochs on whether a disc lies left or right."""
    pixels, places = blobs(24)
    torch.manual_seed(0)
    transformer = SpatialTransformer(torch.eye(3), torch.full((4,), 0.2), SHAPE, 1, 24)
    model = Classifier(transformer, backbone.create("resnet50", seed=0), 0.2, 0.2).to(device)
    rows = torch.arange(24)
    splits, labels = {"train": rows[:16], "val": rows[16:20], "test": rows[20:]}, (places[:, 0] > 0).float()
    data = TrainingImages(pixels.to(device), labels.to(device), None, splits, False)
    recipe = Training(epochs=3, batch_size=8, precision=precision, device=device, learning_rate=1e-4)
    tuning = FineTuning(model, data, recipe, Augmentation(rotation=4), Arm(), rate)
    tuning.train()
    return logits(tuning.model, data, rows, precision)


@needs_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_on_a_gpu_ends_with_the_same_bytes_each_time(precision: str):
    compute.deterministic(1)
    assert torch.equal(fine_tuned("cuda", precision), fine_tuned("cuda", precision))


@needs_gpu
def test_a_training_on_a_gpu_follows_that_on_the_processor():
    compute.deterministic(1)
    on_gpu, on_cpu = fine_tuned("cuda", "fp32"), fine_tuned("cpu", "fp32")
    assert torch.corrcoef(torch.stack([on_gpu, on_cpu]))[0, 1] > 0.99


@needs_gpu
def test_a_localisation_network_learns_on_a_gpu_as_on_the_processor():
    compute.deterministic(1)
    pixels, _ = blobs(64)
    facts = {}
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        transformer = SpatialTransformer(torch.eye(3), torch.full((4,), 0.2), SHAPE, 1, 24).to(device)
        given = pixels.to(device)
        history = fit_localisation(transformer, given, torch.zeros(64, 4, device=device), 1, 3, 1e-3, seed=1)
        facts[device] = [history.loss.iloc[-1], diagnostics.diagnose(transformer, given, torch.rand(64, 4).numpy())]
    assert facts["cuda"][0] == pytest.approx(facts["cpu"][0], rel=0.02)
    assert facts["cuda"][1]["det"] == pytest.approx(facts["cpu"][1]["det"], rel=0.02)


@needs_gpu
def test_a_detector_learns_on_a_gpu_as_on_the_processor():
    compute.deterministic(1)
    pixels, places = blobs(64)
    found = {}
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        detector = ColumnDetector().to(device)
        fit_detector(detector, pixels.to(device), places[:, None].repeat(1, 2, 1).to(device), epochs=6, seed=0)
        found[device], _ = detect(detector, pixels.to(device))
    assert abs(found["cuda"] - found["cpu"]).mean() < 0.05


@needs_gpu
def test_a_linear_probe_is_the_same_on_a_gpu():
    features, labels = torch.randn(64, 8, generator=torch.Generator().manual_seed(2)), torch.arange(64) % 2.0
    heads = [linear_probe.logistic_regression(features.to(on), labels.to(on), 0.1)[0] for on in ("cpu", "cuda")]
    assert torch.allclose(heads[0].weight, heads[1].weight.cpu(), atol=1e-3)


def test_the_gradient_by_the_grid_is_no_error_on_a_gpu(monkeypatch):
    """PyTorch's only backward pass of grid_sample there counts as irreproducible: arms with an STN would stop."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    threads = torch.get_num_threads()
    try:
        for there in (False, True):
            monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
            compute.deterministic(threads)
            assert torch.are_deterministic_algorithms_enabled()
            assert torch.is_deterministic_algorithms_warn_only_enabled() == there
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
