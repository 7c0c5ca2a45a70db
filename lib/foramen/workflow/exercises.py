"""The notebooks as exercises: solutions taken out, room for the reader's own (`foramen exercises FOLDER`)."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from foramen.core import paths
from foramen.core.files import require_empty, write_text

SOLUTION = "solution"  # tag of the cells that answer an exercise
YOURS = "# your turn"


def write(folder: Path) -> list[Path]:
    """Write the exercise edition of every notebook into `folder`; its files.

    Raises InputError where the folder is there already and not empty.
    """
    require_empty(folder)
    written = [folder / f"{name}.ipynb" for name in paths.NOTEBOOK_NAMES]
    for path in written:
        notebook = nbformat.read(paths.NOTEBOOKS / path.name, as_version=4)
        write_text(path, nbformat.writes(without_solutions(notebook)) + "\n")
    return written


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """The notebook without outputs, and an empty code cell in place of each solution."""
    cells = []
    for cell in notebook.cells:
        if SOLUTION in cell.metadata.get("tags", []):
            cell = nbformat.v4.new_code_cell(YOURS, id=cell.id)
        elif cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)
