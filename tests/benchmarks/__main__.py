"""The benchmarks named (default: all), each in a process of its own: `python -m benchmarks training rendering`."""

import argparse
import subprocess
import sys

NAMES = ("detection", "images", "rendering", "resampling", "share", "training")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    chosen = parser.parse_args().names or NAMES
    if unknown := set(chosen) - set(NAMES):
        parser.error(f"{', '.join(sorted(unknown))}: no such benchmark; there are {', '.join(NAMES)}")
    return max(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode for name in chosen)


if __name__ == "__main__":
    sys.exit(main())
