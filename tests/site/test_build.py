"""The site: one folder, in which every link leads somewhere."""

import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup

from foramen import cli
from foramen.core import paths
from foramen.core.errors import InputError
from foramen.explorer import step as explorer
from foramen.site import build

COMMITTED = (
    "between",
    "budget",
    "budget_full",
    "default",
    "formula_lite",
    "imagenet_lite",
    "nuisance",
    "reference",
    "shift",
    "shortcut",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> list:
    """The site of the committed reports, on a machine that ran no study; those of other studies may lie beside them."""
    reports = tmp_path_factory.mktemp("reports")
    for name in COMMITTED:
        (reports / name).symlink_to(paths.ROOT / "reports" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORAMEN_OUTPUT", str(tmp_path_factory.mktemp("output")))
        return build.build(paths.ROOT, [reports], tmp_path_factory.mktemp("site") / "pages")


@pytest.fixture(scope="module")
def site(built) -> Path:
    return built[0].parent


def parsed(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_no_link_of_the_site_is_broken(site):
    pages = {path: parsed(path) for path in site.rglob("*.html")}
    ids = {path: {tag["id"] for tag in page.find_all(id=True)} for path, page in pages.items()}
    broken = []
    for path, page in pages.items():
        for name in ("href", "src"):
            for link in (tag[name] for tag in page.find_all(attrs={name: True})):
                if ":" in link.partition("/")[0]:
                    continue  # another site, or data
                file, _, mark = unquote(link).partition("#")
                target = (path.parent / file).resolve() if file else path
                if link.startswith("/") or not target.is_file() or (mark and target in ids and mark not in ids[target]):
                    broken.append((str(path.relative_to(site)), link))
    assert len(pages) > 20 and broken == []


def test_readme_opens_the_site_and_leads_to_docs_and_report(site):
    page = parsed(site / "index.html")
    links = {tag["href"] for tag in page.find("main").find_all("a", href=True)}
    assert {"docs/results.html", "reports/reference/index.html"} <= links
    assert "reports/reference/notebooks/06_evaluation.html" in links and "|---" not in page.get_text()
    assert page.find("h1")["id"] and "Synthetic radiographs" in page.find(class_="banner").get_text()
    menu = {tag.get_text(): tag for tag in parsed(site / "docs" / "arms.html").find("nav").find_all("a")}
    links = {name: tag["href"] for name, tag in menu.items()}
    assert links["Start"] == "../index.html" and links["Studies"] == "studies.html"
    assert links["Report of default"] == "../reports/default/index.html"
    assert [name for name, tag in menu.items() if tag.get("aria-current")] == ["Arms"]
    contents = parsed(site / "reports" / "default" / "index.html").find("nav").find_all("a")
    assert contents[0]["href"] == "../../index.html"


def test_a_report_without_a_run_has_no_explorer_and_that_is_said(built):
    said = dict(zip(("default", "reference"), built[1:], strict=True))
    for name, why in said.items():
        assert why.startswith(f"The site has no case explorer of {name}: ") and "foramen run makes it" in why


def test_the_explorer_of_a_finished_study_is_written_and_linked(tmp_path, monkeypatch):
    root = checkout(tmp_path, smoke="banner")
    (root / "reports" / "smoke" / "explorer.html").unlink()
    monkeypatch.setattr(explorer, "write", lambda study, folder: (folder / "explorer.html").write_text(study.name))
    (page,) = build.build(root, [root / "reports"], tmp_path / "site")
    assert parsed(page).find("nav").find("a", string="Cases of smoke")["href"] == "reports/smoke/explorer.html"
    assert (tmp_path / "site" / "reports" / "smoke" / "explorer.html").read_text() == "smoke"


def test_a_link_that_leads_nowhere_is_named_and_nothing_is_written(tmp_path):
    root = tmp_path / "checkout"
    (root / "docs").mkdir(parents=True)
    for name in build.NAMES:
        (root / name).write_text("# Title\n")
    (root / "docs" / "one.md").write_text("[here](two.md) and [there](../lost.csv)")
    with pytest.raises(InputError) as error:
        build.build(root, [root / "reports"], tmp_path / "site")
    assert [fault.split(": ")[1] for fault in error.value.faults] == [
        "two.md leads nowhere",
        "../lost.csv leads nowhere",
    ]
    assert not (tmp_path / "site").exists()


def checkout(tmp_path: Path, **banners: str) -> Path:
    """A checkout with a report of each study, whose page says what it is of by the class of its first line."""
    root = tmp_path / "checkout"
    (root / "docs").mkdir(parents=True)
    shutil.copytree(paths.PARAMS, root / "params")
    for study, name in banners.items():
        (root / "reports" / study).mkdir(parents=True)
        (root / "reports" / study / "index.html").write_text(f'<p class="{name}">')
        (root / "reports" / study / "explorer.html").write_text("<p>cases</p>")
    for name in build.NAMES:
        (root / name).write_text(f"# {name}\n\n[docs](docs)\n")
    return root


def test_explorers_beside_reports_are_in_the_menu_and_patients_are_not_on_the_site(tmp_path):
    root = checkout(tmp_path, smoke="banner", full="patients", own_films="banner", ours="banner")
    (root / "params" / "ours.yaml").write_text("name: ours\nbase: own_films.yaml\n")
    page = parsed(build.build(root, [root / "reports"], tmp_path / "site")[0])
    assert [path.name for path in (tmp_path / "site" / "reports").iterdir()] == ["smoke"]
    assert page.find("nav").find("a", href="reports/smoke/explorer.html")
    assert page.find("main").find("a")["href"] == "index.html"  # the page nearest above a folder without one


def test_a_report_that_is_not_finished_does_not_hide_the_committed_one(tmp_path):
    root, own = checkout(tmp_path, smoke="banner", full="banner"), tmp_path / "own"
    (own / "smoke" / "tables").mkdir(parents=True)
    (own / "full").mkdir()
    (own / "full" / "index.html").write_text('<p class="banner">mine')
    found = build.publishable(root / "params", root / "reports", own, tmp_path / "nothing")
    assert found == [own / "full", root / "reports" / "smoke"]


def test_the_command_says_what_is_lacking_and_what_to_open(monkeypatch, capsys, tmp_path):
    lacking = "The site has no case explorer of default"
    monkeypatch.setattr(build, "build", lambda root, reports, folder: [folder / "index.html", lacking])
    assert cli.main(["site", str(tmp_path)]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert (first, second) == (str(tmp_path / "index.html"), lacking) and last.startswith("Next: open this first page")
