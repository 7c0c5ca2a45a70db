"""What leaves `runs/`: pseudonyms instead of identifiers, and free text only where many patients share it.

A cohort of a reader's own films carries pseudonyms from the start (module `cohort`), so that predictions,
notebooks and reports never hold the reader's identifiers. That what remains of free text (site, view) cannot
become markup, a LaTeX command or a spreadsheet formula is the business of the tables and pages themselves.
"""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Any

import pandas as pd

from foramen.core.files import write_text

LONGEST_TEXT = 80


def salt(folder: Path) -> bytes:
    """The secret that pseudonyms are made with: 32 random bytes in `folder`/salt, made once, readable by the
    owner.
    """
    path = folder / "salt"
    if not path.exists():
        write_text(path, secrets.token_hex(32))
        path.chmod(0o600)
    return bytes.fromhex(path.read_text(encoding="utf-8"))


def pseudonym(identifier: str, prefix: str, key: bytes) -> str:
    """`prefix_` and ten hex digits of a keyed digest (HMAC-SHA-256): the same for the same identifier and
    salt.
    """
    return f"{prefix}_{hmac.new(key, identifier.encode(), hashlib.sha256).hexdigest()[:10]}"


def plain(text: Any) -> str:
    """Text without control characters and line breaks, at most 80 characters."""
    kept = "".join(c if c.isprintable() else " " for c in str(text))
    return kept if len(kept) <= LONGEST_TEXT else kept[: LONGEST_TEXT - 1] + "…"


def pool_rare(values: pd.Series, patients: pd.Series, minimum: int = 5) -> pd.Series:
    """Replace categories of fewer than `minimum` patients by `other`: a stray name in a column never reaches
    a table.
    """
    counts = patients.groupby(values).nunique()
    rare = counts.index[counts < minimum]
    return values.where(~values.isin(rare) | (values == ""), "other")


def shown_parameters(study: Any) -> dict[str, Any]:
    """The study's parameters for a report: those of its own source of radiographs, without the paths and label texts
    that a reader's own data bring in.
    """
    parameters = study.model_dump(mode="json")
    manifest = parameters["cohort"]["manifest"]
    for unused in {"synthetic", "manifest"} - {study.cohort.source}:
        del parameters["cohort"][unused]
    for key in ("path", "images", "adapter"):
        if Path(str(manifest.get(key, ""))).name != manifest.get(key, ""):
            manifest[key] = "(a path of the reader's)"
    for key in ("columns", "labels"):
        manifest[key] = (
            {f"({i + 1})": value for i, value in enumerate(manifest[key].values())} if key == "labels" else {}
        )
    if "/" in parameters["pretraining"]["file"]:
        parameters["pretraining"]["file"] = "(a path of the reader's)"
    parameters["evaluation"]["external"] = dict.fromkeys(
        parameters["evaluation"]["external"], "(a path of the reader's)"
    )
    return parameters
