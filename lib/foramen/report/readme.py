"""What README and docs quote of the committed reports, written from their tables, so that the two cannot differ.

`python -m foramen.report.readme` rewrites the parts of the pages between their marks; a test fails when one is out of
date.
"""

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


def block(name: str, study: str) -> str:
    """Results of a committed report as Markdown; its template may read `tables` of another report, too."""
    template = environment(autoescape=False).get_template(f"readme_{name}.md.j2")
    return template.render(tables(study), metrics=METRICS, study=study, tables=tables).strip()


def tables(study: str) -> dict[str, list]:
    """Every table of a committed report, as rows, by its name."""
    folder = ROOT / "reports" / study
    files = [*folder.glob("*.csv"), *folder.glob("tables/*.csv")]
    return {path.stem: rows(read(path.parent, path.stem)) for path in files}


def quoted(study: str) -> list[str]:
    """The tables of results of a report that the pages quote; what a run cost is none."""
    found = set()
    for name in dict.fromkeys(name for blocks in PAGES.values() for name, of in blocks if of == study):
        template = resources.files("foramen.report").joinpath(f"templates/readme_{name}.md.j2")
        found |= meta.find_undeclared_variables(environment(autoescape=False).parse(template.read_text("utf-8")))
    return sorted(found - {"metrics", "study", "cost", "tables"})


def stale() -> list[str]:
    """The pages that do not quote what the committed reports say."""
    texts = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    return [page for page, text in texts.items() if current(page, text) != text]


if __name__ == "__main__":
    for page in stale():
        write_text(ROOT / page, current(page, (ROOT / page).read_text(encoding="utf-8")))
