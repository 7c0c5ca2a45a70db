"""Figures that show radiographs: the cohort, what preprocessing does to it, what a network makes of it."""

from textwrap import wrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foramen.figures.style import (
    BLUE,
    GREY,
    MARKERS,
    ORANGE,
    PAGE,
    PALETTE,
    REFERENCE,
    SKY,
    Picture,
    describe,
    listing,
    panels,
    picture,
    styled,
    subplots,
)

CLASSES = {0: "no stenosis", 1: "stenosis"}
SIDES = {"L": "left", "R": "right", "": "side not given"}
MEASURES = {"pointing_game": "peak inside a foramen (share)", "auprc": "area under precision-recall"}
NOTE_WIDTH = 34  # characters under a picture
LABEL_WIDTH = 20  # characters beside a row of pictures
LEVELS = 128  # grey levels at which a cumulative distribution is drawn


@styled
def cohort(images: np.ndarray, manifest: pd.DataFrame, n: int = 4, seed: int = 0) -> Figure:
    """A montage by class and side, `n` images drawn at random from each, one a patient. Used by notebook 01.

    `images` (N,S,S); `manifest` (columns patient_id, label, side) names the place of each image by its index.
    """
    groups = list(manifest.groupby(["label", "side"], sort=True))
    figure, axes = subplots(len(groups), n, figsize=(PAGE, PAGE / n * len(groups)))
    for row, ((label, side), members) in zip(axes, groups, strict=True):
        drawn = members.sample(frac=1, random_state=seed).drop_duplicates("patient_id").index[:n]
        for cell in row[len(drawn) :]:
            cell.set_axis_off()
        for cell, index in zip(row, drawn, strict=False):
            picture(cell, images[index])
        row[0].set_axis_on()
        group = wrap(f"{CLASSES[label]}, {SIDES[side]}", LABEL_WIDTH)
        row[0].set_ylabel("\n".join([*group, f"({len(members):,} images)"]))
    counts = [f"{CLASSES[label]}, {SIDES[side]}: {len(members)}" for (label, side), members in groups]
    return describe(
        figure,
        f"Montage of {n} radiographs drawn at random from each class and side of the cohort. Images in each "
        f"group: {'; '.join(counts)}.",
    )


def distribution(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Cumulative distribution (LEVELS,) of the grey values in the valid box, over the type's full scale."""
    top, left, bottom, right = box
    values = image[top:bottom, left:right] / np.iinfo(image.dtype).max
    counts, _ = np.histogram(values, bins=LEVELS, range=(0, 1))
    return np.cumsum(counts) / max(counts.sum(), 1)


@styled
def equalization(raw: np.ndarray, treated: dict[str, np.ndarray], boxes: np.ndarray, examples: int = 4) -> Figure:
    """Images before and after each contrast treatment, and their cumulative distributions. Notebook 02.

    `raw` (n,S,S) and each of `treated` (n,S,S), any unsigned type; `boxes` (n,4) is the valid area (top,
    left, bottom, right). Examples run from the darkest to the brightest raw image. Ideal: the distribution of
    a uniform histogram.
    """
    rows = {"as acquired": raw, **treated}
    brightness = [raw[i][t:b, x:r].mean() for i, (t, x, b, r) in enumerate(boxes)]
    shown = np.argsort(brightness)[np.linspace(0, len(raw) - 1, examples).round().astype(int)]
    ratios = [1] * examples + [1.35]
    figure, axes = subplots(len(rows), examples + 1, figsize=(PAGE, 1.42 * len(rows)), width_ratios=ratios)
    distances = {}
    for row, (name, stack) in zip(axes, rows.items(), strict=True):
        for cell, index in zip(row, shown, strict=False):
            picture(cell, stack[index], vmin=0, vmax=np.iinfo(stack.dtype).max)
        row[0].set_ylabel(name)
        curves = np.array([distribution(stack[i], box) for i, box in enumerate(boxes)])
        distances[name] = np.abs(curves - np.linspace(1 / LEVELS, 1, LEVELS)).max(axis=1).mean()
        _distributions(row[-1], curves)
    axes[-1, -1].set_xlabel("grey value")
    gaps = listing(f"{name} {gap:.2f}" for name, gap in distances.items())
    return describe(
        figure,
        f"{examples} radiographs from the darkest to the brightest, as acquired and after "
        f"{listing(treated)}, with the cumulative grey-value distribution of {len(raw)} images. Mean largest "
        f"distance from the uniform distribution: {gaps}.",
    )


def _distributions(axes: Axes, curves: np.ndarray) -> None:
    grey = np.linspace(1 / LEVELS, 1, LEVELS)
    axes.plot(grey, curves.T, color=SKY, linewidth=0.4, alpha=0.6)
    axes.plot(grey, np.median(curves, axis=0), color=BLUE, linewidth=1.6, label="median")
    axes.plot([0, 1], [0, 1], **REFERENCE)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.set_ylabel("share of pixels")
    axes.yaxis.set_label_position("right")
    axes.yaxis.tick_right()
    axes.spines["left"].set_visible(False)
    axes.spines["right"].set_visible(True)


@styled
def flip(before: np.ndarray, after: np.ndarray, rows: pd.DataFrame) -> Figure:
    """Radiographs before and after the flip onto one canonical side. Used by notebook 03.

    `before`, `after` (n,S,S); `rows` has n rows with `side` and `label`.
    """
    n = len(before)
    figure, axes = subplots(2, n, figsize=(PAGE, 2.15 * PAGE / max(n, 3)))
    mirrored = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    for i, (side, label) in enumerate(zip(rows["side"], rows["label"], strict=True)):
        picture(axes[0, i], before[i], f"{SIDES[side]}, {CLASSES[label]}")
        picture(axes[1, i], after[i], "mirrored" if mirrored[i] else "unchanged")
    axes[0, 0].set_ylabel("as acquired")
    axes[1, 0].set_ylabel("after the flip")
    return describe(
        figure,
        f"{n} radiographs before and after the flip onto one side: {sum(mirrored)} mirrored, "
        f"{n - sum(mirrored)} unchanged.",
    )


@styled
def augmentation(film: np.ndarray, changed: np.ndarray, illustrated: bool = False) -> Figure:
    """One radiograph (S,S) and how training sees it later (n,S,S), grey values 0 to 1. Used by notebook 03.

    `illustrated` says that the study itself changes nothing and the pictures are an example only.
    """
    figure, axes = panels(len(changed) + 1, len(changed) + 1, 1.0, 0.25)
    picture(axes[0], film, "as it is", vmin=0, vmax=1)
    for i, (cell, image) in enumerate(zip(axes[1:], changed, strict=True)):
        picture(cell, image, f"time {i + 1}", vmin=0, vmax=1)
    note = " This study makes no such changes: the pictures are an example only." if illustrated else ""
    return describe(
        figure,
        f"One radiograph and {len(changed)} random changes of it as training sees it: turned, shifted, "
        f"enlarged or of other contrast.{note}",
    )


def transform_words(theta: np.ndarray) -> tuple[float, float, float, float]:
    """Rotation (degrees), magnification, shift right and down (half image sides) of a 2x3 sampling matrix.

    The matrix maps output to input coordinates (Jaderberg et al. 2015, eq. 1), so it magnifies where its
    determinant is below one.
    """
    (a, b, x), (c, d, y) = theta
    scale = np.sqrt(abs(a * d - b * c))
    return float(np.degrees(np.arctan2(c, a))), float(1 / max(scale, 1e-6)), float(x), float(y)


def frame(theta: np.ndarray, size: int) -> np.ndarray:
    """The closed outline (5,2), x then y in pixels, of what a sampling matrix reads from a `size` square."""
    corners = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1], [-1, -1, 1]], float)
    return (corners @ np.asarray(theta, float).T + 1) / 2 * size - 0.5


@styled
def stn(
    inputs: np.ndarray, outputs: np.ndarray, theta: np.ndarray, fixed: np.ndarray, all_theta: np.ndarray | None = None
) -> Figure:
    """What the spatial transformer reads and returns, and how its transforms are spread. Used by notebook 04.

    `inputs` (n,S,S), `outputs` (n,s,s), `theta` (n,2,3) sampling matrices in the convention of `affine_grid`;
    `fixed` (2,3) is that of the fixed crop, drawn dashed as reference; `all_theta` (M,2,3) those of a whole split.
    """
    n = len(inputs)
    all_theta = theta if all_theta is None else all_theta
    figure = plt.figure(FigureClass=Picture, figsize=(PAGE, 2.3 * PAGE / n + 1.7))
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.3 * PAGE / n, 1.7])
    axes = top.subplots(2, n)
    for i in range(n):
        size = inputs[i].shape[-1]
        angle, zoom, x, y = transform_words(theta[i])
        picture(axes[0, i], inputs[i])
        axes[0, i].plot(*frame(fixed, size).T, color="white", linewidth=1, linestyle=(0, (2, 2)))
        axes[0, i].plot(*frame(theta[i], size).T, color=ORANGE, linewidth=1.6)
        axes[0, i].set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
        picture(axes[1, i], outputs[i])
        axes[1, i].set_xlabel(f"{angle:+.0f}°, ×{zoom:.2f}\n({x:+.2f}, {y:+.2f})", fontsize=7)
    axes[0, 0].set_ylabel("input")
    axes[1, 0].set_ylabel("output")
    words = np.array([transform_words(t) for t in all_theta])
    _spread(bottom, words, transform_words(fixed))
    return describe(
        figure,
        f"{n} radiographs with the area that the spatial transformer reads (orange) and the fixed crop "
        f"(dashed), and its outputs. Over {len(words)} images: rotation {words[:, 0].mean():+.1f}° (sd "
        f"{words[:, 0].std():.1f}), magnification {words[:, 1].mean():.2f} (sd {words[:, 1].std():.2f}), "
        f"shift right {words[:, 2].mean():+.2f} (sd {words[:, 2].std():.2f}), shift down "
        f"{words[:, 3].mean():+.2f} (sd {words[:, 3].std():.2f}) half sides.",
    )


def _spread(figure: Figure, words: np.ndarray, fixed_words: np.ndarray) -> None:
    """Histograms of rotation, magnification and shifts; dashed: the fixed crop."""
    titles = ("rotation (degrees)", "magnification", "shift right (half sides)", "shift down (half sides)")
    axes = figure.subplots(1, 4)
    for cell, values, title, fixed in zip(axes, words.T, titles, fixed_words, strict=True):
        spread = max(np.abs(values - fixed).max() * 1.1, 0.02)
        cell.hist(values, bins=np.linspace(fixed - spread, fixed + spread, 25), color=BLUE)
        cell.axvline(fixed, **{**REFERENCE, "zorder": 3, "color": "black"})
        cell.set_xlabel(title, fontsize=7)
        cell.set_yticks([])
    axes[0].set_ylabel("images")


@styled
def saliency(images: np.ndarray, maps: dict[str, np.ndarray], masks: np.ndarray | None, rows: pd.DataFrame) -> Figure:
    """Saliency maps on the radiographs they explain. Used by notebook 06.

    `images` (n,S,S); `maps` column title -> (n,S,S) non-negative; `masks` (n,S,S), non-zero inside the true
    foramina, or None; `rows` n rows with label, score and `rule` (why the image was chosen).
    """
    n, empty = len(images), 0
    side = PAGE / max(n, 4)
    figure, axes = subplots(len(maps) + 1, n, figsize=(side * n, side * (len(maps) + 1) + 0.4))
    for i, row in enumerate(rows.itertuples()):
        picture(axes[0, i], images[i])
        axes[0, i].set_title(f"{row.rule}\n{CLASSES[row.label]}\nscore {row.score:.2f}", fontsize=6, pad=2)
        for cell, stack in zip(axes[1:, i], maps.values(), strict=True):
            empty += _overlay(cell, images[i], stack[i])
        if masks is not None and masks[i].any():
            for cell in axes[:, i]:
                cell.contour(masks[i] > 0, levels=[0.5], colors=[SKY], linewidths=0.6)
    for cell, name in zip(axes[:, 0], ["radiograph", *maps], strict=True):
        cell.set_ylabel(name, fontsize=6)
    outline = "; outlined: the true foramina" if masks is not None else ""
    return describe(
        figure,
        f"{n} test radiographs chosen by rule, each with {listing(maps)}{outline}. {empty} of "
        f"{n * len(maps)} maps are zero everywhere.",
    )


def _overlay(axes: Axes, image: np.ndarray, map_: np.ndarray) -> bool:
    """Draw an image with a map over it, opaque where it is high; True where the map is zero everywhere."""
    if map_.max() <= 0:
        picture(axes, image)
        note = {"color": "white", "ha": "center", "fontsize": 6, "bbox": {"facecolor": "black", "pad": 1}}
        axes.text(0.5, 0.05, "zero everywhere", transform=axes.transAxes, **note)
        return True
    strength = map_ / map_.max()
    opacity = 0.75 * np.sqrt(strength)[..., None]
    grey = (image - image.min()) / max(np.ptp(image), 1)
    picture(axes, (1 - opacity) * grey[..., None] + opacity * plt.get_cmap("inferno")(strength)[..., :3])
    return False


@styled
def saliency_checks(overlap: pd.DataFrame, cascade: pd.DataFrame) -> Figure:
    """Do the maps find the true foramina, do they depend on what the network learned? Notebook 06.

    `overlap`: arm, method, measure (`pointing_game`, `auprc`), estimate, low, high, chance. `cascade`: arm,
    randomised (stages from the output down), similarity, low, high (rank correlation with the map of the
    trained network; Adebayo et al. 2018). Either may be empty.
    """
    measures = list(overlap["measure"].unique()) if len(overlap) else []
    figure, axes = panels(len(measures) + 1, 3, 1.0)
    for cell, measure in zip(axes, measures, strict=False):
        part = overlap[overlap["measure"] == measure].reset_index(drop=True)
        place = np.arange(len(part))[::-1]
        cell.barh(
            place, part["estimate"], color=[BLUE if "Grad-CAM" in m else GREY for m in part["method"]], height=0.6
        )
        whiskers = [part["estimate"] - part["low"], part["high"] - part["estimate"]]
        cell.errorbar(part["estimate"], place, xerr=whiskers, fmt="none", ecolor="black", elinewidth=1, capsize=2)
        cell.axvline(part["chance"].mean(), **{**REFERENCE, "color": "black", "zorder": 3})
        names = [f"{m}\n{a}" if a else m for m, a in zip(part["method"], part["arm"], strict=True)]
        cell.set_yticks(place, names if cell is axes[0] else [""] * len(part), fontsize=6)
        cell.set(xlabel=MEASURES.get(measure, measure), xlim=(0, None))
    _cascade(axes[-1], cascade)
    return describe(figure, f"Checks of the saliency maps. {_overlap_words(overlap)} {_cascade_words(cascade)}")


def _overlap_words(overlap: pd.DataFrame) -> str:
    if not len(overlap):
        return "There are no masks of the true foramina to compare with."
    first = overlap[overlap["measure"] == overlap["measure"].iloc[0]]
    names = [f"{row.method} {row.arm}".strip() for row in first.itertuples()]
    found = listing(f"{name} {value:.2f}" for name, value in zip(names, first["estimate"], strict=True))
    return f"{MEASURES.get(first['measure'].iloc[0], 'overlap')}: {found}; chance {first['chance'].mean():.2f}."


def _cascade_words(cascade: pd.DataFrame) -> str:
    last = [(arm, part.iloc[-1]) for arm, part in cascade.groupby("arm", sort=False)] if len(cascade) else []
    if not last:
        return ""
    values = listing(f"{arm} {row.similarity:.2f}" for arm, row in last)
    return f"Rank correlation with the trained network's map once every stage is randomised: {values}."


def _cascade(axes: Axes, cascade: pd.DataFrame) -> None:
    for colour, marker, (arm, part) in zip(PALETTE, MARKERS, cascade.groupby("arm", sort=False), strict=False):
        place = np.arange(len(part))
        axes.fill_between(place, part["low"], part["high"], color=colour, alpha=0.2, linewidth=0)
        axes.plot(place, part["similarity"], marker=marker, markersize=3.5, color=colour, label=arm)
        axes.set_xticks(place, part["randomised"], rotation=45, ha="right")
    axes.axhline(0, **REFERENCE)
    axes.set(ylabel="rank correlation with the map\nof the trained network", xlabel="randomised down to")
    if len(cascade):
        axes.legend()


@styled
def errors(images: np.ndarray, rows: pd.DataFrame) -> Figure:
    """The most confident errors, surest first, with their ground truth. Used by notebook 06.

    `images` (n,S,S); `rows` n rows with image_id, label, score and, where there is one, `note` (what the
    truth says).
    """
    notes = rows["note"] if "note" in rows else [""] * len(rows)
    figure, axes = panels(len(images), 4, 1.0, 0.6)
    for cell, image, row, note in zip(axes, images, rows.itertuples(), notes, strict=True):
        picture(cell, image, f"label: {CLASSES[row.label]}\nscore {row.score:.2f}")
        cell.set_xlabel("\n".join([row.image_id, *wrap(note, NOTE_WIDTH)]), fontsize=6)
    missed = int((rows["label"] == 1).sum())
    return describe(
        figure,
        f"The {len(rows)} most confident errors on the test set: {missed} radiographs with stenosis scored "
        f"low and {len(rows) - missed} without stenosis scored high.",
    )


@styled
def stn_ways(inputs: np.ndarray, outputs: dict[str, np.ndarray], ways: pd.DataFrame) -> Figure:
    """What differently trained spatial transformers make of the same radiographs. Used by notebook 04.

    `inputs` (n,S,S); `outputs` way -> (n,s,s); `ways` has a row for each way with way, det, outside and
    collapsed, over the validation images.
    """
    rows = {"film": inputs, **outputs}
    n = len(inputs)
    figure, axes = subplots(len(rows), n, figsize=(PAGE, PAGE / n * len(rows)))
    facts = ways.set_index("way")
    for row, (name, stack) in zip(axes, rows.items(), strict=True):
        for cell, image in zip(row, stack, strict=True):
            picture(cell, image)
        label = name.replace("_", " ")
        row[0].set_ylabel(f"{label}\ndet θ {facts.det[name]:.2f}" if name in outputs else label, fontsize=7)
    found = listing(f"{way} {row.det:.2f} and {row.outside:.0%}" for way, row in facts.iterrows())
    lost = [way for way, row in facts.iterrows() if row.collapsed]
    return describe(
        figure,
        f"{n} validation radiographs and what {len(outputs)} ways of training make of them. Mean det θ and "
        f"share out of frame: {found}. Collapsed: {listing(lost) if lost else 'none'}.",
    )
