"""A published archive: files of a finished study and their digests in one zip file, checked as a whole before use.

The same files make the same bytes: names are sorted, times left out, nothing is compressed (the tables already are).
Digests find what is damaged; they do not tell who made an archive.
"""

import hashlib
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foramen.core.errors import InputError, first_few, raise_any
from foramen.core.files import digest_file, replacing

CONTENTS = "published.json"
# A study, up to four folders and a file: no way out of the folder that it is unpacked in, nothing hidden.
NAME = re.compile(r"(?:[a-z0-9_]+/){2,5}[a-z0-9_]+\.(?:json|csv|parquet|npy|safetensors)")


class Contents(BaseModel):
    """What published.json says of an archive: where its results come from, what was left out, digests of all files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Literal[1] = 1
    study: str
    study_hash: str
    design: str
    plan: str
    code: list[str] = Field(description="versions that the trainings were made with")
    machines: list[str] = Field(description="processors that made them")
    finished: str = Field(description="when the last of them was")
    halved: list[str] = Field([], description="weights that are stored as float16")
    left_out: dict[str, list[str]] = Field({}, description="folder: files of its result that are not here")
    files: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field({}, description="name: SHA-256")


@dataclass(frozen=True)
class Archive:
    """An archive that was read and found whole; `digest` is the SHA-256 of the file."""

    contents: Contents
    files: dict[str, bytes]
    digest: str


def write(path: Path, contents: Contents, files: Mapping[str, bytes]) -> None:
    """Write an archive of these files, by name, atomically; `contents` gets their digests."""
    digests = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    text = contents.model_copy(update={"files": digests}).model_dump_json(indent=1) + "\n"
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed:
        for name, content in {CONTENTS: text.encode(), **{name: files[name] for name in digests}}.items():
            packed.writestr(zipfile.ZipInfo(name), content)


def read(path: Path) -> Archive:
    """The archive at `path`. InputError with all that is wrong with it; nothing is written."""
    names, files = _unzipped(path)
    try:
        contents = Contents.model_validate_json(files.pop(CONTENTS, b""))
    except ValidationError as error:
        what = first_few(sorted({".".join(map(str, fault["loc"])) or fault["msg"] for fault in error.errors()}))
        raise InputError(f"{path}: no archive of this form of foramen archive; {CONTENTS}: {what}") from None
    faults = [] if len(names) == len(set(names)) else [f"{path}: a name occurs twice"]
    for name in sorted({*files, *contents.files}):
        if not NAME.fullmatch(name):
            faults.append(f"{path}: {name}: not the name of a result")
        elif name not in files or name not in contents.files:
            faults.append(f"{path}: {name}: {'missing' if name in contents.files else f'not listed in {CONTENTS}'}")
        elif hashlib.sha256(files[name]).hexdigest() != contents.files[name]:
            faults.append(f"{path}: {name}: damaged or changed, its SHA-256 is another")
    raise_any(faults)
    return Archive(contents, files, digest_file(path))


def _unzipped(path: Path) -> tuple[list[str], dict[str, bytes]]:
    """Names in a zip file, and content by name; no more is read than the file is long."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such archive")
    try:
        with zipfile.ZipFile(path) as packed:
            members = packed.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise zipfile.BadZipFile("it is compressed, which foramen archive never does")
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise zipfile.BadZipFile("its files are longer than itself")
            return [member.filename for member in members], {m.filename: packed.read(m) for m in members}
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError) as error:  # RuntimeError: encrypted
        raise InputError(f"{path}: not readable as an archive: {error}") from None


def halved(path: Path) -> bytes:
    """A safetensors file with every float32 tensor as float16; networks take the values back into float32."""
    import numpy as np
    from safetensors.numpy import load_file, save

    return save({name: t.astype(np.float16) if t.dtype == np.float32 else t for name, t in load_file(path).items()})
