"""Early stopping: the epoch with the lowest validation loss is kept (Prechelt 1998; notebook 05)."""

import math
from typing import Any

from torch import nn


class EarlyStopping:
    """Keeps the tensors of the best epoch; stale after `patience` epochs without a better one, never where it is 0."""

    def __init__(self, patience: int):
        self.patience, self.stale = patience, False
        self.best: dict[str, Any] = {"epoch": 0, "loss": math.inf, "tensors": {}}

    def note(self, epoch: int, loss: float, model: nn.Module) -> None:
        """Validation loss after `epoch` (counted from 1)."""
        if self.patience and loss < self.best["loss"]:
            tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            self.best = {"epoch": epoch, "loss": loss, "tensors": tensors}
        self.stale = bool(self.best["epoch"]) and epoch - self.best["epoch"] >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Give the model the best epoch's tensors, where one was kept."""
        if self.best["epoch"]:
            model.load_state_dict(self.best["tensors"])

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return self.best

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.best = state
