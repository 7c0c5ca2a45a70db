"""What is written for publishing: sentences follow the numbers, nothing private leaves, every format is valid."""

import json
import math

import mlcroissant
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from huggingface_hub import ModelCard
from rocrate.rocrate import ROCrate

from foramen.core import paths, tables
from foramen.core.errors import InputError
from foramen.core.files import digest_file, write_frame, write_json, write_text
from foramen.figures import METRIC_NAMES
from foramen.publication import checklists, facts, manuscript, model_card, repository, step
from foramen.study.model import Arm, Study

PATIENT = "pat_0a1b2c3d4e"
HOSTILE = 'Title "#panic()" $x$ \\alpha @nobody <label> {{ 7*7 }}'
FORMATS = ("manuscript.typ", "model_card.md", "croissant.json", "ro-crate-metadata.json")


def made_up(**given: object) -> Study:
    arms = {"basic": Arm(), "crop": Arm(stn="crop"), "proposed": Arm(equalization="global", stn="self_supervised")}
    plan = {"question": f"A question? {HOSTILE}", "hypotheses": [f"A hypothesis: {HOSTILE}"], "margin": {"accuracy": 2}}
    plan |= {"smallest_effect": 5.3, "steps": [["proposed", "crop"]]}
    return Study(**{"name": "made_up", "title": HOSTILE, "seeds": [1, 2], "arms": arms, "plan": plan, **given})


def compared(low: float, high: float, **more: object) -> pd.DataFrame:
    """Rows of gains or steps, one a metric."""
    row = {"gain": (low + high) / 2, "low": low, "high": high, "p_value": 0.0004, "p_holm": 0.01}
    rows = [
        {"arm": "proposed", "metric": metric, **row, "paper_low": 5.3, "paper_high": 6.9} for metric in METRIC_NAMES
    ]
    return pd.DataFrame(rows).assign(note="", **more)


def fill(study: Study, low: float = 4.0, high: float = 8.0) -> None:
    """Tables, a page and run.json files as a finished study leaves them."""
    where = study.paths
    results = pd.DataFrame([{"arm": arm, "metric": metric} for arm in study.arms for metric in METRIC_NAMES])
    results = results.assign(estimate=0.8, low=0.75, high=0.85, n_images=100, n_patients=60, n_seeds=2, note="")
    cohort = pd.DataFrame(
        [
            ("n", "images", "400", "250", "50", "100"),
            ("n", "patients", "200", "125", "25", "50"),
            ("label, n (%)", "0", "180 (45.0)", "112 (44.8)", "23 (46.0)", "45 (45.0)"),
            ("label, n (%)", "1", "220 (55.0)", "138 (55.2)", "27 (54.0)", "55 (55.0)"),
        ],
        columns=["variable", "value", "Overall", "train", "val", "test"],
    )
    subgroups = compared(low, high, subgroup="site", value="A")
    steps = compared(low, high, reference="crop", p_equivalence=0.4)
    errors = pd.DataFrame({"image_id": ["img_1"], "note": [f"{PATIENT}, 75 years"]})
    made = {"results": results, "gains": compared(low, high), "steps": steps, "cohort": cohort}
    for name, frame in {**made, "subgroups": subgroups, "errors": errors}.items():
        tables.save(frame, where.tables, name)
    write_frame(where.runs / "cohort" / "manifest.parquet", pd.DataFrame({"image_id": ["a", "b"], "label": [0, 1]}))
    record = {"finished": "2026-01-02T03:04:05+0000", "wall_seconds": 1.5, "code_version": "1 (abc)", "python": "3.11"}
    record |= {"packages": {"torch": "2"}, "plan": study.plan.hash, "design": study.design, "key": "k"}
    for folder in (where.cohort, where.evaluation):
        write_json(folder / "run.json", record)
    for run in study.runs:
        write_json(run.folder / "run.json", {"transformer": {"collapsed": False}, "code_version": "1 (abc)"})
    write_text(where.report_page, "the report")


@pytest.fixture
def own(tmp_path, monkeypatch) -> Study:
    """A finished study of a user's own radiographs."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = made_up(cohort={"source": "manifest", "manifest": {"path": "/secret/Smith.csv"}})
    fill(study)
    return study


@pytest.fixture
def synthetic(tmp_path, monkeypatch) -> Study:
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    study = made_up()
    fill(study)
    return study


@pytest.mark.parametrize(
    ("low", "high", "primary", "conclusion", "steps"),
    [
        (4.0, 8.0, "The gain is shown.", "the whole method helps", "1 of 1 steps is shown"),
        (-1.0, 3.0, "A gain is not shown: the interval includes zero.", "it is not shown that", "None of 1"),
        (-8.0, -2.0, "It is a loss.", "the whole method does harm", "None of 1 steps is shown"),
        (math.nan, math.nan, "could not be estimated on this test set", "it is not shown that", "None of 1"),
    ],
)
def test_sentences_follow_the_numbers(synthetic, low, high, primary, conclusion, steps):
    fill(synthetic, low, high)
    known = facts.read(synthetic)
    abstract, _, rest = manuscript.text(known).partition("= Introduction")
    assert primary in model_card.write(known, synthetic.paths.report / "model_card.md").read_text()
    assert primary in abstract and conclusion in abstract and steps in abstract and primary in rest
    assert ("+6.0 percentage points" in abstract) == (low == 4.0)


def test_a_step_counts_only_after_correction(synthetic):
    tables.save(compared(1, 3, reference="crop", p_equivalence=0.4, p_holm=0.06), synthetic.paths.tables, "steps")
    assert "None of 1 steps is shown to gain accuracy" in manuscript.text(facts.read(synthetic))


def test_a_step_that_loses_or_is_within_the_margin_is_said(synthetic):
    tables.save(compared(-3, -1, reference="crop", p_equivalence=0.4, p_holm=0.01), synthetic.paths.tables, "steps")
    text = manuscript.text(facts.read(synthetic))
    assert "None of 1 steps is shown to gain accuracy" in text and "Shown to lose: `" in text
    assert "Within the margin" not in text
    tables.save(compared(-1, 1, reference="crop", p_equivalence=0.01, p_holm=0.9), synthetic.paths.tables, "steps")
    text = manuscript.text(facts.read(synthetic))
    assert "Within the margin, each tested alone: `" in text and "Shown to lose" not in text


def test_what_is_not_estimable_is_not_called_alike(synthetic):
    rows = [(arm, fact, 0.5, 0.4, 0.6) for arm in synthetic.arms for fact in ("narrowness", "signs", "age")]
    table = pd.DataFrame(rows, columns=["arm", "fact", "estimate", "low", "high"])
    tables.save(table, synthetic.paths.tables, "score_follows")
    assert "`proposed` follows the two about alike." in manuscript.text(facts.read(synthetic))
    table.loc[table["fact"] == "signs", ["estimate", "low", "high"]] = math.nan
    tables.save(table, synthetic.paths.tables, "score_follows")
    text = manuscript.text(facts.read(synthetic))
    assert "`proposed` follows the two to degrees that are not estimable against each other." in text
    assert "align(right)[–]" in text and "(nan" not in text


def test_synthetic_is_said_in_title_and_abstract(synthetic):
    text = manuscript.text(facts.read(synthetic))
    assert "with deep learning on synthetic cervical radiographs" in text
    assert "*synthetic* radiographs of 125 simulated patients, chose thresholds on 25 others" in text


def test_the_plan_says_whether_it_was_kept(synthetic):
    assert "Prespecified: the plan" in manuscript.text(facts.read(synthetic))
    write_json(
        synthetic.paths.cohort / "run.json",
        {"finished": "2026-01-02T03:04:05+0000", "wall_seconds": 1, "code_version": "0"},
    )
    assert "Exploratory: no plan was in force" in manuscript.text(facts.read(synthetic))


def test_equal_tables_make_equal_bytes_and_no_text_of_a_user_is_markup(synthetic):
    report = synthetic.paths.report
    first, second = ({path.name: digest_file(path) for path in step.prepare(synthetic)} for _ in range(2))
    assert first == second
    assert (report / "manuscript.pdf").read_bytes().startswith(b"%PDF-")


def test_every_format_is_valid(synthetic):
    step.prepare(synthetic)
    report = synthetic.paths.report
    data = mlcroissant.Dataset(str(report / "croissant.json"))
    assert not data.metadata.issues.errors
    records = list(data.records("summary"))
    assert records[0]["summary/Overall"] in ("400", b"400")
    crate = ROCrate(report)
    listed = {entity.id for entity in crate.data_entities}
    assert {"manuscript.pdf", "croissant.json", "model_card.md", "checklists/", "tables/"} <= listed
    assert all((report / name).exists() for name in listed)
    (action,) = crate.get_by_type("CreateAction")
    assert action["startTime"] < action["endTime"] and {part.id for part in action["result"]} == listed
    card = ModelCard.load(report / "model_card.md")
    assert {result.metric_type: result.metric_value for result in card.data.eval_results}["roc_auc"] == 0.8


def test_nothing_private_is_written(own):
    written = step.prepare(own)
    assert {path.name for path in written} >= {*FORMATS, "tripod_ai.html"}
    for path in written:
        content = path.read_bytes()
        assert not [word for word in (PATIENT, "Smith", "/secret", str(own.paths.runs)) if word.encode() in content]
    card = json.loads((own.paths.report / "croissant.json").read_text())
    assert [part["name"] for part in card["distribution"]] == ["cohort.csv"]
    assert "synthetic" not in (own.paths.report / "manuscript.typ").read_text().lower()
    assert ROCrate(own.paths.report).license.startswith("None yet")
    assert ModelCard.load(own.paths.report / "model_card.md").data.license == "other"


@pytest.mark.parametrize(("name", "count"), [("tripod_ai", 52), ("claim", 44), ("stard_ai", 48)])
def test_every_item_of_a_checklist_has_a_status(synthetic, own, name, count):
    for study in (synthetic, own):
        answered = checklists.answers(facts.read(study), study.paths.report)
        items = checklists.fill(name, answered)
        assert len({item["item"] for item in items}) == len(items) == count
        assert {item["status"] for item in items} <= set(checklists.STATUSES)
        assert all(item["text"] and item["asks"] for item in items)


def test_every_answer_is_asked_for():
    asked = {item["answer"] for name in checklists.NAMES for item in checklists.load(name)["items"]}
    assert asked == set(checklists.load("answers"))


def test_what_a_study_has_not_made_is_not_reported(synthetic):
    step.prepare(synthetic)
    page = (synthetic.paths.report / "checklists" / "claim.html").read_text()
    rows = {row.th.get_text(" "): row.get_text(" ") for row in BeautifulSoup(page, "html.parser").tbody.find_all("tr")}
    assert "not reported This study has not made: tables/confusion.csv" in rows["39 Results"]
    assert "reported" in rows["32 Evaluation"] and "100 radiographs of 60 patients" in rows["32 Evaluation"]
    links = [a["href"] for a in BeautifulSoup(page, "html.parser").find_all("a") if a["href"].startswith("..")]
    assert links and all((synthetic.paths.report / "checklists" / link).resolve().exists() for link in links)


def test_a_person_is_asked_for_what_no_artefact_knows(own):
    answered = checklists.answers(facts.read(own), own.paths.report)
    asked = {name for name, answer in answered.items() if answer["status"] == "for a person to answer"}
    assert {"ethics", "funding", "conflicts", "reference_standard", "data_availability", "dates"} <= asked


def test_an_unfinished_study_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    with pytest.raises(InputError, match="index.html is missing: run the study first"):
        step.prepare(made_up())


def test_the_repository_s_metadata_says_what_the_citation_says():
    for name, text in repository.current().items():
        assert (paths.ROOT / name).read_text() == text, "python -m foramen.publication.repository"
    cited = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text())
    zenodo = json.loads((paths.ROOT / ".zenodo.json").read_text())
    assert zenodo["version"] == cited["version"] and zenodo["related_identifiers"][0]["identifier"].startswith(
        "10.3390"
    )


def test_persons_are_named_as_persons():
    person = {"given-names": "Ada", "family-names": "Lovelace"}
    cited = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text()) | {"authors": [person]}
    assert repository.codemeta(cited)["author"] == [{"@type": "Person", "givenName": "Ada", "familyName": "Lovelace"}]
    assert repository.zenodo(cited)["creators"] == [{"name": "Lovelace, Ada"}]


@pytest.mark.parametrize("name", checklists.NAMES)
def test_the_committed_checklists_point_to_what_is_there(name):
    report = paths.ROOT / "reports" / "default"
    places = pd.read_csv(report / "checklists" / f"{name}.csv")["where"].dropna()
    assert len(places) and all((report / link).exists() for links in places for link in links.split())
