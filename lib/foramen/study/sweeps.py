"""Studies of one contrast that differ in a nuisance or in another number; notebook 07 draws their curves.

A sweep of a study names knobs, factors of their values, an arm and its control. Each factor is a member: a study of
its own, with these two arms alone. Factor 1 is the study itself. Where a nuisance of the synthetic cohort is zero, an
arm that helps by removing it is expected to gain nothing; a sweep of `training.share` is a learning curve.
"""

from pathlib import Path

from pydantic import ValidationError

from foramen.core import paths
from foramen.core.errors import InputError
from foramen.study import faults as study_faults
from foramen.study.model import Study


def members(study: Study) -> dict[tuple[str, float], Study]:
    """The study of each (sweep, factor), factors rising. Raises InputError that lists every impossible one."""
    made, faults = {}, []
    for name, sweep in study.sweeps.items():
        for factor in sorted({*sweep.factors, 1.0}):
            try:
                made[name, factor] = study if factor == 1 else _member(study, name, factor)
            except InputError as error:
                faults += [f"sweeps.{name}: {fault}" for fault in error.faults]
    if faults:
        raise InputError(list(dict.fromkeys(faults)))
    return made


def _member(study: Study, name: str, factor: float) -> Study:
    """The study with the sweep's knobs multiplied by a factor, and the sweep's two arms."""
    sweep, values = study.sweeps[name], study.model_dump(mode="json")
    for knob in sweep.knobs:
        _multiply(values, knob, factor)
    values["name"] = f"{study.name}_{name}_{factor:g}".replace(".", "p")
    values["arms"] = {arm: values["arms"][arm] for arm in (sweep.control, sweep.arm)}
    contrast = {"reference": sweep.control, "primary": {"arm": sweep.arm}, "resamples": study.plan.resamples}
    values |= {"plan": contrast, "evaluation": values["evaluation"] | {"external": {}}, "sweeps": {}}
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        faults = [study_faults.explain(item, Study) for item in error.errors()]
        raise InputError([f"factor {factor:g}: {fault}" for fault in faults]) from None


def _multiply(values: dict, knob: str, factor: float) -> None:
    """Multiply the number at a key such as `training.share`."""
    *way, last = knob.split(".")
    for part in way:
        values = values.get(part, {}) if isinstance(values, dict) else {}
    number = values.get(last)
    if isinstance(number, bool) or not isinstance(number, int | float):
        near = study_faults.nearest(last, [key for key, value in values.items() if isinstance(value, int | float)])
        raise InputError(f"the study has no number {knob!r}{near}")
    product = factor * number
    values[last] = int(product) if isinstance(number, int) and product == int(product) else product


def others(study: Study) -> list[Study]:
    """The members without the study itself."""
    return [member for member in members(study).values() if member is not study]


def done_markers(study: Study) -> list[Path]:
    """What the workflow leaves when every training of every member is done, the study's own left out."""
    return [paths.done_marker(run.folder) for member in others(study) for run in member.runs]


def share_images(member: Study, study: Study) -> None:
    """Link a member's cohort, regions and images to its study's where they are the same, so that they are made once.

    What a member has made itself stays; a link from an earlier run that no longer holds goes.
    """
    same = member is not study
    for folder, stages in (
        ("cohort", ["cohort"]),
        ("regions", ["regions"]),
        ("images", [f"variant_{variant}" for variant in member.variants]),
    ):
        same = same and all(member.stage(stage) == study.stage(stage) for stage in stages)
        link = member.paths.runs / folder
        if same and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(Path("..", study.name, folder), target_is_directory=True)
        elif link.is_symlink() and not same:
            link.unlink()
