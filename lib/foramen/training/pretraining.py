"""Pre-training on images made by formulas (Kataoka et al. 2020, arXiv 2101.08515), the method (notebook 05).

A network learns to tell iterated function systems apart; needed are no network, no data set and no licence. The step
that keeps its weights, or takes them from timm's hub or a file, is `foramen.training.step`.
"""

import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import fractal_images
from foramen.core import compute
from foramen.core.training_loop import fit, one_cycle_schedule
from foramen.study.model import Pretraining
from foramen.training import backbone
from foramen.training.checkpoints import TrainingState

# The recipe, tuned for features that transfer in a few minutes on one processor core. Small batches make more steps:
# 32 images a step (12,000 in all) gave better features than 64 a step (9,600 in all), one run each.
BATCH = 32
WARMUP = 0.1  # share of the steps with a rising learning rate
WEIGHT_DECAY = 0.05
LABEL_SMOOTHING = 0.1
CLIP = 5.0  # of the gradient's norm
ROW_STEPS = 10  # steps of an "epoch": every image is new, so this is only how often the history gets a row


class FormulaPretraining:
    """A network, its images and everything that `fit` needs to train one on the other.

    Every image is new, so the history's accuracy is one on unseen instances. Step i draws its images from (seed, i)
    alone: a training that was killed goes on from its checkpoint and ends with the same bytes.
    """

    def __init__(self, network: str, given: Pretraining, precision: str, device: torch.device):
        self.given, self.precision, self.device = given, precision, device
        self.steps = math.ceil(given.images / BATCH)
        self.rows = math.ceil(self.steps / ROW_STEPS)
        self.systems = fractal_images.categories(given.classes, np.random.default_rng(given.seed))
        model = backbone.create(network, seed=given.seed, outputs=given.classes)
        self.model = model.to(device).to(memory_format=torch.channels_last)
        groups = backbone.parameter_groups(self.model, given.learning_rate, 1.0, 1.0, WEIGHT_DECAY)
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        self.schedule = one_cycle_schedule(self.optimizer, self.steps, WARMUP)

    def train(self, state: TrainingState) -> nn.Module:
        """The trained network; `state` says from where to go on, and holds the history."""
        state.resume(model=self.model, optimizer=self.optimizer, schedule=self.schedule)

        def on_epoch(row: int, losses: torch.Tensor) -> None:
            seconds = time.monotonic() - self.started
            seen = min((row + 1) * ROW_STEPS, self.steps) * BATCH
            facts = {"epoch": row + 1, "images": seen, "train_loss": losses.mean().item()}
            facts |= {"accuracy": torch.stack(self.hits).mean().item(), "learning_rate": self.rate}
            state.end_epoch(facts | {"images_per_second": len(losses) * BATCH / seconds, "seconds": seconds})

        fit(self.model, self.batches, self.loss, self.optimizer, self.schedule, state.remaining, on_epoch, CLIP)
        return self.model

    def batches(self, row: int) -> range:
        """The steps that a row of the history sums up."""
        self.started, self.hits = time.monotonic(), list[torch.Tensor]()
        return range(row * ROW_STEPS, min((row + 1) * ROW_STEPS, self.steps))

    def loss(self, step: int) -> torch.Tensor:
        """Cross-entropy of a step's images."""
        self.rate = self.optimizer.param_groups[0]["lr"]
        images, labels = batch(self.systems, self.given, step)
        images, labels = images.to(self.device, memory_format=torch.channels_last), labels.to(self.device)
        with compute.autocast(self.precision, self.device):
            logits = self.model(images)
            loss = functional.cross_entropy(logits.float(), labels, label_smoothing=LABEL_SMOOTHING)
        self.hits.append((logits.argmax(1) == labels).float().mean())
        return loss


def batch(systems: np.ndarray, given: Pretraining, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The images (B, 1, S, S) and categories (B,) of one training step, drawn from (seed, step)."""
    rng = np.random.default_rng([given.seed, step])
    labels = rng.integers(given.classes, size=BATCH)
    images = fractal_images.render(systems[labels], given.image_size, rng)
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels)


def sample_grid(given: Pretraining, rows: int = 8, columns: int = 8) -> np.ndarray:
    """Formula-generated images, a category a row, instances side by side: (rows, columns, S, S) float32."""
    rng = np.random.default_rng(given.seed)
    systems = fractal_images.categories(given.classes, rng)[:rows]
    return np.stack([fractal_images.render(np.repeat(s[None], columns, 0), given.image_size, rng) for s in systems])
