"""The executed notebooks of a study: which there are, a page for each, one run of each as .ipynb."""

import shutil
from dataclasses import dataclass, field, replace

import jinja2
from markupsafe import Markup

from foramen.core import paths
from foramen.core.files import write_text
from foramen.report import pages
from foramen.study.model import Study


@dataclass(frozen=True)
class Page:
    """An executed notebook: file stem, heading, what it was run for (arm or network, seed).

    `kept`: it stands for the other runs of its notebook, is linked from figures and tables, and is there as .ipynb.
    """

    stem: str
    notebook: str
    title: str
    name: str = ""
    seed: int | None = None
    kept: bool = False
    places: dict[str, str] = field(default_factory=dict)  # heading (id) above what is saved, by name

    @property
    def href(self) -> str:
        """Its page, from the report's folder."""
        return f"notebooks/{self.stem}.html"

    def place(self, name: str) -> str:
        """Where the table or figure of this name is made on its page; the page where that cannot be told."""
        return f"{self.href}#{self.places[name]}" if name in self.places else self.href

    @property
    def label(self) -> str:
        """What tells it from the other runs of the same notebook."""
        label = self.name or self.title
        return label if self.seed is None else f"{label}, seed {self.seed}"


def expected(study: Study) -> list[tuple[str, str, int | None]]:
    """The runs of notebooks that a study consists of: notebook, what for (treatment, network, arm), seed."""
    keys = list(dict.fromkeys(arm.localisation_key for arm in study.arms.values() if arm.localisation_key))
    several = {"02_preprocessing": study.variants, "04_stn_training": keys, "05_fine_tuning": list(study.arms)}
    seeded = ("04_stn_training", "05_fine_tuning")
    return [
        (notebook, name, seed)
        for notebook in paths.NOTEBOOK_NAMES
        for name in several.get(notebook, [""])
        for seed in (study.seeds if notebook in seeded else [None])
    ]


def write(study: Study, environment: jinja2.Environment) -> list[Page]:
    """Write a page for each executed notebook, and one run of each notebook as .ipynb; the pages, in order."""
    folder = study.paths.report / "notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    template, listed, made = environment.get_template("notebook.html.j2"), find(study), []
    for page in listed:
        executed = pages.read(study.paths.executed(page.stem))
        if page.kept:
            pages.write_notebook(executed, folder / f"{page.stem}.ipynb")
        body = Markup(pages.body(executed, folder))
        shown = {"study": study, "page": page, "body": body, "notebooks": listed, "headings": pages.headings(body)}
        html = template.render(shown, code_style=Markup(pages.highlighting()))
        write_text(folder / f"{page.stem}.html", html)
        made.append(replace(page, places=pages.places(executed, body)))
    return made


def find(study: Study) -> list[Page]:
    """The executed notebooks that are there; of each the first run is kept, one of the primary arm before others."""
    found = []
    for notebook, name, seed in expected(study):
        path = study.paths.executed(notebook, *(part for part in (name, seed) if part not in ("", None)))
        if path.exists():
            found.append(Page(path.stem, notebook, pages.title(path) or notebook, name, seed))
    kept: dict[str, Page] = {}
    for page in sorted(found, key=lambda page: page.name != study.plan.primary.arm):
        kept.setdefault(page.notebook, page)
    return [replace(page, kept=page is kept[page.notebook]) for page in found]
