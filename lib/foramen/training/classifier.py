"""The classifier: spatial transformer, normalisation and ResNet50, and the images it is trained on (notebook 05)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from foramen.core import compute, geometry
from foramen.training import backbone

INFERENCE_BATCH = 64


class Classifier(nn.Module):
    """Transformer (see `stn`), normalisation of its output, ResNet50: (n, 1, S, S) in 0 to 1 gives (n,) logits."""

    def __init__(self, transformer: nn.Module, network: nn.Module, mean: float = 0.0, std: float = 1.0):
        super().__init__()
        self.transformer, self.network = transformer, network
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def sample_input(self, images: torch.Tensor, theta: torch.Tensor | None = None) -> torch.Tensor:
        """The network's normalised input (n, 1, s, s): images sampled through `theta`, by default the transformer's."""
        theta = self.transformer.theta(images) if theta is None else theta
        sampled = geometry.sample(images, theta, self.transformer.size, self.transformer.samples)
        return (sampled - self.mean) / self.std

    def classify(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits (n,) of inputs (n, 1, s, s)."""
        return self.network(inputs.contiguous(memory_format=torch.channels_last))[:, 0].float()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n,) of images (n, 1, S, S)."""
        return self.classify(self.sample_input(images))

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the head reads of inputs (n, 1, s, s): the pooled features (n, 2048)."""
        maps = self.network.forward_features(inputs.contiguous(memory_format=torch.channels_last))
        return self.network.forward_head(maps, pre_logits=True).float()

    def train(self, mode: bool = True) -> "Classifier":
        """Training mode, in which batch normalisation keeps its statistics where it is frozen or in the transformer.

        The classifier's batches are too small for the localisation network's statistics.
        """
        super().train(mode)
        if mode:
            backbone.train_mode(self.network)
            self.transformer.eval()
        return self


@dataclass
class TrainingImages:
    """The images that an arm trains on and is scored on, and the labels it is trained on."""

    images: torch.Tensor  # (N, 1, S, S) uint8, canonical flip done
    labels: torch.Tensor  # (N,) float32, mirrored with the image where they depend on the side
    swapped: np.ndarray  # (N,) bool: the label was mirrored
    splits: dict[str, torch.Tensor]  # rows of train, val, test
    side_dependent: bool  # does a mirrored image have the other label?
    inputs: torch.Tensor | None = None  # (N, 1, s, s): the network's input, where it never changes

    def input_of(self, model: Classifier, rows: torch.Tensor) -> torch.Tensor:
        """The network's input (n, 1, s, s) for images as they are."""
        return model.sample_input(self.images[rows] / 255.0) if self.inputs is None else self.inputs[rows]


@torch.inference_mode()
def sample_all(model: Classifier, images: torch.Tensor) -> torch.Tensor:
    """The network's input (N, 1, s, s) for all images (N, 1, S, S) uint8, sampled once."""
    model.eval()
    return torch.cat([model.sample_input(batch / 255.0) for batch in images.split(INFERENCE_BATCH)]).clone()


@torch.inference_mode()
def logits(model: Classifier, data: TrainingImages, rows: torch.Tensor, precision: str) -> torch.Tensor:
    """Logits (n,) of images as they are, on the CPU."""
    model.eval()
    parts = []
    for batch in rows.split(INFERENCE_BATCH):
        inputs = data.input_of(model, batch)
        with compute.autocast(precision, inputs.device):
            parts.append(model.classify(inputs).cpu())
    return torch.cat(parts)
