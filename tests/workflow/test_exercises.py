"""The exercise edition of the notebooks: no solution, no output, room for the reader's own, answers to who predicts."""

import ast
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat import v4

from foramen import cli
from foramen.core import paths
from foramen.workflow import exercises

NOTEBOOKS = pytest.mark.parametrize("name", paths.NOTEBOOK_NAMES)


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of notebooks with exercises; solutions are code or text."""
    folder, solution = tmp_path / "notebooks", {"tags": ["solution"]}
    folder.mkdir()
    cells = [
        v4.new_code_cell('study = "params/smoke.yaml"', metadata={"tags": ["parameters"]}),
        v4.new_markdown_cell("**1.** Predict first, then run."),
        v4.new_code_cell("secret = 2 * known", metadata=solution, outputs=[v4.new_output("stream", text="secret")]),
        v4.new_markdown_cell("**2.** And this?"),
        v4.new_markdown_cell("Because of the secret.", metadata=solution),
        v4.new_code_cell("shown()", execution_count=3, outputs=[v4.new_output("stream", text="secret")]),
    ]
    for name in paths.NOTEBOOK_NAMES:
        nbformat.write(v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    monkeypatch.setattr(paths, "NOTEBOOKS", folder)
    return folder


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """The shell of a notebook in which `known` is 21."""
    made = InteractiveShell()
    made.user_ns["known"] = 21
    monkeypatch.setattr(InteractiveShell, "instance", lambda: made)
    return made


def test_solutions_give_way_to_a_cell_of_ones_own_and_one_that_reveals(notebooks: Path, tmp_path: Path, capsys):
    before = {path: path.read_bytes() for path in notebooks.iterdir()}
    assert cli.main(["exercises", str(tmp_path / "class"), "--study", "params/default.yaml"]) == 0
    written = sorted((tmp_path / "class").iterdir())
    assert [path.stem for path in written] == list(paths.NOTEBOOK_NAMES)
    *names, last = capsys.readouterr().out.splitlines()
    assert names == [str(path) for path in written]
    assert last == f"Next: {sys.executable} -m jupyterlab {tmp_path / 'class'}"
    for path in written:
        assert "secret" not in path.read_text()
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        reveal = [exercises.REVEAL.format(name=path.stem, number=number) for number in (1, 2)]
        assert [cell.source for cell in notebook.cells] == [
            'study = "params/default.yaml"',
            "**1.** Predict first, then run.",
            *(exercises.YOURS, reveal[0]),
            "**2.** And this?",
            *(exercises.YOURS, reveal[1]),
            "shown()",
        ]
        assert all(cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    assert {path: path.read_bytes() for path in notebooks.iterdir()} == before


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of all that is displayed."""
    texts: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda what: texts.append(what.data))
    return texts


def test_a_solution_is_revealed_and_run_only_for_who_has_predicted(notebooks: Path, shell: InteractiveShell, shown):
    exercises.reveal("06_evaluation", 1, " ")
    assert "Predict first" in shown.pop() and "secret" not in shell.user_ns
    exercises.reveal("06_evaluation", 1, "about forty")
    assert shown == ["You expect: *about forty*", "secret = 2 * known"] and shell.user_ns["secret"] == 42
    exercises.reveal("06_evaluation", 2, "why")
    assert shown[-1] == "Because of the secret."


def test_a_folder_with_files_is_refused(notebooks: Path, tmp_path: Path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.ipynb").write_text("mine")
    assert cli.main(["exercises", str(tmp_path / "mine")]) == 1
    told = f"{tmp_path / 'mine'}: is there already and not an empty folder; nothing was changed, name a new one\n"
    assert capsys.readouterr().err == told
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["work.ipynb"]


def test_the_notebooks_of_the_study_are_written(tmp_path: Path):
    for path in exercises.write(tmp_path / "exercises"):
        tags = [tag for cell in nbformat.read(path, as_version=4).cells for tag in cell.metadata.get("tags", [])]
        assert "solution" not in tags


def solutions(name: str) -> tuple[str, list[str]]:
    """The question cell of a notebook's exercises, and its solutions."""
    cells = nbformat.read(paths.NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    (asked,) = (cell.source for cell in cells if cell.source.startswith("## Exercises"))
    return asked, [cell.source for cell in cells if "solution" in cell.metadata.get("tags", [])]


@NOTEBOOKS
def test_every_question_has_one_solution_that_needs_no_other(name: str):
    """So that each can be revealed by itself: no name is read that only another solution sets."""
    asked, answers = solutions(name)
    assert len(answers) == sum(line.split(".")[0].isdigit() for line in asked.splitlines())
    for i, answer in enumerate(answers):
        of_others = set().union(*(names(other, ast.Store) for other in answers[:i] + answers[i + 1 :]))
        assert not (names(answer, ast.Load) & of_others) - names(answer, ast.Store), (name, i + 1)


def names(source: str, kind: type[ast.expr_context]) -> set[str]:
    """The names that a cell reads, or sets."""
    return {
        node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and isinstance(node.ctx, kind)
    }


def test_the_lab_starts_at_the_notebooks_and_reaches_the_exercises(monkeypatch):
    started = []
    for name in ("chdir", "execv"):
        monkeypatch.setattr(f"os.{name}", lambda *given: started.append(given))
    cli.main(["lab"])
    assert started == [
        (paths.ROOT,),
        (sys.executable, [sys.executable, "-m", "jupyterlab", "--LabApp.default_url=/lab/tree/notebooks"]),
    ]
