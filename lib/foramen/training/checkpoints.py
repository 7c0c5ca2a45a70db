"""Kill and resume: checkpoints of a training, atomic, checked when read, the two newest kept (notebook 05).

A checkpoint is a file `epoch_0003.pt` (tensors and plain values only) and, written after it, `epoch_0003.json` with its
SHA-256. A process killed at any moment leaves either a complete pair or one that is not used.
"""

import logging
import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from foramen.core import paths
from foramen.core.files import digest_file, read_json, replacing, write_json

KEPT = 2
log = logging.getLogger(__name__)


class TrainingState:
    """A training of so many epochs that may be killed at any moment and then ends with the same bytes.

    It holds the history, a row an epoch, and remembers what changes in training: models, optimisers, schedules and
    generators. In `folder` it keeps checkpoints under `key`, at the first end of an epoch after `seconds`, and
    progress.json, which the terminal's view reads; without a folder nothing is written.
    """

    def __init__(self, epochs: int, folder: Path | None = None, key: str = "", seconds: float = math.inf):
        self.epochs, self.folder, self.key, self.seconds = epochs, folder, key, seconds
        self.history: list[dict[str, float]] = []
        self.parts: dict[str, Any] = {}
        self.saved = time.monotonic()

    @property
    def remaining(self) -> range:
        """The epochs still to be trained, counted from 0."""
        return range(len(self.history), self.epochs)

    def resume(self, **parts: Any) -> None:
        """Remember these by name; where there is a checkpoint they continue from it, and so does the history."""
        self.parts = parts
        if self.folder and (held := latest(self.folder / "checkpoints", self.key)):
            self.history = held["history"]
            for name, part in parts.items():
                getattr(part, _methods(part)[1])(held[name])

    def end_epoch(self, row: dict[str, float], last: bool = False) -> None:
        """Add an epoch's row to the history; note how far the training is and save it where due."""
        self.history.append(row)
        epoch = len(self.history)
        if not self.folder:
            return
        progress = {"epoch": epoch, "epochs": self.epochs, "images_per_second": round(row["images_per_second"], 1)}
        progress |= {"eta_seconds": round(len(self.remaining) * row["seconds"]), "updated": time.time()}
        write_json(paths.progress(self.folder), progress)
        if self.remaining and not last and time.monotonic() - self.saved >= self.seconds:
            states = {name: getattr(part, _methods(part)[0])() for name, part in self.parts.items()}
            save(self.folder / "checkpoints", epoch, {"key": self.key, "history": self.history, **states})
            self.saved = time.monotonic()


def _methods(part: Any) -> tuple[str, str]:
    """What gives a part's state, and what takes it back."""
    return ("get_state", "set_state") if isinstance(part, torch.Generator) else ("state_dict", "load_state_dict")


def clear(folder: Path) -> None:
    """Delete what a training keeps in its folder while it runs: its checkpoints and progress.json."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    paths.progress(folder).unlink(missing_ok=True)


def save(folder: Path, epoch: int, state: dict[str, Any]) -> None:
    """Write the checkpoint of the end of `epoch` and drop all but the newest ones; OSError where the disk is full."""
    path = folder / f"epoch_{epoch:04d}.pt"
    with replacing(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # of a full disk torch says "unexpected pos" alone
            free = shutil.disk_usage(folder).free / 1e6
            raise OSError(f"{path} cannot be written; its disk has {free:,.0f} MB left") from error
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
    write_json(path.with_suffix(".json"), {"epoch": epoch, "sha256": digest_file(path)})
    for old in sorted(folder.glob("epoch_*.pt"))[:-KEPT]:
        old.with_suffix(".json").unlink(missing_ok=True)
        old.unlink()


def latest(folder: Path, key: str) -> dict[str, Any] | None:
    """The newest complete checkpoint that was made under `key`, or None.

    One that is truncated, damaged or of other parameters is deleted with a warning, and the one before is tried: `save`
    would take it for newer than what a training that starts anew writes in its first epochs.
    """
    for path in sorted(folder.glob("epoch_*.pt"), reverse=True):
        record = path.with_suffix(".json")
        whole = record.exists() and read_json(record)["sha256"] == digest_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True) if whole else {}
        if state.get("key") == key:
            return state
        log.warning("%s %s; deleted", path.name, "belongs to other parameters" if whole else "is incomplete")
        record.unlink(missing_ok=True)
        path.unlink()
    return None
