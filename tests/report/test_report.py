"""The report: complete, escaped, self-contained, and looked at in a real browser."""

import base64
import io
import json
import re
import shutil
from itertools import product
from pathlib import Path
from unittest import mock

import docx
import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from markupsafe import Markup
from nbformat import v4
from PIL import Image
from scipy.ndimage import gaussian_filter

import browsers
from foramen import figures
from foramen.core import paths, tables
from foramen.core.errors import InputError
from foramen.core.files import write_json
from foramen.figures import METRIC_NAMES
from foramen.figures.style import Caption, Picture
from foramen.report import beside, catalogue, made_by, notebooks, pages, rendering, results
from foramen.report import index as report
from foramen.study import load, provenance
from foramen.study.model import Arm, Study

HOSTILE = '<img src=x onerror="alert(1)"> & {{ 7*7 }} \\alpha'
RANGES = {"accuracy": (5.3, 6.9), "sensitivity": (0.8, 4.3)}


def made_up_study() -> Study:
    return Study(
        name="made_up",
        title=f"Title {HOSTILE}",
        seeds=[1, 2],
        arms={"basic": Arm(description="the reference"), "proposed": Arm(equalization="global", stn="self_supervised")},
        evaluation={"external": {HOSTILE: "other.csv"}},
    )


def result_rows(arms: list[str]) -> pd.DataFrame:
    rows = [
        (arm, metric, 0.8 + 0.01 * i, 0.75, 0.88, 100, 60, 2, "")
        for i, arm in enumerate(arms)
        for metric in METRIC_NAMES
    ]
    names = ["arm", "metric", "estimate", "low", "high", "n_images", "n_patients", "n_seeds", "note"]
    return pd.DataFrame(rows, columns=names)


def gain_rows(low: float, high: float) -> pd.DataFrame:
    rows = []
    for metric in METRIC_NAMES:
        claimed = RANGES.get(metric, (np.nan, np.nan))
        rows.append(("proposed", metric, (low + high) / 2, low, high, 0.0004, *claimed, 0.04))
    return pd.DataFrame(
        rows, columns=["arm", "metric", "gain", "low", "high", "p_value", "paper_low", "paper_high", "p_holm"]
    )


def executed(folder: Path, stem: str, title: str) -> None:
    """An executed notebook with everything that a page has to cope with."""
    v4 = nbformat.v4
    picture = Picture(figsize=(7, 2))
    picture.subplots()
    picture.set_label("what the picture shows")
    picture.caption = Caption("The picture", "how the picture is read")
    with mock.patch("IPython.display.display") as display:
        picture._ipython_display_()
    ((data,), how), ((below,), _) = display.call_args_list
    wide = pd.DataFrame(np.zeros((2, 40))).to_html()
    outputs = [
        v4.new_output("display_data", data, metadata=how["metadata"]),
        v4.new_output("display_data", {"text/markdown": below.data}),
        v4.new_output("execute_result", {"text/html": wide + "<script>alert(2)</script>"}, execution_count=1),
        v4.new_output("stream", text=f"reading {paths.ROOT}/lib/foramen " + "x" * 300 + "\n"),
    ]
    code = v4.new_code_cell("study = 'x'  # " + "long " * 60, outputs=outputs, execution_count=1)
    code.metadata["papermill"] = {"duration": 1.0}
    cells = [v4.new_markdown_cell(f"# {title}\n\nSee [the table](#A-table).\n\n## A table"), code]
    notebook = v4.new_notebook(cells=cells, metadata={"papermill": {"output_path": f"{paths.ROOT}/x.ipynb"}})
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{stem}.ipynb")


def record_cohort(study: Study, **more: object) -> None:
    """run.json of the cohort, drawn under the study's plan."""
    drawn = {"finished": "2026-01-02T03:04:05+0000", "wall_seconds": 1.5, "plan": study.plan.hash, "key": "drawn"}
    write_json(study.paths.cohort / "run.json", {**drawn, "design": study.design, **more})


def record_trainings(study: Study, record: dict, collapsed: tuple = ()) -> None:
    """run.json of every arm and seed; those named in `collapsed` have a collapsed transformer."""
    for run in product(study.arms, study.seeds):
        write_json(study.paths.arm(*run) / "run.json", {**record, "transformer": {"collapsed": run in collapsed}})


def fill(study: Study, low: float = 4.0, high: float = 8.0, collapsed: tuple = ()) -> None:
    """Tables, figures, executed notebooks and run.json files as the workflow leaves them."""
    where = study.paths
    tables.save(result_rows(["basic", "proposed", HOSTILE]), where.tables, "results")
    tables.save(gain_rows(low, high), where.tables, "gains")
    detectable = pd.DataFrame({"arm": ["proposed"], "metric": ["accuracy"], "detectable": [3.21]})
    tables.save(detectable, where.tables, "detectable")
    held = {"arm": ["proposed"], "specificity": [0.621], "gain": [14.7], "low": [9.9], "high": [19.5]}
    tables.save(pd.DataFrame(held), where.tables, "equal_specificity")
    rules = result_rows(["majority class", "no-information rate", "label-noise ceiling"])
    rules.loc[rules["arm"] == "no-information rate", "estimate"] = 0.8  # that of the majority class
    tables.save(rules[rules["metric"] == "accuracy"], where.tables, "baselines")
    tables.save(pd.DataFrame({"site": [HOSTILE] * 70, "images": range(70)}), where.tables, "sites")
    weights = {"proposed": {"signs": 0.21, "narrowness": 0.65}, "basic": {"signs": 0.4, "narrowness": 0.42}}
    follows = [(arm, fact, of, of - 0.05, of + 0.05) for arm, some in weights.items() for fact, of in some.items()]
    follows = pd.DataFrame(follows, columns=["arm", "fact", "estimate", "low", "high"])
    tables.save(follows, where.tables, "score_follows")
    for name in ("gains", "roc", "saliency", "score_follows", "cohort", "training_curves", "my_own"):
        figure = Picture(figsize=(7.2, 3))
        axes = figure.subplots()
        axes.imshow(np.eye(4)) if name == "cohort" else axes.plot([0, 1])
        figures.save(figure, where.figures, name, alt=f"{name} with {HOSTILE}")
    for notebook, name, seed in notebooks.expected(study):
        path = where.executed(notebook, *(part for part in (name, seed) if part not in ("", None)))
        executed(path.parent, path.stem, notebook.replace("_", " "))
    record = {"finished": "2026-01-02T03:04:05+0000", "wall_seconds": 1.5, "code_version": "1 (abc)"}
    record |= {"peak_memory_mib": 10, "python": "3.11", "packages": {"torch": "2"}, "machine": "Linux, 2 cores"}
    record_cohort(study, **record, key="cohorthash")
    write_json(where.evaluation / "run.json", {**record, "key": "evalkey"})
    record_trainings(study, {**record, "key": "armkey"}, collapsed)
    pd.DataFrame({"images_per_second": [40.0, 60.0]}).to_csv(where.arm("basic", 1) / "history.csv")


def verified(study: Study) -> None:
    """Records of two verifications of these results, one of them with a claim that differs, and of one of others."""
    of = [made_by.tables_digest(study.paths.report)]
    kinds = {"the same kind of machine": (3, []), "another kind of machine": (2, [f"results: {HOSTILE}"])}
    outcomes = {"comparisons": 4, "other_outcomes": ["steps: a over b, f1: gain → not shown"]}
    records = [
        {"verified": "2026-02-03", "kind": kind, "machines": ["processor A"], "differs": differs, "of": of}
        | (outcomes if differs else outcomes | {"other_outcomes": []})
        | {"counts": {"identical": identical, "within tolerance": 0, "differs": len(differs)}}
        for kind, (identical, differs) in kinds.items()
    ]
    write_json(study.paths.report / made_by.VERIFICATIONS, [*records, records[0] | {"kind": "of old", "of": ["old"]}])


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORAMEN_OUTPUT", str(folder))
        study = made_up_study()
        fill(study)
        verified(study)
        report.prepare(study)
        yield folder / "reports" / "made_up"


@pytest.fixture(scope="module")
def index(output) -> BeautifulSoup:
    return BeautifulSoup((output / "index.html").read_text(encoding="utf-8"), "html.parser")


def test_sensitivity_is_told_at_the_reference_s_specificity(index):
    text = " ".join(index.find(id="comparison").find_parent("section").get_text().split())
    assert "At the specificity of basic (62.1 %)" in text
    assert "differs by +14.7 pp (+9.9 to +19.5)" in text


def test_what_the_scores_follow_stands_before_the_comparison_with_the_paper(index):
    sections = [section["aria-labelledby"] for section in index.find_all("section")]
    assert sections.index("results") < sections.index("reads") < sections.index("comparison")
    text = " ".join(index.find(id="reads").find_parent("section").get_text().split())
    assert (
        "The score of proposed follows the narrowest foramen more than the signs beside it, 0.65 (0.60 to 0.70)" in text
    )
    assert "that of basic follows the narrowest foramen about as much as the signs" in text
    assert index.find(id="figure-score_follows").find_parent("section")["aria-labelledby"] == "reads"


@pytest.mark.parametrize(
    ("collapsed", "words"),
    [
        ((), ""),
        ((("proposed", 2),), "collapsed with 1 of 2 seeds, which are left out"),
        ((("proposed", 1), ("proposed", 2)), "collapsed with every seed: no more than a fixed crop"),
    ],
)
def test_a_collapsed_transformer_is_told_beside_its_arm(tmp_path, monkeypatch, collapsed, words):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = made_up_study()
    tables.save(result_rows(list(study.arms)), study.paths.tables, "results")
    tables.save(gain_rows(4.0, 8.0), study.paths.tables, "gains")
    record_trainings(study, {}, collapsed)
    told = {row["name"]: row["warning"] for row in results.results_table(study)}
    assert told["basic"] == "" and words in told["proposed"] and bool(words) == bool(told["proposed"])
    assert results.headline(study)["collapsed"] == told["proposed"]


def every_page(output: Path) -> dict[Path, BeautifulSoup]:
    return {p: BeautifulSoup(p.read_text(encoding="utf-8"), "html.parser") for p in output.rglob("*.html")}


def test_all_runs_are_reachable_and_one_of_each_is_kept_as_notebook(output, index):
    pages = {p.stem for p in (output / "notebooks").glob("*.html")}
    assert len(pages) == 6 + 2 + 2 + 2 * 2
    linked = {a["href"] for a in index.find_all("a", href=True)}
    assert {f"notebooks/{stem}.html" for stem in pages} <= linked
    kept = {p.stem for p in (output / "notebooks").glob("*.ipynb")}
    assert len(kept) == len(paths.NOTEBOOK_NAMES)
    assert "05_fine_tuning-proposed-1" in kept


def test_runs_are_told_apart_by_what_they_were_run_for(index):
    labels = {a.get_text() for a in index.find(id="notebooks").find_parent("section").find_all("a")}
    assert {"film_global", "film_none", "proposed, seed 2", "01 data audit"} <= labels
    assert not [label for label in labels if "None" in label]


def test_every_link_and_picture_leads_somewhere(output):
    for path, page in every_page(output).items():
        ids = [tag["id"] for tag in page.find_all(id=True)]
        assert len(ids) == len(set(ids)), path
        for tag, attribute in [("a", "href"), ("img", "src")]:
            for link in (t[attribute] for t in page.find_all(tag, attrs={attribute: True})):
                if link.startswith(("https://doi.org/", "data:")):
                    continue
                file, _, place = link.partition("#")
                target = path.parent / file if file else path
                assert target.is_file(), (path.name, link)
                assert not place or target != path or place in ids, (path.name, link)


def test_nothing_of_the_readers_text_becomes_markup(output):
    for path, page in every_page(output).items():
        assert not page.find_all(["iframe", "object", "embed"]), path
        assert [script.string for script in page.find_all("script")] == [rendering.part("sort.js")], path
        assert not [tag for tag in page.find_all(True) if any(name.startswith("on") for name in tag.attrs)], path
        assert not page.find_all("img", src="x"), path
    text = (output / "index.html").read_text(encoding="utf-8")
    assert text.count("&lt;img src=x onerror=") >= 5 and "49" not in re.findall(r"\d+", text.split("<h1>")[1][:80])


def test_pages_ask_for_nothing_outside(output):
    for path in output.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r'(?:src|srcset)="(?:https?:)?//', text), path
        assert "@import" not in text and "url(" not in text, path


def test_no_trace_of_this_machine(output):
    for path in (*output.rglob("*.html"), *output.rglob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        assert str(paths.ROOT) not in text and "papermill" not in text, path


def test_numbers_are_those_of_the_tables(index):
    section = index.find(id="results").find_parent("section")
    row = section.find("th", string="proposed").find_parent("tr")
    assert [cell.contents[0] for cell in row.find_all("td")] == ["81.0"] * len(METRIC_NAMES)
    assert "75.0 to 88.0" in row.get_text()
    headline = section.find(class_="headline").get_text(" ", strip=True)
    assert "+6.0 percentage points of accuracy" in headline and "+4.0 to +8.0" in headline and "<0.001" in headline
    assert "5.3 to 6.9 pp, on other data" in headline
    assert "100 test radiographs of 60 patients, 2 seeds" in headline and "of 3.2 pp" in headline


def test_accuracy_stands_beside_what_needs_no_network(index):
    table = index.find(id="results").find_parent("section").find("table")
    names = [th.contents[0] for th in table.find_all("th", scope="row")]
    assert names[-2:] == ["majority class = no-information rate", "label-noise ceiling"]


def test_a_no_information_rate_that_differs_has_its_own_row(tmp_path):
    frame = result_rows(["majority class", "no-information rate"])
    frame = frame[frame["metric"] == "accuracy"].assign(estimate=[0.45, 0.55])
    tables.save(frame, tmp_path, "baselines")
    assert list(results.baselines(tmp_path)["arm"]) == ["majority class", "no-information rate"]


def test_the_papers_ranges_are_marked_as_other_data(index):
    section = index.find(id="comparison").find_parent("section")
    assert "paper, other data" in section.get_text()
    rows = {tr.find("th").get_text(): tr.find_all("td")[-1].get_text() for tr in section.find_all("tr")[1:]}
    assert rows["accuracy"] == "5.3 to 6.9" and rows["AUROC"] == "no claim"


def test_p_values_besides_the_primary_one_are_holms(index):
    section = index.find(id="comparison").find_parent("section")
    rows = {tr.find("th").get_text(): tr.find_all("td")[1].get_text() for tr in section.find_all("tr")[1:]}
    assert rows["accuracy"] == "<0.001" and rows["AUROC"] == "0.040Holm"


def test_one_banner_says_synthetic_on_every_page(output):
    for path, page in every_page(output).items():
        assert "Synthetic radiographs" in page.find(class_="banner").get_text(), path


def test_provenance_is_complete(index):
    text = index.find(id="provenance").find_parent("section").get_text(" ", strip=True)
    for fact in (made_up_study().hash, "cohorthash", "1 (abc)", "2026-01-02", "basic, seed 1", "armkey", "50"):
        assert fact in text, fact
    same, other = index.find("dt", string="verification").find_next("dd").find_all("p")
    assert "on the same kind of machine (processor A): 3 identical, 0 within tolerance, 0 differs" in same.get_text()
    assert "2 identical, 0 within tolerance, 1 differs" in other.get_text()
    assert f"(results: {HOSTILE})" in other.get_text() and "of old" not in text
    assert "Of 4 comparisons that are corrected for their number, none had another outcome." in same.get_text()
    assert "1 had another outcome: steps: a over b, f1: gain → not shown." in other.get_text()


def test_pictures_have_alternative_text(output, index):
    assert all(image["alt"].strip() for image in index.find_all("img"))
    page = BeautifulSoup((output / "notebooks" / "01_data_audit.html").read_text(), "html.parser")
    assert [image["alt"] for image in page.find_all("img")] == ["what the picture shows"]
    assert "The picture how the picture is read" in page.find("img").find_next("p").get_text()


def test_a_picture_that_many_pages_show_is_there_once(output):
    shown = [
        image["src"]
        for path, page in every_page(output).items()
        if path.parent.name == "notebooks"
        for image in page.find_all("img")
    ]
    assert len(shown) > len(set(shown)) and all(name.startswith("pictures/") for name in shown)
    there = {f"pictures/{path.name}" for path in (output / "notebooks" / "pictures").iterdir()}
    assert there == set(shown)


def test_a_kept_notebook_has_radiographs_as_jpeg_and_drawings_as_they_were(tmp_path):
    grain = gaussian_filter(np.random.default_rng(0).normal(128, 200, (200, 200)), 2).astype(np.uint8)
    pictures = {"radiograph": grain, "drawing": np.zeros((200, 200), np.uint8)}
    outputs = []
    for name, pixels in pictures.items():
        with io.BytesIO() as stream:
            Image.fromarray(pixels).save(stream, "PNG")
            data = {"image/png": base64.b64encode(stream.getvalue()).decode()}
        outputs.append(v4.new_output("display_data", data, metadata={"image/png": {"alt": name}}))
    notebook = v4.new_notebook(cells=[v4.new_code_cell("show()", outputs=outputs)])
    pages.write_notebook(notebook, tmp_path / "kept.ipynb")
    first, second = nbformat.read(tmp_path / "kept.ipynb", as_version=4).cells[0].outputs
    assert list(first["data"]) == ["image/jpeg"] and first["metadata"] == {"image/jpeg": {"alt": "radiograph"}}
    assert second["data"] == outputs[1]["data"]
    assert list(notebook.cells[0].outputs[0]["data"]) == ["image/png"], "the page is made from the notebook as it was"


def test_code_is_folded_and_what_it_shows_is_not(tmp_path):
    """A solution is folded with its output."""
    said = [v4.new_output("stream", text="what it says\n")]
    tags = ("parameters", "reading", "other", "solution")
    cells = [v4.new_code_cell(f"call({tag!r})", outputs=said, metadata={"tags": [tag]}) for tag in tags]
    cells.append(v4.new_markdown_cell("Because.", metadata={"tags": ["solution"]}))
    page = BeautifulSoup(pages.body(v4.new_notebook(cells=cells), tmp_path), "html.parser")
    folded = page.find_all("details")
    assert [details.find("summary").get_text() for details in folded] == ["code"] * 3 + ["Solution"] * 2
    assert not any(details.has_attr("open") for details in folded)
    for tag, details in zip(tags, folded, strict=False):
        assert f"call('{tag}')" in details.get_text() and ("what it says" in details.get_text()) == (tag == "solution")
    assert "Because." in folded[-1].get_text() and page.get_text().count("what it says") == len(tags)


def test_a_figure_leads_to_the_heading_that_makes_it_in_the_run_of_the_primary_arm():
    cells = [v4.new_markdown_cell(text) for text in ("# A title", "## One `way`", "## Another")]
    cells.insert(
        2,
        v4.new_code_cell(
            'figures.save(figure, protocol.paths.figures, "one")\ntables.save(t, protocol.paths.tables, "two")'
        ),
    )
    body = '<h2 id="One-way">One way</h2><h2 id="Another">Another</h2>'
    places = pages.places(v4.new_notebook(cells=cells), body)
    assert places == {"one": "One-way", "two": "One-way"}
    page = notebooks.Page("05-proposed-1", "05", "Five", places=places)
    assert page.place("one") == "notebooks/05-proposed-1.html#One-way"
    assert page.place("three") == "notebooks/05-proposed-1.html"


def test_notebooks_lead_to_the_one_before_and_the_next(output):
    page = every_page(output)[output / "notebooks" / "06_evaluation.html"]
    around = [a["href"] for a in page.find(class_="around").find_all("a")]
    assert around == ["05_fine_tuning-proposed-1.html", "../index.html", "07_robustness.html"]
    assert page.find(class_="contents").find("a")["href"] == "#A-table"


def test_tables_in_journal_form(output):
    folder = output / "journal"
    wide = pd.read_csv(folder / "results.csv").set_index("arm")
    assert wide.loc["proposed", "accuracy"] == "81.0 (75.0 to 88.0)"
    assert wide.loc["majority class = no-information rate", "AUROC"] == "–"
    gained = pd.read_csv(folder / "gains.csv").set_index("arm")
    assert gained.loc["proposed", "accuracy"] == "6.0 (4.0 to 8.0), Holm p = 0.040"
    document = docx.Document(str(folder / "tables.docx"))
    assert [len(table.rows) for table in document.tables] == [1 + len(wide), 2]
    assert document.paragraphs[0].text.startswith("Table 1. Test-set results")


def test_sweeps_of_studies_that_name_this_one_as_their_base_are_on_its_page(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = load(paths.PARAMS / "default.yaml")
    assert catalogue.swept(study) == []
    shutil.copytree(paths.ROOT / "reports" / "nuisance", tmp_path / "reports" / "nuisance")
    (found,) = catalogue.swept(study)
    assert found["name"] == "nuisance" and found["folder"] == "../nuisance/"
    assert {"gain_curves", "learning_curves"} <= set(found["figures"]) and "gain_trends" in found["tables"]
    tables.save(result_rows(list(study.arms)), study.paths.tables, "results")
    tables.save(gain_rows(4.0, 8.0), study.paths.tables, "gains")
    record_trainings(study, {})
    record_cohort(study, plan="")
    page = BeautifulSoup(report.prepare(study).read_text(encoding="utf-8"), "html.parser")
    shown = page.find(id="figure-nuisance-gain_curves").find("img")["src"]
    assert (study.paths.report / shown).is_file() and page.find(id="table-nuisance-gain_trends")


def test_a_study_file_beside_it_may_leave_out_title_and_name(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = load(paths.PARAMS / "default.yaml")
    shutil.copytree(paths.ROOT / "reports" / "nuisance", tmp_path / "reports" / "nuisance")
    monkeypatch.setattr(paths, "PARAMS", tmp_path)
    lines = "base: default.yaml\nsweeps: {passes: {}}\n"
    for name, text in {"untitled": f"name: nuisance\n{lines}", "unnamed": lines, "begun": ""}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    (found,) = catalogue.swept(study)
    assert found["name"] == found["title"] == "nuisance"


def test_what_is_written_beside_the_page_later_is_linked_from_it(tmp_path):
    (tmp_path / "index.html").write_text('<p id="beside" class="soft"></p><p>more</p>')
    for there in (["model_card.md"], ["model_card.md", "explorer.html"], []):
        for name in beside.FILES:
            (tmp_path / name).unlink(missing_ok=True)
        for name in there:
            (tmp_path / name).write_text("written")
        beside.link(tmp_path)
        page = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
        assert [a["href"] for a in page.find(id="beside").find_all("a")] == there and page.find_all("p")[
            1
        ].string == "more"


def test_headings_go_down_one_level_at_a_time(output):
    for path, page in every_page(output).items():
        levels = [int(tag.name[1]) for tag in page.find_all(re.compile(r"^h[1-6]$"))]
        assert levels[0] == 1 and levels.count(1) == 1, path
        assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False)), path


def test_figures_that_nobody_planned_are_shown_too(index):
    assert index.find(id="figure-my_own").find("strong").get_text() == "my own"


def test_long_tables_say_what_is_left_out(index):
    table = index.find(id="table-sites")
    assert len(table.find("tbody").find_all("tr")) == catalogue.SHOWN_ROWS
    assert "10 further rows" in table.get_text()


def test_the_first_line_says_whether_the_study_was_planned(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    deviation = {"date": "2026-01-03", "what": f"Lost a seed {HOSTILE}", "reason": "The disk was full."}
    for name in ("smoke.yaml", "smoke.plan.yaml"):  # away from git, which dates the plan
        shutil.copy(paths.PARAMS / name, tmp_path)
    study = load(tmp_path / "smoke.yaml", [f"plan.deviations={json.dumps([deviation])}"])
    tables.save(result_rows(list(study.arms)), study.paths.tables, "results")
    tables.save(gain_rows(4.0, 8.0), study.paths.tables, "gains")
    record_trainings(study, {})
    for plan, words, named in (
        (
            study.plan.hash,
            f"Prespecified: the plan was in force when the cohort was drawn. Analysis plan {study.plan.hash}",
            "prespecified",
        ),
        (
            "0123456789ab",
            "Exploratory: the plan was changed after the cohort was drawn (from 0123456789ab).",
            "primary",
        ),
        ("", "Exploratory: no plan was in force when the cohort was drawn.", "primary"),
    ):
        record_cohort(study, plan=plan)
        page = BeautifulSoup(report.prepare(study).read_text(encoding="utf-8"), "html.parser")
        first = " ".join(page.find("header").find().get_text().split())
        assert first.startswith(words) and "date unknown; cohort drawn 2026-01-02" in first
        assert f"the {named} comparison: 95" in page.find(class_="headline").get_text()
        assert f"2026-01-03: Lost a seed {HOSTILE}" in page.find(id="plan").find_parent("section").get_text()


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (4.0, 8.0, "better"),
        (-8.0, -4.0, "worse"),
        (-1.0, 2.0, "No gain is claimed: the interval includes zero"),
        (np.nan, np.nan, "Not estimable"),
    ],
)
def test_headline_says_what_the_interval_allows(low, high, words, tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = Study(name="words", arms={"basic": Arm(), "proposed": Arm()})
    tables.save(result_rows(["basic", "proposed"]), study.paths.tables, "results")
    tables.save(gain_rows(low, high), study.paths.tables, "gains")
    record_cohort(study)
    record_trainings(study, {})
    page = BeautifulSoup(report.prepare(study).read_text(encoding="utf-8"), "html.parser")
    assert words in page.find(class_="headline").get_text(" ", strip=True)


def test_coefficients_that_are_not_estimable_are_not_called_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = Study(name="words", arms={"basic": Arm(), "proposed": Arm()})
    tables.save(result_rows(["basic", "proposed"]), study.paths.tables, "results")
    tables.save(gain_rows(4.0, 8.0), study.paths.tables, "gains")
    follows = pd.DataFrame({"arm": "proposed", "fact": ["narrowness", "signs"], "estimate": [0.65, np.nan]})
    follows = follows.assign(low=follows["estimate"] - 0.05, high=follows["estimate"] + 0.05)
    tables.save(follows, study.paths.tables, "score_follows")
    figure = Picture(figsize=(7.2, 3))
    figure.subplots()
    figures.save(figure, study.paths.figures, "score_follows", alt="what the score follows")
    record_cohort(study)
    record_trainings(study, {})
    page = BeautifulSoup(report.prepare(study).read_text(encoding="utf-8"), "html.parser")
    text = " ".join(page.find(id="reads").find_parent("section").get_text().split())
    assert "follows the narrowest foramen to a degree not estimable against the signs beside it" in text
    assert "0.65 (0.60 to 0.70) and not estimable." in text


def test_a_study_without_evaluation_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    with pytest.raises(InputError, match="run notebook 06 first"):
        report.prepare(Study(name="empty", arms={"basic": Arm(), "proposed": Arm()}))
    assert not list(tmp_path.rglob("*.html"))


def test_report_is_small(output):
    assert (output / "index.html").stat().st_size < 200_000


@pytest.fixture(scope="module")
def browser():
    with browsers.started() as driver:
        yield driver


LOAD = """
const pictures = [...document.images];
pictures.forEach(picture => picture.loading = 'eager');
Promise.all(pictures.map(picture => picture.decode().then(() => 1, () => picture.src))).then(arguments[0]);
"""


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("page", ["index.html", "notebooks/05_fine_tuning-proposed-1.html"])
def test_page_in_a_browser(browser, output, page, width):
    browsers.resize(browser, width)
    browser.get((output / page).as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.clientWidth") >= width - 20  # a scroll bar
    assert browser.execute_script(browsers.OVERFLOWING) == []
    assert set(browser.execute_async_script(LOAD)) == {1}
    assert browsers.complaints(browser) == []
    asked = browsers.asked(browser)
    assert asked and all(url.startswith(("file:", "data:")) for url in asked)


SORTED = "return [...document.querySelectorAll('#made-up tbody tr')].map(row => row.cells[0].innerText)"


def test_a_heading_sorts_its_table_by_the_estimates_and_then_puts_it_back(browser, tmp_path):
    cells = {"a": "9.5 (8.0 to 11.0)", "b": "–", "c": "<b>+10.2</b>", "d": "−1.0", "e": "1,020"}
    body = "".join(
        f"<tr><td>{name}</td><td>{cell}</td><td>2026-01-0{i}</td></tr>" for i, (name, cell) in enumerate(cells.items())
    )
    head = "<thead><tr><th>name</th><th>gain</th><th>day</th></tr></thead>"
    shown = {
        "title": "",
        "menu": [],
        "here": "",
        "body": Markup(f'<table id="made-up">{head}<tbody>{body}</tbody></table>'),
    }
    page = rendering.environment(autoescape=True).get_template("document.html.j2").render(shown, synthetic=True)
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())
    for column, orders in {1: ("daceb",), 2: ("abcde", "edcba", "abcde")}.items():
        button = f"document.querySelectorAll('th button')[{column}]"
        for order in orders:
            browser.execute_script(f"{button}.click()")
            assert "".join(browser.execute_script(SORTED)) == order
    assert browser.execute_script("return document.querySelectorAll('[aria-sort]').length") == 0
    assert browsers.complaints(browser) == []


def test_print_opens_every_table(browser, output):
    browser.get((output / "index.html").as_uri())
    visible = "return document.querySelector('#table-sites table').checkVisibility()"
    assert not browser.execute_script(visible)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script(visible)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_everything_that_scrolls_is_reached_by_keyboard(browser, output):
    browsers.resize(browser, 360)
    for page in ("index.html", "notebooks/05_fine_tuning-proposed-1.html"):
        browser.get((output / page).as_uri())
        browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        unreachable = browser.execute_script(browsers.UNREACHABLE)
        assert unreachable == []


@pytest.mark.parametrize(("low", "said"), [(0.46, True), (0.53, False)])
def test_a_reference_at_chance_is_said_beside_the_gain(tmp_path, monkeypatch, low, said):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = made_up_study()
    fill(study)
    rows = result_rows(["basic", "proposed"])
    rows.loc[(rows["arm"] == "basic") & (rows["metric"] == "auroc"), ["estimate", "low"]] = [low + 0.04, low]
    tables.save(rows, study.paths.tables, "results")
    page = report.prepare(study).read_text(encoding="utf-8")
    assert ("may be no better than chance" in page) == said
    assert (f"AUROC {low + 0.04:.2f}, {low:.2f} to 0.88" in page) == said


def test_a_detector_that_does_not_fit_the_films_is_said_beside_the_arms(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = load(paths.PARAMS / "smoke.yaml")
    tables.save(result_rows(list(study.arms)), study.paths.tables, "results")
    tables.save(gain_rows(4.0, 8.0), study.paths.tables, "gains")
    record_trainings(study, {})
    record_cohort(study, plan="")
    misfit = f"no fit {HOSTILE}"
    wider = load(paths.PARAMS / "smoke.yaml", ["region.height=0.9"])  # what was found with it counts no more
    for found, by, told in [("", study, []), (misfit, study, [misfit]), (misfit, wider, [])]:
        provenance.write_run(study.paths.regions, by, "regions", [], {"misfit": found}, 0.0)
        page = BeautifulSoup(report.prepare(study).read_text(encoding="utf-8"), "html.parser")
        assert [line.get_text() for line in page.find_all("strong") if "fit" in line.get_text()] == told


@pytest.mark.parametrize(("value", "said"), [(-2e-15, "+0.0"), (-0.04, "-0.0"), (1.25, "+1.2"), (float("nan"), "–")])
def test_only_what_rounding_left_loses_its_sign(value, said):
    assert results.points(value) == said
