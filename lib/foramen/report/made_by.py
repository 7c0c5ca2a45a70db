"""made_by.json: which machines made a report, of which cohort, arms and recipe; and its verifications.

`foramen verify` reads the first, to know how alike a repetition has to be, and leaves the second.
"""

from pathlib import Path
from typing import Any

from foramen.core.files import digest, digest_file, read_json, write_json
from foramen.study.model import Study

MADE_BY, VERIFICATIONS = "made_by.json", "verifications.json"


def write(study: Study) -> None:
    """Write made_by.json of a study whose trainings are done."""
    records = [read_json(run.folder / "run.json") for run in study.runs]
    machines = sorted({_machine(record) for record in records})
    cohort = read_json(study.paths.cohort / "run.json")["key"]
    write_json(study.paths.report / MADE_BY, {"machines": machines, "cohort": cohort, "design": study.design})


def _machine(record: dict[str, Any]) -> str:
    """What decides about the last digit: processor, device of the training, version of PyTorch."""
    parts = record.get("processor"), record.get("device"), record.get("packages", {}).get("torch")
    return "processor {}, device {}, torch {}".format(*(part or "unknown" for part in parts))


def read(report: Path) -> dict[str, Any]:
    """made_by.json of a report; empty where it has none."""
    return read_json(report / MADE_BY) if (report / MADE_BY).exists() else {}


def tables_digest(report: Path) -> str:
    """Changes with the results of a report; of one that lacks a table of them, as of sweeps alone, with any table."""
    files = [report / "tables" / f"{name}.csv" for name in ("results", "gains")]
    whole = all(file.exists() for file in files)
    return digest([digest_file(file) for file in (files if whole else sorted(report.glob("tables/*.csv")))])


def verifications(report: Path) -> list[dict[str, Any]]:
    """The verifications of a report, the last on each kind of machine; of other results than these, none."""
    path = report / VERIFICATIONS
    records = read_json(path) if path.exists() else []
    return [record for record in records if tables_digest(report) in record["of"]]
