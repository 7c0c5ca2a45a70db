"""Early stopping: the epoch with the lowest validation loss is kept (Prechelt 1998; notebook 05)."""

from typing import Any

import torch
from torch import nn


class EarlyStopping:
    """Keeps the tensors of the best epoch; stale after `patience` epochs without a better one, never where it is 0."""

    def __init__(self, patience: int):
        self.patience, self.epoch, self.loss = patience, 0, float("inf")
        self.tensors: dict[str, torch.Tensor] = {}
        self.stale = False

    def note(self, epoch: int, loss: float, model: nn.Module) -> None:
        """Validation loss after `epoch` (counted from 1)."""
        if self.patience and loss < self.loss:
            self.epoch, self.loss = epoch, loss
            self.tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        self.stale = bool(self.tensors) and epoch - self.epoch >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Give the model the best epoch's tensors, where one was kept."""
        if self.tensors:
            model.load_state_dict(self.tensors)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"epoch": self.epoch, "loss": self.loss, "tensors": self.tensors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.epoch, self.loss, self.tensors = state["epoch"], state["loss"], state["tensors"]
