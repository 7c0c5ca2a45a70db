"""Checkpoints of a training: atomic, checked when read, the two newest kept (notebook 05).

A checkpoint is a file `epoch_0003.pt` (tensors and plain values only) and, written after it, `epoch_0003.json` with its
SHA-256. A process killed at any moment leaves either a complete pair or one that is not used.
"""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from foramen.core.files import digest_file, read_json, replacing, write_json

KEPT = 2
log = logging.getLogger(__name__)


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

    One that is truncated, damaged or of other parameters is passed over with a warning, and the one before is tried.
    """
    for path in sorted(folder.glob("epoch_*.pt"), reverse=True):
        record = path.with_suffix(".json")
        if not record.exists() or read_json(record)["sha256"] != digest_file(path):
            log.warning("%s is incomplete; trying the checkpoint before it", path.name)
            continue
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["key"] == key:
            return state
        log.warning("%s belongs to other parameters; trying the checkpoint before it", path.name)
    return None


def remove(folder: Path) -> None:
    """Delete all checkpoints, and whatever an interrupted write left."""
    shutil.rmtree(folder, ignore_errors=True)
