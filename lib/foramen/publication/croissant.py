"""The card of the data in Croissant 1.0 (Akhtar et al. 2024), with its vocabulary for responsible AI, which mlcroissant
makes and validates.

Of a user's own cohort it describes table 1 alone: no row of a patient or image, no identifier, no path. Of a synthetic
cohort it also describes the manifest in runs/, which mlcroissant then reads from where it lies.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import mlcroissant as mlc
import pandas as pd

from foramen.core.files import digest_file, write_text
from foramen.publication import facts

TEXT, NUMBER, WHOLE = mlc.DataType.TEXT, mlc.DataType.FLOAT, mlc.DataType.INTEGER
#: Columns of the manifest of a synthetic cohort: type and meaning.
MANIFEST = {
    "image_id": (TEXT, "name of the radiograph"),
    "patient_id": (TEXT, "simulated patient; two radiographs each"),
    "label": (WHOLE, "1: foraminal stenosis, by a simulated reader"),
    "side": (TEXT, "side of the foramina that are seen: L or R"),
    "view": (TEXT, "projection: RPO, LPO, RAO or LAO"),
    "site": (TEXT, "simulated site"),
    "age": (NUMBER, "years"),
    "sex": (TEXT, "F or M"),
    "split": (TEXT, "train, val or test"),
}


def write(known: dict[str, Any], path: Path) -> Path:
    """Write the card; returns its path. mlcroissant raises ValidationError where the card is not valid."""
    card = metadata(known, path.parent).to_json()
    write_text(path, json.dumps(card, indent=1, sort_keys=True, default=str) + "\n")
    return path


def metadata(known: dict[str, Any], folder: Path) -> mlc.Metadata:
    """The card of a study's cohort for a file in `folder`."""
    study, synthetic = known["study"], known["synthetic"]
    said: Any = facts.environment(autoescape=False).get_template("data_card.j2").make_module(known)
    summary = study.paths.tables / "cohort.csv"
    columns = {name: (TEXT, f"table 1: {name}") for name in pd.read_csv(summary, nrows=0)}
    described = {"summary": (summary, "text/csv", columns)}
    if synthetic:
        described["manifest"] = (study.paths.runs / "cohort" / "manifest.parquet", "application/x-parquet", MANIFEST)
    return mlc.Metadata(
        name=f"{study.name} cohort",
        description=_plain(said.description()),
        cite_as="Cite the software (CITATION.cff) and doi:10.3390/electronics12010195",
        date_published=datetime.fromisoformat(known["evaluated"]["finished"][:10]),
        license=["https://spdx.org/licenses/MIT.html"] if synthetic else None,
        version=known["version"],
        data_collection=_plain(said.collection()),
        data_biases=[_plain(said.biases())],
        data_limitations=[_plain(said.limitations())],
        data_use_cases=[_plain(said.uses())],
        personal_sensitive_information=[_plain(said.privacy())],
        distribution=[_file(name, path, form, folder) for name, (path, form, _) in described.items()],
        record_sets=[_records(name, fields) for name, (_, _, fields) in described.items()],
    )


def _plain(text: object) -> str:
    return " ".join(str(text).split())


def _file(name: str, path: Path, form: str, folder: Path) -> mlc.FileObject:
    """A file as the card names it: relative to the card, with its digest."""
    return mlc.FileObject(
        id=f"{name}-file",
        name=path.name,
        content_url=os.path.relpath(path, folder),
        encoding_formats=[form],
        sha256=digest_file(path),
    )


def _records(name: str, columns: dict[str, tuple[Any, str]]) -> mlc.RecordSet:
    """The rows of a file, a field a column."""
    fields = [
        mlc.Field(
            id=f"{name}/{column}",
            name=column,
            description=meaning,
            data_types=[kind],
            source=mlc.Source(file_object=f"{name}-file", extract=mlc.Extract(column=column)),
        )
        for column, (kind, meaning) in columns.items()
    ]
    return mlc.RecordSet(id=name, name=name, fields=fields)
