"""The step of notebook 04: the transformer of an arm, and the localisation network that it starts from.

Ways, the switch `stn` of an arm:

- `none`: the whole height (or width) of the region that the arm sees.
- `crop`: a fixed part of that region at the STN's magnification, the same for every radiograph: the fair control.
- `joint`: a localisation network trained with the classifier from the whole region (the identity), as in the original
  paper.
- `self_supervised`: a localisation network first trained to undo known random transforms of the training images.
- `true_pose`: one first trained on the phantom's true pose, which only a synthetic cohort has: a comparison, no upper
  bound (at an equal budget, `self_supervised` recovers the pose better).

With several `heads` there is a smaller crop for each foramen, along the column as the detector found it.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cervical_phantom.rendering import mask_bits
from foramen.augmentation import step as augmentation
from foramen.augmentation.flip import apply_canonical_flip, mirrored
from foramen.cohort import step as cohort
from foramen.cohort.step import POSE_COLUMNS, Cohort
from foramen.core import compute, geometry, weights
from foramen.core.display import readings
from foramen.core.files import read_frame, write_frame
from foramen.preprocessing import step as preprocessing
from foramen.preprocessing.regions import frames, holds, within
from foramen.stn import coverage, diagnostics
from foramen.stn.self_supervision import fit_localisation, predict_poses
from foramen.stn.transformer import SpatialTransformer
from foramen.study.model import Arm, Run, Study
from foramen.study.step import make
from foramen.training import step as training
from foramen.training.classifier import Transformer

FIXED = ("none", "crop")  # the ways without a localisation network
WEIGHTS = "localisation.safetensors"
# In `compare`: training images that each way learns from, and how often; pixels of the input of the classifier that the
# joint way trains, cheap enough for a notebook.
IMAGES, PASSES, SIZE = 256, 9, 32
FILMS = 1000  # that `covered` looks at, at the most


def build(run: Run, way: str | None = None, heads: int | None = None) -> Transformer:
    """An untrained transformer of an arm, or of another way or number of heads for its images, drawn from its seed.

    Crop and STN sample equally finely, so that they differ in place alone.
    """
    study, arm, given, shape = run.study, run.switches, run.study.stn, run.shape
    way, heads = way or arm.stn, heads or arm.heads
    zoom = given.magnification if heads == 1 else given.head_magnification
    magnification = 1.0 if way in ("none", "joint") else zoom
    max_zoom = given.max_zoom * (given.magnification if way == "joint" else 1.0)
    finest = magnification if way == "none" else magnification / max_zoom
    samples = geometry.supersampling(study.image_size(arm.region), max(shape), finest)
    frame = geometry.crop_frame(magnification, shape=shape)
    if heads > 1:
        places = np.linspace(-1, 1, heads) / study.region.margin
        frame = torch.stack([geometry.crop_frame(magnification, (0.0, down), shape) for down in places])
    if way in FIXED:
        return Transformer(frame, shape, samples)
    limits = [np.radians(given.max_rotation), np.log(max_zoom), given.max_shift, given.max_shift]
    with compute.seeded(run.seed):
        return SpatialTransformer(frame, torch.tensor(limits).float(), shape, samples, given.localisation_size)


def initial_transformer(run: Run) -> Transformer:
    """The transformer that fine-tuning starts from: where the arm trains one beforehand, as `prepare` left it."""
    transformer = build(run)
    if run.localisation_folder and isinstance(transformer, SpatialTransformer):
        transformer.localisation.load_state_dict(weights.read(run.localisation_folder / WEIGHTS))
        transformer.taught = True
    return transformer


def prepare(run: Run) -> Path:
    """The trained localisation network that an arm starts from, made where it is missing (notebook 04).

    The folder holds localisation.safetensors, history.csv (round, epoch, loss), poses.parquet (the pose found in every
    image; a row a head where there are several) and, in run.json, diagnostics (see `diagnostics.diagnose`).
    """
    study, arm, folder = run.study, run.switches, run.localisation_folder
    assert folder is not None, f"arm {run.arm} starts from no trained localisation network"
    films = cohort.prepare(study)
    variant = preprocessing.prepare(study, arm.region, arm.equalization)

    def work(facts: dict) -> None:
        compute.deterministic(study.training.threads)
        images = augmentation.arm_images(study, arm, films).to(compute.device(study.training.device))
        rounds = 1 if arm.stn == "true_pose" else study.stn.rounds
        transformer, history = _trained(run, arm.stn, films, images, (rounds, study.stn.epochs))
        weights.save(transformer.localisation, folder / WEIGHTS)
        write_frame(folder / "history.csv", history)
        found = predict_poses(transformer, images).flatten(0, -2).cpu().numpy()
        table = pd.DataFrame(found, columns=list(geometry.POSE))
        table.insert(0, "image_id", np.repeat(films.included["image_id"].to_numpy(), len(found) // len(images)))
        write_frame(folder / "poses.parquet", table)
        facts["diagnostics"] = diagnose(transformer, images, films, run)

    return make(folder, study, "stn", [films.folder, variant.folder], work)


def _trained(
    run: Run, way: str, films: Cohort, images: torch.Tensor, passes: tuple[int, int], most: int | None = None
) -> tuple[SpatialTransformer, pd.DataFrame]:
    """A localisation network trained in one way, on at most so many of the training images, and its history.

    `passes`: rounds, and epochs of each.
    """
    study, transformer = run.study, build(run, way).to(images.device)
    assert isinstance(transformer, SpatialTransformer), way
    rows = torch.from_numpy(_lesson(study, films, way)[:most])
    known = torch.zeros(len(rows), len(geometry.POSE))
    if way == "true_pose":
        known = diagnostics.target_poses(*known_poses(study, films, run.switches))[rows]
    if run.switches.heads > 1:
        known = known[:, None].expand(-1, run.switches.heads, -1)
    given = (images[rows], known.to(images.device), *passes)
    return transformer, fit_localisation(transformer, *given, study.stn.learning_rate, run.seed)


def _lesson(study: Study, films: Cohort, way: str) -> np.ndarray:
    """The images (n,) that a way learns from, as places in the manifest."""
    rows = cohort.learned_from(study, films)
    if way == "true_pose":
        rows &= films.poses is not None and np.isfinite(films.poses[POSE_COLUMNS].to_numpy()).all(axis=1)
    return np.flatnonzero(rows)


def known_poses(study: Study, films: Cohort, arm: Arm) -> tuple[np.ndarray, np.ndarray]:
    """The known poses (N, 4) in the region that the arm sees, and which of the images (N,) it mirrors."""
    assert films.poses is not None
    places = preprocessing.place(study, films, arm.region)
    return within(films.poses[POSE_COLUMNS].to_numpy(), places), mirrored(films.included["side"], arm.flip)


def diagnose(transformer: Transformer, images: torch.Tensor, films: Cohort, run: Run) -> dict:
    """`diagnostics.diagnose` over the validation images of a cohort's `images` (N, 1, S, S) uint8."""
    validation, true = np.flatnonzero(films.included["split"] == "val"), None
    if films.poses is not None:
        true = diagnostics.mirrored_poses(*known_poses(run.study, films, run.switches))[validation]
    return diagnostics.diagnose(transformer, images[torch.from_numpy(validation)], true)


def foramen_masks(study: Study, arm: Arm, films: Cohort, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the foramina that the label is about lie in the arm's images at `index`: (n, S, S) bool; and on which of
    the films (n,) the arm's region holds them all."""
    assert films.masks is not None
    counted = mask_bits(study.cohort.synthetic.label.levels)
    held = holds((films.masks[i] & counted for i in index), preprocessing.place(study, films, arm.region)[index])
    masks = preprocessing.masks(study, films, arm.region, index) & counted > 0
    return apply_canonical_flip(masks, mirrored(films.included["side"], arm.flip)[index]), held


def compare(run: Run) -> tuple[pd.DataFrame, dict[str, Transformer]]:
    """Transformers of an arm's images, each trained in another way on a few training images (notebook 04).

    Ways: the controls `identity` (the whole region) and `crop`, which train nothing; `joint`, with a classifier, both
    from scratch, as in the original paper; `self_supervised`; and, where true poses are known, `true_pose`. Returns
    `diagnostics.table` over the validation images, and the trained transformers by way.
    """
    study, films = run.study, cohort.prepare(run.study)
    compute.deterministic(study.training.threads)
    recipe = study.training.model_copy(update={"epochs": PASSES})
    shape = [SIZE * side // min(run.shape) for side in run.shape]
    learns = {"trainable": "all", "initialisation": "random"}
    arm = run.switches.model_copy(update={"stn": "joint", "heads": 1, "input": shape, **learns})
    small = study.model_copy(update={"training": recipe, "arms": study.arms | {run.arm: arm}}).run(run.arm, run.seed)
    transformers = {"identity": build(small, "none"), "crop": build(small, "crop"), "joint": build(small)}
    training.fine_tuning(small, films, transformers["joint"], first={"train": IMAGES, "val": IMAGES // 4}).train()
    images, rounds = augmentation.arm_images(study, arm, films), min(study.stn.rounds, PASSES)
    passes = {"self_supervised": (rounds, PASSES // rounds)}
    if len(_lesson(study, films, "true_pose")):
        passes["true_pose"] = (1, rounds * (PASSES // rounds))
    for way, given in passes.items():
        transformers[way], _ = _trained(small, way, films, images, given, IMAGES)
    facts = {way: diagnose(one.cpu(), images, films, small) for way, one in transformers.items()}
    return diagnostics.table(facts), transformers


def prepare_coverage(study: Study) -> pd.DataFrame:
    """What each arm reads (`covered`), kept in coverage.parquet; `misfit` of run.json: the arms that do not fit."""
    films, folder = cohort.prepare(study), study.paths.coverage

    def work(facts: dict) -> None:
        table = covered(study, films)
        write_frame(folder / "coverage.parquet", table)
        facts["misfit"] = " ".join(readings("stn").misfit(*coverage.misfits(table)).split())

    if study.detects:
        preprocessing.prepare_regions(study)
    make(folder, study, "coverage", [films.folder] + [study.paths.regions] * study.detects, work)
    return read_frame(folder / "coverage.parquet")


def covered(study: Study, films: Cohort) -> pd.DataFrame:
    """A row an arm: arm, film, column.

    `film`: mean share of a film's own area that the arm reads, of an STN at its start. `column`: share of the films on
    which both ends of the column of foramina lie there; missing where the detector does not fit the films.
    """
    index = np.unique(np.linspace(0, len(films.boxes) - 1, FILMS).round().astype(int))
    ends, boxes, size = preprocessing.columns(study, films)[index], films.boxes[index], films.images.shape[-1]
    known = np.isfinite(ends).all(axis=(1, 2))
    rows = []
    for name, arm in study.arms.items():
        places = frames(preprocessing.place(study, films, arm.region)[index])[:, None]
        theta = (places @ build(study.run(name, study.seeds[0])).frame.reshape(-1, 3, 3))[..., :2, :]
        told = known.mean() >= 1 - preprocessing.DOUBTFUL
        column = coverage.holds_points(theta[known], ends[known]).mean() if told else np.nan
        rows.append((name, coverage.share_read(theta, boxes, size).mean(), column))
    return pd.DataFrame(rows, columns=["arm", "film", "column"])
