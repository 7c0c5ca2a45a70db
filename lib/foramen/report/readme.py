"""The README's tables of results, taken from the committed reports, so that the two cannot differ.

`python -m foramen.report.readme` rewrites the parts of README.md between their marks; a test fails when one is out of
date.
"""

from importlib import resources

from jinja2 import meta

from foramen.core.files import write_text
from foramen.core.paths import ROOT
from foramen.report.rendering import environment
from foramen.report.results import read, rows

START = "<!-- results of reports/{study}, written by `python -m foramen.report.readme` -->"
END = "<!-- end of results -->"
STUDIES = ("default", "nuisance")
METRICS = ("accuracy", "f1", "specificity", "sensitivity", "auroc")


def current(text: str) -> str:
    """The text of the README with today's blocks between its marks. Raises ValueError where marks are missing."""
    for study in STUDIES:
        start = START.format(study=study)
        before, found, rest = text.partition(start)
        _, mark, after = rest.partition(END)
        if not (found and mark):
            raise ValueError(f"README: the marks around the results of {study} are missing")
        text = f"{before}{start}\n\n{block(study)}\n\n{END}{after}"
    return text


def block(study: str) -> str:
    """The results of a committed report as Markdown tables."""
    folder = ROOT / "reports" / study / "tables"
    tables = {path.stem: rows(read(folder, path.stem)) for path in folder.glob("*.csv")}
    return environment(autoescape=False).get_template(f"readme_{study}.md.j2").render(tables, metrics=METRICS).strip()


def quoted(study: str) -> list[str]:
    """The tables of a report that the README quotes."""
    if study not in STUDIES:
        return []
    template = resources.files("foramen.report").joinpath(f"templates/readme_{study}.md.j2").read_text(encoding="utf-8")
    return sorted(meta.find_undeclared_variables(environment(autoescape=False).parse(template)) - {"metrics"})


if __name__ == "__main__":
    README = ROOT / "README.md"
    write_text(README, current(README.read_text(encoding="utf-8")))
