"""The spatial transformer network: how it looks at a radiograph, how it is taught, and whether it works (notebook 04).

A transformer turns a radiograph (n, 1, S, S) into the network's input (n, 1, s, s) by sampling it through a similarity
transform theta (Jaderberg et al. 2015, Spatial Transformer Networks). Ways, the switch `stn` of an arm:

- `none`, `identity`: the study's region of the image (`region`), by default all of it. The two are the same numbers;
  `identity` is named so that the comparison of notebook 04 has its control.
- `crop`: a fixed part of the image at the STN's magnification, the same for every radiograph: the fair control.
- `joint`: a localisation network trained with the classifier from the study's region (the whole film: the identity),
  as in the original paper.
- `self_supervised`: a localisation network first taught to undo known random transforms of the training images.
- `true_pose`: one first taught the phantom's true pose, which only a synthetic cohort has: a comparison, no upper bound
  (at an equal budget, `self_supervised` recovers the pose better).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from foramen.augmentation import flip as augmentation
from foramen.cohort import step as cohort
from foramen.cohort.step import POSE_COLUMNS, Cohort
from foramen.core import compute, geometry
from foramen.core.files import replacing, write_json
from foramen.preprocessing import equalization as preprocessing
from foramen.study.model import Arm, StnParameters, Study
from foramen.study.step import make

FIXED_STN = ("none", "identity", "crop")
# The localisation network sees this disc about the middle of the image, in half image sides. Film edges and
# collimation lie outside: turned together with the anatomy they would give a known transform away.
DISC = 0.62
BATCH = 64
TAUGHT_SHARE = 0.6
# An STN has collapsed where no part of its pose varies by this share of its limit, or where this share of its
# output is not image.
VARIES, OUTSIDE = 0.02, 0.5


class FixedTransformer(nn.Module):
    """The same part of every image."""

    def __init__(self, magnification: float, centre: tuple[float, float], size: int, samples: int):
        super().__init__()
        self.size, self.samples = size, samples
        self.register_buffer("frame", geometry.crop_frame(magnification, centre))

    def theta(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 2, 3), equal for all images."""
        return self.frame[:2].expand(len(images), 2, 3)


class SpatialTransformer(nn.Module):
    """A transformer whose place, rotation and zoom a localisation network chooses for each image.

    `pose` bounds what it chooses by tanh, so that no step of training can throw the image out of the frame; the last
    layer starts at zero, so that it starts as the reference crop.
    """

    def __init__(
        self,
        parameters: StnParameters,
        magnification: float,
        centre: tuple[float, float],
        max_zoom: float,
        size: int,
        samples: int,
    ):
        super().__init__()
        self.size, self.samples, self.localisation_size = size, samples, parameters.localisation_size
        limits = [np.radians(parameters.max_rotation), np.log(max_zoom), parameters.max_shift, parameters.max_shift]
        self.register_buffer("limits", torch.tensor(limits, dtype=torch.float32))
        self.register_buffer("frame", geometry.crop_frame(magnification, centre))
        self.localisation = localisation_network(parameters.localisation_size)

    def pose(self, images: torch.Tensor) -> torch.Tensor:
        """The pose (n, 4) of the anatomy relative to the reference, within the limits; always in float32."""
        with torch.autocast(images.device.type, enabled=False):
            samples = geometry.supersampling(images.shape[-1], self.localisation_size, 1.0)
            whole = torch.eye(3, device=images.device)[:2].expand(len(images), 2, 3)
            small = geometry.sample(images, whole, self.localisation_size, samples)
            return self.pose_of_small(small)

    def pose_of_small(self, small: torch.Tensor) -> torch.Tensor:
        """The pose (n, 4) from images at the localisation network's own size."""
        return self.limits * torch.tanh(self.localisation(standardised_disc(small)))

    def theta(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 2, 3)."""
        return (geometry.matrices(self.pose(images)) @ self.frame)[:, :2]


def localisation_network(size: int) -> nn.Sequential:
    """A small convolutional network from (n, 1, size, size) to four numbers, zero before it is trained."""
    channels, layers = [1, 16, 32, 64, 64], []
    for before, after in zip(channels, channels[1:], strict=False):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        size = (size + 1) // 2
    last = nn.Linear(64, len(geometry.POSE))
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * size * size, 64), nn.ReLU(), last)


def standardised_disc(small: torch.Tensor) -> torch.Tensor:
    """Images (n, 1, s, s) with mean 0 and SD 1 within the disc, and 0 outside it."""
    line = torch.linspace(-1, 1, small.shape[-1], device=small.device)
    inside = (line[:, None] ** 2 + line**2 <= DISC**2).to(small.dtype)
    mean = (small * inside).sum(dim=(2, 3), keepdim=True) / inside.sum()
    centred = (small - mean) * inside
    sd = (centred.square().sum(dim=(2, 3), keepdim=True) / inside.sum()).sqrt()
    return centred / (sd + 1e-6)


def transformer_of(study: Study, arm: Arm) -> nn.Module:
    """The transformer of an arm, untrained. Crop and STN sample equally finely, so that they differ in place alone."""
    parameters, size = study.stn, study.training.input_size
    starts_from_region = arm.stn in ("none", "identity", "joint")
    magnification = study.region.magnification if starts_from_region else parameters.magnification
    finest = magnification if arm.stn in ("none", "identity") else magnification / parameters.max_zoom
    samples = geometry.supersampling(study.cohort.image_size, size, finest)
    centre = (0.0, study.region.centre_down if magnification > 1 else 0.0)
    if arm.stn in FIXED_STN:
        return FixedTransformer(magnification, centre, size, samples)
    max_zoom = parameters.max_zoom * parameters.magnification / magnification
    return SpatialTransformer(parameters, magnification, centre, max_zoom, size, samples)


def folder(study: Study, arm_name: str, seed: int) -> Path:
    """Where the taught localisation network of an arm lies; arms that see the same images share it."""
    return study.paths.localisation(study.arms[arm_name].localisation_key, seed)


def prepare(study: Study, arm_name: str, seed: int) -> Path:
    """The taught localisation network of an arm, made where it is missing (notebook 04).

    The folder holds localisation.safetensors, history.csv (round, epoch, loss), poses.parquet (what the network sees in
    every image) and diagnostics.json (see `diagnose`).
    """
    arm, home = study.arms[arm_name], folder(study, arm_name, seed)
    films, variant = cohort.prepare(study), preprocessing.prepare(study, arm.equalization)
    inputs = [films.folder, study.paths.variant(arm.equalization)]

    def work(facts: dict) -> None:
        compute.deterministic(study.training.threads)
        images = upright(films, variant, arm)
        transformer, history = taught(study, arm, films, images, seed)
        save(home / "localisation.safetensors", transformer)
        with replacing(home / "history.csv") as temporary:
            history.to_csv(temporary, index=False)
        seen = answers(transformer, images)
        table = pd.DataFrame(seen.numpy(), columns=list(geometry.POSE))
        table.insert(0, "image_id", films.included["image_id"])
        with replacing(home / "poses.parquet") as temporary:
            table.to_parquet(temporary, index=False)
        facts["diagnostics"] = diagnose(transformer, images, films, arm)
        write_json(home / "diagnostics.json", facts["diagnostics"])

    return make(home, study, "stn", inputs, work)


def taught(
    study: Study, arm: Arm, films: Cohort, images: torch.Tensor, seed: int
) -> tuple[SpatialTransformer, pd.DataFrame]:
    """A localisation network taught on the training images in the way that the arm names, and its history."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = transformer_of(study, arm)
    train = torch.from_numpy(np.flatnonzero(cohort.learned_from(study, films)))
    if arm.stn == "true_pose":
        known, rounds = true_poses(films, arm, study.region.centre_down)[train], 1
    else:
        known, rounds = torch.zeros(len(train), len(geometry.POSE)), study.stn.rounds
    return transformer, teach(transformer, images[train], known, rounds, study, seed)


def upright(films: Cohort, variant: np.ndarray, arm: Arm) -> torch.Tensor:
    """All images of a variant (N, 1, S, S) uint8, those mirrored that the arm's flip always mirrors."""
    images = np.array(variant)
    flags = augmentation.mirrored(films.included, arm.flip)
    images[flags] = images[flags, :, ::-1]
    return torch.from_numpy(images)[:, None]


def true_poses(films: Cohort, arm: Arm, centre_down: float) -> torch.Tensor:
    """The phantom's pose of every image (N, 4), relative to the mean size and to the centre of the crop."""
    truth = torch.from_numpy(films.poses[POSE_COLUMNS].to_numpy(np.float32))
    angle, scale, x, y = truth.unbind(1)
    log_zoom = scale.log() - scale.log().mean()
    turned = geometry.matrices(torch.stack([angle, log_zoom, x, y], dim=1))
    reference = torch.eye(3)
    reference[1, 2] = -centre_down
    poses = geometry.poses(turned @ reference)
    flags = torch.from_numpy(augmentation.mirrored(films.included, arm.flip))
    return torch.where(flags[:, None], geometry.mirror(poses), poses)


def save(path: Path, transformer: SpatialTransformer) -> None:
    """Write the localisation network's tensors atomically."""
    with replacing(path) as temporary:
        save_file({k: v.contiguous() for k, v in transformer.localisation.state_dict().items()}, temporary)


def load(path: Path, transformer: SpatialTransformer) -> None:
    """Read what `save` wrote into a transformer of the same size."""
    transformer.localisation.load_state_dict(load_file(path))


@torch.inference_mode()
def diagnose(transformer: nn.Module, images: torch.Tensor, films: Cohort, arm: Arm) -> dict:
    """Does the STN work? Over the validation images (n, 1, S, S) uint8; the verdict follows a stated rule.

    `det`: mean determinant of theta, the share of the image's area that the network sees; `outside`: mean share of the
    output that lies beyond the image; `variation`: SD between images of each part of the pose. Collapsed is an STN that
    shows every image alike (each SD below VARIES of its limit) or mostly not the image (`outside` above OUTSIDE).
    On a cohort with known poses, `recovery` is the correlation of each part with the truth.
    """
    validation = np.flatnonzero(films.included["split"] == "val")
    chosen = images[torch.from_numpy(validation)]
    transformer.eval()
    theta = torch.cat([transformer.theta(batch / 255.0) for batch in chosen.split(256)])
    facts = {
        "images": len(chosen),
        "det": torch.linalg.det(theta[:, :, :2]).mean().item(),
        "outside": geometry.outside(theta).mean().item(),
        "collapsed": False,
    }
    if isinstance(transformer, SpatialTransformer):
        poses = answers(transformer, chosen)
        spread = poses.std(dim=0)
        facts["variation"] = dict(zip(geometry.POSE, spread.tolist(), strict=True))
        constant = bool((spread < VARIES * transformer.limits).all())
        facts["collapsed"] = constant or facts["outside"] > OUTSIDE
        if films.poses is not None:
            facts["recovery"] = recovery(poses, films, arm, validation)
    return facts


def recovery(poses: torch.Tensor, films: Cohort, arm: Arm, index: np.ndarray) -> dict[str, float]:
    """Correlation of each part of the seen poses (n, 4) with the true pose of the images at `index`."""
    true = films.poses[POSE_COLUMNS].to_numpy(float)[index]
    sign = np.where(augmentation.mirrored(films.included, arm.flip)[index], -1.0, 1.0)
    true = true * np.stack([sign, np.ones_like(sign), sign, np.ones_like(sign)], axis=1)
    true[:, 1] = np.log(true[:, 1])
    pairs = zip(geometry.POSE, poses.numpy().T, true.T, strict=True)
    return {name: float(np.corrcoef(seen, known)[0, 1]) for name, seen, known in pairs}


def teach(
    transformer: SpatialTransformer, images: torch.Tensor, known: torch.Tensor, rounds: int, study: Study, seed: int
) -> pd.DataFrame:
    """Teach the localisation network to undo random transforms of `images` (n, 1, S, S) uint8; returns its history.

    An image whose anatomy has the pose P is shown transformed by a random similarity B; the network is to answer B P.
    `known` (n, 4) is what is known of each P beforehand. With `rounds` above one nothing but zero needs to be known:
    P is then noise that the network averages out, since only the whole pose B P can be seen in what it is shown. What
    it answers for the images as they are then serves as P in the next round, as in congealing (Learned-Miller 2006,
    Data driven image models through continuous joint alignment); so the answer, shrunken at first, converges.
    """
    parameters, generator = study.stn, torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(transformer.localisation.parameters(), parameters.learning_rate, weight_decay=0.0)
    batches = max(1, round(len(images) / BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, parameters.learning_rate, total_steps=max(1, rounds * parameters.epochs * batches)
    )
    history = []
    for turn in range(rounds):
        for epoch in range(parameters.epochs):
            transformer.train()
            losses = []
            for batch in torch.randperm(len(images), generator=generator).chunk(batches):
                small, target = transformed(images[batch], known[batch], transformer, generator)
                loss = F.smooth_l1_loss(
                    transformer.pose_of_small(small) / transformer.limits, target / transformer.limits, beta=0.1
                )
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(transformer.localisation.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
            history.append({"round": turn + 1, "epoch": epoch + 1, "loss": float(np.mean(losses))})
        if turn + 1 < rounds:
            known = answers(transformer, images)
            known = known - known.mean(dim=0)
    return pd.DataFrame(history)


def transformed(
    images: torch.Tensor, known: torch.Tensor, transformer: SpatialTransformer, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images shown to the localisation network, (n, 1, s, s), and the poses (n, 4) it is to answer."""
    change = (2 * torch.rand(len(images), 4, generator=generator) - 1) * TAUGHT_SHARE
    change = geometry.matrices(change.to(images.device) * transformer.limits)
    theta = torch.linalg.inv(change)[:, :2]
    size = transformer.localisation_size
    small = geometry.sample(images / 255.0, theta, size, geometry.supersampling(images.shape[-1], size, 1.0))
    return small, geometry.poses(change @ geometry.matrices(known))


@torch.inference_mode()
def answers(transformer: SpatialTransformer, images: torch.Tensor) -> torch.Tensor:
    """The pose (n, 4) that the localisation network sees in each image (n, 1, S, S) uint8."""
    transformer.eval()
    return torch.cat([transformer.pose(batch / 255.0) for batch in images.split(256)])
