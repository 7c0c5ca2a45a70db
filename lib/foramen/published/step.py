"""Make the archive of a finished study, and unpack one so that its notebooks find results that are marked published."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from foramen.core import paths
from foramen.core.errors import InputError, first_few, raise_any
from foramen.core.files import write_json, write_text
from foramen.published import archive
from foramen.published.archive import Archive, Contents
from foramen.study import provenance, sweeps
from foramen.study.model import Study
from foramen.workflow import run as workflow

FILE = "published.zip"
NETWORK, DETECTOR = "weights.safetensors", "detector.safetensors"
LARGE = ("images.npy", "masks.npy", "localisation.safetensors", NETWORK, DETECTOR)  # left out
KEPT = (".csv", ".json", ".npy", ".parquet")


def make(study: Study, path: Path | None = None, weights: bool = False) -> Path:
    """The archive of a finished study: all its tables, and with `weights` the network that notebook 08 explains.

    `path` is by default beside the study's report, with weights in its folder of runs/, which is kept out of version
    control. InputError for radiographs of patients, for results that are missing, stale or themselves published.
    """
    path = path or (study.paths.runs if weights else study.paths.report) / FILE
    files, left_out = dict[str, bytes](), dict[str, list[str]]()
    first = study.run(study.plan.primary.arm, study.seeds[0]).folder
    halved = [_name(first / NETWORK)] if weights else []
    if weights and not (first / NETWORK).exists():
        raise InputError(f"{first / NETWORK}: there is no such file")
    for folder in _results(study):
        wanted = [file for file in sorted(folder.iterdir()) if file.suffix in KEPT and file.name not in LARGE]
        wanted += [file for file in (first / NETWORK, folder / DETECTOR) if weights and file.parent == folder]
        missing = [name for name in LARGE if (folder / name).exists() and folder / name not in wanted]
        left_out |= {_name(folder): missing} if missing else {}
        for file in (file for file in wanted if file.exists()):
            files[_name(file)] = archive.halved(file) if _name(file) in halved else file.read_bytes()
    made = [provenance.read_run(run.folder) for run in study.runs]
    contents = Contents(
        study=study.name,
        study_hash=study.hash,
        design=study.design,
        plan=study.plan.hash,
        code=sorted({each["code_version"] for each in made}),
        machines=sorted({each["processor"] for each in made}),
        finished=max(each["finished"] for each in made),
        halved=halved,
        left_out=left_out,
    )
    archive.write(path, contents, files)
    return path


def use(study: Study, path: Path | None = None) -> Archive:
    """Unpack an archive (by default the one in the committed report) as the study's results, marked as published.

    Everything is checked before anything of the study is written. InputError for an archive that is damaged, of another
    study or of other values than the study file's, and where the study has results already.
    """
    path = path or paths.ROOT / "reports" / study.name / FILE
    packed, root, family = archive.read(path), _root(), [study, *sweeps.others(study)]
    if packed.contents.study != study.name:
        raise InputError(f"{path}: an archive of the study {packed.contents.study}, not of {study.name}")
    known = {paths.PRETRAINING, *(each.name for each in family)}
    raise_any([f"{path}: {name}: not of this study" for name in packed.files if name.split("/")[0] not in known])
    there = [each.paths.runs for each in family if any(p.is_file() and p.name != ".lock" for p in _below(each))]
    raise_any([f"{f}: there are files already; remove that folder, or set FORAMEN_OUTPUT to another" for f in there])
    own = {path.parent.name for path in paths.pretraining("").glob("*/run.json")}  # pre-trained weights; they stay
    root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=root, prefix=".published-") as temporary, workflow.locked(study):
        unpacked = Path(temporary)
        _unpack(packed, unpacked)
        stale = [_name(run.folder) for each in family for run in each.runs if not _stands(run.folder, each, unpacked)]
        if stale:
            raise InputError(f"{path}: missing, or made with other values than the study file's: {first_few(stale)}")
        for name in sorted(packed.files, key=lambda name: (name.endswith("/run.json"), name)):
            if name.split("/")[0] != paths.PRETRAINING or name.split("/")[1] not in own:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(unpacked / name, root / name)
        for each in family:
            sweeps.share_images(each, study)
            workflow.write_parameters(each)
    _mark_as_done(packed, family)
    return packed


def _results(study: Study) -> Iterator[Path]:
    """The folders of a finished study's trainings, those of its sweeps' members, and all that they were made of."""
    if study.cohort.source != "synthetic":
        raise InputError("cohort.source: radiographs of patients, and what was found on them, go into no archive")
    if study.keep_weights:
        raise InputError("keep_weights: notebook 07 tests every network elsewhere, and an archive has one at most")
    family = [study, *sweeps.others(study)]
    trained = [(run.folder, each) for each in family for run in each.runs]
    faults = [f"{f}: missing or stale: foramen run" for f, each in trained if not provenance.stands(f, each)]
    faults += [f"{f}: comes from an archive itself" for f, _ in trained if "published" in provenance.read_run(f)]
    waiting, seen = [folder for folder, _ in trained] + [each.paths.augmentation for each in family], set[Path]()
    while waiting and not faults:
        folder = waiting.pop(0).resolve()
        if folder.is_file():
            faults.append(f"{folder}: nobody else has this file, so an archive could not be checked against it")
        elif folder not in seen:
            seen.add(folder)
            waiting += [folder / name for name in provenance.read_run(folder)["inputs"]]
    raise_any(faults)
    yield from sorted(seen)


def _unpack(packed: Archive, folder: Path) -> None:
    """Write the files below `folder`, each run.json with the mark that its result was published, and what it lacks."""
    for name, content in packed.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        home = name.removesuffix("/run.json")
        if home != name:
            mark = {"archive": packed.digest[:12], "left_out": packed.contents.left_out.get(home, [])}
            try:
                made = dict(json.loads(content))
            except (ValueError, TypeError, RecursionError):
                raise InputError(f"{name}: not a run.json that a study writes") from None
            write_json(folder / name, made | {"published": mark})


def _stands(folder: Path, study: Study, unpacked: Path) -> bool:
    try:
        return provenance.stands(unpacked / _name(folder), study)
    except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError):  # of none of our run.json
        return False


def _mark_as_done(packed: Archive, family: list[Study]) -> None:
    """Tell the workflow that the notebooks 01 to 05 have run, all at one moment: whose input is newer would rerun."""
    homes = {_root() / name.removesuffix("/run.json") for name in packed.files if name.endswith("/run.json")}
    now = time.time_ns()
    for folder in [*homes, *(each.paths.pretraining for each in family)]:
        marker = paths.done_marker(folder)
        write_text(marker, f"{_name(folder)}, published\n")
        os.utime(marker, ns=(now, now))


def _below(study: Study) -> Iterator[Path]:
    return study.paths.runs.rglob("*")


def _root() -> Path:
    return paths.output_root() / "runs"


def _name(path: Path) -> str:
    return path.relative_to(_root()).as_posix()
