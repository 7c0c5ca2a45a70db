"""Ways of training the spatial transformer at the same small budget, with their controls (notebook 04)."""

import pandas as pd
import torch

from foramen.core import geometry
from foramen.stn.self_supervision import fit_localisation
from foramen.stn.transformer import SpatialTransformer

IMAGES, PASSES = 256, 9  # training images that each way learns from, and how often
SIZE = 32  # pixels of the input that the classifier of the joint way gets: cheap enough for a notebook


def train_alone(
    transformer: SpatialTransformer,
    images: torch.Tensor,
    target: torch.Tensor | None,
    rounds: int,
    learning_rate: float,
    seed: int,
) -> SpatialTransformer:
    """Train a localisation network on `images` (n, 1, S, S) uint8, PASSES times each.

    Towards the poses `target` (n, 4) where they are given, else self-supervised; the passes are divided into rounds.
    """
    rounds = min(rounds, PASSES)
    epochs, known = PASSES // rounds, torch.zeros(len(images), len(geometry.POSE))
    if target is not None:
        epochs, rounds, known = epochs * rounds, 1, target
    fit_localisation(transformer, images, known, rounds, epochs, learning_rate, seed)
    return transformer


def table(facts: dict[str, dict]) -> pd.DataFrame:
    """Diagnostics of each way (`diagnostics.diagnose`) as a row: det, outside, collapsed, sd_ and r_ of each part."""
    rows = []
    for way, found in facts.items():
        row = {"way": way, **{name: found[name] for name in ("det", "outside", "collapsed")}}
        for kind, prefix in (("variation", "sd"), ("recovery", "r")):
            row |= {f"{prefix}_{part}": found.get(kind, {}).get(part) for part in geometry.POSE}
        rows.append(row)
    return pd.DataFrame(rows)
