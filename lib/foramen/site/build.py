"""README, docs, reports and case explorers of synthetic cohorts as pages in one folder, with relative links.

Markdown keeps its place: `docs/arms.md` becomes `docs/arms.html`, README.md `index.html`; reports are copied, their
pages lead back; a link to a notebook leads to its executed page. What a page links to comes along: a file to its own
place, a folder as the page nearest above it.
"""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import mistune
import yaml
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup

from foramen import study
from foramen.core.errors import InputError, raise_any
from foramen.core.files import require_empty, write_text
from foramen.explorer import step as explorer
from foramen.report import pages, rendering

SYNTHETIC = re.compile('class="(banner|badge)"')  # what a report of a synthetic cohort says of itself
NAMES = {"README.md": "Start", "CONTRIBUTING.md": "Contributing", "CHANGELOG.md": "Changelog"}  # in the menu
REFERENCE = "reference"  # the study whose executed notebooks stand for the notebooks
BACK = '<li><a href="../../index.html">All pages</a></li>'  # of a report's contents


def build(root: Path, reports: Sequence[Path], folder: Path) -> list[Path | str]:
    """Write the site of the checkout at `root` with the reports in these folders into an empty `folder`; its
    index.html, and what a report lacks.

    Raises InputError, before anything is written, that names every link of README and docs that leads nowhere.
    """
    require_empty(folder)
    readme, *others = (root / name for name in NAMES)
    sources = [readme, *sorted((root / "docs").glob("*.md")), *others]
    documents = {source: _document(source.read_text(encoding="utf-8")) for source in sources}
    raise_any([fault for source, page in documents.items() for fault in _broken(source, page)])
    lacking = [
        why for report in publishable(root / "params", *reports) for why in _bring(report, root / "params", folder)
    ]
    places = {source: folder / _place(source.relative_to(root)) for source in sources}
    made = {path: f"Report of {path.parent.name}" for path in sorted(folder.glob("reports/*/index.html"))}
    made |= {path: f"Cases of {path.parent.name}" for path in sorted(folder.glob(f"reports/*/{explorer.PAGE}"))}
    menu = {places[readme]: NAMES[readme.name]} | made | {place: _name(source) for source, place in places.items()}
    of_notebooks = folder.glob(f"reports/{REFERENCE}/notebooks/*.html")
    executed = {root / "notebooks" / f"{page.stem}.ipynb": page for page in of_notebooks}
    template = rendering.environment(autoescape=True).get_template("document.html.j2")
    for source, page in documents.items():
        _rewrite(source, page, places | executed, root, folder)
        links = [(os.path.relpath(to, places[source].parent), name) for to, name in menu.items()]
        shown = {"title": _title(page), "body": Markup(str(page)), "menu": links, "here": _name(source)}
        write_text(places[source], template.render(shown, synthetic=True))
    return [folder / "index.html", *lacking]


def _bring(report: Path, params: Path, folder: Path) -> list[str]:
    """Copy a report into the site, with a way back, and write its case explorer if it has none; why there is none."""
    place = folder / "reports" / report.name
    shutil.copytree(report, place)
    page = place / "index.html"
    if page.exists():
        write_text(page, page.read_text(encoding="utf-8").replace("<ul>", f"<ul>\n{BACK}", 1))
    if not page.exists() or (place / explorer.PAGE).exists():
        return []
    try:
        explorer.write(study.load(_params(params)[report.name]), place)
    except InputError as error:
        return [f"The site has no case explorer of {error.faults[0]}"]
    return []


def _params(folder: Path) -> dict[str, Path]:
    """The study files of synthetic cohorts, by the name of the study."""
    files = {path: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))}
    own = [path.name for path, given in files.items() if given.get("cohort", {}).get("source") == "manifest"]
    synthetic = {path: given for path, given in files.items() if not {path.name, given.get("base")} & set(own)}
    return {given["name"]: path for path, given in synthetic.items() if "name" in given}


def publishable(params: Path, *folders: Path) -> list[Path]:
    """Reports of the studies in `params` that are of synthetic cohorts; never one of patients, whatever its name.

    Of a study with reports in several folders the last that has a page, or else the first.
    """
    names, found = _params(params), dict[str, Path]()
    for report in (path for folder in folders for path in sorted(folder.glob("*/"))):
        if report.name in names and (report.name not in found or (report / "index.html").exists()):
            found[report.name] = report
    pages = [report / "index.html" for report in found.values()]
    return [page.parent for page in pages if not page.exists() or SYNTHETIC.search(page.read_text(encoding="utf-8"))]


def _document(text: str) -> BeautifulSoup:
    """Markdown as HTML; headings have the identifiers that GitHub gives them, wide tables scroll."""
    render = mistune.create_markdown(
        escape=False, plugins=["table", "mistune.plugins.table.table_in_list", "strikethrough", "url"]
    )
    page = BeautifulSoup(str(render(text)), "html.parser")
    for heading in page.find_all(re.compile("^h[1-6]$")):
        heading["id"] = re.sub(r"[^\w\- ]", "", heading.get_text().lower()).replace(" ", "-")
    pages.let_scroll(page)
    return page


def _title(page: BeautifulSoup) -> str:
    heading = page.find("h1")
    return heading.get_text() if heading else ""


def _name(source: Path) -> str:
    """What the menu calls a page."""
    return NAMES.get(source.name, source.stem.replace("_", " ").capitalize())


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
