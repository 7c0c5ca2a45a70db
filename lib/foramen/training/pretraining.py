"""Weights for the arms that start pre-trained: from formulas, timm's hub, or a file (notebook 05).

Whatever the source, the result is one file of single-channel ResNet50 weights without a head, kept outside
any one study, so that all studies that ask for the same weights share them.
"""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from foramen.core import compute, paths
from foramen.core.files import digest_file, replacing, write_json
from foramen.study.model import Pretraining, Study
from foramen.study.step import make
from foramen.training import backbone, checkpoints, fractals, hub

# The recipe, tuned for features that transfer in a few minutes on one processor core. Small batches make more steps:
# 32 images a step (12,000 in all) gave better features than 64 a step (9,600 in all), one run each.
BATCH = 32
WARMUP = 0.1  # share of the steps with a rising learning rate
WEIGHT_DECAY = 0.05
LABEL_SMOOTHING = 0.1
CLIP = 5.0  # of the gradient's norm
ROW_STEPS = 10  # steps that a row of the history sums up; checkpoints lie between rows


def folder(study: Study) -> Path:
    """Where the weights of the study lie; another content of a given file is another folder."""
    return paths.pretraining(study.pretraining_key([digest_file(path) for path in _inputs(study)]))


def _inputs(study: Study) -> list[Path]:
    if study.pretraining.source != "file":
        return []
    path = Path(study.pretraining.file)
    backbone.read_weights(path)
    return [path]


def prepare(study: Study) -> Path:
    """The weights file (safetensors) of the study's pre-training, made where it is missing.

    Several trainings may ask at once: the first makes it, the others wait. Raises InputError where the hub or
    the file has nothing that fits.
    """
    home, inputs = folder(study), _inputs(study)
    weights = home / "weights.safetensors"

    def work(facts: dict) -> None:
        if study.pretraining.source == "formula":
            facts |= train(study, home)
        else:
            given = inputs[0] if inputs else hub.download(study.pretraining.hub_name)
            facts["adapted_from"] = given.name
            _save_weights(backbone.resnet50(given), weights)

    make(home, study, "pretraining", inputs, work)
    return weights


def _save_weights(model: torch.nn.Module, path: Path) -> None:
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items() if k not in backbone.HEAD}
    with replacing(path) as temporary:
        save_file(state, temporary)


def train(study: Study, home: Path) -> dict[str, float]:
    """Teach a ResNet50 to tell the categories of formula-generated images apart; its weights go to `home`.

    Every image is new, so the accuracy in history.csv is one on unseen instances. Step i draws its images
    from (seed, i) alone: a training that was killed goes on from its checkpoint and ends with the same bytes.
    """
    given, device = study.pretraining, compute.device(study.training.device)
    compute.deterministic(study.training.threads)
    run = _start(given, device)
    key = study.pretraining_key([])
    _resume(run, checkpoints.latest(home / "checkpoints", key))
    saved = time.monotonic()
    while run.step < run.steps:
        run.history.append(_row(run, study, device))
        write_json(paths.progress(home), progress(run.history, run.rows))
        if time.monotonic() - saved > study.training.checkpoint_seconds:
            checkpoints.save(home / "checkpoints", len(run.history), _state(run, key))
            saved = time.monotonic()
    with replacing(home / "history.csv") as temporary:
        pd.DataFrame(run.history).to_csv(temporary, index=False)
    _save_weights(run.model, home / "weights.safetensors")
    checkpoints.remove(home / "checkpoints")
    paths.progress(home).unlink(missing_ok=True)
    return {"images": run.steps * BATCH, "accuracy": run.history[-1]["accuracy"]}


@dataclass
class _Run:
    """A pre-training under way."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    systems: np.ndarray  # (classes, maps, 2, 3)
    steps: int
    step: int = 0
    history: list[dict] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of the finished history."""
        return math.ceil(self.steps / ROW_STEPS)


def _start(given: Pretraining, device: torch.device) -> _Run:
    model = backbone.resnet50(seed=given.seed, outputs=given.classes)
    model = model.to(device, memory_format=torch.channels_last)
    groups = backbone.parameter_groups(model, given.learning_rate, 1.0, 1.0, WEIGHT_DECAY)
    systems = fractals.categories(given.classes, np.random.default_rng(given.seed))
    backbone.train_mode(model)
    return _Run(model, torch.optim.AdamW(groups, fused=True), systems, math.ceil(given.images / BATCH))


def _row(run: _Run, study: Study, device: torch.device) -> dict[str, float]:
    """Some steps of training, and what became of them: one row of the history."""
    given, started, first = study.pretraining, time.monotonic(), run.step
    losses, hits = [], []
    while run.step < min(first + ROW_STEPS, run.steps):
        images, labels = batch(run.systems, given, run.step)
        images, labels = images.to(device, memory_format=torch.channels_last), labels.to(device)
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(run.step, run.steps, given.learning_rate)
        with compute.autocast(study.training.precision, device):
            logits = run.model(images)
            loss = functional.cross_entropy(logits.float(), labels, label_smoothing=LABEL_SMOOTHING)
        run.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(run.model.parameters(), CLIP)
        run.optimiser.step()
        run.step += 1
        losses.append(loss.detach())
        hits.append((logits.argmax(1) == labels).float().mean())
    seconds = time.monotonic() - started
    return {
        "epoch": len(run.history) + 1,
        "images": run.step * BATCH,
        "train_loss": torch.stack(losses).mean().item(),
        "accuracy": torch.stack(hits).mean().item(),
        "learning_rate": run.optimiser.param_groups[0]["lr"],
        "images_per_second": (run.step - first) * BATCH / seconds,
        "seconds": seconds + (run.history[-1]["seconds"] if run.history else 0.0),
    }


def batch(systems: np.ndarray, given: Pretraining, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The images (B, 1, S, S) and categories (B,) of one training step, drawn from (seed, step)."""
    rng = np.random.default_rng([given.seed, step])
    labels = rng.integers(given.classes, size=BATCH)
    images = fractals.render(systems[labels], given.image_size, rng)
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear rise over the first tenth of the steps, then half a cosine down to zero."""
    warm = max(1, round(WARMUP * steps))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def progress(history: list[dict], epochs: int) -> dict[str, Any]:
    """What the terminal shows of a run under way."""
    last = history[-1]
    left = (epochs - last["epoch"]) * last["seconds"] / last["epoch"]
    return {
        "epoch": last["epoch"],
        "epochs": epochs,
        "images_per_second": round(last["images_per_second"], 1),
        "eta_seconds": round(left),
        "updated": time.time(),
    }


def _state(run: _Run, key: str) -> dict[str, Any]:
    state = {"model": run.model.state_dict(), "optimiser": run.optimiser.state_dict()}
    return state | {"key": key, "step": run.step, "history": run.history}


def _resume(run: _Run, state: dict[str, Any] | None) -> None:
    if state is None:
        return
    run.model.load_state_dict(state["model"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step, run.history = state["step"], state["history"]


def sample_grid(given: Pretraining, rows: int = 8, columns: int = 8) -> np.ndarray:
    """Formula-generated images, a category a row, instances side by side: (rows, columns, S, S) float32."""
    rng = np.random.default_rng(given.seed)
    systems = fractals.categories(given.classes, rng)[:rows]
    return np.stack([fractals.render(np.repeat(s[None], columns, 0), given.image_size, rng) for s in systems])


def history(study: Study) -> pd.DataFrame:
    """The course of the formula pre-training: epoch, images, train_loss, accuracy, learning_rate, seconds."""
    return pd.read_csv(folder(study) / "history.csv")
