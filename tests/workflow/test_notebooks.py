"""The notebooks: committed without outputs, short cells, parameters that exist; test_smoke.py runs them."""

import re
import statistics
from pathlib import Path

import nbformat
import pytest

import films
from foramen.core import paths

NOTEBOOKS = [paths.NOTEBOOKS / f"{name}.ipynb" for name in paths.NOTEBOOK_NAMES]
PARAMETERS = {
    "02_preprocessing": ["study", "region", "equalization"],
    "04_stn_training": ["study", "arm", "seed"],
    "05_fine_tuning": ["study", "arm", "seed"],
}
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each
def test_committed_without_outputs_and_with_cell_ids(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.id
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None


@each
def test_opens_with_its_question_then_its_parameters(path: Path):
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown" and "question" in cells[0].source.lower()
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    first = next(cell for cell in cells if cell.cell_type == "code")
    assert tagged == [first]
    names = [line.split(":")[0].split("=")[0].strip() for line in first.source.splitlines() if line[:1].isalpha()]
    assert names == PARAMETERS.get(path.stem, ["study"])
    assert "params/smoke.yaml" in first.source


@each
def test_cells_are_few_and_short(path: Path):
    cells = nbformat.read(path, as_version=4).cells
    assert len(cells) <= 36
    for cell in cells:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if line.strip()]
            only_imports = all(line.startswith(("import ", "from ")) for line in lines)
            assert len(lines) <= (13 if only_imports else 12), cell.id
    words = [len(cell.source.split()) for cell in cells if cell.cell_type == "markdown"]
    assert statistics.median(words) <= 40


@each
def test_ends_with_exercises_and_a_summary(path: Path):
    cells = nbformat.read(path, as_version=4).cells
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    headings = [line for source in prose for line in source.splitlines() if line.startswith("## ")]
    assert "Exercises" in headings[-2] and "Summary" in headings[-1]
    exercises = next(i for i, cell in enumerate(cells) if cell.source.startswith("## Exercises"))
    tagged = [i for i, cell in enumerate(cells) if "solution" in cell.metadata.get("tags", [])]
    assert tagged and min(tagged) > exercises


@each
def test_shows_the_method(path: Path):
    """From 02 on: an equation, the library's own source, and a check that what is rebuilt agrees with it."""
    cells = nbformat.read(path, as_version=4).cells
    prose, code = ("\n".join(c.source for c in cells if c.cell_type == kind) for kind in ("markdown", "code"))
    if path.stem >= "02":
        assert re.search(r"\$[^$]+\$", prose)
        assert re.search(r"\bshow\(|getsource\(", code)
        assert re.search(r"^\s*assert ", code, re.MULTILINE) or "assert_allclose(" in code


@each
def test_code_that_only_composes_sentences_is_collapsed_in_jupyterlab(path: Path):
    for cell in nbformat.read(path, as_version=4).cells:
        if {"reading", "helper"} & set(cell.metadata.get("tags", [])):
            assert cell.metadata.get("jupyter", {}).get("source_hidden") is True, cell.id


def test_the_flip_is_explained_on_films_whose_side_nobody_stated(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAMEN_OUTPUT", str(tmp_path))
    films.cohort_folder(tmp_path, patients=16, side="")
    cells = nbformat.read(paths.NOTEBOOKS / "03_augmentation.ipynb", as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code" and not cell.source.startswith("study: str")]
    there = {"study": str(films.study_file(tmp_path))}
    for source in code:
        exec(source, there)
    assert there["read"] is None and "does not name two sides" in there["reading"].side(None, None)
    assert (tmp_path / "reports" / "films" / "figures" / "random_changes.png").exists()
