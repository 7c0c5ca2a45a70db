"""What a run on a cluster needs besides Snakemake: a profile, a file system that machines share, an orderly end."""

import contextlib
import platform
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from foramen.core import paths
from foramen.core.errors import InputError

PROFILES = paths.ROOT / "profiles"
CLOCKS = 5.0  # seconds by which the clocks of a machine and of the file system may differ
SLURM_RUN = re.compile(r"^SLURM run ID: (\S+)$", re.MULTILINE)  # so Snakemake names all jobs of a run


def profile(name: str) -> Path:
    """The folder of a profile: one of `profiles/` by its name, or a path. Raises InputError where there is none."""
    known = {path.parent.name: path.parent for path in PROFILES.glob("*/config.yaml")}
    folder = known.get(name, Path(name)).resolve()
    if not (folder / "config.yaml").is_file():
        raise InputError(
            f"{name}: no such profile, and no folder with config.yaml; there is {', '.join(sorted(known))}"
        )
    return folder


def without_accounts(profile: Path, arguments: Sequence[str]) -> str:
    """What to add where SLURM keeps no accounts, so that Snakemake would wait for the end of its first jobs for ever;
    empty where it does, where that was added, and for other profiles.
    """
    told = yaml.safe_load((profile / "config.yaml").read_text(encoding="utf-8")) | dict.fromkeys(arguments)
    if told.get("executor") != "slurm" or {"slurm-status-command", "--slurm-status-command"} & set(told):
        return ""
    with contextlib.suppress(FileNotFoundError, subprocess.TimeoutExpired):
        if subprocess.run(["sacct", "-n", "-X"], capture_output=True, timeout=60).returncode == 0:
            return ""
    return "SLURM keeps no accounts here (sacct fails): add --snakemake --slurm-status-command squeue"


def require_shared(lock: Path) -> None:
    """Raise InputError unless this machine sees that `lock` is held, and has the clock of the lock's file system.

    The run holds it all the time: it asks before its first job, and each job where it runs. Where locks are not seen
    two jobs would write one result; where clocks disagree a stale result passes for newer than what it is made from.
    """
    machine, faults = platform.node(), []
    with contextlib.suppress(Timeout), FileLock(lock, timeout=0):
        faults.append(f"{lock}: {machine} sees no lock: the run has ended, or machines do not share locks")
    with tempfile.NamedTemporaryFile(dir=lock.parent, prefix=".clock") as probe:
        ahead = time.time() - Path(probe.name).stat().st_mtime
    if abs(ahead) > CLOCKS:
        faults.append(f"{lock.parent}: the clock of {machine} is {ahead:+.0f} s from that of the file system")
    if faults:
        raise InputError(faults)


def cancel_left_over(log: Path) -> None:
    """Cancel what the run with this log of Snakemake's has left on SLURM.

    An interrupted Snakemake cancels its jobs, but for those that it is submitting or asking the state of; a killed one
    none.
    """
    for name in SLURM_RUN.findall(log.read_text(encoding="utf-8")) if log.exists() else ():
        with contextlib.suppress(FileNotFoundError, subprocess.TimeoutExpired):
            subprocess.run(["scancel", "--name", name], capture_output=True, timeout=60)
