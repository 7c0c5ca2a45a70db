"""Three pictures that a reader moves by hand in JupyterLab (notebooks/live.ipynb; the extra `live`).

Each function returns a widget: sliders, and the figure that they draw. `widget.result` is the figure.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import display
from ipywidgets import FloatSlider, IntSlider, interactive
from matplotlib.figure import Figure

from cervical_phantom import Case, SyntheticCohort, pictures, rendering
from cervical_phantom.anatomy import SIDES
from cervical_phantom.case import draw_exposure
from foramen.cohort.loading import Cohort
from foramen.core import geometry
from foramen.figures.drawing import frame, picture
from foramen.figures.preprocessing import one_equalization
from foramen.figures.stn_training import transform_words
from foramen.figures.style import ORANGE, PAGE, captioned
from foramen.preprocessing.equalization import Treatment, equalize

SIZE = 240  # pixels of the phantom's film
POINTS = 12  # of the sampling grid along a side


def _moved(draw: Callable[..., Figure], **controls: Any) -> interactive:
    """The controls of a drawing and its figure, drawn anew when a slider comes to rest."""

    def shown(**values: Any) -> Figure:
        figure = draw(**values)
        display(figure)
        return figure

    return interactive(shown, **controls)


def _slider(low: float, high: float, value: float, words: str) -> FloatSlider:
    step = (high - low) / 40
    return FloatSlider(value, min=low, max=high, step=step, description=words, continuous_update=False)


def equalization(films: Cohort) -> interactive:
    """A radiograph of the training set before and after a contrast treatment, with its histograms (notebook 02)."""
    rows = films.showable.index[films.showable["split"] == "train"]

    def draw(radiograph: int, treatment: Treatment) -> Figure:
        film, box = films.images[rows[radiograph]], films.boxes[rows[radiograph]]
        return one_equalization(equalize(film, box, "none"), equalize(film, box, treatment), box)

    chosen = IntSlider(0, min=0, max=len(rows) - 1, continuous_update=False)
    return _moved(draw, radiograph=chosen, treatment=["global", "clahe", "minmax", "none"])


def transform(films: Cohort, i: int = 0) -> interactive:
    """What θ of four numbers reads of film `i`, and where each pixel of a coarse input is read (notebook 04)."""
    radiograph = torch.from_numpy(films.images[i] / 65535.0)[None, None].float()

    def draw(rotation: float, zoom: float, right: float, down: float) -> Figure:
        pose = torch.tensor([np.radians(rotation), -np.log(zoom), right, down], dtype=torch.float32)
        return sampling_grid(radiograph, geometry.matrices(pose)[:2])

    angle, zoom = _slider(-90, 90, 0, "rotation, °"), _slider(1, 5, 2, "zoom")
    shifts = {"right": _slider(-1, 1, 0, "right"), "down": _slider(-1, 1, 0, "down")}
    return _moved(draw, rotation=angle, zoom=zoom, **shifts)


@captioned
def sampling_grid(radiograph: torch.Tensor, theta: torch.Tensor) -> Figure:
    """The sampling grid.

    Orange: what θ reads, and the places at which it reads; on the right what is read.

    Used by notebooks/live.ipynb. `radiograph` (1, 1, S, S), `theta` (2, 3) in the convention of `affine_grid`.
    """
    size = radiograph.shape[-1]
    places = F.affine_grid(theta[None], [1, 1, POINTS, POINTS], align_corners=False).reshape(-1, 2).numpy()
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, PAGE / 2))
    picture(left, radiograph[0, 0].numpy(), "radiograph")
    picture(right, geometry.sample(radiograph, theta[None], size)[0, 0].numpy(), "sampled through θ")
    left.plot(*frame(theta.numpy(), size).T, color=ORANGE, linewidth=1.6)
    left.plot(*((places + 1) / 2 * size - 0.5).T, ".", color=ORANGE, markersize=2)
    left.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    turn, zoom, *shifts = transform_words(theta.numpy())
    figure.set_label(f"""A radiograph with the grid at which θ reads it, and what is read: rotated by {turn:+.0f}°,
        magnified {zoom:.2f} times, shifted by ({shifts[0]:+.2f}, {shifts[1]:+.2f}) half sides.""")
    return figure


def phantom(patient: int = 0, side: str = "L") -> interactive:
    """One synthetic neck: how far C4/5 to C6/7 are narrowed, how it stands, how it is exposed (notebook 01)."""

    def draw(severity: float, rotation: float, exposure: float) -> Figure:
        positioning = {"rotation_deg": rotation, "rotation_sd_deg": 0.0, "tilt_sd_deg": 0.0}
        parameters = SyntheticCohort.model_validate({"positioning": positioning, "site": {"b_share": 1.0}})
        case = Case(parameters, patient, pictures.narrowed(severity))
        exposed = replace(draw_exposure(parameters, patient, SIDES[side]), log_exposure=exposure)
        row = case.row(side)
        return neck(rendering.stages(case, side, row, SIZE, exposed)["value"], row)

    turned, exposed = _slider(30, 70, 50, "rotation, °"), _slider(-1, 1, 0, "log exposure")
    return _moved(draw, severity=_slider(0, 0.9, 0.5, "severity"), rotation=turned, exposure=exposed)


@captioned
def neck(film: np.ndarray, row: dict[str, Any]) -> Figure:
    """A synthetic neck.

    Its radiograph, with what is true of the foramen C5/6.

    Used by notebooks/live.ipynb. `film` (rows, columns), 0 to 1; `row` its truth (`cervical_phantom.Case.row`).
    """
    figure, axes = plt.subplots(figsize=(PAGE / 2, PAGE / 1.5))
    words = f"C5/6: {row['narrowest_mm_C5_6']:.1f} mm free, grade {row['grade_C5_6']}"
    picture(axes, film, words, vmin=0, vmax=1)
    figure.set_label(f"A synthetic oblique radiograph of a neck, {row['view']} view. {words}.")
    return figure
