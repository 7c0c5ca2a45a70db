"""`make doctor`: what this machine lacks, in one list with the remedy. Any Python 3 runs it, nothing installed."""

import os
import platform
import shutil
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
ENVIRONMENT, RUNS = 7, 4  # GB: the packages; what `default` leaves behind, with room
NEEDED, OPTIONAL = "missing", "optional"


def main(python: str) -> int:
    """Write a line for each thing that was looked at; 1 where something is missing that every study needs."""
    found = look(python)
    for severity, name, there, remedy in found:
        sys.stdout.write(f"{'ok':<9}{name}\n" if there else f"{severity:<9}{name}: {remedy}\n")
    return int(any(severity == NEEDED and not there for severity, _, there, _ in found))


def look(python: str) -> list:
    """Severity where it is not there, name, whether it is there, remedy."""
    made = os.path.exists(os.path.join(ROOT, ".venv", "ready"))
    disk, free = RUNS + (0 if made else ENVIRONMENT), shutil.disk_usage(ROOT).free / 1e9
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    browser = shutil.which("chromium") and shutil.which("chromedriver")
    return [
        (NEEDED, "Linux", platform.system() == "Linux", "nothing else was tried; on Windows, WSL 2 is one"),
        (NEEDED, f"{python} as Python", is_right(python), "install 3.11.5 to 3.13 with venv; make PYTHON=/its/path"),
        *((NEEDED, name, shutil.which(name), f"install {name}") for name in ("make", "git")),
        (NEEDED, f"{disk} GB of free disk", free >= disk, f"{free:.0f} GB are free in {ROOT}: make room"),
        (OPTIONAL, "2 GB of memory a core", memory >= 2 * cores, f"foramen run … --cores {max(1, int(memory / 2))}"),
        (OPTIONAL, "the environment in .venv", made, "the first make target that needs it makes it"),
        (OPTIONAL, "a browser", browser, "install chromium and its driver for the one test that looks at the report"),
        (OPTIONAL, "SLURM", shutil.which("sbatch"), "only for a cluster, see docs/cluster.md"),
    ]


def is_right(python: str) -> bool:
    """True for Python 3.11.5 to 3.13 that can make environments."""
    code = "import ensurepip, sys, venv; sys.exit(not (3, 11, 5) <= sys.version_info[:3] < (3, 14))"
    try:
        return subprocess.call([python, "-c", code], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
