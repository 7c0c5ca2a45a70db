"""The step of notebook 04: the transformer of an arm, and the localisation network that it starts from.

Ways, the switch `stn` of an arm:

- `none`: the study's region of the image (`region`), by default all of it.
- `crop`: a fixed part of the image at the STN's magnification, the same for every radiograph: the fair control.
- `joint`: a localisation network trained with the classifier from the study's region (the whole radiograph: the
  identity), as in the original paper.
- `self_supervised`: a localisation network first trained to undo known random transforms of the training images.
- `true_pose`: one first trained on the phantom's true pose, which only a synthetic cohort has: a comparison, no upper
  bound (at an equal budget, `self_supervised` recovers the pose better).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cervical_phantom.anatomy import LEVELS
from foramen.augmentation import step as augmentation
from foramen.augmentation.flip import apply_canonical_flip, mirrored
from foramen.cohort import step as cohort
from foramen.cohort.step import POSE_COLUMNS, Cohort
from foramen.core import compute, geometry
from foramen.core.files import replacing, write_json
from foramen.preprocessing import step as preprocessing
from foramen.stn import comparison, diagnostics
from foramen.stn.self_supervision import fit_localisation, predict_poses
from foramen.stn.transformer import SpatialTransformer
from foramen.study.model import Arm, Run, Study
from foramen.study.step import make
from foramen.training import step as training
from foramen.training import weights
from foramen.training.classifier import Transformer
from foramen.training.fine_tuning import FineTuning

FIXED = ("none", "crop")  # the ways without a localisation network
WEIGHTS = "localisation.safetensors"


def build(study: Study, way: str) -> Transformer:
    """An untrained transformer of one way. Crop and STN sample equally finely, so that they differ in place alone."""
    given, size = study.stn, study.training.input_size
    magnification = study.region.magnification if way in ("none", "joint") else given.magnification
    finest = magnification if way == "none" else magnification / given.max_zoom
    samples = geometry.supersampling(study.cohort.image_size, size, finest)
    frame = geometry.crop_frame(magnification, (0.0, study.region.centre_down if magnification > 1 else 0.0))
    if way in FIXED:
        return Transformer(frame, size, samples)
    max_zoom = given.max_zoom * given.magnification / magnification
    limits = [np.radians(given.max_rotation), np.log(max_zoom), given.max_shift, given.max_shift]
    return SpatialTransformer(frame, torch.tensor(limits, dtype=torch.float32), size, samples, given.localisation_size)


def seeded(study: Study, way: str, seed: int) -> SpatialTransformer:
    """An untrained transformer whose localisation network is drawn from `seed`; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = build(study, way)
    assert isinstance(transformer, SpatialTransformer), way
    return transformer


def initial_transformer(run: Run) -> Transformer:
    """The transformer that fine-tuning starts from: where the arm trains one beforehand, as `prepare` left it."""
    if run.switches.stn in FIXED:
        return build(run.study, run.switches.stn)
    transformer = seeded(run.study, run.switches.stn, run.seed)
    if run.localisation_folder:
        transformer.localisation.load_state_dict(weights.read(run.localisation_folder / WEIGHTS))
    return transformer


def prepare(run: Run) -> Path:
    """The trained localisation network that an arm starts from, made where it is missing (notebook 04).

    The folder holds localisation.safetensors, history.csv (round, epoch, loss), poses.parquet (the pose found in every
    image) and diagnostics.json (see `diagnostics.diagnose`).
    """
    study, arm, folder = run.study, run.switches, run.localisation_folder
    assert folder is not None, f"arm {run.arm} starts from no trained localisation network"
    films = cohort.prepare(study)
    preprocessing.prepare(study, arm.equalization)

    def work(facts: dict) -> None:
        compute.deterministic(study.training.threads)
        images = augmentation.arm_images(study, arm, films)
        transformer, history = _trained(run, films, images)
        weights.save(transformer.localisation, folder / WEIGHTS)
        with replacing(folder / "history.csv") as temporary:
            history.to_csv(temporary, index=False)
        table = pd.DataFrame(predict_poses(transformer, images).numpy(), columns=list(geometry.POSE))
        table.insert(0, "image_id", films.included["image_id"])
        with replacing(folder / "poses.parquet") as temporary:
            table.to_parquet(temporary, index=False)
        facts["diagnostics"] = diagnose(transformer, images, films, arm)
        write_json(folder / "diagnostics.json", facts["diagnostics"])

    return make(folder, study, "stn", [films.folder, study.paths.variant(arm.equalization)], work)


def _trained(run: Run, films: Cohort, images: torch.Tensor) -> tuple[SpatialTransformer, pd.DataFrame]:
    """A localisation network trained on the training images in the way that the arm names, and its history."""
    study, arm = run.study, run.switches
    transformer, rounds = seeded(study, arm.stn, run.seed), study.stn.rounds
    train = _train(study, films)
    known = torch.zeros(len(train), len(geometry.POSE))
    if arm.stn == "true_pose":
        known, rounds = target_poses(films, arm, study.region.centre_down)[train], 1
    recipe = (study.stn.epochs, study.stn.learning_rate, run.seed)
    return transformer, fit_localisation(transformer, images[train], known, rounds, *recipe)


def _train(study: Study, films: Cohort) -> torch.Tensor:
    """Rows of the images that networks learn from."""
    return torch.from_numpy(np.flatnonzero(cohort.learned_from(study, films)))


def target_poses(films: Cohort, arm: Arm, centre_down: float) -> torch.Tensor:
    """The phantom's pose of every image (N, 4) as a target: see `diagnostics.target_poses`."""
    return diagnostics.target_poses(*_known_poses(films, arm), centre_down)


def _known_poses(films: Cohort, arm: Arm) -> tuple[np.ndarray, np.ndarray]:
    """The known poses (N, 4) of the images as acquired, and which of them (N,) the arm mirrors."""
    assert films.poses is not None
    return films.poses[POSE_COLUMNS].to_numpy(), mirrored(films.included["side"], arm.flip)


def diagnose(transformer: Transformer, images: torch.Tensor, films: Cohort, arm: Arm) -> dict:
    """`diagnostics.diagnose` over the validation images of a cohort's `images` (N, 1, S, S) uint8."""
    validation, true = np.flatnonzero(films.included["split"] == "val"), None
    if films.poses is not None:
        true = diagnostics.mirrored_poses(*_known_poses(films, arm))[validation]
    return diagnostics.diagnose(transformer, images[torch.from_numpy(validation)], true)


def foramen_masks(study: Study, arm: Arm, films: Cohort, index: np.ndarray) -> np.ndarray:
    """Where the foramina that the label is about lie in the arm's images at `index`: (n, S, S) bool."""
    counted = sum(1 << LEVELS.index(level) for level in study.cohort.synthetic.label.levels)
    assert films.masks is not None
    masks = np.asarray(films.masks[index]) & counted > 0
    return apply_canonical_flip(masks, mirrored(films.included["side"], arm.flip)[index])


def compare(run: Run) -> tuple[pd.DataFrame, dict[str, Transformer]]:
    """Transformers of an arm's images, each trained in another way on a few training images (notebook 04).

    Ways: the controls `identity` (the study's region) and `crop`, which train nothing; `joint`, with a classifier, both
    from scratch, as in the original paper; `self_supervised`; and, where true poses are known, `true_pose`. Returns
    `comparison.table` over the validation images, and the trained transformers by way.
    """
    study, arm, films = run.study, run.switches, cohort.prepare(run.study)
    compute.deterministic(study.training.threads)
    recipe = study.training.model_copy(update={"epochs": comparison.PASSES, "input_size": comparison.SIZE})
    small = study.model_copy(update={"training": recipe})
    images, few = augmentation.arm_images(study, arm, films), _train(study, films)[: comparison.IMAGES]
    transformers: dict[str, Transformer] = {"identity": build(small, "none"), "crop": build(small, "crop")}
    transformers["joint"] = _jointly(small.run(run.arm, run.seed), films, few)
    targets: dict[str, torch.Tensor | None] = {"self_supervised": None}
    if films.poses is not None:
        targets["true_pose"] = target_poses(films, arm, study.region.centre_down)[few]
    for way, target in targets.items():
        alone = seeded(small, way, run.seed), images[few], target
        transformers[way] = comparison.train_alone(*alone, study.stn.rounds, study.stn.learning_rate, run.seed)
    facts = {way: diagnose(one, images, films, arm) for way, one in transformers.items()}
    return comparison.table(facts), transformers


def _jointly(run: Run, films: Cohort, few: torch.Tensor) -> Transformer:
    """A transformer trained with the classifier, both from scratch, on the images at `few`."""
    study, arm = run.study, run.switches.model_copy(update={"stn": "joint"})
    rate, data = training.transformer_rate(study, arm), training.images(study, arm, films)
    transformer = seeded(study, "joint", run.seed)
    model = training.classifier(run, transformer, films, data.splits["train"])
    data.splits |= {"train": few, "val": data.splits["val"][: comparison.IMAGES // 4]}
    FineTuning(model, data, study.training, study.augmentation, arm.flip, arm.trainable, rate, run.seed).train()
    return transformer
