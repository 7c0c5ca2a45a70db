"""How many films a second are learned from, detected and cut, on one thread: `python -m benchmarks.detection`.

The ceiling of detection is the network's forward pass alone, on films that are already small and scaled.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from foramen.core import compute
from foramen.preprocessing import regions, step
from foramen.preprocessing.detector import ColumnDetector, detect, fit_detector

FILM, CUT = 320, 128  # pixels along each side of a film and of its region, as in params/default.yaml


def rates(films: int) -> dict[str, float]:
    """Films a second of each part of notebook 02's region of interest, on random films of FILM pixels."""
    draw = np.random.default_rng(0)
    whole = draw.integers(0, 65536, (films, FILM, FILM)).astype(np.uint16)
    small, ends = step.small_films(whole), torch.from_numpy(draw.uniform(-0.5, 0.5, (films, 2, 2)).astype(np.float32))
    place, box = np.array([0.0, 0.1, 0.4]), np.array([0, 0, FILM, FILM], np.int16)
    detector, scaled = ColumnDetector(), small / 255.0
    with torch.inference_mode():
        found = {"forward pass alone": _rate(films, lambda: detector(scaled))}
    return found | {
        "reduced and detected": _rate(films, lambda: detect(detector, step.small_films(whole))),
        "region cut out": _rate(films, lambda: [regions.cut(film, box, place, CUT) for film in whole]),
        "learned from": _rate(films, lambda: fit_detector(detector.train(), small, ends, 1, 0)),
    }


def _rate(films: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return films / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=256)
    compute.deterministic(1)
    for part, rate in rates(parser.parse_args().films).items():
        print(f"{part:24}{rate:8.1f} films/s")


if __name__ == "__main__":
    main()
