"""What a study costs, from the status that each of its jobs leaves: `foramen cost STUDY`, cost.csv beside a report."""

import pandas as pd

from foramen.core.files import read_json
from foramen.study import provenance, sweeps
from foramen.study.model import Study

WATTS_PER_CORE = 10.0  # of a busy core, with its share of memory and power supply: assumed, not measured


def cost(study: Study) -> pd.DataFrame:
    """A row a notebook or step, members of sweeps counted in, and a last one for all.

    Columns: what, jobs, processor_minutes, peak_memory_mib, watt_hours (with `WATTS_PER_CORE`). A job counts with all
    that it did when it last ran to its end; what was interrupted or failed does not.
    """
    folders = [each.paths.job_status().parent for each in (study, *sweeps.others(study))]
    statuses = [path for folder in folders for path in folder.glob("*.json")]
    jobs = [{"what": path.stem.split("-")[0], **read_json(path)} for path in statuses]
    done = [job for job in jobs if "processor_seconds" in job]
    kinds = {kind: [job for job in done if job["what"] == kind] for kind in sorted({job["what"] for job in done})}
    return pd.DataFrame([_row(kind, its) for kind, its in (kinds | {"all": done}).items() if its])


def why_none(study: Study) -> str:
    """Why `cost` has nothing to tell: nothing has run, or what is there was published."""
    if any("published" in provenance.read_run(run.folder) for run in study.runs):
        return (
            "no job of it has run here: its results are published ones, and cost.csv beside their report has the cost"
        )
    return "no job of it has run here; docs/studies.md says what studies took elsewhere"


def _row(what: str, jobs: list[dict]) -> dict[str, object]:
    seconds = sum(job["processor_seconds"] for job in jobs)
    return {
        "what": what,
        "jobs": len(jobs),
        "processor_minutes": round(seconds / 60, 1),
        "peak_memory_mib": max(job["peak_memory_mib"] for job in jobs),
        "watt_hours": round(seconds / 3600 * WATTS_PER_CORE, 1),
    }
