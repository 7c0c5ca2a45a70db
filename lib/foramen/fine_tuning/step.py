"""One training: an arm and a seed, from the cohort to predictions (notebook 05).

The recipe is the same for every arm in which more than the last layer learns: AdamW with discriminative learning
rates, a one-cycle schedule, bfloat16 where the processor has it. Validation images choose the epoch where the study
stops early (and, in notebook 06, the threshold); test images are scored once. The number of threads is fixed, so the
same study gives the same bytes on the same kind of processor, also after having been killed on the way.
"""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from torch import nn

from foramen.augmentation import step as augmentation
from foramen.augmentation.flip import mirrored, mirrored_labels
from foramen.augmentation.random_changes import pose_limits, random_affine, random_flip, random_gain
from foramen.cohort import step as cohort
from foramen.cohort.step import Cohort
from foramen.core import compute, geometry, paths
from foramen.core.files import replacing, write_json
from foramen.preprocessing import step as preprocessing
from foramen.preprocessing.equalization import normalisation
from foramen.stn import step as stn
from foramen.study import provenance
from foramen.study.model import Arm, Study
from foramen.study.step import make
from foramen.training import backbone, checkpoints, pretraining

SCORED = ("val", "test")
INFERENCE_BATCH = 64
JOINT_FACTOR = 0.1  # learning rate of an untaught localisation network over the classifier's
CLIP = 1.0  # of the gradient's norm


class Classifier(nn.Module):
    """Transformer (see `stn`), normalisation of its output, ResNet50: (n, 1, S, S) in 0 to 1 gives (n,) logits."""

    def __init__(self, transformer: nn.Module, network: nn.Module, mean: float, std: float):
        super().__init__()
        self.transformer, self.network = transformer, network
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def look(self, images: torch.Tensor, theta: torch.Tensor | None = None) -> torch.Tensor:
        """What the network sees of the images, (n, 1, s, s), normalised; through `theta` where given."""
        theta = self.transformer.theta(images) if theta is None else theta
        seen = geometry.sample(images, theta, self.transformer.size, self.transformer.samples)
        return (seen - self.mean) / self.std

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(self.look(images))

    def classify(self, seen: torch.Tensor) -> torch.Tensor:
        """Logits (n,) of what `look` returned."""
        return self.network(seen.contiguous(memory_format=torch.channels_last))[:, 0].float()


@dataclass
class Films:
    """The images that an arm trains on and is scored on, on the device, and their labels as they are taught."""

    images: torch.Tensor  # (N, 1, S, S) uint8, canonical flip done
    labels: torch.Tensor  # (N,) float32, mirrored with the image where they depend on the side
    swapped: np.ndarray  # (N,) bool: the label was mirrored
    splits: dict[str, torch.Tensor]  # rows of train, val, test
    dependent: bool  # does the label depend on the side?


@dataclass
class Run:
    """A training under way."""

    study: Study
    arm: Arm
    films: Films
    model: Classifier
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    seen: torch.Tensor | None  # (N, 1, s, s): what the network sees, where that never changes
    epoch: int = 0
    best: dict = field(default_factory=dict)  # epoch, loss and tensors of the best epoch, with early stopping
    history: list[dict] = field(default_factory=list)


def prepare(study: Study, arm_name: str, seed: int) -> Path:
    """The folder of one finished training, made where it is missing or stale.

    predictions.parquet (image_id, patient_id, split val/test, arm, seed, label, score), history.csv (epoch,
    train_loss, val_loss, val_auroc, learning_rate, images_per_second, seconds), run.json and, for the study's first
    seed, weights.safetensors. A training that was interrupted goes on from its last checkpoint.
    """
    home, inputs = study.paths.arm(arm_name, seed), _inputs(study, arm_name, seed)

    def work(facts: dict) -> None:
        compute.deterministic(study.training.threads)
        run = start(study, arm_name, seed)
        key = provenance.key(study, f"arm_{arm_name}", inputs)
        facts |= train(run, home, key, frozen=study.arms[arm_name].trainable == "head")
        _write_results(run, home, arm_name, seed)
        facts |= {"seed": seed, "arm": arm_name, "epochs": len(run.history), "device": str(run.films.images.device)}
        facts["transformer"] = _diagnose(run)

    make(home, study, f"arm_{arm_name}", inputs, work)
    checkpoints.remove(home / "checkpoints")
    paths.progress(home).unlink(missing_ok=True)
    return home


def _inputs(study: Study, arm_name: str, seed: int) -> list[Path]:
    """The finished results that a training reads, made where they are missing."""
    arm = study.arms[arm_name]
    films = cohort.prepare(study)
    preprocessing.prepare(study, arm.equalization)
    augmentation.prepare(study)
    inputs = [films.folder, study.paths.variant(arm.equalization)]
    if arm.initialisation == "pretrained":
        pretraining.prepare(study)
        inputs.append(pretraining.folder(study))
    if arm.localisation_key:
        inputs.append(stn.prepare(study.run(arm_name, seed)))
    return inputs


def start(study: Study, arm_name: str, seed: int) -> Run:
    """Images, network and optimiser of a training before its first step; everything random follows from the seed."""
    arm, device = study.arms[arm_name], compute.device(study.training.device)
    rows = cohort.load(study)
    films = resident(study, arm, rows, device)
    model = classifier(study, arm_name, seed, films, rows).to(device, memory_format=torch.channels_last)
    run = Run(study, arm, films, model, _optimiser(study, arm, model), torch.Generator().manual_seed(seed), None)
    if _sight_is_fixed(run):
        run.seen = look_at_all(run)
    return run


def resident(study: Study, arm: Arm, rows: Cohort, device: torch.device) -> Films:
    """The arm's images and labels on the device, with the flip done that it always does."""
    images = augmentation.arm_images(study, arm, rows).to(device)
    dependent = augmentation.side_dependent(study)
    swapped = mirrored(rows.included["side"], arm.flip) & dependent
    labels = mirrored_labels(rows.included["label"].to_numpy(np.float32), swapped)
    used = {"train": cohort.learned_from(study, rows)}
    used |= {name: rows.included["split"] == name for name in ("val", "test")}
    splits = {name: torch.from_numpy(np.flatnonzero(some)) for name, some in used.items()}
    return Films(images, torch.from_numpy(labels).to(device), swapped, splits, dependent)


def classifier(study: Study, arm_name: str, seed: int, films: Films, rows: Cohort) -> Classifier:
    """The untrained classifier of an arm: its transformer, the ResNet50 with its initial weights, the normalisation."""
    arm = study.arms[arm_name]
    transformer = stn.initial_transformer(study.run(arm_name, seed))
    weights = pretraining.prepare(study) if arm.initialisation == "pretrained" else None
    train = films.splits["train"].numpy()
    variant = preprocessing.prepare(study, arm.equalization)
    mean, std = normalisation(variant[train], rows.boxes[train])
    return Classifier(transformer, backbone.resnet50(weights, seed), mean, std)


def _optimiser(study: Study, arm: Arm, model: Classifier) -> torch.optim.Optimizer:
    """AdamW over what the arm trains; the localisation network learns slowly and without weight decay."""
    recipe = study.training
    backbone.freeze(model.network, arm.trainable)
    groups = backbone.parameter_groups(
        model.network, recipe.learning_rate, recipe.head_factor, recipe.layer_decay, recipe.weight_decay
    )
    rate = _transformer_rate(study, arm)
    model.transformer.requires_grad_(rate > 0)
    if rate:
        groups.append(
            {"params": list(model.transformer.parameters()), "lr": rate, "weight_decay": 0.0, "name": "transformer"}
        )
    for group in groups:
        group["peak"] = group["lr"]
    return torch.optim.AdamW(groups, fused=True)


def _transformer_rate(study: Study, arm: Arm) -> float:
    """Learning rate of the localisation network beside the classifier; 0 where it does not learn there."""
    if arm.trainable == "head":
        return 0.0
    if arm.stn == "joint":  # from nothing it has to learn as the classifier does, only more slowly
        return JOINT_FACTOR * study.training.learning_rate
    return study.stn.joint_learning_rate if arm.localisation_key else 0.0


def _sight_is_fixed(run: Run) -> bool:
    """Does the network see the same of an image each time? Then it is sampled once."""
    moved = bool(_limits(run).any()) and run.arm.trainable != "head"
    return not moved and not _transformer_rate(run.study, run.arm)


def _limits(run: Run) -> torch.Tensor:
    """Limits (4,) of the random pose of a training image."""
    changes = run.study.augmentation
    return pose_limits(changes.rotation, changes.zoom, changes.shift)


@torch.inference_mode()
def look_at_all(run: Run) -> torch.Tensor:
    """What the network sees of every image (N, 1, s, s)."""
    run.model.eval()
    parts = [run.model.look(batch / 255.0) for batch in run.films.images.split(INFERENCE_BATCH)]
    return torch.cat(parts).clone()


def train(run: Run, home: Path, key: str, frozen: bool) -> dict:
    """Train to the end, from the last checkpoint where there is one; facts for run.json."""
    if frozen:
        return _train_head(run)
    recipe, folder = run.study.training, home / "checkpoints"
    _resume(run, checkpoints.latest(folder, key))
    saved = time.monotonic()
    while run.epoch < recipe.epochs and not _is_stale(run):
        run.history.append(_epoch(run))
        run.epoch += 1
        _keep_best(run)
        _report_progress(run, home)
        if run.epoch < recipe.epochs and time.monotonic() - saved >= recipe.checkpoint_seconds:
            checkpoints.save(folder, run.epoch, _state(run, key))
            saved = time.monotonic()
    if run.best:
        run.model.load_state_dict(run.best["tensors"])
        return {"chosen_epoch": run.best["epoch"]}
    return {"chosen_epoch": run.epoch}


def _epoch(run: Run) -> dict[str, float]:
    """Every training image once, then the validation images; one row of the history."""
    started = time.monotonic()
    backbone.freeze(run.model.network, "head" if run.epoch < run.study.training.unfreeze else run.arm.trainable)
    backbone.train_mode(run.model.network)
    run.model.transformer.train(_transformer_rate(run.study, run.arm) > 0)
    _hold_statistics(run.model.transformer)
    rows = run.films.splits["train"]
    order = rows[torch.randperm(len(rows), generator=run.generator)]
    batches = order.split(run.study.training.batch_size)
    if len(batches) > 1 and len(batches[-1]) < 2:
        batches = batches[:-1]  # batch normalisation needs two images
    losses = [_step(run, batch, (run.epoch + i / len(batches))) for i, batch in enumerate(batches)]
    seconds = time.monotonic() - started
    scores = logits(run, run.films.splits["val"])
    labels = run.films.labels[run.films.splits["val"]].cpu()
    return {
        "epoch": run.epoch + 1,
        "train_loss": torch.stack(losses).mean().item(),
        "val_loss": F.binary_cross_entropy_with_logits(scores, labels).item(),
        "val_auroc": _auroc(labels, scores),
        "learning_rate": run.optimiser.param_groups[0]["lr"],
        "images_per_second": sum(map(len, batches)) / seconds,
        "seconds": time.monotonic() - started,
    }


def _hold_statistics(transformer: nn.Module) -> None:
    """The taught localisation network keeps its batch statistics: the classifier's batches are too small."""
    for module in transformer.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _step(run: Run, rows: torch.Tensor, progress: float) -> torch.Tensor:
    """One step of the optimiser on one batch; its loss."""
    recipe, device = run.study.training, run.films.images.device
    for group in run.optimiser.param_groups:
        group["lr"] = group["peak"] * one_cycle(progress / recipe.epochs, recipe.warmup)
    seen, labels = _batch(run, rows)
    with compute.autocast(recipe.precision, device):
        scores = run.model.classify(seen)
    smooth = labels * (1 - recipe.label_smoothing) + 0.5 * recipe.label_smoothing
    loss = F.binary_cross_entropy_with_logits(scores, smooth)
    run.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(run.model.parameters(), CLIP, error_if_nonfinite=True)
    run.optimiser.step()
    return loss.detach()


def _batch(run: Run, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network sees of some training images, randomly changed, and their labels."""
    changes, labels = run.study.augmentation, run.films.labels[rows]
    if run.seen is not None:
        seen = run.seen[rows]
    else:
        images = run.films.images[rows] / 255.0
        theta = run.model.transformer.theta(images)
        if _limits(run).any():
            theta = random_affine(theta, _limits(run), run.generator)
        seen = run.model.look(images, theta)
    if changes.gain:
        seen = random_gain(seen, changes.gain, run.generator)
    if run.arm.flip == "random":
        mirror = random_flip(len(rows), run.generator).to(seen.device)
        seen = torch.where(mirror[:, None, None, None], seen.flip(-1), seen)
        if run.films.dependent:
            labels = torch.where(mirror, 1 - labels, labels)
    return seen, labels


def one_cycle(progress: float, warmup: float) -> float:
    """Learning rate over its peak, at a share of the training: linear rise, then half a cosine to zero (Smith 2018)."""
    if progress < warmup:
        return max(progress / warmup, 0.02)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


@torch.inference_mode()
def logits(run: Run, rows: torch.Tensor) -> torch.Tensor:
    """Logits (n,) of images as they are, on the CPU."""
    run.model.eval()
    parts = []
    for batch in rows.split(INFERENCE_BATCH):
        seen = run.model.look(run.films.images[batch] / 255.0) if run.seen is None else run.seen[batch]
        with compute.autocast(run.study.training.precision, seen.device):
            parts.append(run.model.classify(seen).cpu())
    return torch.cat(parts)


def _auroc(labels: torch.Tensor, scores: torch.Tensor) -> float:
    """AUROC of the validation images, NaN where they are all of one class."""
    return float(roc_auc_score(labels, scores)) if 0 < labels.mean() < 1 else math.nan


@torch.inference_mode()
def _features(run: Run) -> torch.Tensor:
    """The frozen network's pooled features of every image (N, 2048)."""
    run.model.eval()
    parts = []
    for batch in torch.arange(len(run.seen)).split(INFERENCE_BATCH):
        with compute.autocast(run.study.training.precision, run.seen.device):
            network, seen = run.model.network, run.seen[batch].contiguous(memory_format=torch.channels_last)
            parts.append(network.forward_head(network.forward_features(seen), pre_logits=True).float())
    return torch.cat(parts).clone()


def _train_head(run: Run) -> dict:
    """Only the last layer learns: features are computed once and a logistic regression is fitted to them (L-BFGS).

    Its penalty, `training.weight_decay` on standardised features, is the only choice there is; no epoch to choose.
    """
    started, features = time.monotonic(), _features(run)
    train, val = run.films.splits["train"], run.films.splits["val"]
    mean, std = features[train].mean(dim=0), features[train].std(dim=0) + 1e-6
    features = (features - mean) / std
    head = torch.nn.Linear(features.shape[1], 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        fit = F.binary_cross_entropy_with_logits(head(features[train])[:, 0], run.films.labels[train])
        total = fit + 0.5 * run.study.training.weight_decay * head.weight.square().sum()
        total.backward()
        return fit

    optimiser.step(loss)
    with torch.no_grad():
        run.model.network.fc.weight.copy_(head.weight / std)
        run.model.network.fc.bias.copy_(head.bias - (head.weight * mean / std).sum())
        scores = head(features[val])[:, 0]
    seconds = time.monotonic() - started
    run.history.append(
        {
            "epoch": 1,
            "train_loss": loss().item(),
            "val_loss": F.binary_cross_entropy_with_logits(scores, run.films.labels[val]).item(),
            "val_auroc": _auroc(run.films.labels[val], scores),
            "learning_rate": math.nan,
            "images_per_second": len(features) / seconds,
            "seconds": seconds,
        }
    )
    return {"chosen_epoch": 1}


def _is_stale(run: Run) -> bool:
    """Has the validation loss not improved for `patience` epochs?"""
    patience = run.study.training.patience
    return bool(patience and run.best and run.epoch - run.best["epoch"] >= patience)


def _keep_best(run: Run) -> None:
    """With early stopping, keep the tensors of the epoch with the lowest validation loss."""
    if not run.study.training.patience:
        return
    loss = run.history[-1]["val_loss"]
    if not run.best or loss < run.best["loss"]:
        tensors = {k: v.clone() for k, v in run.model.state_dict().items()}
        run.best = {"epoch": run.epoch, "loss": loss, "tensors": tensors}


def _state(run: Run, key: str) -> dict:
    """Everything a training needs to go on as if nothing had happened."""
    return {
        "key": key,
        "epoch": run.epoch,
        "model": run.model.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "generator": run.generator.get_state(),
        "best": run.best,
        "history": run.history,
    }


def _resume(run: Run, state: dict | None) -> None:
    """Go on from a checkpoint's state, if there is one."""
    if state:
        run.model.load_state_dict(state["model"])
        run.optimiser.load_state_dict(state["optimiser"])
        run.generator.set_state(state["generator"])
        run.epoch, run.best, run.history = state["epoch"], state["best"], state["history"]


def _report_progress(run: Run, home: Path) -> None:
    """Tell the terminal's view of the study how far this training is."""
    recipe, last = run.study.training, run.history[-1]
    left = (recipe.epochs - run.epoch) * last["seconds"]
    facts = {"epoch": run.epoch, "epochs": recipe.epochs, "eta_seconds": round(left), "updated": time.time()}
    write_json(paths.progress(home), facts | {"images_per_second": round(last["images_per_second"], 1)})


def _write_results(run: Run, home: Path, arm_name: str, seed: int) -> None:
    """predictions.parquet, history.csv and, for the study's first seed, weights.safetensors."""
    rows = cohort.load(run.study).included
    with replacing(home / "history.csv") as temporary:
        pd.DataFrame(run.history).to_csv(temporary, index=False)
    index = torch.cat([run.films.splits[name] for name in SCORED])
    scores = torch.sigmoid(logits(run, index).double()).numpy()
    scores = mirrored_labels(scores, run.films.swapped[index])
    table = rows.loc[index.numpy(), ["image_id", "patient_id", "split"]].reset_index(drop=True)
    table = table.assign(arm=arm_name, seed=seed, label=rows["label"].to_numpy()[index], score=scores)
    with replacing(home / "predictions.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    if seed == run.study.seeds[0]:
        with replacing(home / "weights.safetensors") as temporary:
            save_file({k: v.cpu().contiguous() for k, v in run.model.state_dict().items()}, temporary)


def _diagnose(run: Run) -> dict:
    """Diagnostics of the transformer after training: a collapsed STN is reported with the run that has it."""
    films = cohort.load(run.study)
    return stn.diagnose(run.model.transformer, run.films.images, films, run.arm)


def load_model(study: Study, arm_name: str, seed: int) -> Classifier:
    """The trained classifier of a finished training (notebook 06). Only the study's first seed keeps weights."""
    films = cohort.load(study)
    arm = study.arms[arm_name]
    held = resident(study, arm, films, torch.device("cpu"))
    model = classifier(study, arm_name, seed, held, films)
    model.load_state_dict(load_file(study.paths.arm(arm_name, seed) / "weights.safetensors"))
    return model.to(memory_format=torch.channels_last).eval()


def inputs(study: Study, arm_name: str, index: np.ndarray) -> torch.Tensor:
    """Images as a classifier is given them: treated, mirrored where the arm's flip says so, (n, 1, S, S) in 0 to 1."""
    arm, films = study.arms[arm_name], cohort.load(study)
    return augmentation.arm_images(study, arm, films)[torch.from_numpy(index)] / 255.0
