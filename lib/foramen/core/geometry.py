"""Similarity transforms of the image plane and sampling through them (notebooks 03 and 04).

Coordinates are those of `torch.nn.functional.grid_sample` with align_corners=False: the image spans -1 to 1 on both
axes, x to the right, y down. A pose is four numbers: rotation in radians, log zoom, shift x and y. Its matrix maps
a point of the reference frame to the point of the image where the same anatomy lies.
"""

import math

import torch
import torch.nn.functional as F

POSE = ("rotation", "log_zoom", "shift_x", "shift_y")


def matrices(poses: torch.Tensor) -> torch.Tensor:
    """Poses (..., 4) as homogeneous matrices (..., 3, 3), differentiable."""
    rotation, log_zoom, x, y = poses.unbind(-1)
    cos, sin = log_zoom.exp() * rotation.cos(), log_zoom.exp() * rotation.sin()
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([cos, -sin, x, sin, cos, y, zero, zero, one], dim=-1).unflatten(-1, (3, 3))


def poses(similarities: torch.Tensor) -> torch.Tensor:
    """The inverse of `matrices`: (..., 3, 3) to (..., 4)."""
    cos, sin, shifts = similarities[..., 0, 0], similarities[..., 1, 0], similarities[..., :2, 2]
    return torch.cat([torch.stack([torch.atan2(sin, cos), torch.log(torch.hypot(cos, sin))], dim=-1), shifts], dim=-1)


def mirror(poses: torch.Tensor) -> torch.Tensor:
    """The poses (n, 4) that the same anatomy has in the mirrored images, relative to a mirrored reference."""
    return poses * poses.new_tensor([-1.0, 1.0, -1.0, 1.0])


def crop_frame(
    magnification: float, centre: tuple[float, float] = (0.0, 0.0), shape: tuple[int, int] = (1, 1)
) -> torch.Tensor:
    """The matrix (3, 3) that maps an output of -1 to 1 to the part of the image that a fixed crop shows.

    Of an output of `shape` (height, width) the longer side spans 1 / `magnification` of the image's.
    """
    frame, longer = torch.eye(3), max(shape)
    frame[0, 0], frame[1, 1] = shape[1] / longer / magnification, shape[0] / longer / magnification
    frame[0, 2], frame[1, 2] = centre
    return frame


def supersampling(image_size: int, output_size: int, zoom: float) -> int:
    """Samples along each side of an output pixel, so that none lies further apart than an image pixel.

    `zoom` is how many times larger a piece of anatomy may be in the output than in the image, at the least. Bilinear
    sampling alone would skip pixels wherever the output is coarser than the image (aliasing).
    """
    return max(1, math.ceil(image_size / output_size / zoom - 1e-6))


def sample(images: torch.Tensor, theta: torch.Tensor, shape: int | tuple[int, int], samples: int = 1) -> torch.Tensor:
    """Look at `images` (n, 1, H, W) through `theta` (n, 2, 3): (n, 1, h, w) of `shape` (one number: a square).

    With several theta an image, (n, k, 2, 3), the k outputs are its channels, (n, k, h, w); their grids are stacked, so
    that the image is looked at once. Always in float32: bfloat16 has 8 bits, so a coordinate would be off by up to half
    a pixel. Outside the image its border is repeated; zeros there would draw an edge that the network could read the
    pose from.
    """
    height, width = (shape, shape) if isinstance(shape, int) else shape
    fine = [theta.numel() // 6, 1, height * samples, width * samples]
    with torch.autocast(images.device.type, enabled=False):
        grid = F.affine_grid(theta.float().reshape(-1, 2, 3), fine, align_corners=False)
        grid = grid.view(len(images), -1, width * samples, 2)
        sampled = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
        return (F.avg_pool2d(sampled, samples) if samples > 1 else sampled).view(len(images), -1, height, width)


def inverse(theta: torch.Tensor) -> torch.Tensor:
    """The transforms (n, 2, 3) that lead back."""
    last = torch.tensor([[0.0, 0.0, 1.0]], device=theta.device).expand(len(theta), 1, 3)
    return torch.linalg.inv(torch.cat([theta.float(), last], dim=1))[:, :2]


def read(theta: torch.Tensor, size: int) -> torch.Tensor:
    """Which pixels (n, size, size) of square images theta (n, 2, 3), or one of several (n, k, 2, 3), reads."""
    back = inverse(theta.reshape(-1, 2, 3))
    inside = (F.affine_grid(back, [len(back), 1, size, size], align_corners=False).abs() <= 1).all(dim=-1)
    return inside.view(len(theta), -1, size, size).any(dim=1)


def outside(theta: torch.Tensor, points: int = 33) -> torch.Tensor:
    """Share (n,) of the output of each theta (n, 2, 3), or of several together (n, k, 2, 3), beyond the image."""
    grid = F.affine_grid(theta.float().reshape(-1, 2, 3), [theta.numel() // 6, 1, points, points], align_corners=False)
    return (grid.abs() > 1).any(dim=-1).float().view(len(theta), -1).mean(dim=1)
