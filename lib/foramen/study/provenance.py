"""`run.json`: what made a result. It says where a number comes from and what is stale; `step.make` writes it last."""

import os
import platform
import resource
import subprocess
import time
from collections.abc import Container
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from foramen import __version__
from foramen.core import paths
from foramen.core.files import digest, digest_file, read_json, write_json
from foramen.study.model import Study

PACKAGES = ("numpy", "pandas", "scikit-image", "scikit-learn", "timm", "torch", "torchvision")


# Beside a result that was made of a reader's own files: when each of them was last changed. Never leaves runs/.
OUTSIDE = "outside.json"


def key(study: Study, stage: str, inputs: list[Path], content: str = "") -> str:
    """Digest of a stage's parameters and of what it reads: a folder counts by its run.json, a file by its content.

    `content` stands for what was read from a reader's own files, which are too many to be read for every key.
    """
    upstream = [digest_file(p) if p.is_file() else read_json(p / "run.json")["key"] for p in inputs]
    parts = {"stage": stage, "parameters": study.stage(stage), "inputs": upstream, "content": content}
    return digest(parts)


def is_current(folder: Path, study: Study, stage: str, inputs: list[Path]) -> bool:
    """True where `folder` holds a complete result of this stage for these parameters, inputs and outside files."""
    return matches(folder, study, stage, inputs) and not left_out(folder)


def matches(folder: Path, study: Study, stage: str, inputs: list[Path]) -> bool:
    """The same, but files may have been left out when the result was published: tables are there, arrays not."""
    made = read_run(folder)
    if not made or changed_outside(folder):
        return False
    return made.get("key") == key(study, stage, inputs, made.get("content", ""))


def stands(folder: Path, study: Study) -> bool:
    """True where the result in `folder` and all that it was made of match the study; reads run.json files alone."""
    made = read_run(folder)
    inputs = [folder / name for name in made.get("inputs", [])]
    upstream = all(path.is_file() or stands(path, study) for path in inputs)
    return bool(made) and upstream and matches(folder, study, made["stage"], inputs)


def left_out(folder: Path) -> list[str]:
    """Names of the files that a published result lacks (`foramen.published`); none of a result that was made here."""
    return read_run(folder).get("published", {}).get("left_out", [])


def write_outside(folder: Path, changed: dict[str, int]) -> None:
    """Note when the outside files (absolute paths) that the result in `folder` is made of were changed, in ns."""
    write_json(folder / OUTSIDE, changed)


def changed_outside(folder: Path) -> list[str]:
    """Outside files that were changed since; one that is no longer there leaves a finished result as good as it was."""
    noted = read_json(folder / OUTSIDE) if (folder / OUTSIDE).exists() else {}
    return [path for path, when in noted.items() if os.path.exists(path) and os.stat(path).st_mtime_ns != when]


def write_run(
    folder: Path, study: Study, stage: str, inputs: list[Path], facts: dict[str, Any], started: float
) -> None:
    """Write run.json of the finished result in `folder`, on which was worked since `started` (seconds of `time.time`).

    `facts` are added as they are; its `content`, where it has one, is the digest that `key` speaks of.
    """
    made = {
        "key": key(study, stage, inputs, facts.get("content", "")),
        "stage": stage,
        "study": study.name,
        "study_hash": study.hash,
        "plan": study.plan.hash,
        "design": study.design,
        "parameters": study.stage(stage),
        "inputs": [os.path.relpath(path, folder) for path in inputs],
        "wall_seconds": round(time.time() - started, 2),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_json(folder / "run.json", {**facts, **made, **environment()})


def read_run(folder: Path) -> dict[str, Any]:
    """The run.json of a result; empty where there is none."""
    try:
        return read_json(folder / "run.json")
    except FileNotFoundError:
        return {}


def misfits(study: Study, known: Container[str] = ()) -> list[str]:
    """What notebook 02 found not to fit the films, in sentences that are not `known`: the detector, what arms read.

    What it found with other films, arms or settings counts no more.
    """
    folders = [study.paths.regions] * study.detects + [study.paths.coverage]
    found = {folder: read_run(folder).get("misfit") for folder in folders}
    return [said for folder, said in found.items() if said and said not in known and stands(folder, study)]


def environment() -> dict[str, Any]:
    """Code version, package versions, machine and peak memory of this process (MiB)."""
    return {
        "code_version": code_version(),
        "python": platform.python_version(),
        "packages": _versions(),
        "processor": processor(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _versions() -> dict[str, str]:
    """The version of each of PACKAGES that is installed: an environment that only evaluates has no PyTorch."""
    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def processor() -> str:
    """The model of this machine's processor, as Linux names it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def code_version() -> str:
    """The package's version and the commit it was run from, `+changes` where the checkout differs from it."""
    commit = git(paths.ROOT, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return __version__
    changes = git(paths.ROOT, "status", "--porcelain", "--", "lib", "notebooks")
    return f"{__version__} ({commit}{'+changes' if changes else ''})"


def git(folder: Path, *arguments: str) -> str | None:
    """What git says in a folder; None where it cannot."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
