"""Training on a GPU, as far as a machine without one can tell: fake CUDA tensors know shape, type and device only.

They fail where tensors of two devices meet, as real ones do; of the backward pass, speed, memory and rounding they say
nothing.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from foramen.core import compute
from foramen.stn.transformer import SpatialTransformer
from foramen.study.model import Arm, Augmentation, Training
from foramen.training import backbone
from foramen.training.attention import Attention
from foramen.training.classifier import Classifier, TrainingImages, Transformer, logits
from foramen.training.fine_tuning import FineTuning

IMAGES, SIDE, SHAPE = 8, 48, (32, 16)


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
