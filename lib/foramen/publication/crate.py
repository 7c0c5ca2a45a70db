"""The report of a study as an RO-Crate (Soiland-Reyes et al. 2022) after the profile Process Run Crate: which software
made it when, and what each file is.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity, SoftwareApplication
from rocrate.rocrate import ROCrate

from foramen.core.files import write_json

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
MIT = "https://spdx.org/licenses/MIT"
FOLDERS = {
    "tables/": "Every number of the report, as CSV, Markdown and LaTeX",
    "figures/": "Every figure, with its alternative text",
    "notebooks/": "The executed notebooks",
    "checklists/": "Reporting checklists",
}
FILES = {
    "index.html": ("Report", "text/html"),
    "manuscript.pdf": ("Reproduction report in journal form", "application/pdf"),
    "manuscript.typ": ("Its source", "text/plain"),
    "model_card.md": ("Model card", "text/markdown"),
    "croissant.json": ("Data card (Croissant)", "application/ld+json"),
    "tables/results.csv": ("Every metric of every arm", "text/csv"),
    "tables/gains.csv": ("Gains over the reference arm", "text/csv"),
}


def write(known: dict[str, Any], path: Path) -> Path:
    """Write ro-crate-metadata.json into the folder of the report; returns its path."""
    write_json(path, metadata(known, path.parent))
    return path


def metadata(known: dict[str, Any], report: Path) -> dict[str, Any]:
    """The crate of what lies in the folder `report`, as JSON-LD."""
    study, made = known["study"], known["evaluated"]
    crate = ROCrate(version="1.1")
    crate.name = f"Report of study {study.name}"
    crate.description = study.title or study.name
    crate.license = "None yet: for those who publish it to choose"
    if known["synthetic"]:
        crate.description += ". Synthetic radiographs: nothing here says anything about patients."
        crate.license = crate.add(ContextEntity(crate, MIT, {"@type": "CreativeWork", "name": "MIT License"}))
    crate.datePublished = finished = datetime.fromisoformat(made["finished"]).isoformat()
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset["conformsTo"] = crate.add(ContextEntity(crate, PROFILE, profile))
    parts = [
        crate.add_file(report / name, name, properties={"name": label, "encodingFormat": form})
        for name, (label, form) in FILES.items()
        if (report / name).exists()
    ]
    parts += [
        crate.add_directory(report / name, name, properties={"name": name.strip("/"), "description": text})
        for name, text in FOLDERS.items()
        if (report / name).exists()
    ]
    version = {"name": "foramen", "version": made["code_version"]}
    software = crate.add(SoftwareApplication(crate, "#foramen", properties=version))
    action = crate.add_action(
        software,
        identifier="#run",
        result=parts,
        properties={
            "name": f"Study {study.name}",
            "description": f"Parameters {study.hash}, from the drawing of the cohort to the evaluation",
            "startTime": known["planned"].drawn.replace(microsecond=0).isoformat(),
            "endTime": finished,
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    crate.root_dataset["mentions"] = action
    return crate.metadata.generate()
