"""The classifier: transformer, normalisation and network, and the images it is trained on (notebook 05)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from foramen.core import compute, geometry
from foramen.training import backbone
from foramen.training.attention import Attention

INFERENCE_BATCH = 64


class Transformer(nn.Module):
    """The part of a radiograph that becomes the classifier's input of `shape` (height, width): here the same for all.

    `frame` (3, 3), or one a head (k, 3, 3), maps an output of -1 to 1 to the part of the image that is read. Each
    output pixel is the mean of `samples` samples a side, against aliasing. `stn.SpatialTransformer` chooses the part
    for each radiograph.
    """

    frame: torch.Tensor
    taught = True  # before the classifier is trained; nothing is left to teach where the part is the same for all

    def __init__(self, frame: torch.Tensor, shape: tuple[int, int], samples: int):
        super().__init__()
        self.shape, self.samples = shape, samples
        self.register_buffer("frame", frame)

    def theta(self, images: torch.Tensor) -> torch.Tensor:
        """The transform of each image (n, 1, S, S): (n, 2, 3), or one a head (n, k, 2, 3)."""
        return self.frame[..., :2, :].expand(len(images), *self.frame.shape[:-2], 2, 3)

    def forward(self, images: torch.Tensor, theta: torch.Tensor | None = None) -> torch.Tensor:
        """Images (n, 1, S, S) in 0 to 1 sampled through theta, by default their own: (n, k, h, w)."""
        return geometry.sample(images, self.theta(images) if theta is None else theta, self.shape, self.samples)


class Classifier(nn.Module):
    """Transformer, normalisation of its output, a network such as ResNet50: (n, 1, S, S) in 0 to 1 gives (n,) logits.

    Where the transformer has several heads, the network reads each crop and `attention` joins their features.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        transformer: Transformer,
        network: backbone.Network,
        mean: float = 0.0,
        std: float = 1.0,
        attention: Attention | None = None,
    ):
        super().__init__()
        self.transformer, self.network, self.attention = transformer, network, attention
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def sample_input(self, images: torch.Tensor, theta: torch.Tensor | None = None) -> torch.Tensor:
        """The network's normalised input (n, k, h, w): images sampled through `theta`, by default the transformer's."""
        return (self.transformer(images, theta) - self.mean) / self.std

    def classify(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits (n,) of inputs (n, k, h, w)."""
        if self.attention is not None:
            return self.network.get_classifier()(self.attention(self.features(inputs)))[:, 0].float()
        return self.network(inputs.contiguous(memory_format=torch.channels_last))[:, 0].float()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n,) of images (n, 1, S, S)."""
        return self.classify(self.sample_input(images))

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """What is read of inputs (n, 1, h, w): the pooled features (n, f); of several crops, (n, k, f)."""
        crops = inputs if self.attention is None else inputs.flatten(0, 1)[:, None]
        maps = self.network.forward_features(crops.contiguous(memory_format=torch.channels_last))
        features = self.network.forward_head(maps, pre_logits=True).float()
        return features if self.attention is None else features.view(*inputs.shape[:2], -1)

    def attended(self, inputs: torch.Tensor) -> torch.Tensor:
        """How much each crop of inputs (n, k, h, w) counts: (n, k), each row sums to 1."""
        assert self.attention is not None
        return self.attention.weights(self.features(inputs))

    def train(self, mode: bool = True) -> "Classifier":
        """Training mode, in which batch normalisation keeps its statistics where it is frozen, or in a transformer that
        was taught beforehand, from larger batches than the classifier's.
        """
        super().train(mode)
        if mode:
            backbone.train_mode(self.network)
            self.transformer.train(not self.transformer.taught)
        return self


@dataclass
class TrainingImages:
    """The images that an arm trains on and is scored on, and the labels it is trained on."""

    images: torch.Tensor  # (N, 1, S, S) uint8, canonical flip done
    labels: torch.Tensor  # (N,) float32, mirrored with the image where they depend on the side
    swapped: np.ndarray  # (N,) bool: the label was mirrored
    splits: dict[str, torch.Tensor]  # rows of train, val, test
    side_dependent: bool  # does a mirrored image have the other label?
    inputs: torch.Tensor | None = None  # (N, k, h, w): the network's input, where it never changes

    def input_of(self, model: Classifier, rows: torch.Tensor) -> torch.Tensor:
        """The network's input (n, k, h, w) for images as they are."""
        return model.sample_input(self.images[rows] / 255.0) if self.inputs is None else self.inputs[rows]


@torch.inference_mode()
def in_batches(
    model: nn.Module, function: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor, size: int = INFERENCE_BATCH
) -> torch.Tensor:
    """What a function of `model`, in evaluation mode, makes of `given` (n, ...), `size` rows at a time."""
    model.eval()
    return torch.cat([function(batch) for batch in given.split(size)])


def sample_all(model: Classifier, images: torch.Tensor) -> torch.Tensor:
    """The network's input (N, k, h, w) for all images (N, 1, S, S) uint8, sampled once."""
    return in_batches(model, lambda batch: model.sample_input(batch / 255.0), images)


def logits(model: Classifier, data: TrainingImages, rows: torch.Tensor, precision: str) -> torch.Tensor:
    """Logits (n,) of images as they are, on the CPU."""

    def classify(batch: torch.Tensor) -> torch.Tensor:
        inputs = data.input_of(model, batch)
        with compute.autocast(precision, inputs.device):
            return model.classify(inputs)

    return in_batches(model, classify, rows).cpu()
