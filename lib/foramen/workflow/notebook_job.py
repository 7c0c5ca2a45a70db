"""One job of the workflow: execute a notebook with papermill, and tell how it went.

A job's status (`StudyPaths.job_status`) is a small JSON file: state `running`, `done` or `failed`, when it started, how
many seconds it took, what it used, and for a failure the cell and the message. progress.py shows it.
"""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foramen.core import paths, processes
from foramen.core.errors import InputError
from foramen.core.files import read_json, write_json, write_text

# A job computes with the threads that its study states (torch.set_num_threads), not with as many as a machine
# has.
SINGLE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
# What papermill names where a kernel could not even say what went wrong, and Python where it has no room for an object.
WITHOUT_WORDS = ("CellExecutionError", "MemoryError")
WANT = ", perhaps for want of memory; fewer jobs at once (--cores) need less"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def tracked(status: Path | None, done: Path | None = None) -> Iterator[None]:
    """Keep the status of the job that the block does, and write its done marker (`paths.done_marker`) at the end.

    What the job used is that of the dearest time that it ran to its end: a notebook whose result is there costs little.
    """
    started, before = time.time(), read_json(status) if status and status.exists() else {}
    processes.adopt_orphans()

    def tell(state: str, **more: object) -> None:
        if status:
            spent = {"started": started, "seconds": round(time.time() - started, 1)}
            write_json(status, {"state": state, **spent, **dearest, **more})

    dearest = {name: before[name] for name in ("processor_seconds", "peak_memory_mib") if name in before}
    tell("running")
    try:
        yield
    except BaseException as error:
        told = f"{error}" if isinstance(error, NotebookError) else f"{type(error).__name__}: {error}"
        tell("failed", cell=getattr(error, "cell", None), message=told)
        raise
    tell("done", **{name: max(value, dearest.get(name, 0)) for name, value in processes.used().items()})
    if done:
        write_text(done, f"{time.time_ns()}\n")


class NotebookError(Exception):
    """A notebook stopped at the code cell number `cell` (as in `In [cell]`)."""

    def __init__(self, cell: int | None, message: str):
        self.cell = cell
        super().__init__(message)


def execute(notebook: str, output: Path, parameters: dict[str, Any]) -> None:
    """Execute a notebook (a name such as `05_fine_tuning`, or a path) with papermill and write it with outputs.

    Kernels talk over sockets in a folder of their own: TCP ports collide when several kernels start at once.
    The kernel's working directory is the output root, so that the executed notebook names no folder of this
    machine. Raises InputError for an unknown notebook or parameter, NotebookError where a cell fails.
    """
    source = find(notebook)
    root = paths.output_root()
    output.parent.mkdir(parents=True, exist_ok=True)
    read, written = (os.path.relpath(path, root) for path in (source, output.resolve()))
    short = "/tmp" if os.access("/tmp", os.W_OK) else None  # the name of a socket may have about 100 letters at most
    with tempfile.TemporaryDirectory(prefix="foramen-", dir=short) as sockets:
        os.environ.update(SINGLE_THREAD)
        os.chdir(root)
        _papermill(read, written, parameters, Path(sockets))


def find(notebook: str) -> Path:
    """The notebook of that name, or at that path."""
    for candidate in (Path(notebook), paths.NOTEBOOKS / f"{notebook}.ipynb"):
        if candidate.is_file():
            return candidate.resolve()
    raise InputError(f"{notebook}: no such notebook; there are {', '.join(paths.NOTEBOOK_NAMES)}")


def _papermill(source: str, output: str, parameters: dict[str, Any], sockets: Path) -> None:
    import papermill
    from traitlets.config import Config

    known = papermill.inspect_notebook(source)
    has = f"it has {', '.join(known)}"
    if unknown := [f"{source}: has no parameter {name}; {has}" for name in parameters if name not in known]:
        raise InputError(unknown)
    kernels = Config(KernelManager={"transport": "ipc", "connection_file": str(sockets / "kernel.json")})
    options = {"kernel_name": "python3", "progress_bar": False, "autosave_cell_every": 10, "config": kernels}
    try:
        papermill.execute_notebook(source, output, parameters, **options)
    except papermill.PapermillExecutionError as error:
        message = COLOUR.sub("", f"{error.ename}: {error.evalue}")
        if not error.evalue and error.ename in WITHOUT_WORDS:
            message = f"{error.ename}: the cell ended without a message{WANT}"
        raise NotebookError(stopped_at(Path(output)), message) from None
    except RuntimeError as error:  # nbclient's DeadKernelError
        raise NotebookError(stopped_at(Path(output)), f"{error}; the kernel was killed{WANT}") from None


def stopped_at(executed: Path) -> int | None:
    """Number of the first code cell that did not complete, as in `In [number]`; None where all did."""
    cells = [cell["metadata"] for cell in read_json(executed)["cells"] if cell["cell_type"] == "code"]
    for number, metadata in enumerate(cells, start=1):
        replied = "shell.execute_reply" in metadata.get("execution", {})  # a kernel that died does not
        if not replied or metadata["papermill"]["status"] != "completed":
            return number
    return None
