"""Random changes of training images, drawn anew each time an image is seen (notebook 03).

Rotation, zoom and shift join the transform through which an image is sampled anyway, so that it is interpolated once;
torchvision's transforms would sample it a second time, and draw one change for a whole batch instead of one an image.
"""

import numpy as np
import torch

from foramen.core import geometry


def pose_limits(rotation: float, zoom: float, shift: float) -> torch.Tensor:
    """Limits (4,) of a random pose: `rotation` in degrees, `zoom` relative, `shift` as a share of the image side."""
    return torch.tensor([np.radians(rotation), np.log1p(zoom), 2 * shift, 2 * shift], dtype=torch.float32)


def random_poses(n: int, limits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random poses (n, 4), each part uniform within its limit (4,) either way."""
    return (2 * torch.rand(n, len(limits), generator=generator) - 1) * limits


def random_affine(theta: torch.Tensor, limits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """`theta` (n, 2, 3), or (n, k, 2, 3), followed by a random pose each: the same output, moved about its centre.

    The pose is one in the output's own coordinates, -1 to 1 on both axes. An output that is k times as high as wide is
    therefore sheared, too: by a small angle a its rows turn by about k a, its columns by a / k.
    """
    poses = random_poses(theta.numel() // 6, limits, generator)
    return theta @ geometry.matrices(poses).view(*theta.shape[:-2], 3, 3).to(theta.device)


def random_gain(batch: torch.Tensor, gain: float, generator: torch.Generator) -> torch.Tensor:
    """`batch` (n, 1, H, W) with a random contrast, up to `gain` more or less, about each image's own mean."""
    factor = 1 + gain * (2 * torch.rand(len(batch), 1, 1, 1, generator=generator) - 1)
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (batch - mean) * factor.to(batch.device)


def random_flip(n: int, generator: torch.Generator) -> torch.Tensor:
    """Which of `n` images to mirror, each with probability one half: (n,) bool."""
    return torch.rand(n, generator=generator) < 0.5
