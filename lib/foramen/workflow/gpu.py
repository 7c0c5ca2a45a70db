"""Trainings side by side on one GPU: as many as its memory holds (docs/cluster.md).

A training by itself leaves most of a large GPU idle.
"""

import os
import shutil
import subprocess

# On an H100, 16 trainings of ResNet50 with batches of 32 took 28 GB, 11 of them at 128 x 64 and 5 at 128 x 128 pixels.
# The first is to hold the device's context, the network and its optimiser, the second what a pixel of a batch adds.
TRAINING_MIB = 1500
KIB_A_PIXEL = 1.0


def needed_mib(batch: int, pixels: int) -> int:
    """Memory that a training needs of a GPU, its batches holding so many images of so many pixels."""
    return TRAINING_MIB + round(batch * pixels * KIB_A_PIXEL / 1024)


def free_mib() -> int | None:
    """Free memory of the first GPU that programs here may use; None where there is none."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if not first or shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", f"--id={first}"]
    answer = subprocess.run(command, capture_output=True, text=True)
    return int(answer.stdout) if answer.returncode == 0 and answer.stdout.strip().isdigit() else None


def options(device: str) -> list[str]:
    """Snakemake's options for a `training.device`: no more jobs at once than the GPU's memory holds."""
    free = None if device == "cpu" else free_mib()
    return [] if free is None else ["--resources", f"gpu_mib={free}"]
