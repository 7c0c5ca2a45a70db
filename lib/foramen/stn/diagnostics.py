"""Does a spatial transformer work? Collapse by a stated rule, recovery of known poses, foramina in view (notebook 04).

Known poses are rows of angle (radians), scale, x and y (-1 to 1), one an image: `geometry.POSE` without the logarithm.
"""

import numpy as np
import pandas as pd
import torch

from foramen.core import geometry
from foramen.stn.self_supervision import AT_ONCE, predict_poses, transform_at_random
from foramen.stn.transformer import SpatialTransformer
from foramen.training.classifier import Transformer, in_batches

# An STN has collapsed where no part of its pose varies by this share of its limit, or where this share of its
# output is not image.
VARIES, OUTSIDE = 0.02, 0.5
# Correlation below which an STN does not follow a known shift. Chosen after two cohorts were seen: along the film 0.91
# on synthetic necks (detected region), 0.71 and 0.78 on films of whole spines, which end at different vertebrae.
FOLLOWS = 0.85


def diagnose(transformer: Transformer, images: torch.Tensor, true: np.ndarray | None = None) -> dict:
    """Facts about a transformer over images (n, 1, S, S) uint8 that it was not trained on, and a verdict by rule.

    `det`: mean determinant of theta, the share of the image's area that is read; `outside`: mean share of the output
    that lies beyond the image; `variation`: SD between images of each part of the pose. Collapsed is an STN that reads
    every image alike (each SD below VARIES of its limit) or mostly not the image (`outside` above OUTSIDE). Where the
    `true` poses (n, 4) are known, `recovery` is the correlation of each part with the truth. `follows` needs none: see
    `followed`.
    """
    theta = in_batches(transformer, lambda batch: transformer.theta(batch / 255.0), images, AT_ONCE)
    facts = {
        "images": len(images),
        "det": torch.linalg.det(theta[..., :2]).mean().item(),
        "outside": geometry.outside(theta).mean().item(),
        "collapsed": False,
    }
    if isinstance(transformer, SpatialTransformer):
        poses = predict_poses(transformer, images)
        spread = poses.std(dim=0).view(-1, len(geometry.POSE)).mean(dim=0)
        facts["variation"] = dict(zip(geometry.POSE, spread.tolist(), strict=True))
        constant = bool((spread < VARIES * transformer.limits).all())
        facts["collapsed"] = constant or facts["outside"] > OUTSIDE
        if poses.ndim == 2 and not facts["collapsed"]:
            facts["follows"] = followed(transformer, images[:AT_ONCE], poses[:AT_ONCE])
        if true is not None and poses.ndim == 2 and np.isfinite(true).all(axis=1).sum() > 2:
            facts["recovery"] = recovery(poses.cpu().numpy(), true)
    return facts


@torch.inference_mode()
def followed(transformer: SpatialTransformer, images: torch.Tensor, poses: torch.Tensor) -> dict[str, float]:
    """Correlation of each part of random changes of images (n, 1, S, S) uint8 with what they do to the `poses` found.

    Near 1 where the images share a place that the transformer finds wherever it lies. Where they do not, its frame
    moves from image to image without a reason in the anatomy.
    """
    generator = torch.Generator().manual_seed(0)
    small, known = transform_at_random(images, torch.zeros_like(poses), transformer, generator)
    found = geometry.matrices(transformer.pose_of_small(small))
    moved = geometry.poses(found @ torch.linalg.inv(geometry.matrices(poses)))
    return recovery(moved.cpu().numpy(), known.cpu().numpy())


def table(facts: dict[str, dict]) -> pd.DataFrame:
    """Diagnostics of each way (`diagnose`) as a row: det, outside, collapsed, sd_ and r_ of each part."""
    rows = []
    for way, found in facts.items():
        row = {"way": way, **{name: found[name] for name in ("det", "outside", "collapsed")}}
        for kind, prefix in (("variation", "sd"), ("recovery", "r")):
            row |= {f"{prefix}_{part}": found.get(kind, {}).get(part) for part in geometry.POSE}
        rows.append(row)
    return pd.DataFrame(rows)


def recovery(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Correlation of each part of the predicted poses (n, 4) with the true ones (n, 4), where these are known."""
    known = np.isfinite(true).all(axis=1)
    predicted, true = predicted[known], true[known]
    pairs = zip(geometry.POSE, predicted.T, true.T, strict=True)
    return {name: float(np.corrcoef(found, given)[0, 1]) for name, found, given in pairs}


def mirrored_poses(known: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Known poses in the units of `geometry.POSE`, (n, 4), of images of which those at `mirrored` (n,) are mirrored."""
    poses = known.astype(float)
    poses[:, 1] = np.log(poses[:, 1])
    return np.where(mirrored[:, None], geometry.mirror(torch.from_numpy(poses)).numpy(), poses)


def target_poses(known: np.ndarray, mirrored: np.ndarray) -> torch.Tensor:
    """Known poses as targets (n, 4): relative to the mean size and to the middle of the image."""
    poses = torch.from_numpy(mirrored_poses(known, mirrored).astype(np.float32))
    return poses - poses.nanmean(dim=0) * torch.tensor([0.0, 1.0, 0.0, 0.0])


def foramina_in_view(theta: torch.Tensor, masks: np.ndarray) -> np.ndarray:
    """Images (n,) bool of which theta (n, 2, 3), or (n, k, 2, 3), reads every pixel of the masks (n, S, S) bool."""
    cut = masks & ~geometry.read(theta, masks.shape[-1]).numpy()
    return ~cut.any(axis=(1, 2))
