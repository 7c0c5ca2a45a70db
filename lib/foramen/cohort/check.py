"""Everything that is wrong with a study's radiographs and their table, in one list, before anything is trained.

It reads study file, table and every image's header (with `pixels` every pixel) and writes nothing.
"""

import os
import shutil

from foramen.cohort.step import expectations
from foramen.study import Study
from labelled_radiographs import Finding, adapters, reading


def check(study: Study, pixels: bool = False) -> list[Finding]:
    """All findings on a study's cohort, faults first; InputError where the table itself cannot be used.

    Without `pixels` only headers are read: duplicates, burnt-in text and greys stay unseen, and the list says so.
    """
    if study.cohort.source == "synthetic":
        text = f"synthetic cohort of {study.cohort.synthetic.patients} patients: there are no files to check"
        return [Finding("note", "cohort", text)]
    source = adapters.read(study.cohort.manifest)
    found = [*_room(study, len(source.wanted)), *reading.check(source, expectations(study), pixels)]
    if not pixels:
        text = "headers only; --pixels also finds damaged pixels, duplicates, burnt-in text and odd grey"
        found.append(Finding("note", "check", text))
    return found


def _room(study: Study, images: int) -> list[Finding]:
    """A disk that cannot be written, or has no room for the decoded cohort and its contrast treatments."""
    films, cut = study.cohort.image_size**2, study.region.size**2
    sides = [films if name.startswith("film") else cut for name in study.variants]
    needed = images * (4 * films + sum(sides))
    folder = study.paths.runs
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = []
    if needed > free:
        text = f"the decoded cohort needs about {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free"
        found.append(Finding("fault", "disk", text))
    if not os.access(folder, os.W_OK):
        found.append(Finding("fault", "disk", "results cannot be written", f"{folder} cannot be written"))
    return found
