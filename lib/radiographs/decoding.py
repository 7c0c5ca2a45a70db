"""From many files to one array on disk: in parallel, resumable, with flat memory. Used by notebook 01."""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from radiographs import inspection, parallel
from radiographs.radiograph import Header


def decode(names: Sequence[str], root: Path, size: int, folder: Path) -> list[dict[str, Any]]:
    """Decode the files called `names` within `root` into `folder`/decoded.npy `(n, size, size)` uint16.

    Returns the facts of each (module `inspection`), in order.

    Each finished image adds a line to decoded.jsonl. A second call decodes only what is missing, was unreadable or has
    changed since. One process at a time may decode into a folder.
    """
    names = list(names)
    log, store = folder / "decoded.jsonl", folder / "decoded.npy"
    header = _array_header(len(names), size)
    folder.mkdir(parents=True, exist_ok=True)
    told = [field.name for field in fields(Header)]  # the log of an older version lacks some of them
    done = _decoded_so_far(log, store, key=_digest([str(root), names, size, told]))
    done = {slot: facts for slot, facts in done.items() if _unchanged(facts, root / names[slot])}
    files = [
        inspection.FileToRead(slot, name, str(root), size, store=str(store), offset=len(header))
        for slot, name in enumerate(names)
        if slot not in done
    ]
    if files:
        _own_store(store, header, len(header) + len(names) * size * size * 2)
    with open(log, "a", encoding="utf-8") as stream:
        for facts in parallel.over_files(inspection.inspect, files, inspection.failed):
            stream.write(json.dumps(facts) + "\n")
            stream.flush()
            done[facts["slot"]] = facts
    return [done[slot] for slot in range(len(names))]


def keep(folder: Path, usable: np.ndarray, size: int, target: Path) -> None:
    """Write the images of decoded.npy whose `usable` (n,) bool is true to `target` (.npy), in order, one by one so that
    memory stays flat. Where all are usable it is the same file under a second name, if the file system has such.
    """
    if usable.all():
        _link_or_copy(folder / "decoded.npy", target)
        return
    start, nbytes = len(_array_header(len(usable), size)), size * size * 2
    with open(target, "wb") as out, open(folder / "decoded.npy", "rb") as decoded:
        out.write(_array_header(int(usable.sum()), size))
        for slot in np.flatnonzero(usable).tolist():
            decoded.seek(start + slot * nbytes)
            out.write(decoded.read(nbytes))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _decoded_so_far(log: Path, store: Path, key: str) -> dict[int, dict[str, Any]]:
    """Facts by slot of an earlier call with the same key, up to the last complete line; a new log where none is."""
    facts, good = {}, 0
    if log.exists() and store.exists():
        with open(log, "rb") as stream:
            for line in stream:
                try:
                    record = json.loads(line)
                except ValueError:
                    break
                if not good and record != {"key": key}:
                    break
                good += len(line)
                if "slot" in record:
                    facts[record["slot"]] = record
    if good:
        os.truncate(log, good)
    else:
        log.write_text(json.dumps({"key": key}) + "\n", encoding="utf-8")
        store.unlink(missing_ok=True)
    return facts


def _unchanged(facts: dict[str, Any], path: Path) -> bool:
    """True where a file was usable and is still the one that was decoded."""
    return facts["fault"] == "" and path.exists() and facts["modified"] == path.stat().st_mtime_ns


def _own_store(store: Path, header: bytes, length: int) -> None:
    """decoded.npy ready to be written to, and not at the same time the array that `keep` made of it."""
    if not store.exists():
        store.write_bytes(header)
        os.truncate(store, length)
    elif store.stat().st_nlink > 1:
        temporary = store.with_suffix(".tmp")
        shutil.copyfile(store, temporary)
        os.replace(temporary, store)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _array_header(count: int, size: int) -> bytes:
    """What stands before the pixels in a .npy file of `(count, size, size)` uint16."""
    stream = io.BytesIO()
    header = {"descr": "<u2", "fortran_order": False, "shape": (count, size, size)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()
