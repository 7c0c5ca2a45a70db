"""The whole study end to end on params/smoke.yaml: one command to tables, figures and report, and no second time.

Then its notebooks as they stand.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup

from foramen import study
from foramen.cohort import step as cohort
from foramen.core import paths
from foramen.explorer import step as explorer

METRICS = {"accuracy", "f1", "specificity", "sensitivity", "auroc", "balanced_accuracy"}


def run(output: Path) -> str:
    """`foramen run` on the smoke study, with all outputs below the folder; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "foramen", "run", "params/smoke.yaml"],
        env=os.environ | {"FORAMEN_OUTPUT": str(output)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of a finished smoke study."""
    folder = tmp_path_factory.mktemp("smoke")
    assert "The report: " in run(folder)
    return folder


def rows(output: Path, table: str) -> list[dict[str, str]]:
    with open(output / "reports" / "smoke" / "tables" / f"{table}.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def test_results_name_every_arm_and_metric(output: Path):
    results = rows(output, "results")
    columns = ["arm", "metric", "estimate", "low", "high", "n_images", "n_patients", "n_seeds"]
    assert list(results[0])[: len(columns)] == columns
    smoke = study.load("params/smoke.yaml")
    for arm in smoke.arms:
        assert {row["metric"] for row in results if row["arm"] == arm} >= METRICS
    assert {row["n_seeds"] for row in results if row["arm"] in smoke.arms} == {str(len(smoke.seeds))}


def test_gains_stand_beside_the_papers_ranges(output: Path):
    gains = rows(output, "gains")
    columns = ["arm", "metric", "gain", "low", "high", "p_value", "paper_low", "paper_high"]
    assert list(gains[0])[: len(columns)] == columns
    row = next(row for row in gains if (row["arm"], row["metric"]) == ("proposed", "accuracy"))
    assert (float(row["paper_low"]), float(row["paper_high"])) == (5.3, 6.9)


def test_every_training_has_its_page(output: Path):
    report = output / "reports" / "smoke"
    pages = {path.stem for path in report.rglob("*.html")}
    smoke = study.load("params/smoke.yaml")
    assert {f"05_fine_tuning-{arm}-{seed}" for arm in smoke.arms for seed in smoke.seeds} <= pages
    assert {"index", "01_data_audit", "06_evaluation"} <= pages


def test_every_table_and_figure_has_all_its_forms(output: Path):
    report = output / "reports" / "smoke"
    for form in ("md", "tex"):
        assert {p.stem for p in (report / "tables").glob(f"*.{form}")} >= {"cohort", "results", "gains"}
    drawn = {form: {p.stem for p in (report / "figures").glob(f"*.{form}")} for form in ("svg", "png", "txt")}
    assert {"roc", "gains", "equalization"} <= drawn["png"] == drawn["txt"]
    assert {"roc", "gains"} <= drawn["svg"] < drawn["png"]


def test_the_explorer_counts_what_the_tables_count(output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """At each network's threshold, over all test radiographs, though the page shows but some of them."""
    monkeypatch.setenv("FORAMEN_OUTPUT", str(output))
    smoke = study.load("params/smoke.yaml")
    page = BeautifulSoup(explorer.write(smoke, tmp_path, most=6).read_text(encoding="utf-8"), "html.parser")
    facts = json.loads(page.find(id="data").string)
    assert len(facts["cases"]) == 6 and len({case["image_id"] for case in facts["cases"]}) == 6
    counted = {(row["arm"], row["seed"]): row for row in rows(output, "seeds") if row["metric"] == "accuracy"}
    for network in facts["networks"]:
        right = (np.array(network["scores"]) >= network["threshold"]) == np.array(facts["labels"])
        assert right.mean() == pytest.approx(float(counted[network["arm"], str(network["seed"])]["estimate"]))
    films = cohort.load(smoke).included.query("split == 'test'")
    for case in facts["cases"]:
        assert films["image_id"].iloc[case["test"]] == case["image_id"]
        assert [foramen["level"] for foramen in case["foramina"]] == list(smoke.cohort.synthetic.label.levels)
        assert all({"region", "frames", "evidence", "shuffled"} <= set(view) for view in case["views"])


def test_finished_study_does_nothing(output: Path):
    before = {path: path.stat().st_mtime_ns for path in (output / "reports").rglob("*") if path.is_file()}
    assert "nothing to do" in run(output)
    after = {path: path.stat().st_mtime_ns for path in (output / "reports").rglob("*") if path.is_file()}
    assert after == before


def test_nothing_names_a_folder_of_this_machine(output: Path):
    for path in (output / "reports").rglob("*"):
        if path.suffix in (".html", ".ipynb", ".csv", ".json", ".md"):
            text = path.read_text(encoding="utf-8")
            assert str(output) not in text and str(paths.ROOT) not in text, path


def test_each_notebook_runs_as_it_stands(output: Path, tmp_path: Path):
    """In order, with their own parameters, in the notebooks' folder, as JupyterLab does (nbval); what is missing of the
    study, they make.
    """
    shutil.copytree(output, tmp_path / "copy", symlinks=True)
    runs = tmp_path / "copy" / "runs" / "smoke"
    missing = [runs / "augmentation", runs / "stn", runs / "arms" / "basic" / "2"]
    for folder in missing:
        shutil.rmtree(folder)
    notebooks = [str(paths.NOTEBOOKS / f"{name}.ipynb") for name in paths.NOTEBOOK_NAMES]
    subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", *notebooks],
        cwd=paths.NOTEBOOKS,
        env=os.environ | {"FORAMEN_OUTPUT": str(tmp_path / "copy")},
        check=True,
    )
    assert all(list(folder.rglob("run.json")) for folder in missing)
