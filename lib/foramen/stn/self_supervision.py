"""Training a localisation network without any truth: it undoes transforms that are known (notebook 04).

An image whose anatomy has the pose P is transformed by a random similarity B; the network is to find B P. `known` is
what is known of each P beforehand. With several rounds nothing but zero needs to be known: P is then noise that the
network averages out, since only the whole pose B P can be seen in the transformed image. What it predicts for the
images as they are then serves as P in the next round, as in congealing (Learned-Miller 2006, Data driven image models
through continuous joint alignment); so the prediction, shrunken at first, converges.
"""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from foramen.core import geometry
from foramen.core.training_loop import fit, one_cycle_schedule
from foramen.stn.transformer import SpatialTransformer
from foramen.training.classifier import in_batches

BATCH, AT_ONCE = 64, 256  # images of a step of training, and where nothing is trained
WARMUP = 0.3  # share of the steps with a rising learning rate
TRAINING_SHARE = 0.6  # of the limits: as far as images are transformed at random


def transform_at_random(
    images: torch.Tensor, known: torch.Tensor, transformer: SpatialTransformer, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 1, S, S) uint8 transformed at random, as the localisation network's input, and its targets.

    Returns the input (n, 1, s, s) and the poses B P that the network is to find, shaped as `known`: (n, 4) or, with
    several heads, (n, k, 4).
    """
    change = (2 * torch.rand(len(images), 4, generator=generator) - 1) * TRAINING_SHARE
    change = geometry.matrices(change.to(images.device) * transformer.limits)
    small = transformer.small(images / 255.0, torch.linalg.inv(change)[:, :2])
    return small, geometry.poses(change.view(len(images), *(1,) * (known.ndim - 2), 3, 3) @ geometry.matrices(known))


def pose_loss(transformer: SpatialTransformer, small: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Smooth L1 between predicted and target poses (n, 4) or (n, k, 4), each part in units of its limit."""
    predicted, limits = transformer.pose_of_small(small), transformer.limits
    return F.smooth_l1_loss(predicted / limits, target / limits, beta=0.1)


def fit_localisation(
    transformer: SpatialTransformer,
    images: torch.Tensor,
    known: torch.Tensor,
    rounds: int,
    epochs: int,
    learning_rate: float,
    seed: int,
) -> pd.DataFrame:
    """Train the localisation network to undo random transforms of `images` (n, 1, S, S) uint8.

    `known` (n, 4), or (n, k, 4), is what is known of each pose before the first of the `rounds` of `epochs`. Returns
    the history: round, epoch, loss. All three are on one device.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(transformer.localisation.parameters(), learning_rate, weight_decay=0.0)
    count = max(1, round(len(images) / BATCH))
    schedule = one_cycle_schedule(optimizer, rounds * epochs * count, WARMUP)
    history: list[dict[str, float]] = []

    def batches(epoch: int) -> tuple[torch.Tensor, ...]:
        return torch.randperm(len(images), generator=generator).chunk(count)

    def loss(batch: torch.Tensor) -> torch.Tensor:
        return pose_loss(transformer, *transform_at_random(images[batch], known[batch], transformer, generator))

    def on_epoch(epoch: int, losses: torch.Tensor) -> None:
        history.append({"round": turn + 1, "epoch": epoch + 1, "loss": float(np.mean(losses.tolist()))})

    for turn in range(rounds):
        if turn:
            known = predict_poses(transformer, images)
            known = known - known.mean(dim=0)
        fit(transformer, batches, loss, optimizer, schedule, range(epochs), on_epoch)
    return pd.DataFrame(history)


def predict_poses(transformer: SpatialTransformer, images: torch.Tensor) -> torch.Tensor:
    """The pose (n, 4), or one a head (n, k, 4), that is found in each image (n, 1, S, S) uint8."""
    return in_batches(transformer, lambda batch: transformer.pose(batch / 255.0), images, AT_ONCE)
