"""Pseudonyms in place of identifiers, and free text only where several patients share it (notebook 01)."""

import hashlib
import hmac
from typing import Any

import pandas as pd

LONGEST_TEXT = 80


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
