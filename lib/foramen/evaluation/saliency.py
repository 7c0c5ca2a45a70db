"""What a network's answer depends on in a radiograph, and whether such maps can be believed (notebook 08).

Maps are Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391): where the features of a stage speak for the class
the network called. They are made on the network's input and mapped back through the spatial transformer
and the flip onto the radiograph. Looking plausible proves nothing (Adebayo et al. 2018, arXiv 1810.03292;
Arun et al. 2021), so three checks stand beside them:

- against the truth, where the cohort is synthetic: does the map's peak lie in a foramen (pointing game, Zhang
  et al. 2018, arXiv 1608.00507), and how well does it rank the pixels of foramina above the others (AUPRC)?
- against maps that know nothing of the network: an edge detector and the middle of the image;
- against the same network randomised stage by stage from the output down: a map that stays as it was does not
  show what the network learned.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from captum.attr import LayerGradCam
from scipy.stats import spearmanr
from skimage.filters import sobel
from sklearn.metrics import average_precision_score
from torch import nn

from diagnostic_accuracy.operating_point import called
from foramen.core import geometry
from foramen.evaluation import pointing
from foramen.training import backbone
from foramen.training.backbone import Network

STRIDES = {"layer4": 32, "layer3": 16, "layer2": 8, "layer1": 4}  # pixels of the input to a cell of the stage
FEWEST_CELLS = 4  # along a side: a map of fewer says little about where
OUTCOMES = ("true positive", "true negative", "false positive", "false negative")
GRAD_CAM, RANDOMISED, EDGES, CENTRE = "Grad-CAM", "randomised network", "edge detector", "centre prior"
BATCH = 16
RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Seen:
    """What a trained network was given of some radiographs, and the way back onto them."""

    inputs: torch.Tensor  # (n, 1, s, s), the classifier's input
    theta: torch.Tensor  # (n, 2, 3), from the input to the radiograph that the transformer was given
    mirrored: np.ndarray  # (n,) bool: that radiograph was mirrored
    sign: np.ndarray  # (n,) +1 where the logit speaks for the class that was called, -1 where against


@dataclass(frozen=True, eq=False)
class Explained:
    """Radiographs, their maps on the radiograph's own pixels, and what the maps should find."""

    rows: pd.DataFrame  # image_id, patient_id, label, score, rule; one row an image
    images: np.ndarray  # (n, S, S) uint16
    boxes: np.ndarray  # (n, 4)
    masks: np.ndarray | None  # (n, S, S) bool: the true foramina of the side shown
    maps: dict[str, np.ndarray]  # method: (n, S, S), not negative

    def first(self, n: int) -> "Explained":
        """The first `n` images alone."""
        masks = None if self.masks is None else self.masks[:n]
        maps = {name: stack[:n] for name, stack in self.maps.items()}
        return Explained(self.rows[:n], self.images[:n], self.boxes[:n], masks, maps)


def choose(frame: pd.DataFrame, arm: str, seed: int, n: int, without: Iterable[str] = ()) -> pd.DataFrame:
    """Test images to explain, by rule: image_id, patient_id, label, score, called, rule.

    The four outcomes at the validation threshold take turns; within each, images are taken at the middle of
    the scores, then at the quarters, the eighths and so on, one a patient. `without` are images not to be
    shown.
    """
    test = called(frame[(frame["arm"] == arm) & (frame["seed"] == seed)])
    test = test[~test["image_id"].isin(set(without))].sort_values(["score", "image_id"])
    right = np.where(test["called"] == test["label"], "true", "false")
    test["rule"] = np.char.add(np.char.add(right, " "), np.where(test["called"] == 1, "positive", "negative"))
    queues = {outcome: _spread(test[test["rule"] == outcome]) for outcome in OUTCOMES}
    taken: list[pd.Series] = []
    while len(taken) < n and any(queues.values()):
        for queue in queues.values():
            patients = {row["patient_id"] for row in taken}
            while queue and queue[0]["patient_id"] in patients:
                queue.pop(0)
            if queue and len(taken) < n:
                taken.append(queue.pop(0))
    columns = ["image_id", "patient_id", "label", "score", "called", "rule"]
    return pd.DataFrame(taken, columns=test.columns)[columns].reset_index(drop=True)


def _spread(rows: pd.DataFrame) -> list[pd.Series]:
    """Rows in the order middle, quarters, eighths ... of their present order."""
    n = len(rows)
    pieces = [2**i for i in range(1, n.bit_length() + 1)]
    places = dict.fromkeys(n * k // parts for parts in pieces for k in range(1, parts, 2))
    return [rows.iloc[place] for place in places]


def explain(
    network: Network,
    seen: Seen,
    rows: pd.DataFrame,
    images: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray | None,
    seed: int = 0,
) -> Explained:
    """Maps of the radiographs in `rows` (from `choose`) by one trained network, and what to compare them with.

    `images` (n, S, S) uint16, `boxes` (n, 4) their valid areas, `masks` (n, S, S) bool the true foramina where known.
    Methods: Grad-CAM at the two stages of `layers`, Grad-CAM at the first of them of the same network with all stages
    randomised (its size alone, as its sign means nothing), an edge detector (Sobel) and the middle of the valid area.
    """
    size, chosen, maps = images.shape[-1], layers(seen.inputs.shape[-2:]), {}
    for layer in chosen:
        evidence = np.maximum(grad_cam(network, seen.inputs, last(network, layer)) * seen.sign[:, None, None], 0)
        maps[f"{GRAD_CAM} {layer}"] = to_radiograph(evidence, seen.theta, seen.mirrored, size)
    *_, (_, shuffled) = randomised(network, seed)
    strength = np.abs(grad_cam(shuffled, seen.inputs, last(shuffled, chosen[0])))
    maps[RANDOMISED] = to_radiograph(strength, seen.theta, seen.mirrored, size)
    maps |= {EDGES: np.stack([sobel(image / 65535) for image in images]), CENTRE: _centre(boxes, size)}
    return Explained(rows, images, boxes, masks, maps)


def layers(shape: Iterable[int]) -> tuple[str, str]:
    """The two deepest stages whose maps have FEWEST_CELLS a side for inputs of this shape (layer4, layer3 from 128 px).

    Grad-CAM is usually taken at layer4; of a small input that has 2 x 2 cells and cannot say where.
    """
    fine = [name for name, stride in STRIDES.items() if min(shape) // stride >= FEWEST_CELLS]
    first, second = (*fine, "layer1", "layer1")[:2]
    return first, second


def last(network: Network, stage: str) -> nn.Module:
    """The layer at which a stage of the network ends."""
    return backbone.stages(network)[stage][-1]


def grad_cam(network: nn.Module, inputs: torch.Tensor, layer: nn.Module) -> np.ndarray:
    """Evidence for stenosis at each cell of a layer, negative where it speaks against it: (n, h, w)."""
    explainer = LayerGradCam(network, layer)
    with torch.enable_grad():
        parts = [explainer.attribute(part, target=0).detach() for part in inputs.split(BATCH)]
    return torch.cat(parts)[:, 0].numpy()


def to_radiograph(maps: np.ndarray, theta: torch.Tensor, mirrored: np.ndarray, size: int) -> np.ndarray:
    """Maps (n, h, w) of the network's input on the radiographs' pixels (n, size, size); 0 outside it.

    `theta` (n, 2, 3) leads from what it sees to the radiograph that the network was given, so its inverse is
    sampled; radiographs that were mirrored for the network are mirrored back.
    """
    sampled = geometry.sample(torch.as_tensor(maps[:, None]), geometry.inverse(theta), size)[:, 0]
    on_radiograph = (sampled * geometry.read(theta, size)).numpy()
    on_radiograph[mirrored] = on_radiograph[mirrored, :, ::-1]
    return on_radiograph


def randomised(network: Network, seed: int) -> Iterable[tuple[str, Network]]:
    """The network with more and more stages randomised, from the output down: (stage reached, network).

    The values of each tensor of a stage are put in random order, rather than drawn anew: the network forgets
    what it learned, but its activations keep their size, so that a map does not vanish for that reason alone.
    """
    generator = torch.Generator().manual_seed(seed)
    network = copy.deepcopy(network)
    for name, stage in reversed(backbone.stages(network).items()):
        for parameter in stage.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.data = parameter.data.flatten()[order].view_as(parameter)
        yield name, network


def _centre(boxes: np.ndarray, size: int) -> np.ndarray:
    """A Gaussian about the middle of each valid area, its SD a quarter of the sides: (n, size, size)."""
    place = np.arange(size)
    top, left, bottom, right = np.asarray(boxes, float).T[:, :, None]
    y = np.exp(-(((place - (top + bottom) / 2) / ((bottom - top) / 4)) ** 2) / 2)
    x = np.exp(-(((place - (left + right) / 2) / ((right - left) / 4)) ** 2) / 2)
    return y[:, :, None] * x[:, None, :]


def overlap(explained: dict[str, Explained]) -> pd.DataFrame:
    """How well the maps of each arm find the true foramina.

    Columns: arm, method, measure, estimate, low, high, chance, zero_maps.

    Measures are means over images, with 95 % intervals from resampled patients (one image each):
    `pointing_game` (the peak lies `pointing.near` a foramen; a map that is zero everywhere has no peak
    and counts as a miss) and `auprc`, both inside the valid area. `chance` is that of a random place. Methods
    that do not look at the network have no arm. Without masks of the truth the table is empty.
    """
    rows = []
    for i, (arm, given) in enumerate(explained.items()):
        for method, maps in given.maps.items() if given.masks is not None else ():
            about_network = method.startswith((GRAD_CAM, RANDOMISED))
            if about_network or i == 0:
                rows += [(arm if about_network else "", method, *row) for row in _measures(maps, given)]
    columns = ["arm", "method", "measure", "estimate", "low", "high", "chance", "zero_maps"]
    return pd.DataFrame(rows, columns=columns).sort_values("measure", ascending=False, kind="stable", ignore_index=True)


def _measures(maps: np.ndarray, given: Explained) -> list[tuple]:
    """Rows measure, estimate, low, high, chance, zero_maps of one method."""
    assert given.masks is not None  # only a synthetic cohort has them
    values = []
    for map_, mask, (top, left, bottom, right) in zip(maps, given.masks, given.boxes, strict=True):
        valid = np.s_[top:bottom, left:right]
        near = pointing.near(mask, len(mask))[valid]
        seen, truth = map_[valid], mask[valid]
        if truth.any():
            hit = bool(seen.max() > 0 and near.flat[seen.argmax()])
            values.append((hit, near.mean(), average_precision_score(truth.ravel(), seen.ravel()), truth.mean()))
    hits, hit_chance, auprc, auprc_chance = np.array(values, float).T
    empty = int((maps.max(axis=(1, 2)) <= 0).sum())
    measures = (("pointing_game", hits, hit_chance), ("auprc", auprc, auprc_chance))
    return [(name, *_mean(part), chance.mean(), empty) for name, part, chance in measures]


def _mean(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % bootstrap interval over images, which are of different patients."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def cascade(network: Network, inputs: torch.Tensor, seed: int = 0) -> pd.DataFrame:
    """How much of a map survives as the network is randomised.

    Columns: randomised, similarity, low, high, zero_maps.

    Similarity is Spearman's rank correlation with the trained network's map over the cells of the finer stage of
    `layers`, mean over images (Adebayo et al. 2018, fig. 2); a map with one value everywhere counts as 0. A map that
    depends on what was learned falls to 0, though not evenly: a single randomised stage can turn its sign.
    """
    _, layer = layers(inputs.shape[-2:])
    trained = grad_cam(network, inputs, last(network, layer))
    results = [("nothing", 1.0, 1.0, 1.0, _zero(trained))]
    for stage, shuffled in randomised(network, seed):
        maps = grad_cam(shuffled, inputs, last(shuffled, layer))
        similar = np.array([_similarity(a, b) for a, b in zip(trained, maps, strict=True)])
        results.append((stage, *_mean(similar), _zero(maps)))
    return pd.DataFrame(results, columns=["randomised", "similarity", "low", "high", "zero_maps"])


def correlations(maps: np.ndarray, others: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Pearson's correlation (n,) of each map (n, h, w) and the other; NaN where one is constant.

    Over the pixels that are true in `given` (n, h, w), those that the network was given: both maps are 0 elsewhere.
    """
    with np.errstate(invalid="ignore"):
        return np.array(
            [np.corrcoef(one[at], other[at])[0, 1] for one, other, at in zip(maps, others, given, strict=True)]
        )


def _similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two maps; 0 where one of them has a single value."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def _zero(maps: np.ndarray) -> int:
    return int((np.abs(maps).max(axis=(1, 2)) == 0).sum())
