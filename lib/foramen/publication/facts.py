"""What the documents of this package say of a study: read from its tables, figures and run.json files."""

from collections import defaultdict
from typing import Any

import jinja2
import pandas as pd

from foramen import __version__
from foramen.figures import METRIC_NAMES
from foramen.report import catalogue, rendering, results
from foramen.study import prespecification
from foramen.study.model import Study
from foramen.study.provenance import read_run

SPLITS = {"Overall": "all", "train": "training", "val": "validation", "test": "test"}  # columns of cohort.csv


def read(study: Study) -> dict[str, Any]:
    """The names that the templates use. A table that the study has not made has no rows."""
    tables = {path.stem: results.rows(pd.read_csv(path)) for path in sorted(study.paths.tables.glob("*.csv"))}
    return {
        "study": study,
        "plan": study.plan,
        "synthetic": study.cohort.source == "synthetic",
        "planned": prespecification.examine(study),
        "headline": results.headline(study),
        "arms": results.results_table(study),
        "comparison": results.comparison(study),
        "tables": defaultdict(list, tables),
        "sizes": sizes(tables["cohort"]),
        "figures": catalogue.figures_of(study),
        "cohort": read_run(study.paths.cohort),
        "evaluated": read_run(study.paths.evaluation),
        "versions": versions(study),
        "metrics": METRIC_NAMES,
        "version": __version__,
    }


def versions(study: Study) -> dict[str, str]:
    """The versions of the code that made the cohort, the trainings and the evaluation: what is finished is kept."""
    folders = {"cohort": [study.paths.cohort], "trainings": [run.folder for run in study.runs]}
    folders["evaluation"] = [study.paths.evaluation]
    made = {part: [read_run(each)["code_version"] for each in places] for part, places in folders.items()}
    return {part: ", ".join(dict.fromkeys(found)) for part, found in made.items()}


def sizes(cohort: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Images, patients, positive images and their share in per cent, of all and of each split, from table 1."""
    cells = {(row["variable"], str(row["value"])): row for row in cohort}
    images, patients = cells["n", "images"], cells["n", "patients"]
    found = {}
    for column, split in SPLITS.items():
        positive, _, share = str(cells["label, n (%)", "1"][column]).rstrip(")").partition(" (")
        counts = {"images": str(images[column]), "patients": str(patients[column])}
        found[split] = {**counts, "positive": positive, "share": share}
    return found


def environment(autoescape: bool) -> jinja2.Environment:
    """The report's way of writing numbers, with the templates of this package before those of the report."""
    made = rendering.environment(autoescape, "foramen.publication")
    made.filters["typst"] = typst_text
    return made


def typst_text(text: str) -> str:
    """A user's text as a Typst string, in which nothing is markup."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'#"{escaped}"'
