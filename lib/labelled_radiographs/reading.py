"""The files that a table names: looked at before anything is made of them, and decoded into one array (notebook 01)."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from labelled_radiographs.adapters import Source
from labelled_radiographs.findings import Expectations, Finding, Verdict, judge
from radiographs import decoding, inspection, parallel


def check(source: Source, expected: Expectations, pixels: bool = False) -> list[Finding]:
    """All findings on a table and its files, faults first. Nothing is written.

    Without `pixels` only headers are read: damaged pixels, duplicates, burnt-in text and greys stay unseen.
    """
    wanted, size = source.wanted, expected.image_size
    files = [inspection.FileToRead(i, name, str(source.images), size, pixels) for i, name in enumerate(wanted)]
    read = parallel.over_files(inspection.inspect, files, inspection.failed)
    facts = list(tqdm(read, total=len(files), unit="image", leave=False, disable=None))  # on a terminal only
    found = judge(source, pd.DataFrame(facts, index=wanted.index), expected).findings
    return sorted(found, key=lambda finding: ("fault", "warning", "note").index(finding.severity))


def decode(source: Source, expected: Expectations, folder: Path) -> tuple[pd.DataFrame, Verdict]:
    """The facts of each file, decoded into an array in `folder` (`radiographs.decoding`), and the findings on all.

    InputError where one of them is a fault; missing files and faulty rows are found before anything is decoded.
    """
    wanted = source.wanted
    paths = pd.DataFrame({"fault": [_path_fault(source, name) for name in wanted]}, index=wanted.index)
    judge(source, paths, expected).stop_on_faults(source.origin)
    decoded = decoding.decode(wanted.to_list(), source.images, expected.image_size, folder)
    facts = pd.DataFrame(decoded, index=wanted.index)
    verdict = judge(source, facts, expected)
    verdict.stop_on_faults(source.origin)
    return facts, verdict


def _path_fault(source: Source, name: str) -> str:
    try:
        inspection.inside(source.images, name)
    except inspection.ImageFault as fault:
        return str(fault)
    return ""
