"""`foramen check STUDY`, and the same before a run: everything that is wrong with what a study reads, in one list.

What is wrong with a file, the package knows that reads it; each has a function that raises InputError.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from foramen.core import paths
from foramen.core.errors import InputError
from foramen.core.terminal import say
from foramen.study import Study, load, provenance, sweeps

SEVERITIES = ("fault", "warning", "note")
Line = tuple[str, str]  # one of SEVERITIES, and what was found
Look = Callable[[Study], Iterable[Line] | None]


def run(study_path: str | Path, overrides: Sequence[str] = (), pixels: bool = False) -> int:
    """Print all that is found on a study; `pixels` decodes every radiograph.

    Returns the exit code: 0 no fault, 1 faults, 2 the check could not run.
    """
    try:
        study = load(study_path, list(overrides))
        looks: list[Look] = [_sweeps, _seeds, partial(_radiographs, pixels=pixels), _misfits, _weights, _other_systems]
        found, name = _all(study, looks), study.name
    except InputError as error:
        found, name = [("fault", fault) for fault in error.faults], str(study_path)
        found.append(("note", "what the study reads is looked at once its file has no fault"))
    except (OSError, MemoryError, ImportError) as error:
        say(f"could not check: {type(error).__name__}: {error}")
        return 2
    say(*(f"{severity:<8}{text}" for severity, text in found))
    say(f"{name}: {_counted(found, 'fault')}, {_counted(found, 'warning')}.")
    return int(any(severity == "fault" for severity, _ in found))


def before_run(study: Study) -> None:
    """Print the warnings on what is still to be read before a study runs; InputError with all faults.

    Headers only: notebook 01, which decodes every image, finds the rest.
    """
    weights, tables = study.pretraining, study.evaluation.external
    looks: list[Look] = [_sweeps]
    if has_new_films(study):
        looks.append(_radiographs)
    if weights.source != "formula" and _is_new(study.paths.pretraining, [weights.file]):
        looks.append(_weights)
    if tables and _is_new(study.paths.evaluation, tables.values()):
        looks.append(_other_systems)
    found = _all(study, looks)
    if faults := [f"{severity:<8}{text}" for severity, text in found if severity == "fault"]:
        raise InputError([*faults, f"{study.name}: {_counted(found, 'fault')}; nothing was run."])
    say(*(f"{severity:<8}{text}" for severity, text in found if severity == "warning"))


def has_new_films(study: Study) -> bool:
    """True where a user's own radiographs are still to be read, or have changed since they were."""
    own = study.cohort.source == "manifest"
    return own and not provenance.is_current(study.paths.cohort, study, "cohort", [])


def _is_new(folder: Path, files: Iterable[str]) -> bool:
    """True where the result in a folder is missing, or a file that it is made from is missing or has changed since."""
    made, given = paths.done_marker(folder), [Path(file) for file in files if file]
    return not made.exists() or any(not p.exists() or p.stat().st_mtime > made.stat().st_mtime for p in given)


def _all(study: Study, looks: Iterable[Look]) -> list[Line]:
    """What all of them find, faults first."""
    found: list[Line] = []
    for look in looks:
        try:
            found += look(study) or []
        except InputError as error:
            found += [("fault", fault) for fault in error.faults]
    return sorted(dict.fromkeys(found), key=lambda line: SEVERITIES.index(line[0]))


def _sweeps(study: Study) -> None:
    sweeps.members(study)


def _seeds(study: Study) -> list[Line]:
    pooled = "the variance is pooled over arms, which are taken to vary alike" if len(study.arms) > 2 else "take three"
    return [("note", f"seeds: two cannot tell how much trainings differ; {pooled}")] if len(study.seeds) == 2 else []


# Each imports what it needs: a study that is finished is told so at once.
def _radiographs(study: Study, pixels: bool = False) -> list[Line]:
    from foramen.cohort import check

    return [(f.severity, f"{f.subject}: {f.message}") for f in check.check(study, pixels)]


def _misfits(study: Study) -> list[Line]:
    """What notebook 02 found, where it has run on these films and arms."""
    return [("warning", misfit) for misfit in provenance.misfits(study)]


def _weights(study: Study) -> None:
    from foramen.training import step

    step.check(study)


def _other_systems(study: Study) -> None:
    from foramen.evaluation import step

    step.check(study)


def _counted(found: list[Line], what: str) -> str:
    number = sum(severity == what for severity, _ in found)
    return f"{number} {what}{'s' * (number != 1)}"
