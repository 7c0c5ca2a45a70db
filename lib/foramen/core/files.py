"""Atomic files and content digests: a file that exists under its final name is complete."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foramen.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; when the block ends without an error, rename it to `path`.

    The temporary name keeps the suffix, so that writers that look at it (numpy, pandas) do the right thing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, UTF-8 with Unix line ends."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` atomically as indented JSON with sorted keys."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")


def write_frame(path: Path, frame: "pd.DataFrame") -> None:
    """Write `frame` to `path` (.parquet or .csv) atomically, without its index."""
    with replacing(path) as temporary:
        write = frame.to_parquet if path.suffix == ".parquet" else frame.to_csv
        write(temporary, index=False)


def read_frame(path: Path) -> "pd.DataFrame":
    """Read a .parquet file, on this thread alone.

    Arrow's threads are sometimes still being joined when a short process ends, which then aborts (apache/arrow#34314:
    3 of 120 processes that read three tables at once on two cores; none of 120 without threads).
    """
    import pandas as pd

    return pd.read_parquet(path, use_threads=False, pre_buffer=False)


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_if_changed(path: Path, text: str) -> bool:
    """Write `text` to `path` only where it differs, so that an unchanged file keeps its modification time.

    Returns True where it wrote. The workflow relies on it: a rule reruns when the file of its parameters is newer.
    """
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_text(path, text)
    return True


def digest(value: Any) -> str:
    """The first 12 hex digits of the SHA-256 of a JSON-able value (study hash, parameter hash)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def digest_file(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_empty(folder: Path) -> None:
    """Raise InputError unless `folder` is empty or not there yet."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: is there already and not an empty folder; nothing was changed, name a new one")
