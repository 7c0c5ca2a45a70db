"""The report of a study: one page, results first, and the executed notebooks behind it.

`prepare` reads tables, figures, executed notebooks and run.json files, and writes `reports/<study>/`. It
computes nothing: every number on the page stands in a table beside it. The pages hold no script and ask for
nothing outside.
"""

import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup
from PIL import Image

from foramen.cohort import privacy
from foramen.core import paths, tables
from foramen.core.errors import InputError
from foramen.core.files import read_json, write_text
from foramen.evaluation import step as evaluation
from foramen.figures import METRIC_NAMES
from foramen.report import catalogue, pages
from foramen.report.catalogue import Entry
from foramen.study.model import Study

SCREEN = 100 / 160  # of a figure's pixels: an inch is 100 pixels of the page, and 160 in the file
SHOWN_ROWS = 60  # of a long table; the rest is in its file


@dataclass(frozen=True)
class Page:
    """An executed notebook: file stem, heading, what it was run for (arm or network, seed)."""

    stem: str
    notebook: str
    title: str
    name: str = ""
    seed: int | None = None

    @property
    def href(self) -> str:
        """Its page, from the report's folder."""
        return f"notebooks/{self.stem}.html"

    @property
    def label(self) -> str:
        """What tells it from the other runs of the same notebook."""
        label = self.name or self.title
        return label if self.seed is None else f"{label}, seed {self.seed}"


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


def prepare(study: Study) -> Path:
    """Write the report and return its index.html. Raises InputError where the evaluation is missing."""
    missing = [name for name in ("results", "gains") if not (study.paths.tables / f"{name}.csv").exists()]
    if missing:
        raise InputError([f"{study.paths.tables / name}.csv is missing: run notebook 06 first" for name in missing])
    environment = _environment()
    notebooks = write_notebooks(study, environment)
    page = environment.get_template("index.html.j2").render(
        study=study,
        synthetic=study.cohort.source == "synthetic",
        headline=headline(study),
        results=results_table(study),
        comparison=comparison(study),
        metrics=METRIC_NAMES,
        result_figures=shown_figures(study, catalogue.RESULT_FIGURES, notebooks),
        check_figures=shown_figures(study, catalogue.CHECK_FIGURES, notebooks),
        method_figures=shown_figures(study, catalogue.METHOD_FIGURES + unlisted(study), notebooks),
        gains_figure=shown_figures(study, catalogue.GAINS_FIGURE, notebooks),
        tables=shown_tables(study, notebooks),
        notebooks=_by_notebook(notebooks),
        evaluation=_page_of("06_evaluation", notebooks),
        parameters=json.dumps(privacy.shown_parameters(study), indent=1),
        runs=runs(study),
        facts=facts(study),
    )
    write_text(study.paths.report_page, page)
    return study.paths.report_page


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("foramen.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    style = resources.files("foramen.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)
    environment.filters["points"] = lambda value: "–" if pd.isna(value) else f"{value:+.1f}"
    environment.filters["p"] = tables.p_value
    return environment


def headline(study: Study) -> dict:
    """The primary contrast: its row of gains.csv, what its interval allows to say, the test set's size.

    A gain over a reference arm that is not shown to beat chance (AUROC) is marked as such, and so is an arm whose
    spatial transformer collapsed.
    """
    primary = study.evaluation.primary
    row = _row(study, "gains", primary.arm, primary.metric)
    size = _row(study, "results", primary.arm, primary.metric)
    facts = {name: int(size[name]) for name in ("n_images", "n_patients", "n_seeds") if name in size}
    facts["detectable"] = _row(study, "detectable", primary.arm, primary.metric).get("detectable")
    reference = _row(study, "results", study.evaluation.reference, "auroc")
    if reference and not reference["low"] > 0.5:
        facts["reference_at_chance"] = "{estimate:.2f}, {low:.2f} to {high:.2f}".format(**reference)
    facts["collapsed"] = collapsed(study).get(primary.arm, "")
    facts["held"] = _row(study, "equal_specificity", primary.arm)
    low, high = row.get("low"), row.get("high")
    if pd.isna(low):
        return {**row, **facts, "verdict": "not estimable"}
    return {**row, **facts, "verdict": "better" if low > 0 else "worse" if high < 0 else "not shown to differ"}


def _row(study: Study, table: str, arm: str, metric: str | None = None) -> dict:
    """The row of an arm (and metric) in a table of the study; empty where there is none."""
    path = study.paths.tables / f"{table}.csv"
    frame = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["arm", "metric"])
    found = frame[(frame["arm"] == arm) & (metric is None or frame["metric"] == metric)]
    return found.iloc[0].to_dict() if len(found) else {}


def collapsed(study: Study) -> dict[str, str]:
    """What to know of the arms whose spatial transformer collapsed, in words by arm."""
    counts = Counter(arm for arm, _ in evaluation.collapsed(study))
    seeds = len(study.seeds)
    return {
        arm: "its spatial transformer collapsed with every seed: no more than a fixed crop"
        if count == seeds
        else f"its spatial transformer collapsed with {count} of {seeds} seeds, which are left out"
        for arm, count in counts.items()
    }


def results_table(study: Study) -> list[dict]:
    """A row for each arm, and for each rule without a network: name, cells by metric, kind, what to know of it."""
    frame = pd.read_csv(study.paths.tables / "results.csv").assign(kind="arm")
    extra = study.paths.tables / "baselines.csv"
    if extra.exists():
        frame = pd.concat([frame, pd.read_csv(extra).assign(kind="baseline")], ignore_index=True)
    rows, fallen = [], collapsed(study)
    for (arm, kind), part in frame.groupby(["arm", "kind"], sort=False):
        cells = {row.metric: _percent(row.estimate, row.low, row.high) for row in part.itertuples()}
        about = study.arms[arm].description if arm in study.arms else ""
        rows.append({"name": arm, "kind": kind, "cells": cells, "about": about, "warning": fallen.get(arm, "")})
    return rows


def _percent(estimate: float, low: float, high: float) -> tuple[str, str]:
    """Estimate and interval in percent."""
    if pd.isna(estimate):
        return "–", "not estimable"
    interval = "" if pd.isna(low) else f"{100 * low:.1f} to {100 * high:.1f}"
    return f"{100 * estimate:.1f}", interval


def comparison(study: Study) -> list[dict]:
    """The gains of the primary arm, a row a metric, with the paper's range where it claims one.

    `p` is the p-value as it is for the primary metric, and Holm's for the others.
    """
    gains = pd.read_csv(study.paths.tables / "gains.csv")
    rows = gains[(gains["arm"] == study.evaluation.primary.arm) & gains["metric"].isin(METRIC_NAMES)]
    own = rows["metric"] == study.evaluation.primary.metric
    rows = rows.assign(p=rows["p_value"].where(own, rows["p_holm"]), adjusted=~own)
    return sorted(rows.to_dict("records"), key=lambda row: list(METRIC_NAMES).index(row["metric"]))


def shown_figures(study: Study, entries: tuple[Entry, ...], notebooks: list[Page]) -> list[Shown]:
    """The figures of the study among `entries`; drawings as SVG, pictures with radiographs as PNG."""
    shown = []
    for entry in entries:
        png, svg, text = (study.paths.figures / f"{entry.name}{suffix}" for suffix in (".png", ".svg", ".txt"))
        if not png.exists():
            continue
        with Image.open(png) as image:
            width, height = image.size
        source = svg.name if svg.exists() else png.name
        alt = text.read_text(encoding="utf-8").strip()
        page = _page_of(entry.notebook, notebooks)
        shown.append(
            Shown(entry, page, alt=alt, source=source, width=round(width * SCREEN), height=round(height * SCREEN))
        )
    return shown


def unlisted(study: Study) -> tuple[Entry, ...]:
    """Figures of the study that the catalogue does not know; they are shown under their file's name."""
    groups = (catalogue.RESULT_FIGURES, catalogue.GAINS_FIGURE, catalogue.CHECK_FIGURES, catalogue.METHOD_FIGURES)
    known = {entry.name for group in groups for entry in group}
    names = sorted(path.stem for path in study.paths.figures.glob("*.png") if path.stem not in known)
    return tuple(Entry(name, "", name.replace("_", " ")) for name in names)


def shown_tables(study: Study, notebooks: list[Page]) -> list[Shown]:
    """Every CSV of the study, those of the catalogue first, as text for readers."""
    known = {entry.name: entry for entry in catalogue.TABLES}
    found = {path.stem: path for path in sorted(study.paths.tables.glob("*.csv"))}
    names = [name for name in known if name in found] + [name for name in found if name not in known]
    shown = []
    for name in names:
        frame = pd.read_csv(found[name])
        text = tables.readable(frame.head(SHOWN_ROWS)).astype(str)
        entry = known.get(name, Entry(name, "", name.replace("_", " ")))
        page = _page_of(entry.notebook, notebooks)
        head, rows = list(map(str, text.columns)), text.to_numpy().tolist()
        shown.append(Shown(entry, page, head=head, rows=rows, more=max(0, len(frame) - SHOWN_ROWS)))
    return shown


def expected(study: Study) -> list[tuple[str, str, int | None]]:
    """The runs of notebooks that a study consists of: notebook, what for (treatment, network, arm), seed."""
    keys = list(dict.fromkeys(arm.localisation_key for arm in study.arms.values() if arm.localisation_key))
    several = {"02_preprocessing": study.equalizations, "04_stn_training": keys, "05_fine_tuning": list(study.arms)}
    seeded = ("04_stn_training", "05_fine_tuning")
    return [
        (notebook, name, seed)
        for notebook in paths.NOTEBOOK_NAMES
        for name in several.get(notebook, [""])
        for seed in (study.seeds if notebook in seeded else [None])
    ]


def write_notebooks(study: Study, environment: jinja2.Environment) -> list[Page]:
    """Write a page for each executed notebook, and one run of each notebook as .ipynb; return the pages."""
    folder = study.paths.report / "notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    template, found = environment.get_template("notebook.html.j2"), []
    for notebook, name, seed in expected(study):
        source = study.paths.executed(notebook, *[part for part in (name, seed) if part not in ("", None)])
        if source.exists():
            executed = pages.read(source)
            found.append((Page(source.stem, notebook, pages.title(executed) or notebook, name, seed), executed))
    listed = [page for page, _ in found]
    kept = {_page_of(notebook, listed, study.evaluation.primary.arm) for notebook in paths.NOTEBOOK_NAMES}
    for page, executed in found:
        if page.href in kept:
            pages.write_notebook(executed, folder / f"{page.stem}.ipynb")
        html = template.render(
            study=study,
            page=page,
            body=Markup(pages.body(executed, folder)),
            code_style=Markup(pages.highlighting()),
            synthetic=study.cohort.source == "synthetic",
            kept=page.href in kept,
            notebooks=_by_notebook(listed),
        )
        write_text(folder / f"{page.stem}.html", html)
    return listed


def _page_of(notebook: str, notebooks: list[Page], name: str = "") -> str:
    """The page of a notebook's first run, that of arm `name` before the others; empty where there is none."""
    runs_of_it = sorted((page for page in notebooks if page.notebook == notebook), key=lambda page: page.name != name)
    return runs_of_it[0].href if runs_of_it else ""


def _by_notebook(notebooks: list[Page]) -> list[tuple[str, list[Page]]]:
    """Pages grouped by notebook, in order."""
    grouped: dict[str, list[Page]] = {}
    for page in notebooks:
        grouped.setdefault(page.notebook, []).append(page)
    return [(group[0].title, group) for group in grouped.values()]


def runs(study: Study) -> list[dict]:
    """Where each result comes from, a row a run.json: what, finished, seconds, memory, speed, code, key."""
    home = study.paths.runs
    folders = {"cohort": study.paths.cohort, "augmentation": study.paths.augmentation}
    folders |= {f"images, {name}": study.paths.variant(name) for name in study.equalizations}
    folders["pre-training"] = _pretraining(study)
    folders |= {str(p.parent.relative_to(home)): p.parent for p in sorted((home / "stn").glob("*/*/run.json"))}
    folders |= {f"{arm}, seed {seed}": study.paths.arm(arm, seed) for arm in study.arms for seed in study.seeds}
    folders["evaluation"] = study.paths.evaluation
    return [{"what": what, **_run(folder)} for what, folder in folders.items() if (folder / "run.json").exists()]


def _pretraining(study: Study) -> Path:
    """The folder of the pre-trained weights, which studies share: the trainings name it as input."""
    for arm in study.arms:
        folder = study.paths.arm(arm, study.seeds[0])
        for read in _record(folder).get("inputs", []):
            if (folder / read).resolve().parent == paths.pretraining("").resolve():
                return (folder / read).resolve()
    return study.paths.pretraining


def _run(folder: Path) -> dict:
    """What the page shows of one run.json."""
    record = read_json(folder / "run.json")
    wanted = ("finished", "wall_seconds", "peak_memory_mib", "code_version", "key", "machine", "device")
    shown = {name: record.get(name, "") for name in wanted}
    history = folder / "history.csv"
    speed = pd.read_csv(history) if history.exists() else pd.DataFrame()
    shown["speed"] = f"{speed['images_per_second'].mean():.0f}" if "images_per_second" in speed else ""
    return shown


def facts(study: Study) -> dict:
    """Study hash, cohort hash, code versions, date, Python and packages: where the numbers come from."""
    cohort, last = (_record(folder) for folder in (study.paths.cohort, study.paths.evaluation))
    return {
        "study_hash": study.hash,
        "cohort_hash": cohort.get("key", "unknown"),
        "code_version": last.get("code_version", "unknown"),
        "code_versions": len({run["code_version"] for run in runs(study)}),
        "date": str(last.get("finished", "unknown"))[:10],
        "python": last.get("python", ""),
        "packages": last.get("packages", {}),
        "machine": last.get("machine", ""),
    }


def _record(folder: Path) -> dict:
    return read_json(folder / "run.json") if (folder / "run.json").exists() else {}
