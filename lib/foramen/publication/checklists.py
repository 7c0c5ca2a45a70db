"""Reporting checklists, filled in from a study's artefacts; no score is made of them.

The items, in our words, are in `checklists/<name>.yaml`; what a study answers, in `checklists/answers.yaml`: items of
several checklists share an answer. TRIPOD+AI (Collins et al., BMJ 2024;385:e078378), CLAIM (Tejani et al., Radiol Artif
Intell 2024;6(4):e240300), STARD-AI (Sounderajah et al., Nat Med 2025;31:3283).
"""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from foramen.core import tables
from foramen.core.files import write_text
from foramen.publication import facts

NAMES = ("tripod_ai", "claim", "stard_ai")
STATUSES = ("reported", "partly", "not reported", "not applicable", "for a person to answer")
REPORTED = STATUSES[:2]
MISSING = "This study has not made: {}."


@cache
def load(name: str) -> Any:
    """A YAML file of the package."""
    text = resources.files("foramen.publication").joinpath(f"checklists/{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def answers(known: dict[str, Any], report: Path) -> dict[str, dict[str, Any]]:
    """Status, places (links from the folder of the report) and text of each answer. Needs `facts.read`.

    What a study would report in a file that it has not made is not reported.
    """
    return {name: _answer(name, given, known, report) for name, given in load("answers").items()}


def _answer(name: str, given: dict[str, Any], known: dict[str, Any], report: Path) -> dict[str, Any]:
    """One answer of answers.yaml, filled in."""
    environment = facts.environment(autoescape=False)
    status = environment.from_string(given["status"]).render(known).strip()
    if status not in STATUSES:
        raise ValueError(f"answers.yaml: {name}: {status!r} is none of {STATUSES}")
    where = given.get("where", []) if status in REPORTED else []
    if missing := [link for link in where if not (report / link).exists()]:
        return {"status": "not reported", "where": [], "text": MISSING.format(", ".join(missing))}
    text = environment.from_string(given["text"]).render(known)
    return {"status": status, "where": where, "text": " ".join(text.split())}


def fill(name: str, answered: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The items of a checklist, each with its answer: section, item, asks, status, where, text."""
    return [{**item, **answered[item["answer"]]} for item in load(name)["items"]]


def write(known: dict[str, Any], folder: Path) -> list[Path]:
    """Write each checklist as a page and as CSV into `folder`, which lies in the report's."""
    page = facts.environment(autoescape=True).get_template("checklist.html.j2")
    answered, written = answers(known, folder.parent), []
    for name in NAMES:
        items = fill(name, answered)
        html = page.render(known, about=load(name), items=items, statuses=STATUSES)
        write_text(folder / f"{name}.html", html)
        columns = ["section", "item", "asks", "status", "where", "text"]
        frame = pd.DataFrame([{**item, "where": " ".join(item["where"])} for item in items])[columns]
        write_text(folder / f"{name}.csv", tables.to_csv(frame))
        written += [folder / f"{name}.html", folder / f"{name}.csv"]
    return written
