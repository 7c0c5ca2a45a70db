"""The linear probe: only the last layer learns, on features that are computed once (notebook 05).

A penalised logistic regression on the frozen network's features (Alain and Bengio 2017, Understanding intermediate
layers using linear classifier probes).
"""

import math
import time

import torch
import torch.nn.functional as F
from torch import nn

from foramen.core import compute
from foramen.training.classifier import Classifier, TrainingImages, in_batches, sample_all
from foramen.training.fine_tuning import validation


def train(model: Classifier, data: TrainingImages, weight_decay: float, precision: str) -> dict[str, float]:
    """Fit the head of `model` to its features of the training images; the one row of the history."""
    started = time.monotonic()
    data.inputs = sample_all(model, data.images) if data.inputs is None else data.inputs
    with compute.autocast(precision, data.inputs.device):
        features = in_batches(model, model.features, data.inputs)  # (N, f)
    train, val = data.splits["train"], data.splits["val"]
    mean, std = features[train].mean(dim=0), features[train].std(dim=0) + 1e-6
    features = (features - mean) / std
    head, loss = logistic_regression(features[train], data.labels[train], weight_decay)
    with torch.no_grad():
        last = model.network.get_classifier()
        last.weight.copy_(head.weight / std)
        last.bias.copy_(head.bias - (head.weight * mean / std).sum())
        scores = head(features[val])[:, 0].cpu()
    seconds = time.monotonic() - started
    row = {"epoch": 1, "train_loss": loss, **validation(scores, data.labels[val]), "learning_rate": math.nan}
    return row | {"images_per_second": len(features) / seconds, "seconds": seconds}


def logistic_regression(features: torch.Tensor, labels: torch.Tensor, weight_decay: float) -> tuple[nn.Linear, float]:
    """Logistic regression (L-BFGS) of labels (n,) on standardised features (n, d), and its loss without the penalty.

    The penalty, `weight_decay` / 2 times the sum of squared weights, is the only choice there is.
    """
    head = nn.Linear(features.shape[1], 1, device=features.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.binary_cross_entropy_with_logits(head(features)[:, 0], labels)
        (value + 0.5 * weight_decay * head.weight.square().sum()).backward()
        return value

    optimizer.step(loss)
    return head, loss().item()
