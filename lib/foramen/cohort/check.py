"""`foramen check STUDY`: everything that is wrong with a study's data, in one list, before anything is
trained.

It reads study file, table and every image's header (with `pixels` every pixel) and writes nothing.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from foramen.cohort import adapters, findings
from foramen.cohort.findings import Finding
from foramen.cohort.step import expectations
from foramen.core.errors import InputError
from foramen.study import Study, load, sweeps
from radiographs import inspection, parallel

Progress = Callable[[int, int], None]


def check(study: Study, pixels: bool = False, progress: Progress | None = None) -> list[Finding]:
    """All findings on a study's cohort, faults first; InputError where the table itself cannot be used.

    Without `pixels` only headers are read: duplicates, burnt-in text and greys stay unseen, and the list says so.
    """
    if study.cohort.source == "synthetic":
        text = f"synthetic cohort of {study.cohort.synthetic.patients} patients: there are no files to check"
        return [Finding.anonymous("note", "cohort", text)]
    source = adapters.read(study.cohort.manifest)
    wanted = source.table.loc[source.table["excluded"] == "", "image_path"]
    size = study.cohort.image_size
    files = [inspection.FileToRead(i, name, str(source.images), size, pixels) for i, name in enumerate(wanted)]
    facts: list[dict] = []
    for fact in parallel.over_files(inspection.inspect, files, inspection.failed):
        facts.append(fact)
        if progress:
            progress(len(facts), len(files))
    found = findings.judge(source, pd.DataFrame(facts, index=wanted.index), expectations(study)).findings
    found += _room(study, len(files))
    if not pixels:
        text = "headers only; --pixels also finds damaged pixels, duplicates, burnt-in text and reversed grey"
        found.append(Finding.anonymous("note", "check", text))
    return sorted(found, key=lambda finding: ("fault", "warning", "note").index(finding.severity))


def run(study_path: str | Path, overrides: Sequence[str] = (), pixels: bool = False) -> int:
    """Print the list for a study file. Returns the exit code: 0 no fault, 1 faults, 2 the check could not
    run.
    """
    try:
        study = load(study_path, list(overrides))
        if study.sweeps:
            sweeps.members(study)  # raises where a sweep asks for what its cohort cannot be
        found = check(study, pixels, _bar())
    except InputError as error:
        for fault in error.faults:
            print(f"fault   {fault}")
        print(f"{_counted(len(error.faults), 'fault')}: mend them and check again.")
        return 1
    except (OSError, MemoryError, ImportError) as error:
        print(f"could not check: {type(error).__name__}: {error}")
        return 2
    for finding in found:
        print(finding)
    faults, warnings = (sum(f.severity == severity for f in found) for severity in ("fault", "warning"))
    print(f"{study.name}: {_counted(faults, 'fault')}, {_counted(warnings, 'warning')}.")
    return int(faults > 0)


def before_run(study: Study) -> None:
    """Print the warnings on a user's own radiographs before a study runs; InputError with all faults.

    Headers only: notebook 01, which decodes every image, finds the rest.
    """
    found = check(study, progress=_bar())
    faults = [str(finding) for finding in found if finding.severity == "fault"]
    if faults:
        raise InputError([*faults, f"{study.name}: {_counted(len(faults), 'fault')}; nothing was run."])
    for finding in found:
        if finding.severity == "warning":
            print(finding)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _bar() -> Progress:
    """A progress bar on the terminal; none where nobody watches."""
    bar = tqdm(unit="image", leave=False, disable=None)

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return progress


def _room(study: Study, images: int) -> list[Finding]:
    """Disk space for the decoded cohort and its contrast treatments."""
    side = study.cohort.image_size
    needed = images * side * side * (4 + len(study.equalizations))
    folder = study.paths.runs
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed <= free:
        return []
    text = f"the decoded cohort needs about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
    return [Finding.anonymous("fault", "disk", text)]
