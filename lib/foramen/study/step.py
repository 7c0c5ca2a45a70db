"""How every stage makes its result: lock, look, make, and say so last. Used by the `step` module of each stage."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from foramen.study import provenance
from foramen.study.model import Study


def make(
    folder: Path,
    study: Study,
    stage: str,
    inputs: list[Path],
    work: Callable[..., None],
    examine: Callable[[], Any] | None = None,
) -> Path:
    """The folder of a finished result, made where it is missing or stale (`provenance.is_current`).

    `inputs` are finished folders, which count by their run.json, and files, which count by their content. `work(facts)`
    makes the files of `folder` and may add facts for its run.json, which is written last: where it exists, the rest is
    complete. `examine` comes before anything is touched, so that its errors leave an older result as it is; what it
    returns is handed on, `work(facts, examined)`.

    Several processes may ask at once: the first makes it, the others wait and find it. The operating system lets go of
    the lock when a process ends, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not provenance.is_current(folder, study, stage, inputs):
            started, facts = time.time(), dict[str, Any]()
            examined = [examine()] if examine else []
            if not provenance.matches(folder, study, stage, inputs):  # what lacks files only is read meanwhile
                (folder / "run.json").unlink(missing_ok=True)
            work(facts, *examined)
            provenance.write_run(folder, study, stage, inputs, facts, started)
    return folder
