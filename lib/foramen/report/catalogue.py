"""The tables and figures of a study as its page shows them: in which order, and from which notebook.

Titles of figures, and how they are read, stand beside the functions that draw them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from PIL import Image

from foramen.core import tables
from foramen.figures import CAPTIONS
from foramen.study.model import Study

SCREEN = 100 / 160  # of a figure's pixels: an inch is 100 pixels of the page, and 160 in the file
SHOWN_ROWS = 60  # of a long table; the rest is in its file


@dataclass(frozen=True)
class Entry:
    """A table or figure: its file's name, the notebook that makes it, a heading and how to read it."""

    name: str
    notebook: str
    title: str
    reading: str = ""


@dataclass(frozen=True)
class Shown:
    """A table or figure as the page shows it."""

    entry: Entry
    page: str  # the notebook page behind it; empty where there is none
    alt: str = ""
    source: str = ""
    width: int = 0
    height: int = 0
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    more: int = 0


def _figures(notebook: str, *names: str) -> list[Entry]:
    return [Entry(name, notebook, *CAPTIONS[name]) for name in names]


FIGURES = {  # by their place on the page
    "gains": _figures("06_evaluation", "gains"),
    "results": [
        *_figures("06_evaluation", "roc", "precision_recall", "confusion", "reliability", "decision_curve"),
        *_figures("07_robustness", "gain_curves", "learning_curves", "subgroups"),
    ],
    "checks": _figures("08_explanation", "saliency", "saliency_checks", "errors"),
    "method": [
        *_figures("01_data_audit", "cohort", "anatomy", "disease", "knobs"),
        *_figures("02_preprocessing", "equalization"),
        *_figures("03_augmentation", "flip", "random_changes"),
        *_figures("04_stn_training", "stn", "stn_ways"),
        *_figures("08_explanation", "architecture"),
        *_figures("07_robustness", "training_curves"),
    ],
}
TABLES = [
    Entry("results", "06_evaluation", "Every metric of every arm"),
    Entry("gains", "06_evaluation", "Gains over the reference, all arms and metrics"),
    Entry("baselines", "06_evaluation", "What is reached without looking, and, where known, at most"),
    Entry("steps", "06_evaluation", "What each step of the ladder adds"),
    Entry("factorial", "07_robustness", "Effects and interactions of the factorial study"),
    Entry("gain_curves", "07_robustness", "Gain against nuisance, and learning curves"),
    Entry("gain_trends", "07_robustness", "How much a gain grows with its nuisance"),
    Entry("equal_specificity", "06_evaluation", "Sensitivity at the specificity of the reference"),
    Entry("detectable", "07_robustness", "The smallest difference this test set can detect with 80 % power"),
    Entry("paired_tests", "07_robustness", "Paired tests of single trained networks"),
    Entry("rank_swaps", "07_robustness", "How often two arms swap rank between seeds"),
    Entry("subgroups", "07_robustness", "Subgroups"),
    Entry("confusion", "06_evaluation", "Confusion matrices"),
    Entry("saliency", "08_explanation", "Overlap of saliency maps with the true foramina"),
    Entry("saliency_cascade", "08_explanation", "Saliency under randomisation"),
    Entry("errors", "08_explanation", "The most confident errors"),
    Entry("errors_in_common", "08_explanation", "What the errors have in common"),
    Entry("cohort", "01_data_audit", "Table 1: the cohort by split"),
    Entry("literature", "01_data_audit", "The synthetic anatomy beside the literature"),
    Entry("equalization", "02_preprocessing", "How much variation each contrast treatment leaves"),
    Entry("padding", "02_preprocessing", "What padding would do to equalization"),
    Entry("flip", "03_augmentation", "Can the side be read after the flip?"),
    Entry("stn_ways", "04_stn_training", "Ways of training the spatial transformer"),
]


def _listed(known: list[Entry], names: set[str]) -> list[Entry]:
    """Entries of the files with these names, those that are `known` first, in the catalogue's order."""
    listed = [entry for entry in known if entry.name in names]
    others = sorted(names - {entry.name for entry in known})
    return listed + [Entry(name, "", name.replace("_", " ")) for name in others]


def figures_of(study: Study, pages: Mapping[str, str]) -> dict[str, list[Shown]]:
    """The figures of the study by their place, those without one in `method`; `pages`: the page of each notebook."""
    place = {entry.name: name for name, entries in FIGURES.items() for entry in entries}
    shown: dict[str, list[Shown]] = {name: [] for name in FIGURES}
    found = {path.stem for path in study.paths.figures.glob("*.png")}
    for entry in _listed([entry for entries in FIGURES.values() for entry in entries], found):
        shown[place.get(entry.name, "method")].append(_figure(study, entry, pages.get(entry.notebook, "")))
    return shown


def _figure(study: Study, entry: Entry, page: str) -> Shown:
    """A drawing as SVG, a picture with radiographs as PNG."""
    png, svg, text = (study.paths.figures / f"{entry.name}{suffix}" for suffix in (".png", ".svg", ".txt"))
    with Image.open(png) as image:
        width, height = (round(pixels * SCREEN) for pixels in image.size)
    source = svg.name if svg.exists() else png.name
    return Shown(entry, page, text.read_text(encoding="utf-8").strip(), source, width, height)


def tables_of(study: Study, pages: Mapping[str, str]) -> list[Shown]:
    """Every CSV of the study as text for readers, long ones cut."""
    shown = []
    for entry in _listed(TABLES, {path.stem for path in study.paths.tables.glob("*.csv")}):
        frame = pd.read_csv(study.paths.tables / f"{entry.name}.csv")
        text = tables.readable(frame.head(SHOWN_ROWS)).astype(str)
        head, rows, more = list(text.columns), text.to_numpy().tolist(), max(0, len(frame) - SHOWN_ROWS)
        shown.append(Shown(entry, pages.get(entry.notebook, ""), head=head, rows=rows, more=more))
    return shown
