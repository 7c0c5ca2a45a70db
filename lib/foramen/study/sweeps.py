"""Studies of one contrast that differ in a nuisance or in another number; notebook 07 tells what becomes of it.

A sweep of a study names knobs, factors of their values or new values, an arm and its control. Each is a member: a study
of its own, with these two arms alone. Factor 1 is the study itself, and so is its own value. Where a nuisance of the
synthetic cohort is zero, an arm that helps by removing it is expected to gain nothing; a sweep of `training.share` is a
learning curve, one of seeds draws other cohorts.
"""

from pathlib import Path

from pydantic import ValidationError

from foramen.core import paths
from foramen.core.errors import InputError, nearest
from foramen.study import faults as study_faults
from foramen.study.model import Study


def members(study: Study) -> dict[tuple[str, float], Study]:
    """The study of each (sweep, factor or value), rising. Raises InputError that lists every impossible one."""
    made, faults = {}, []
    for name, sweep in study.sweeps.items():
        for point in sorted({*(sweep.values or [*sweep.factors, 1.0])}):
            try:
                made[name, point] = _member(study, name, point)
            except InputError as error:
                faults += [f"sweeps.{name}: {fault}" for fault in error.faults]
        if not faults and study not in at(made, name).values():
            faults.append(f"sweeps.{name}: values: the study's own is not one of them")
    if faults:
        raise InputError(list(dict.fromkeys(faults)))
    return made


def at(made: dict[tuple[str, float], Study], name: str) -> dict[float, Study]:
    """The members of one sweep by factor or value."""
    return {point: member for (sweep, point), member in made.items() if sweep == name}


def _member(study: Study, name: str, point: float) -> Study:
    """The study with the sweep's knobs at a value, or multiplied by a factor, and the sweep's two arms.

    Where no number changes that is the study itself.
    """
    sweep, values = study.sweeps[name], study.model_dump(mode="json")
    for knob in sweep.knobs:
        _change(values, knob, point, bool(sweep.values))
    if values == study.model_dump(mode="json"):
        return study
    values["name"] = f"{study.name}_{name}_{point:g}".replace(".", "p").replace("-", "m")
    values["arms"] = {arm: values["arms"][arm] for arm in (sweep.control, sweep.arm)}
    contrast = {"reference": sweep.control, "primary": {"arm": sweep.arm}, "resamples": study.plan.resamples}
    values |= {"plan": contrast, "evaluation": values["evaluation"] | {"external": {}}, "sweeps": {}}
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        faults = [study_faults.explain(item, Study) for item in error.errors()]
        raise InputError([f"{'value' if sweep.values else 'factor'} {point:g}: {fault}" for fault in faults]) from None


def _change(values: dict, knob: str, point: float, replace: bool) -> None:
    """Multiply the number at a key such as `training.share`, each one of `training.input`, or replace it."""
    *way, last = knob.split(".")
    for part in way:
        values = values.get(part, {}) if isinstance(values, dict) else {}
    old = values.get(last)
    numbers: list = old if isinstance(old, list) and old and not replace else [old]
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        near = nearest(last, [key for key, value in values.items() if isinstance(value, int | float)])
        raise InputError(f"the study has no number {knob!r}{near}")
    new = [_whole(point if replace else point * number, number) for number in numbers]
    values[last] = new if isinstance(old, list) else new[0]


def _whole(new: float, old: float) -> float:
    """The new value of a number, whole where the old one is and it can be."""
    return int(new) if isinstance(old, int) and new == int(new) else new


def others(study: Study) -> list[Study]:
    """The members without the study itself."""
    return [member for member in members(study).values() if member is not study]


def done_markers(study: Study) -> list[Path]:
    """What the workflow leaves when all that the sweeps ask of the members is done, the study's own left out.

    That is every training, and where nothing is trained the images.
    """
    folders = []
    for (name, _), member in members(study).items():
        if member is not study and study.sweeps[name].trained:
            folders += [run.folder for run in member.runs]
        elif member is not study:
            folders += [member.paths.variant(variant) for variant in member.variants]
    return [paths.done_marker(folder) for folder in folders]


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
