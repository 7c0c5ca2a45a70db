"""What README and docs quote of the committed reports, written from their tables, so that the two cannot differ.

`python -m foramen.report.readme` rewrites the parts of the pages between their marks; a test fails when one is out of
date.
"""

import functools
from importlib import resources

from jinja2 import meta

from foramen.core.files import write_text
from foramen.core.paths import ROOT
from foramen.report.rendering import environment
from foramen.report.results import read, rows

START = "<!-- {block}: written by `python -m foramen.report.readme` from reports/{study} -->"
END = "<!-- end of {block} -->"
# The pages, and the blocks on each with the study that a block is of. Each block has a template `readme_<block>.md.j2`,
# which may serve several studies.
PAGES = {
    "README.md": [("findings", "reference"), ("quick", "default"), ("why", "budget"), ("photographs", "imagenet_lite")],
    "docs/results.md": [
        *(("ladder", study) for study in ("reference", "default")),
        *((name, name) for name in ("budget", "shortcut", "imagenet_lite", "nuisance", "between", "shift")),
    ],
    "docs/studies.md": [("cost", "reference"), ("cost", "default")],
}
METRICS = ("accuracy", "f1", "specificity", "sensitivity", "auroc")


def current(page: str, text: str) -> str:
    """The text of a page with today's blocks between its marks. Raises ValueError where marks are missing."""
    for name, study in PAGES[page]:
        start, end = START.format(block=name, study=study), END.format(block=name)
        before, found, rest = text.partition(start)
        _, mark, after = rest.partition(end)
        if not (found and mark):
            raise ValueError(f"{page}: the marks around {name} of {study} are missing")
        text = f"{before}{start}\n\n{block(name, study)}\n\n{end}{after}"
    return text


def block(name: str, study: str, noted: set[tuple[str, str]] | None = None) -> str:
    """Results of a committed report as Markdown; its template may read `tables` of another report, too.

    `noted` takes up which it reads there, as (study, table).
    """
    template = environment(autoescape=False).get_template(f"readme_{name}.md.j2")
    noted = set() if noted is None else noted
    given = {"metrics": METRICS, "study": study, "tables": lambda other: _Noting(other, noted)}
    return template.render(tables(study), **given).strip()


def tables(study: str) -> dict[str, list]:
    """Every table of a committed report, as rows, by its name."""
    folder = ROOT / "reports" / study
    files = [*folder.glob("*.csv"), *folder.glob("tables/*.csv")]
    return {path.stem: rows(read(path.parent, path.stem)) for path in files}


class _Noting(dict[str, list]):
    """The tables of a report; `noted` takes up which of them are read, as (study, table)."""

    def __init__(self, study: str, noted: set[tuple[str, str]]):
        super().__init__(tables(study))
        self.study, self.noted = study, noted

    def __getitem__(self, name: str) -> list:
        self.noted.add((self.study, name))
        return super().__getitem__(name)


@functools.cache
def quoted(study: str) -> list[str]:
    """The tables of results of a report that the pages quote, beside those of another, too; what a run cost is none."""
    noted = set[tuple[str, str]]()
    for name, of in dict.fromkeys(named for blocks in PAGES.values() for named in blocks):
        template = resources.files("foramen.report").joinpath(f"templates/readme_{name}.md.j2")
        own = meta.find_undeclared_variables(environment(autoescape=False).parse(template.read_text("utf-8")))
        noted |= {(of, table) for table in own}
        block(name, of, noted)
    return sorted(table for table in tables(study).keys() - {"cost"} if (study, table) in noted)


def stale() -> list[str]:
    """The pages that do not quote what the committed reports say."""
    texts = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    return [page for page, text in texts.items() if current(page, text) != text]


if __name__ == "__main__":
    for page in stale():
        write_text(ROOT / page, current(page, (ROOT / page).read_text(encoding="utf-8")))
