"""`make doctor`, which must run where nothing is installed."""

import subprocess
import sys

from foramen.core import paths
from foramen.workflow import doctor


def told(python: str) -> tuple[int, dict[str, str]]:
    """Exit code, and the first word said of each thing; by a Python without packages or site."""
    command = [sys.executable, "-S", "-I", doctor.__file__, python]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, {line[9:].split(":")[0]: line.split()[0] for line in done.stdout.splitlines()}


def test_this_machine_is_well():
    code, found = told(sys.executable)
    assert found["Linux"] == found["git"] == found[f"{sys.executable} as Python"] == "ok"
    assert code == int("missing" in found.values())


def test_what_is_missing_is_named_with_its_remedy():
    code, found = told("python3.99")
    assert code == 1 and found["python3.99 as Python"] == "missing"


def test_too_little_disk_is_told(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: doctor.shutil._ntuple_diskusage(10**9, 10**9, 10**9))
    (disk,) = [line for line in doctor.look(sys.executable) if "of free disk" in line[1]]
    assert disk[0] == doctor.NEEDED and not disk[2] and f"1 GB are free in {paths.ROOT}" in disk[3]
