"""The one training loop and its schedule: fine-tuning, pre-training, detector and localisation network share them.

Notebook 05 shows both and rebuilds them.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

FLOOR = 0.02  # of the peak learning rate, so that the first step of a warm-up learns something


def fit(
    model: nn.Module,
    batches: Callable[[int], Iterable[Any]],
    loss: Callable[[Any], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler,
    epochs: Iterable[int],
    on_epoch: Callable[[int, torch.Tensor], bool | None],
    clip: float = 1.0,
) -> None:
    """Train `model` by gradient descent: `epochs` times over the batches (notebook 05).

    `batches(epoch)` gives what an epoch is made of and `loss(batch)` is the forward pass, to a scalar. The gradient's
    norm is clipped at `clip` (Pascanu et al. 2013); RuntimeError where it is not finite. After each epoch,
    `on_epoch(epoch, losses)` is told the loss of every step, (steps,); training stops early where it answers True.
    """
    for epoch in epochs:
        model.train()
        losses = []
        for batch in batches(epoch):
            value = loss(batch)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), clip, error_if_nonfinite=True)
            optimizer.step()
            schedule.step()
            losses.append(value.detach())
        if on_epoch(epoch, torch.stack(losses)):
            break


def one_cycle(progress: float, warmup: float) -> float:
    """Learning rate over its peak at a share of the training: linear rise, then half a cosine to zero (Smith 2018)."""
    if progress < warmup:
        return max(progress / warmup, FLOOR)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def one_cycle_schedule(optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> LRScheduler:
    """Every group of the optimiser follows `one_cycle` up to its own learning rate and down, in `steps` steps."""
    return LambdaLR(optimizer, lambda step: one_cycle(step / steps, warmup))
