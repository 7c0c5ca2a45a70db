"""README and docs as pages beside the reports of synthetic cohorts, in one folder with relative links.

Markdown keeps its place: `docs/arms.md` becomes `docs/arms.html`, README.md `index.html`; reports are copied as they
are. What a page links to comes along: a file to its own place, a folder as the page nearest above it.
"""

import os
import re
import shutil
from importlib import resources
from pathlib import Path
from urllib.parse import unquote

import mistune
import yaml
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup

from foramen.core.errors import raise_any
from foramen.core.files import require_empty, write_text
from foramen.report import pages, rendering

SYNTHETIC = re.compile('class="(banner|badge)"')  # what a report of a synthetic cohort says of itself
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")  # with docs/*.md, the pages of the site


def build(root: Path, reports: Path, folder: Path) -> Path:
    """Write the site of the checkout at `root` with these reports into an empty `folder`; its index.html.

    Raises InputError, before anything is written, that names every link of README and docs that leads nowhere.
    """
    require_empty(folder)
    sources = [root / name for name in TOP] + sorted((root / "docs").glob("*.md"))
    documents = {source: _document(source.read_text(encoding="utf-8")) for source in sources}
    raise_any([fault for source, page in documents.items() for fault in _broken(source, page)])
    for report in publishable(root / "params", reports):
        shutil.copytree(report, folder / "reports" / report.name)
    places = {source: folder / _place(source.relative_to(root)) for source in sources}
    explorers = sorted(path.relative_to(folder) for path in folder.glob("reports/*/explorer.html"))
    environment = rendering.environment(autoescape=True)
    style = resources.files("foramen.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    environment.globals |= {"style": Markup(style), "synthetic": False}
    for source, page in documents.items():
        _rewrite(source, page, places, root, folder)
        up = os.path.relpath(folder, places[source].parent)
        menu = [(f"{up}/{place.relative_to(folder)}", _title(documents[other])) for other, place in places.items()]
        menu[1:1] = [(f"{up}/{path}", f"Case explorer, {path.parent.name}") for path in explorers]
        shown = {"title": _title(page), "body": Markup(str(page)), "menu": menu}
        write_text(places[source], environment.get_template("document.html.j2").render(shown))
    return folder / "index.html"


def publishable(params: Path, reports: Path) -> list[Path]:
    """Reports of the studies in `params` that are of synthetic cohorts; never one of patients, whatever its name."""
    studies = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(params.glob("*.yaml"))]
    names = {given.get("name") for given in studies if given.get("cohort", {}).get("source") != "manifest"}
    pages = [path / "index.html" for path in sorted(reports.iterdir()) if path.is_dir() and path.name in names]
    return [page.parent for page in pages if not page.exists() or SYNTHETIC.search(page.read_text(encoding="utf-8"))]


def _document(text: str) -> BeautifulSoup:
    """Markdown as HTML; headings have the identifiers that GitHub gives them, wide tables scroll."""
    render = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url"])
    page = BeautifulSoup(str(render(text)), "html.parser")
    for heading in page.find_all(re.compile("^h[1-6]$")):
        heading["id"] = re.sub(r"[^\w\- ]", "", heading.get_text().lower()).replace(" ", "-")
    pages.let_scroll(page)
    return page


def _title(page: BeautifulSoup) -> str:
    heading = page.find("h1")
    return heading.get_text() if heading else ""


def _place(source: Path) -> Path:
    """Where the page of a Markdown file goes."""
    return Path("index.html") if source.name == "README.md" else source.with_suffix(".html")


def _links(page: BeautifulSoup) -> list[tuple[Tag, str, str]]:
    """Tags with a relative link, its attribute and what it says."""
    found = [(tag, name, str(tag[name])) for name in ("href", "src") for tag in page.select(f"[{name}]")]
    return [(tag, name, link) for tag, name, link in found if not re.match(r"[a-z]+:|#", link)]


def _broken(source: Path, page: BeautifulSoup) -> list[str]:
    links = [link for _, _, link in _links(page)]
    return [f"{source}: {link} leads nowhere" for link in links if not _target(source, link).exists()]


def _target(source: Path, link: str) -> Path:
    """The file or folder that a link of a page means."""
    return (source.parent / unquote(link.partition("#")[0])).resolve()


def _rewrite(source: Path, page: BeautifulSoup, places: dict[Path, Path], root: Path, folder: Path) -> None:
    """Turn a page's links to what lies in the checkout into links to what lies in the site, and bring it there."""
    for tag, name, link in _links(page):
        target, mark = _target(source, link), link.partition("#")[2]
        place = places.get(target, folder / target.relative_to(root.resolve()))
        if target.is_dir():
            place = next(above / "index.html" for above in (place, *place.parents) if _is_page(above, folder))
        elif target not in places and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target, place)
        tag[name] = os.path.relpath(place, places[source].parent) + (f"#{mark}" if mark else "")


def _is_page(above: Path, folder: Path) -> bool:
    return above == folder or (above / "index.html").exists()
