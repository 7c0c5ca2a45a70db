"""The notebooks: committed without outputs, short cells, parameters that exist, and they run as they stand (nbval)."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from foramen.core import paths

NOTEBOOKS = [paths.NOTEBOOKS / f"{name}.ipynb" for name in paths.NOTEBOOK_NAMES]
PARAMETERS = {
    "02_preprocessing": ["study", "equalization"],
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
def test_cells_are_short(path: Path):
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 20, f"cell {number}"


@each
def test_code_that_only_composes_sentences_is_collapsed_in_jupyterlab(path: Path):
    for cell in nbformat.read(path, as_version=4).cells:
        if {"reading", "helper"} & set(cell.metadata.get("tags", [])):
            assert cell.metadata.get("jupyter", {}).get("source_hidden") is True, cell.id


def test_each_runs_as_it_stands(tmp_path: Path):
    """In order, with their own parameters, in the notebooks' folder, as JupyterLab does."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", *map(str, NOTEBOOKS)],
        cwd=paths.NOTEBOOKS,
        env=os.environ | {"FORAMEN_OUTPUT": str(tmp_path)},
        check=True,
    )
