"""The report of a study: one page, results first, and the executed notebooks behind it.

`prepare` reads tables, figures, executed notebooks and run.json files, and writes `reports/<study>/`. It
computes nothing: every number on the page stands in a table beside it. The pages ask for nothing outside, and are
complete without the one script that they hold, which sorts their tables.
"""

import json
from pathlib import Path

from foramen.cohort import privacy
from foramen.core.errors import InputError
from foramen.core.files import write_frame, write_text
from foramen.figures import METRIC_NAMES
from foramen.report import beside, catalogue, cost, journal, made_by, notebooks, rendering, results, runs
from foramen.study import prespecification
from foramen.study.model import Study
from foramen.study.provenance import misfits, read_run


def prepare(study: Study) -> Path:
    """Write the report and return its index.html. Raises InputError where the evaluation is missing."""
    missing = [name for name in ("results", "gains") if not (study.paths.tables / f"{name}.csv").exists()]
    if missing:
        raise InputError([f"{study.paths.tables / name}.csv is missing: run notebook 06 first" for name in missing])
    environment = rendering.environment(autoescape=True)
    environment.globals |= {"synthetic": study.cohort.source == "synthetic"}
    pages = notebooks.write(study, environment)
    made_by.write(study)
    page = environment.get_template("index.html.j2").render(
        study=study,
        planned=prespecification.examine(study),
        headline=results.headline(study),
        results=results.results_table(study),
        comparison=results.comparison(study),
        metrics=METRIC_NAMES,
        figures=catalogue.figures_of(study),
        tables=catalogue.tables_of(study),
        notebooks=pages,
        links={page.notebook: page for page in pages if page.kept},
        swept=catalogue.swept(study),
        journal=journal.write(study),
        parameters=json.dumps(privacy.shown_parameters(study), indent=1),
        runs=runs.runs(study),
        cohort=read_run(study.paths.cohort),
        evaluated=read_run(study.paths.evaluation),
        misfits=misfits(study),
        verifications=made_by.verifications(study.paths.report),
    )
    write_frame(study.paths.report / "cost.csv", cost.cost(study))
    write_text(study.paths.report_page, page)
    beside.link(study.paths.report)
    return study.paths.report_page
