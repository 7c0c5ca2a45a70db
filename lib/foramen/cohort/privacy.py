"""What leaves `runs/`: nothing that names a patient, a file or a folder of the user's.

A cohort of a user's own radiographs carries pseudonyms from the start (`step`), so that predictions,
notebooks and reports never hold the user's identifiers. That what remains of free text (site, view) cannot
become markup, a LaTeX command or a spreadsheet formula is the business of the tables and pages themselves.
"""

import secrets
from pathlib import Path
from typing import Any

from foramen.core.files import write_text

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
