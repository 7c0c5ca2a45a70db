"""A detector of the cervical column on a whole film, the study's counterpart of the paper's YOLOv5 (notebook 02).

A small U-Net (Ronneberger et al. 2015) answers with a heatmap for each end of the column of foramina, C3/4 and C6/7
(Tompson et al. 2014, Joint training of a convolutional network and a graphical model; read off between its cells as
in Nibali et al. 2018). The two ends give the region's place and, since a column has a length, its size.

Beside torchvision's detectors, all from scratch on 600 synthetic films of 128 pixels and scored on 200 films of
other patients (November 2026, one slow core): with 38 CPU seconds this network reaches an intersection over union of
0.92 and takes 3 ms a film; ssdlite320_mobilenet_v3_large with 60 seconds 0.17 and 43 ms, and
fasterrcnn_mobilenet_v3_large_320_fpn with 78 seconds 0.00 and 115 ms. They saw 336 and 64 films in that time, this
network 4,800: that tells what a small budget buys, not what the others could learn.
"""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from foramen.core import geometry
from foramen.core.training_loop import fit, one_cycle_schedule

ENDS = ("upper", "lower")
STRIDE = 4  # pixels of the film to a cell of the heatmaps
NEAR = 2.5  # cells about the highest one that are read
BATCH = 16
LEARNING_RATE = 3e-3
WARMUP = 0.3
# Random changes of a film while it is learned from: radians, log zoom, and shifts in half image sides.
CHANGES = (np.radians(10), np.log(1.3), 0.15, 0.15)
MIRROR = (-1.0, 1.0)


class ColumnDetector(nn.Module):
    """Films (n, 1, S, S) in 0 to 1 to the logits of a heatmap for each end, (n, 2, S / 4, S / 4)."""

    def __init__(self, channels: tuple[int, int, int, int] = (16, 32, 64, 64)):
        super().__init__()
        first, second, third, deepest = channels
        self.fine = nn.Sequential(_layer(1, first, 2), _layer(first, second, 2), _layer(second, second))
        self.middle = nn.Sequential(_layer(second, third, 2), _layer(third, third))
        self.coarse = nn.Sequential(_layer(third, deepest, 2), _layer(deepest, deepest))
        self.from_coarse, self.join_middle = nn.Conv2d(deepest, third, 1), _layer(third, third)
        self.from_middle, self.join_fine = nn.Conv2d(third, second, 1), _layer(second, second)
        self.heatmaps = nn.Conv2d(second, len(ENDS), 1)

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        """Each film is standardised first, so that exposure does not matter."""
        mean, sd = films.mean(dim=(1, 2, 3), keepdim=True), films.std(dim=(1, 2, 3), keepdim=True)
        fine = self.fine((films - mean) / (sd + 1e-6))
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = self.join_middle(middle + F.interpolate(self.from_coarse(coarse), middle.shape[-2:]))
        fine = self.join_fine(fine + F.interpolate(self.from_middle(middle), fine.shape[-2:]))
        return self.heatmaps(fine)


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


def target_heatmaps(points: torch.Tensor, cells: int) -> torch.Tensor:
    """A Gaussian of SD one cell about each point (n, k, 2), as shares that sum to 1: (n, k, cells, cells)."""
    line = cell_centres(cells, points.device)
    x, y = (torch.exp(-0.5 * ((line - points[..., i, None]) * cells / 2) ** 2) for i in (0, 1))
    heat = y[..., :, None] * x[..., None, :]
    return heat / heat.sum(dim=(-1, -2), keepdim=True).clamp_min(1e-12)


def heatmap_loss(logits: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Cross-entropy between the heatmaps (n, k, c, c) and the targets about the points (n, k, 2)."""
    logs = logits.flatten(2).log_softmax(dim=-1)
    return -(target_heatmaps(points, logits.shape[-1]).flatten(2) * logs).sum(dim=-1).mean()


def read_heatmaps(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The points (n, k, 2) that heatmaps (n, k, c, c) show, and how sure each is (n, k).

    A point is the centre of mass within NEAR cells of the highest one; how sure, the share of the whole map's
    probability that lies there: near 1 for one place, one half where two places are as likely.
    """
    cells = logits.shape[-1]
    shares = logits.flatten(2).softmax(dim=-1)
    line, highest = cell_centres(cells, logits.device), shares.argmax(dim=-1)
    x, y = line.repeat(cells), line.repeat_interleave(cells)
    near = torch.hypot(x - x[highest][..., None], y - y[highest][..., None]) <= NEAR * 2 / cells
    sure = (shares * near).sum(dim=-1)
    points = torch.stack([(shares * near * axis).sum(dim=-1) / sure for axis in (x, y)], dim=-1)
    return points, sure


def cell_centres(cells: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Coordinates (cells,) of the middles of a heatmap's cells, within -1 to 1."""
    return (torch.arange(cells, device=device) + 0.5) * 2 / cells - 1


def change_at_random(
    films: torch.Tensor, ends: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Films (n, 1, S, S) in 0 to 1 and the ends (n, 2, 2) on them: turned, zoomed, shifted, half of them mirrored."""
    change = (2 * torch.rand(len(films), 4, generator=generator) - 1) * torch.tensor(CHANGES, dtype=torch.float32)
    mirrored = (torch.rand(len(films), generator=generator) < 0.5).to(films.device)
    matrix = geometry.matrices(change.to(films.device))
    changed = geometry.sample(films, matrix[:, :2], films.shape[-1])
    back = torch.linalg.inv(matrix)
    moved = ends @ back[:, :2, :2].transpose(1, 2) + back[:, None, :2, 2]
    changed = torch.where(mirrored[:, None, None, None], changed.flip(-1), changed)
    return changed, torch.where(mirrored[:, None, None], moved * moved.new_tensor(MIRROR), moved)


def fit_detector(
    detector: ColumnDetector, films: torch.Tensor, ends: torch.Tensor, epochs: int, seed: int
) -> pd.DataFrame:
    """Train the detector on films (n, 1, S, S) uint8 with the ends (n, 2, 2) of their columns: epoch, loss.

    All three are on one device.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(detector.parameters(), LEARNING_RATE)
    count = max(1, len(films) // BATCH)
    history: list[dict[str, float]] = []

    def batches(epoch: int) -> list[torch.Tensor]:
        return list(torch.randperm(len(films), generator=generator).chunk(count))

    def loss(rows: torch.Tensor) -> torch.Tensor:
        changed, moved = change_at_random(films[rows] / 255.0, ends[rows], generator)
        return heatmap_loss(detector(changed), moved)

    def on_epoch(epoch: int, losses: torch.Tensor) -> None:
        history.append({"epoch": epoch + 1, "loss": float(np.mean(losses.tolist()))})

    schedule = one_cycle_schedule(optimizer, epochs * count, WARMUP)
    fit(detector, batches, loss, optimizer, schedule, range(epochs), on_epoch)
    return pd.DataFrame(history)


@torch.inference_mode()
def detect(detector: ColumnDetector, films: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the column (N, 2, 2) on films (N, 1, S, S) uint8, and how sure the less sure one is (N,).

    Detector and films are on one device.
    """
    detector.eval()
    answers = [read_heatmaps(detector(batch / 255.0)) for batch in films.split(64)]
    points, sure = (torch.cat(parts).cpu().numpy() for parts in zip(*answers, strict=True))
    return points, sure.min(axis=1)


def believed(points: np.ndarray, sure: np.ndarray, learned: np.ndarray, least: float) -> np.ndarray:
    """Which answers (N,) bool are columns: at least so sure, and as long as those that were learned from.

    `points` (N, 2, 2) and `sure` (N,) are of `detect`, `learned` (n, 2, 2) the ends in the detector's lesson, which
    were zoomed there.
    """
    lengths, known = (np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) for ends in (points, learned))
    zoom = np.exp(CHANGES[1])
    return (sure >= least) & (lengths >= known.min() / zoom) & (lengths <= known.max() * zoom)
