"""What a study trains with: pre-trained weights (`foramen pretrain`), an arm's images, its classifier (notebook 05).

Pre-trained weights come from formulas, timm's hub, a file or a package. Whatever the source, the result is one file of
single-channel weights without a head, kept outside any one study, so that all studies that ask for the same
weights share them.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from foramen.augmentation import step as augmentation
from foramen.augmentation.flip import mirrored, mirrored_labels
from foramen.cohort import step as cohort
from foramen.cohort.step import Cohort
from foramen.core import compute, paths, weights
from foramen.core.files import digest_file, write_frame
from foramen.preprocessing import step as preprocessing
from foramen.preprocessing.equalization import normalisation
from foramen.study.model import Arm, Run, Study
from foramen.study.step import make
from foramen.training import backbone, checkpoints, hub, packaged
from foramen.training.attention import Attention
from foramen.training.backbone import Network
from foramen.training.checkpoints import TrainingState
from foramen.training.classifier import Classifier, TrainingImages, Transformer
from foramen.training.fine_tuning import FineTuning
from foramen.training.pretraining import BATCH, FormulaPretraining

JOINT_FACTOR = 0.1  # learning rate of an untrained localisation network over the classifier's


def prepare(study: Study) -> Path:
    """The weights file (safetensors) of the study's pre-training, made where it is missing.

    Beside it lies, for formulas, history.csv: epoch, images, train_loss, accuracy, learning_rate, seconds. Raises
    InputError where the hub or the file has nothing that fits.
    """
    home, inputs = folder(study), _inputs(study)
    file = home / "weights.safetensors"

    def work(facts: dict) -> None:
        if study.pretraining.source == "formula":
            model = _pretrained(study, home, facts)
        else:
            given = inputs[0] if inputs else hub.download(study.pretraining.hub_name, study.training.network)
            facts["adapted_from"] = given.name
            model = _adapted(study, given)
        weights.save(model, file, without=weights.head(model))

    make(home, study, "pretraining", inputs, work)
    checkpoints.clear(home)
    return file


def check(study: Study) -> None:
    """InputError where the weights that arms start from cannot be had from the file or the hub that the study names."""
    given = study.pretraining
    if given.source == "formula" or all(arm.initialisation != "pretrained" for arm in study.arms.values()):
        return
    if given.source == "hub":
        if not (folder(study) / "run.json").exists():
            hub.check(given.hub_name, study.training.network)
    else:
        _adapted(study, *_inputs(study))


def _adapted(study: Study, given: Path) -> Network:
    """The study's network with the weights of a file; InputError where they do not fit."""
    model, state = backbone.create(study.training.network), weights.read(given)
    if study.pretraining.source == "package":
        state = packaged.renamed(state)
    weights.adapt(model, state, str(given))
    return model


def _pretrained(study: Study, home: Path, facts: dict) -> nn.Module:
    """A network trained on formulas' images; its history lies in `home`."""
    recipe = study.training
    compute.deterministic(recipe.threads)
    training = FormulaPretraining(recipe.network, study.pretraining, recipe.precision, compute.device(recipe.device))
    state = TrainingState(training.rows, home, study.pretraining_key([]), recipe.checkpoint_seconds)
    model = training.train(state)
    write_frame(home / "history.csv", pd.DataFrame(state.history))
    facts |= {"images": training.steps * BATCH, "accuracy": state.history[-1]["accuracy"]}
    return model


def folder(study: Study) -> Path:
    """Where the weights of the study lie; another content of a given file is another folder."""
    return paths.pretraining(study.pretraining_key([digest_file(path) for path in _inputs(study)]))


def _inputs(study: Study) -> list[Path]:
    if study.pretraining.source == "package":
        return [packaged.file()]
    if study.pretraining.source != "file":
        return []
    path = Path(study.pretraining.file)
    weights.read(path)
    return [path]


def fine_tuning(
    run: Run, films: Cohort, transformer: Transformer, pretrained: Path | None = None, first: Mapping[str, int] = {}
) -> FineTuning:
    """An arm's training before its first step, on the study's device; everything random follows from the seed.

    Of a split named in `first` only so many images are used; the input is normalised over all training images.
    """
    study, data = run.study, images(run, films)
    arm, train = run.switches, data.splits["train"].numpy()
    treated = preprocessing.prepare(study, arm.region, arm.equalization)
    mean_and_std = normalisation(treated.images[train], treated.boxes[train])
    network = backbone.create(study.training.network, pretrained, run.seed)
    model = assembled(transformer, network, *mean_and_std, run.seed)
    model = model.to(data.images.device).to(memory_format=torch.channels_last)
    data.splits |= {name: data.splits[name][:most] for name, most in first.items()}
    rate = transformer_rate(study, run.switches)
    return FineTuning(model, data, study.training, study.augmentation, run.switches, rate, run.seed)


def images(run: Run, films: Cohort) -> TrainingImages:
    """An arm's images and labels on the study's device, with the flip done that it always does."""
    study, arm = run.study, run.switches
    device, rows = compute.device(study.training.device), films.included
    dependent = augmentation.side_dependent(study)
    swapped = mirrored(rows["side"], arm.flip) & dependent
    labels = torch.from_numpy(mirrored_labels(rows["label"].to_numpy(np.float32), swapped))
    used = {name: rows["split"] == name for name in ("val", "test")} | {"train": cohort.learned_from(study, films)}
    splits = {name: torch.from_numpy(np.flatnonzero(some)) for name, some in used.items()}
    treated = augmentation.arm_images(study, arm, films).to(device)
    return TrainingImages(treated, labels.to(device), swapped, splits, dependent)


def assembled(
    transformer: Transformer, network: Network, mean: float = 0.0, std: float = 1.0, seed: int = 0
) -> Classifier:
    """A classifier of these parts; what joins several heads is drawn from `seed`."""
    if transformer.frame.ndim == 2:
        return Classifier(transformer, network, mean, std)
    with compute.seeded(seed):
        return Classifier(transformer, network, mean, std, Attention(network.num_features))


def transformer_rate(study: Study, arm: Arm) -> float:
    """Learning rate of the localisation network beside the classifier; 0 where it does not learn there."""
    if arm.trainable == "head":
        return 0.0
    if arm.stn == "joint":  # from scratch it has to learn as the classifier does, only more slowly
        return JOINT_FACTOR * study.training.learning_rate
    return study.stn.joint_learning_rate if arm.localisation_key else 0.0
