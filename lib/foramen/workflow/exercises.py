"""The notebooks as exercises (`foramen exercises FOLDER`): a cell for the reader's own in place of each solution, and
one that reveals the solution to those who have written what they expect.
"""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from foramen.core import paths
from foramen.core.files import require_empty, write_text

PARAMETERS, SOLUTION = "parameters", "solution"  # tags of the cell of parameters, and of those that answer an exercise
SMOKE = "params/smoke.yaml"  # what the notebooks' own parameters name
YOURS = "# your turn"
REVEAL = """from foramen.workflow.exercises import reveal

expected = ""  # what do you expect, in a few words?
reveal("{name}", {number}, expected)"""


def write(folder: Path, study: str = SMOKE) -> list[Path]:
    """Write the exercise edition of every notebook, which reads the study of that file, into `folder`; its files.

    Raises InputError where the folder is there already and not empty.
    """
    require_empty(folder)
    written = [folder / f"{name}.ipynb" for name in paths.NOTEBOOK_NAMES]
    for path in written:
        write_text(path, nbformat.writes(edition(_read(path.stem), path.stem, study)) + "\n")
    return written


def edition(notebook: NotebookNode, name: str, study: str) -> NotebookNode:
    """The notebook of that name without outputs, and two cells in place of each solution: one's own, and `reveal`."""
    cells, number = [], 0
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if SOLUTION in tags:
            number += 1
            cells.append(nbformat.v4.new_code_cell(YOURS, id=cell.id))
            cell = nbformat.v4.new_code_cell(REVEAL.format(name=name, number=number), id=f"reveal-{number}")
        elif cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if PARAMETERS in tags:
                cell.source = cell.source.replace(SMOKE, study)
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def reveal(notebook: str, number: int, expected: str) -> None:
    """Show and run the solution of an exercise, in the notebook that asks, once something is `expected`.

    Used by the exercise edition. A solution uses what the notebook's cells have made; they must have run.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import Code, Markdown, display

    if not expected.strip():
        display(
            Markdown("*Predict first*: write what you expect between the quotation marks, then run this cell again.")
        )
        return
    cells = _read(notebook).cells
    solution = [cell for cell in cells if SOLUTION in cell.metadata.get("tags", [])][number - 1]
    display(Markdown(f"You expect: *{expected.strip()}*"))
    if solution.cell_type == "markdown":
        display(Markdown(solution.source))
    else:
        display(Code(solution.source, language="python"))
        InteractiveShell.instance().run_cell(solution.source)


def _read(name: str) -> NotebookNode:
    return nbformat.read(paths.NOTEBOOKS / f"{name}.ipynb", as_version=4)
