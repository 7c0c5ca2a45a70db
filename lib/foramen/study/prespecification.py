"""Was a study planned before its cohort was drawn? What the report says of that in its first line.

The run.json of the cohort keeps the hashes of plan and design that were in force when it was drawn; git, where there is
a checkout, dates the plan.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from foramen.core.files import read_json
from foramen.study.model import Study
from foramen.study.plan import Plan
from foramen.study.provenance import git


@dataclass(frozen=True)
class Prespecification:
    """When plan and cohort were made, and what makes the study exploratory; without such reasons it is prespecified."""

    drawn: datetime.datetime
    committed: datetime.datetime | None
    reasons: list[str]


def examine(study: Study) -> Prespecification:
    """Compare the plan with what was in force when the cohort was drawn. Needs the finished cohort."""
    made, plan = read_json(study.paths.cohort / "run.json"), study.plan
    finished = datetime.datetime.strptime(made["finished"], "%Y-%m-%dT%H:%M:%S%z")
    drawn, when = finished - datetime.timedelta(seconds=made["wall_seconds"]), committed(plan)
    if not plan.hash:
        return Prespecification(drawn, None, ["no analysis plan was written"])
    reasons, size = [], plan.sample_size
    if not made.get("plan"):
        reasons.append("no plan was in force when the cohort was drawn")
    elif made["plan"] != plan.hash:
        reasons.append(f"the plan was changed after the cohort was drawn (from {made['plan']})")
    if when and when > drawn:
        reasons.append("the plan was committed after the cohort was drawn")
    if made.get("design") != study.design:
        reasons.append("arms, seeds or recipe were changed after the cohort was drawn")
    if size and size.seeds != len(study.seeds):
        reasons.append(f"the plan asks for {size.seeds} seeds, the study has {len(study.seeds)}")
    if size and study.cohort.source == "synthetic" and size.patients != study.cohort.synthetic.patients:
        reasons.append(f"the plan asks for {size.patients} patients, the cohort has {study.cohort.synthetic.patients}")
    return Prespecification(drawn, when, reasons)


def committed(plan: Plan) -> datetime.datetime | None:
    """The time of the commit since which the plan's file has said what the plan says, deviations apart.

    None where that is not known: no file of its own, no git, changes that are not committed.
    """
    file, since = Path(plan.file), None
    if not plan.file or git(file.parent, "status", "--porcelain", "--", file.name) != "":
        return None
    for line in (git(file.parent, "log", "--format=%H %cI", "--", file.name) or "").splitlines():
        commit, when = line.split()
        if _hash(git(file.parent, "show", f"{commit}:./{file.name}")) != plan.hash:
            break
        since = datetime.datetime.fromisoformat(when)
    return since


def _hash(text: str | None) -> str:
    """The hash of a plan as it was once written; nothing where it was none by today's rules."""
    try:
        return Plan.model_validate(yaml.safe_load(text or "")).hash
    except (ValidationError, yaml.YAMLError):
        return ""
