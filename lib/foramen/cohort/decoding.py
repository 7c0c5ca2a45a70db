"""From the files of a reader's cohort to one array: in parallel, resumable, with flat memory. Used by
`cohort`.
"""

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from foramen.cohort.adapters import Source
from foramen.core.files import digest, replacing
from radiographs import inspection, parallel


def decode(source: Source, size: int, folder: Path, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Decode every row that is not excluded to `size` pixels into `folder`/decoded.npy and return the facts
    of each, by row.

    Each finished image adds a line to decoded.jsonl. A second call decodes only what is missing, was
    unreadable or has changed since; changed parameters of the split leave what is decoded valid.
    """
    wanted = source.table.loc[source.table["excluded"] == "", "image_path"]
    log, store = folder / "decoded.jsonl", folder / "decoded.npy"
    header = _header_bytes(len(wanted), size)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".decoding.lock"):
        done = _decoded_so_far(log, store, key=digest([str(source.images), wanted.to_list(), size]))
        done = {slot: facts for slot, facts in done.items() if _unchanged(facts, source.images / wanted.iloc[slot])}
        jobs = [
            inspection.Job(slot, name, str(source.images), size, store=str(store), offset=len(header))
            for slot, name in enumerate(wanted)
            if slot not in done
        ]
        if jobs:
            _own_store(store, header, len(header) + len(wanted) * size * size * 2)
        with open(log, "a", encoding="utf-8") as stream:
            for facts in parallel.over_files(inspection.inspect, jobs, inspection.crashed):
                stream.write(json.dumps(facts) + "\n")
                stream.flush()
                done[facts["slot"]] = facts
                if progress:
                    progress(len(done), len(wanted))
    return pd.DataFrame([done[slot] for slot in range(len(wanted))], index=wanted.index)


def _decoded_so_far(log: Path, store: Path, key: str) -> dict[int, dict]:
    """Facts by slot of an earlier run with the same key, up to the last complete line; a new log where there
    is none.
    """
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


def _unchanged(facts: dict, path: Path) -> bool:
    """True where a file was usable and is still the one that was decoded."""
    return facts["fault"] == "" and path.exists() and facts["modified"] == path.stat().st_mtime_ns


def _own_store(store: Path, header: bytes, length: int) -> None:
    """decoded.npy ready to be written to, and not at the same time the images.npy of a finished cohort."""
    if not store.exists():
        store.write_bytes(header)
        os.truncate(store, length)
    elif store.stat().st_nlink > 1:
        with replacing(store) as temporary:
            shutil.copyfile(store, temporary)


def keep_usable(folder: Path, facts: pd.DataFrame, size: int) -> None:
    """images.npy: the usable images of decoded.npy in order, copied one by one so that memory stays flat.

    Where all are usable it is the same file under a second name, if the file system has such.
    """
    usable = np.flatnonzero(facts["fault"].to_numpy() == "")
    start, nbytes = len(_header_bytes(len(facts), size)), size * size * 2
    with replacing(folder / "images.npy") as temporary:
        if len(usable) == len(facts):
            _link_or_copy(folder / "decoded.npy", temporary)
            return
        with open(temporary, "wb") as out, open(folder / "decoded.npy", "rb") as decoded:
            out.write(_header_bytes(len(usable), size))
            for slot in usable:
                decoded.seek(start + int(slot) * nbytes)
                out.write(decoded.read(nbytes))


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _header_bytes(count: int, size: int) -> bytes:
    """What stands before the pixels in a .npy file of `(count, size, size)` uint16."""
    stream = io.BytesIO()
    header = {"descr": "<u2", "fortran_order": False, "shape": (count, size, size)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()
