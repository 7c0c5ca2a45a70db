"""Fine-tuning, the method: how `fit` trains a classifier on radiographs (notebook 05; step: `foramen.fine_tuning`).

The same recipe for every arm in which more than the last layer learns: AdamW (Loshchilov and Hutter 2019) with
discriminative learning rates, a one-cycle schedule, bfloat16 where the processor has it. Everything random comes from
one generator, so the same seed gives the same bytes on the same kind of processor, also after having been killed.
"""

import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from foramen.augmentation.random_changes import pose_limits, random_affine, random_flip, random_gain
from foramen.core import compute
from foramen.core.training_loop import fit, one_cycle_schedule
from foramen.study.model import Arm, Augmentation, Training
from foramen.training import backbone
from foramen.training.checkpoints import TrainingState
from foramen.training.classifier import Classifier, TrainingImages, logits, sample_all
from foramen.training.early_stopping import EarlyStopping


@dataclass
class FineTuning:
    """A classifier, its images and everything that `fit` needs to train one on the other."""

    model: Classifier
    data: TrainingImages
    recipe: Training
    changes: Augmentation
    arm: Arm = Arm()
    transformer_rate: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        moves = (self.changes.rotation, self.changes.zoom, self.changes.shift)
        self.limits, self.moves = pose_limits(*moves), any(moves)
        self.optimizer = optimizer_of(self.model, self.recipe, self.arm.trainable, self.transformer_rate)
        self.generator = torch.Generator().manual_seed(self.seed)
        self.rows = self.data.splits["train"]
        steps = self.recipe.epochs * len(self._split(self.rows))
        self.schedule = one_cycle_schedule(self.optimizer, steps, self.recipe.warmup)
        self.stopping = EarlyStopping(self.recipe.patience)
        if not self.moves and not self.transformer_rate:  # the input is static: it is sampled once
            self.data.inputs = sample_all(self.model, self.data.images)

    def train(self, state: TrainingState | None = None) -> TrainingState:
        """Train to the end, or to the epoch where it stops early; `state` says from where, and holds the history."""
        state = state or TrainingState(self.recipe.epochs)
        names = ("model", "optimizer", "schedule", "generator", "stopping")
        state.resume(**{name: getattr(self, name) for name in names})

        def on_epoch(epoch: int, losses: torch.Tensor) -> bool:
            row = self._row(epoch, losses)
            self.stopping.note(epoch + 1, row["val_loss"], self.model)
            state.end_epoch(row, last=self.stopping.stale)
            self._freeze(epoch + 1)
            return self.stopping.stale

        self._freeze(len(state.history))
        fit(self.model, self.batches, self.loss, self.optimizer, self.schedule, state.remaining, on_epoch)
        self.stopping.restore(self.model)
        return state

    def _freeze(self, epoch: int) -> None:
        """Only the head learns in the first epochs, where the recipe says so."""
        backbone.freeze(self.model.network, "head" if epoch < self.recipe.unfreeze else self.arm.trainable)

    def batches(self, epoch: int) -> list[torch.Tensor]:
        """The rows of the training images in random order, a batch at a time."""
        self.started = time.monotonic()
        return self._split(self.rows[torch.randperm(len(self.rows), generator=self.generator)])

    def _split(self, rows: torch.Tensor) -> list[torch.Tensor]:
        batches = list(rows.split(self.recipe.batch_size))
        if len(batches) > 1 and len(batches[-1]) < 2:
            batches.pop()  # batch normalisation needs two images
        return batches

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Binary cross-entropy of a batch, with smoothed labels (Szegedy et al. 2016) where the recipe says so."""
        self.rate = self.optimizer.param_groups[0]["lr"]  # for the history
        inputs, labels = self.batch(rows)
        with compute.autocast(self.recipe.precision, inputs.device):
            scores = self.model.classify(inputs)
        smoothing = self.recipe.label_smoothing
        return F.binary_cross_entropy_with_logits(scores, labels * (1 - smoothing) + 0.5 * smoothing)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The network's inputs (n, k, h, w) for some training images, randomly changed, and their labels (n,)."""
        inputs, labels = self._moved(rows), self.data.labels[rows]
        if self.changes.gain:
            inputs = random_gain(inputs, self.changes.gain, self.generator)
        if self.arm.flip == "random":
            mirror = random_flip(len(rows), self.generator).to(inputs.device)
            inputs = torch.where(mirror[:, None, None, None], inputs.flip(-1), inputs)
            if self.data.side_dependent:
                labels = torch.where(mirror, 1 - labels, labels)
        return inputs, labels

    def _moved(self, rows: torch.Tensor) -> torch.Tensor:
        """Inputs sampled through the transformer's theta, randomly changed."""
        if not self.moves:
            return self.data.input_of(self.model, rows)
        images = self.data.images[rows] / 255.0
        theta = random_affine(self.model.transformer.theta(images), self.limits, self.generator)
        return self.model.sample_input(images, theta)

    def _row(self, epoch: int, losses: torch.Tensor) -> dict[str, float]:
        """One row of the history, with the loss of the validation images."""
        seconds, val = time.monotonic() - self.started, self.data.splits["val"]
        images = sum(map(len, self._split(self.rows)))
        scores = logits(self.model, self.data, val, self.recipe.precision)
        row = {"epoch": epoch + 1, "train_loss": losses.mean().item(), **validation(scores, self.data.labels[val])}
        row |= {"learning_rate": self.rate, "images_per_second": images / seconds}
        return row | {"seconds": time.monotonic() - self.started}


def optimizer_of(model: Classifier, recipe: Training, trainable: str, transformer_rate: float) -> torch.optim.Optimizer:
    """AdamW over what trains; the localisation network, where its rate is above 0, without weight decay."""
    backbone.freeze(model.network, trainable)
    groups = backbone.parameter_groups(
        model.network, recipe.learning_rate, recipe.head_factor, recipe.layer_decay, recipe.weight_decay
    )
    if model.attention is not None:
        rate, joins = recipe.learning_rate * recipe.head_factor, list(model.attention.parameters())
        groups.append({"params": joins, "lr": rate, "weight_decay": 0.0, "name": "attention"})
    model.transformer.requires_grad_(transformer_rate > 0)
    if transformer_rate:
        parameters = list(model.transformer.parameters())
        groups.append({"params": parameters, "lr": transformer_rate, "weight_decay": 0.0, "name": "transformer"})
    return torch.optim.AdamW(groups, fused=True)


def validation(scores: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Loss and AUROC of logits (n,) for labels (n,); the AUROC is NaN where all are of one class."""
    labels = labels.cpu()
    auroc = float(roc_auc_score(labels, scores)) if 0 < labels.mean() < 1 else math.nan
    return {"val_loss": F.binary_cross_entropy_with_logits(scores, labels).item(), "val_auroc": auroc}
