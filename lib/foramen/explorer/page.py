"""The explorer's page: one file with its data, style and script, which asks for nothing outside."""

import base64
import hashlib
from importlib import resources
from typing import Any

from markupsafe import Markup

from foramen.figures.style import CLASSES
from foramen.report import rendering
from foramen.study.model import Study


def render(study: Study, facts: dict[str, Any]) -> str:
    """The page of a study as HTML; `facts` as explorer.js reads them (see `step.write`).

    No text of a user becomes markup: the page takes it from JSON in which no `<` is left, and its script, the only one
    that the browser may run, sets text alone.
    """
    script = _read("explorer", "explorer.js")
    environment = rendering.environment(autoescape=True, package="foramen.explorer")
    return environment.get_template("explorer.html.j2").render(
        study=study,
        synthetic=study.cohort.source == "synthetic",
        facts=facts,
        classes=CLASSES,
        style=Markup(_read("report", "report.css") + _read("explorer", "explorer.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _read(package: str, name: str) -> str:
    return resources.files(f"foramen.{package}").joinpath(f"templates/{name}").read_text(encoding="utf-8")
