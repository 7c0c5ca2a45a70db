"""Figures of the phantom (notebook 01): from anatomy to radiograph, healthy against stenotic, every parameter.

Each is a matplotlib Figure whose label says in words what it shows; its docstring opens with a title and how it is
read; `figure` is an empty one to draw on.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from cervical_phantom import acquisition as acq
from cervical_phantom.anatomy import LEVELS, SIDES, Narrowing
from cervical_phantom.case import Case, draw_exposure, draw_pose
from cervical_phantom.parameters import Exposure, Positioning, SyntheticCohort
from cervical_phantom.rendering import render, stages

WIDTH = 7.2  # inches
# One colour a level, told apart with any colour vision (Okabe & Ito, "Color Universal Design", 2008).
LEVEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7")
SIZE = 320  # pixels of a film's height in the large pictures
STRENGTHS = (0.0, 0.5, 0.85)  # lost shares of the foramen's width shown by `disease`
BAR_MM = 20.0  # length of a scale bar
ABOUT_MM = (55, 45)  # above and beside the middle of the foraminal column in a close-up

# What `knobs` shows: title, section, parameter, a value far beyond the default. The last is none or all, at no size.
KNOBS = (
    ("rotation SD, °", "positioning", "rotation_sd_deg", 15.0),
    ("tilt SD, °", "positioning", "tilt_sd_deg", 14.0),
    ("shift SD, mm", "positioning", "shift_sd_mm", 30.0),
    ("distance SD, mm", "positioning", "object_detector_sd_mm", 120.0),
    ("exposure SD, log10", "exposure", "exposure_sd", 0.6),
    ("contrast SD, log", "exposure", "contrast_sd", 0.7),
    ("noise", "exposure", "noise", 12.0),
    ("scatter", "exposure", "scatter", 4.0),
    ("bone texture", "exposure", "texture", 3.0),
    ("site", "site", "b_share", 1.0),
)


def _panels(figure: Figure | None, rows: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    """The figure (a new one where None is given) at its size, with a table of axes."""
    figure = figure or Figure()
    figure.set_layout_engine("constrained")
    figure.set_size_inches(WIDTH, height)
    return figure, figure.subplots(rows, columns, squeeze=False)


def picture(axes: Axes, image: np.ndarray, title: str = "", side_mm: float = np.nan, **kwargs: Any) -> None:
    """Draw a grey image without ticks; its own darkest and brightest values become black and white.

    Where it is known what its height is on the film, `side_mm`, a scale bar of `BAR_MM` stands at the lower left.
    """
    axes.imshow(image, **{"cmap": "gray", "interpolation": "none", **kwargs})
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=7, pad=2)
    if np.isfinite(side_mm):
        height, width = image.shape[:2]
        ends = 0.05 * width + np.array([0, BAR_MM / side_mm * height])
        line: dict[str, Any] = {"color": "white", "linewidth": 1.8, "solid_capstyle": "butt"}
        line["path_effects"] = [withStroke(linewidth=3, foreground="black")]
        axes.plot(ends, [0.95 * height] * 2, scalex=False, scaley=False, **line)


def _describe(figure: Figure, text: str) -> Figure:
    figure.set_label(" ".join(text.split()))
    return figure


def _film(image: np.ndarray) -> np.ndarray:
    """The film's part of a square image."""
    margin = round(image.shape[1] * (1 - acq.FILM_MM[1] / acq.FILM_MM[0]) / 2)
    return image[:, margin : image.shape[1] - margin]


def anatomy(
    parameters: SyntheticCohort, patient: int = 0, side: str = "L", size: int = SIZE, figure: Figure | None = None
) -> Figure:
    """From anatomy to radiograph.

    One synthetic patient.

    From the solid to the stored radiograph, with the true outlines of the foramina. Scale bars: 20 mm on the film.
    """
    case = Case(parameters, patient)
    row = case.row(side)
    made, (image, _, masks) = stages(case, side, row, size), render(case, side, row, size)
    panels = [
        (made["paths"]["cortex"], "path through cortical bone"),
        (made["paths"]["spongy"], "path through spongy bone"),
        (made["paths"]["soft"], "path through soft tissue"),
        (np.log10(made["signal"]), "signal at the detector, log"),
        (_film(image), f"radiograph, site {row['site']}, {row['view']}"),
    ]
    figure, axes = _panels(figure, 2, 3, height=0.94 * WIDTH)
    for ax, (values, title) in zip(axes.flat, panels, strict=False):
        picture(ax, values, title, acq.FILM_MM[0], vmax=np.percentile(values, 98))
    picture(axes[1, 2], _about_spine(_film(image), row, size), "true foramina", 2 * ABOUT_MM[0])
    _outlines(axes[1, 2], _about_spine(_film(masks), row, size))
    return _describe(
        figure,
        f"""Six pictures of one synthetic patient aged {row["age"]:.0f}, {row["view"]} view: path through
        cortical bone, spongy bone and soft tissue, signal at the detector, the stored radiograph, and the
        same with the true outlines of the six foramina of the {side} side.""",
    )


def _outlines(ax: Axes, masks: np.ndarray) -> None:
    """Draw and name the outline of each foramen of a mask image (bit i: level i)."""
    for bit, level in enumerate(LEVELS):
        outline = (masks >> bit) & 1
        if outline.any():
            ax.contour(outline, [0.5], colors=[LEVEL_COLOURS[bit]], linewidths=1.2)
            ax.text(masks.shape[1] - 3, np.argwhere(outline)[:, 0].mean(), level, color="white",
                    fontsize=7, ha="right", va="center",
                    path_effects=[withStroke(linewidth=2, foreground="black")])  # fmt: skip


def narrowed(share: float) -> Narrowing:
    """C4/5 to C6/7 of both sides narrowed by a share of their width, half in front and half behind."""
    lost, none = np.zeros((6, 2)), np.zeros((6, 2))
    lost[2:5] = share / 2
    return Narrowing(front=lost, back=lost.copy(), soft=none, signs=np.zeros(6), growth=np.zeros(6))


def disease(
    parameters: SyntheticCohort, patient: int = 0, side: str = "L", size: int = 2 * SIZE, figure: Figure | None = None
) -> Figure:
    """What stenosis looks like.

    The same neck and pose, healthy and narrowed.

    Without, with some and with much narrowing of C4/5 to C6/7; the arrow is at C5/6. Scale bars: 20 mm on the film.
    """
    figure, axes = _panels(figure, 2, len(STRENGTHS), height=0.88 * WIDTH)
    words = []
    for column, share in zip(axes.T, STRENGTHS, strict=True):
        case = Case(parameters, patient, narrowed(share))
        row = case.row(side)
        made = stages(case, side, row, size)
        bone = made["paths"]["cortex"] + made["paths"]["spongy"]
        root = parameters.label.nerve_root_mm * case.person.root
        title = f"C5/6: {row['narrowest_mm_C5_6']:.1f} mm free, root {root:.1f} mm, grade {row['grade_C5_6']}"
        words.append(title)
        outline = _about_spine(_film(render(case, side, row, size)[2]), row, size) >> LEVELS.index("C5/6") & 1
        picture(column[0], _about_spine(made["value"], row, size), title, 2 * ABOUT_MM[0])
        picture(column[1], _about_spine(bone, row, size), "path through bone, without noise", 2 * ABOUT_MM[0])
        for ax, shown in zip(column, (made["value"], bone), strict=True):
            _point_at(ax, outline, len(_about_spine(shown, row, size)))
    return _describe(
        figure,
        f"""Three close-ups of one synthetic neck at one pose with growing spurs at C4/5 to C6/7, as
        radiograph (above) and as path through bone (below). {"; ".join(words)}.""",
    )


def _point_at(ax: Axes, outline: np.ndarray, height: int) -> None:
    """An arrow from the left at the outlined foramen, in a picture of the same place with `height` rows."""
    if outline.any():
        y, x = np.argwhere(outline).mean(axis=0) * height / len(outline)
        look = {"arrowstyle": "-|>", "color": LEVEL_COLOURS[3], "linewidth": 1.6, "mutation_scale": 11}
        ax.annotate("", (x - 0.05 * height, y), (x - 0.24 * height, y), arrowprops=look)


def _about_spine(film: np.ndarray, row: dict, size: int) -> np.ndarray:
    """The part of a film (or of its ray raster) about the foraminal column, twice `ABOUT_MM` on the detector."""
    scale = film.shape[0] / size
    pixel = acq.FILM_MM[0] / size / scale
    middle = np.array(film.shape) / 2 + np.array([row["pose_y"], row["pose_x"]]) * acq.FILM_MM[0] / 2 / pixel
    low = np.maximum(middle - np.array(ABOUT_MM) / pixel, 0).astype(int)
    high = (middle + np.array(ABOUT_MM) / pixel).astype(int)
    return film[low[0] : high[0], low[1] : high[1]]


def knobs(
    parameters: SyntheticCohort,
    patient: int | None = None,
    side: str = "L",
    size: int = 160,
    figure: Figure | None = None,
) -> Figure:
    """What makes radiographs differ.

    One synthetic neck, one cause at a time.

    What each nuisance parameter does to one radiograph: none of it, the default, and far beyond, all else the same. One
    draw of each: another patient's would differ in size and direction. Scale bars: 20 mm.

    patient: default the one of the first 200 whose draws of position and exposure are all far from their means.
    """
    patient = _telling_patient(parameters, side) if patient is None else patient
    rows = -(-len(KNOBS) // 2)
    figure, axes = _panels(figure, rows, 6, height=WIDTH / 6 * 1.52 * rows)
    for i, (title, section, knob, strong) in enumerate(KNOBS):
        current = getattr(getattr(parameters, section), knob)
        shown = {"A": 0.0, "B": 1.0} if knob == "b_share" else {f"{v:g}": v for v in (0.0, current, strong)}
        cells = axes[i % rows, 3 * (i // rows) :][:3]
        for ax, (name, value) in zip(cells, shown.items(), strict=False):
            case = Case(_with(parameters, section, knob, value), patient)
            image = _film(render(case, side, case.row(side), size)[0])
            heading = f"{title}\n{name}" if value == 0 else name
            picture(ax, image, heading, acq.FILM_MM[0], vmin=0, vmax=65535)
        for spare in cells[len(shown) :]:
            spare.remove()
    return _describe(
        figure,
        f"""One synthetic patient's radiograph for {len(KNOBS)} nuisance parameters, each at zero, at its default and
        far beyond, and at each of two sites, all else unchanged: {", ".join(title for title, *_ in KNOBS)}.""",
    )


def _with(parameters: SyntheticCohort, section: str, knob: str, value: float) -> SyntheticCohort:
    """The parameters with one of them changed."""
    part = getattr(parameters, section).model_copy(update={knob: value})
    return parameters.model_copy(update={section: part})


def _telling_patient(parameters: SyntheticCohort, side: str) -> int:
    """The patient among the first 200 whose least remarkable draw of position and exposure is most remarkable."""
    position = Positioning(
        rotation_deg=0, rotation_sd_deg=1, tube_angle_deg=0, tilt_sd_deg=1, shift_sd_mm=1, object_detector_sd_mm=1
    )
    exposure = Exposure(exposure_sd=1, contrast_sd=1)
    unit = parameters.model_copy(update={"positioning": position, "exposure": exposure})

    def least(patient: int) -> float:
        pose = draw_pose(unit, patient, SIDES[side], False, "A")
        exposed = draw_exposure(unit, patient, SIDES[side])
        shift = np.hypot(pose.shift_right, pose.shift_down) / 1.3
        distance = pose.object_detector - position.object_detector_mm
        draws = pose.rotation, pose.tilt, shift, distance, exposed.log_exposure, np.log(exposed.slope)
        return float(np.min(np.abs(draws)))

    return max(range(min(parameters.patients, 200)), key=least)
