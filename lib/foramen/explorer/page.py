"""The explorer's page: one file with its data, style and script, which asks for nothing outside."""

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
    own = "foramen.explorer"
    environment = rendering.environment(autoescape=True, package=own)
    return environment.get_template("explorer.html.j2").render(
        study=study,
        synthetic=study.cohort.source == "synthetic",
        facts=facts,
        classes=CLASSES,
        style=Markup(rendering.part("report.css") + rendering.part("explorer.css", own)),
        script=Markup(rendering.part("explorer.js", own)),
    )
