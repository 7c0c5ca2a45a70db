"""One training of a study: an arm with a seed, from the cohort to predictions (notebook 05).

The method is `foramen.training`. Validation images choose the epoch where the study stops early (and, in notebook 06,
the threshold); test images are scored once.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from foramen.augmentation import step as augmentation
from foramen.augmentation.flip import mirrored_labels
from foramen.cohort import step as cohort
from foramen.cohort.step import Cohort
from foramen.core import compute, weights
from foramen.core.files import read_frame, write_frame
from foramen.preprocessing import step as preprocessing
from foramen.stn import step as stn
from foramen.study import provenance
from foramen.study.model import Run, Study
from foramen.study.step import make
from foramen.training import backbone, checkpoints, linear_probe
from foramen.training import step as training
from foramen.training.checkpoints import TrainingState
from foramen.training.classifier import Classifier, TrainingImages, in_batches, logits
from foramen.training.fine_tuning import FineTuning

ATTENTION = "attention.parquet"


def prepare(run: Run) -> Path:
    """The folder of one finished training, made where it is missing or stale.

    predictions.parquet (image_id, patient_id, split val/test, arm, seed, label, score), with several heads
    attention.parquet (image_id, head_1, head_2 ...: how much each crop counts), history.csv (epoch, train_loss,
    val_loss, val_auroc, learning_rate, images_per_second, seconds), run.json and, for the study's first seed or, with
    `keep_weights`, for all, weights.safetensors. A training that was interrupted goes on from its last checkpoint.
    """
    home, recipe = run.folder, run.study.training
    films, pretrained, inputs = upstream(run)

    def work(facts: dict) -> None:
        compute.deterministic(recipe.threads)
        key = provenance.key(run.study, run.stage, inputs)
        state = TrainingState(recipe.epochs, home, key, recipe.checkpoint_seconds)
        tuning = training.fine_tuning(run, films, stn.initial_transformer(run), pretrained)
        if run.switches.trainable == "head":
            row = linear_probe.train(tuning.model, tuning.data, recipe.weight_decay, recipe.precision)
            state.history.append(row)
        else:
            tuning.train(state)
        write_frame(home / "history.csv", pd.DataFrame(state.history))
        write_frame(home / "predictions.parquet", _predictions(run, films.included, tuning.model, tuning.data))
        if tuning.model.attention is not None:
            write_frame(home / ATTENTION, _attended(films.included, tuning))
        if run.study.keep_weights or run.seed == run.study.seeds[0]:
            weights.save(tuning.model, home / "weights.safetensors")
        images, epochs = tuning.data.images, len(state.history)
        facts |= {"seed": run.seed, "arm": run.arm, "epochs": epochs, "device": compute.kind(images.device)}
        facts["chosen_epoch"] = tuning.stopping.best["epoch"] or epochs
        facts["transformer"] = stn.diagnose(tuning.model.transformer, images, films, run)

    make(home, run.study, run.stage, inputs, work)
    checkpoints.clear(home)
    return home


def upstream(run: Run) -> tuple[Cohort, Path | None, list[Path]]:
    """The cohort, the pre-trained weights if the arm wants them, and the folders of all results that a training reads.

    Each is made where it is missing.
    """
    study, arm = run.study, run.switches
    films = cohort.prepare(study)
    variant = preprocessing.prepare(study, arm.region, arm.equalization)
    augmentation.prepare(study)
    pretrained = training.prepare(study) if arm.initialisation == "pretrained" else None
    inputs = [films.folder, variant.folder]
    inputs += [pretrained.parent] if pretrained else []
    inputs += [stn.prepare(run)] if arm.localisation_key else []
    return films, pretrained, inputs


def predict_elsewhere(run: Run, other: Study) -> pd.DataFrame:
    """The predictions of a finished training on the validation and test films of another cohort, made where missing.

    Where the other cohort has the same patients the split is that of the training's own, so that nobody is tested on
    who was trained on; else it is the other cohort's. Notebook 07; needs the weights of the training (`keep_weights`).
    """
    trained, films = prepare(run), cohort.prepare(other)
    variant = preprocessing.prepare(other, run.switches.region, run.switches.equalization)
    folder, rows = trained / "elsewhere" / other.name, films.included
    if run.study.cohort.synthetic.seed == other.cohort.synthetic.seed:
        own = cohort.load(run.study).included.set_index("image_id")["split"]
        rows = rows.assign(split=rows["image_id"].map(own))

    def work(facts: dict) -> None:
        compute.deterministic(run.study.training.threads)
        data = training.images(other.run(run.arm, run.seed), replace(films, included=rows))
        model = load_model(run).to(data.images.device)
        write_frame(folder / "predictions.parquet", _predictions(run, rows, model, data))

    make(folder, run.study, run.stage, [trained, films.folder, variant.folder], work)
    return read_frame(folder / "predictions.parquet")


def _predictions(run: Run, rows: pd.DataFrame, model: Classifier, data: TrainingImages) -> pd.DataFrame:
    """The scores of the validation and test images among `rows`, turned back where the label was mirrored."""
    index = torch.cat([data.splits[name] for name in ("val", "test")])
    scores = torch.sigmoid(logits(model, data, index, run.study.training.precision).double()).numpy()
    table = rows.loc[index.numpy(), ["image_id", "patient_id", "split"]].reset_index(drop=True)
    table = table.assign(arm=run.arm, seed=run.seed, label=rows["label"].to_numpy()[index])
    return table.assign(score=mirrored_labels(scores, data.swapped[index]))


def _attended(rows: pd.DataFrame, tuning: FineTuning) -> pd.DataFrame:
    """How much each crop of the validation and test images counts: a column a head, from the upper end down."""
    data, model = tuning.data, tuning.model
    index = torch.cat([data.splits[name] for name in ("val", "test")])
    found = in_batches(model, lambda batch: model.attended(data.input_of(model, batch)), index).cpu().numpy()
    table = pd.DataFrame(found, columns=[f"head_{k + 1}" for k in range(found.shape[1])])
    return table.assign(image_id=rows["image_id"].to_numpy()[index])


def load_model(run: Run) -> Classifier:
    """The classifier of a finished training (notebooks 07, 08): of the first seed, or with `keep_weights` of any."""
    model = training.assembled(stn.build(run), backbone.create(run.study.training.network))
    model.load_state_dict(weights.read(run.folder / "weights.safetensors"))
    return model.to(memory_format=torch.channels_last).eval()


def inputs(run: Run, index: np.ndarray) -> torch.Tensor:
    """Images as a classifier is given them: treated, mirrored where the arm's flip says so, (n, 1, S, S) in 0 to 1."""
    return augmentation.arm_images(run.study, run.switches, cohort.load(run.study), index) / 255.0
