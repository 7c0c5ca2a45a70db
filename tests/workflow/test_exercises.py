"""The exercise edition of the notebooks: no solution, no output, room for the reader's own."""

from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from foramen import cli
from foramen.core import paths
from foramen.workflow import exercises


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of notebooks with exercises; solutions are code or text."""
    folder, solution = tmp_path / "notebooks", {"tags": ["solution"]}
    folder.mkdir()
    cells = [
        v4.new_markdown_cell("**1.** Predict first, then run."),
        v4.new_code_cell("secret()", metadata=solution, outputs=[v4.new_output("stream", text="secret")]),
        v4.new_markdown_cell("Because of the secret.", metadata=solution),
        v4.new_markdown_cell("**2.** And this?"),
        v4.new_code_cell("secret(2)", metadata=solution),
        v4.new_code_cell("shown()", execution_count=3, outputs=[v4.new_output("stream", text="secret")]),
    ]
    for name in paths.NOTEBOOK_NAMES:
        nbformat.write(v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    monkeypatch.setattr(paths, "NOTEBOOKS", folder)
    return folder


def test_solutions_give_way_to_an_empty_cell_each(notebooks: Path, tmp_path: Path, capsys):
    before = {path: path.read_bytes() for path in notebooks.iterdir()}
    assert cli.main(["exercises", str(tmp_path / "exercises")]) == 0
    written = sorted((tmp_path / "exercises").iterdir())
    assert [path.stem for path in written] == list(paths.NOTEBOOK_NAMES)
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    for path in written:
        assert "secret" not in path.read_text()
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        sources = [cell.source for cell in notebook.cells]
        asked = "**1.** Predict first, then run.", "**2.** And this?"
        assert sources == [asked[0], exercises.YOURS, exercises.YOURS, asked[1], exercises.YOURS, "shown()"]
        assert all(cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    assert {path: path.read_bytes() for path in notebooks.iterdir()} == before


def test_a_folder_with_files_is_refused(notebooks: Path, tmp_path: Path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.ipynb").write_text("mine")
    assert cli.main(["exercises", str(tmp_path / "mine")]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'mine'}: is there already and not an empty folder\n"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["work.ipynb"]


def test_the_notebooks_of_the_study_are_written(tmp_path: Path):
    for path in exercises.write(tmp_path / "exercises"):
        tags = [tag for cell in nbformat.read(path, as_version=4).cells for tag in cell.metadata.get("tags", [])]
        assert "solution" not in tags
