"""What leaves `runs/`: pseudonyms instead of identifiers, and text that is nothing but text. Used by every
table and page.

A cohort of a reader's own films carries pseudonyms from the start (module `cohort`), so that predictions,
notebooks and reports never hold the reader's identifiers. The functions here keep the remaining free text
(site, view, column names) from becoming markup, a LaTeX command or a spreadsheet formula.
"""

import hashlib
import hmac
import html as _html
import secrets
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from foramen.files import write_text

Target = Literal["html", "latex", "csv", "markdown"]
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
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


def html(text: Any) -> str:
    """Text that a browser shows as it stands."""
    return _html.escape(plain(text))


def latex(text: Any) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(LATEX.get(c, c) for c in plain(text))


def markdown(text: Any) -> str:
    """Text that Markdown (and the HTML made from it) shows as it stands, also within a table."""
    return "".join("\\" + c if c in r"\`*_{}[]()#+!|~$" else c for c in html(text))


def cell(text: Any) -> str:
    """Text that a spreadsheet does not take for a formula: an apostrophe goes before = + - @ and the like."""
    shown = plain(text)
    return (
        "'" + shown
        if shown.lstrip()[:1] in ("=", "+", "-", "@", "|", "%") and not _is_number(shown)
        else shown
    )


def safe_frame(frame: pd.DataFrame, target: Target) -> pd.DataFrame:
    """A copy whose text cells, column names and index are neutralised for `target`; numbers stay numbers."""
    neutral = {"html": html, "latex": latex, "csv": cell, "markdown": markdown}[target]

    def one(value: Any) -> Any:
        return neutral(value) if isinstance(value, str) else value

    safe = frame.map(one)
    safe.columns = frame.columns.map(
        lambda label: tuple(map(one, label)) if isinstance(label, tuple) else one(label)
    )
    safe.index = frame.index.map(
        lambda label: tuple(map(one, label)) if isinstance(label, tuple) else one(label)
    )
    return safe


def pool_rare(values: pd.Series, patients: pd.Series, minimum: int = 5) -> pd.Series:
    """Replace categories of fewer than `minimum` patients by `other`: a stray name in a column never reaches
    a table.
    """
    counts = patients.groupby(values).nunique()
    rare = counts.index[counts < minimum]
    return values.where(~values.isin(rare) | (values == ""), "other")


def shown_parameters(study: Any) -> dict[str, Any]:
    """The study's parameters for a report: without the paths and label texts that a reader's own data bring
    in.
    """
    parameters = study.model_dump(mode="json")
    manifest = parameters["cohort"]["manifest"]
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


def _is_number(text: str) -> bool:
    try:
        float(text.replace("%", ""))
    except ValueError:
        return False
    return True
