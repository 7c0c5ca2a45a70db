"""What leaves `runs/`: pseudonyms instead of identifiers, and free text only where many patients share it.

A cohort of a user's own radiographs carries pseudonyms from the start (`step`), so that predictions,
notebooks and reports never hold the user's identifiers. That what remains of free text (site, view) cannot
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
OWN_PATH = "(a path of the reader's)"  # shown instead of it


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


def pseudonymise(table: pd.DataFrame, secret: bytes) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table with pseudonyms for images and patients, without paths and rare free text; and the key back to what was
    given, one row for each of the table's.
    """
    given = table["image_id"].where(table["image_id"] != "", table["image_path"])
    hidden = table.assign(
        image_id=[pseudonym(name, "img", secret) for name in given],
        patient_id=[pseudonym(name, "pat", secret) for name in table["patient_id"]],
        image_path="",
    )
    for column in ("view", "site"):  # free text: what stands for a few patients only may be a name
        hidden[column] = pool_rare(hidden[column].map(plain), hidden["patient_id"])
    key = hidden[["image_id", "patient_id"]].assign(
        given_image=given, given_path=table["image_path"], given_patient=table["patient_id"]
    )
    key.insert(0, "row", table.index)
    return hidden, key.reset_index(drop=True)


def shown_parameters(study: Any) -> dict[str, Any]:
    """The study's parameters for a report: those of its own source of radiographs, without the paths and label texts
    that a user's own data bring in.
    """
    parameters = study.model_dump(mode="json")
    for unused in {"synthetic", "manifest"} - {study.cohort.source}:
        del parameters["cohort"][unused]
    manifest = parameters["cohort"].get("manifest", {})
    for key in {"path", "images", "adapter"} & set(manifest):
        if Path(manifest[key]).name != manifest[key]:
            manifest[key] = OWN_PATH
    if manifest:
        manifest["columns"] = {}
        manifest["labels"] = {f"({i + 1})": value for i, value in enumerate(manifest["labels"].values())}
    del parameters["plan"]["file"]
    if "/" in parameters["pretraining"]["file"]:
        parameters["pretraining"]["file"] = OWN_PATH
    parameters["evaluation"]["external"] = dict.fromkeys(parameters["evaluation"]["external"], OWN_PATH)
    return parameters
