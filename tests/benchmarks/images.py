"""How fast a reader's radiographs become a cohort, against decoding alone: `python -m benchmarks.images`.

For each kind of file the same copies are read twice over the same number of processes: by pydicom or Pillow alone, to
full-size pixels that are thrown away, and by `inspection.inspect`, which also reduces, letterboxes, digests and stores
them. Both are timed in turns, so that a busy machine slows both; the ratio is of the medians.
"""

import argparse
import io
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pixel_array
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, RLELossless, generate_uid

from radiographs import inspection, parallel

KINDS = ("dicom", "dicom_rle", "png8", "png16", "jpeg")


def radiograph(seed: int, height: int, width: int) -> np.ndarray:
    """A film-sized 12-bit picture: smooth anatomy with detector noise, so that it compresses as films do."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.random((12, 9), dtype=np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    return (600 + 2600 * np.clip(np.asarray(coarse), 0, 1) + rng.normal(0, 12, (height, width))).astype(np.uint16)


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    """`pixels` as a file of one of `KINDS`."""
    stream = io.BytesIO()
    if kind.startswith("dicom"):
        _dataset(pixels, kind).save_as(stream, enforce_file_format=True)
    elif kind == "png16":
        Image.fromarray(pixels * 16).save(stream, "PNG")
    else:
        Image.fromarray((pixels >> 4).astype(np.uint8)).save(stream, "PNG" if kind == "png8" else "JPEG", quality=92)
    return stream.getvalue()


def _dataset(pixels: np.ndarray, kind: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "DX", "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = pixels.tobytes()
    if kind == "dicom_rle":
        dataset.compress(RLELossless)
    return dataset


def decode_alone(job: inspection.FileToRead) -> int:
    """What the libraries need to give the pixels of one file, and nothing else."""
    path = Path(job.root) / job.path
    if path.suffix == ".dcm":
        return int(pixel_array(dcmread(path)).shape[0])
    with Image.open(path) as image:
        return np.asarray(image).shape[0]


def alone(job: inspection.FileToRead) -> float:
    """Processor seconds of `decode_alone`."""
    started = time.process_time()
    decode_alone(job)
    return time.process_time() - started


def whole(job: inspection.FileToRead) -> float:
    """Processor seconds of `inspection.inspect`."""
    started = time.process_time()
    fault = inspection.inspect(job)["fault"]
    if fault:
        raise RuntimeError(fault)
    return time.process_time() - started


def measure(kind: str, images: int, processes: int, size: int = 160, rounds: int = 3) -> dict[str, float]:
    """Images per second of decoding alone and of the whole preparation, and their ratios.

    `ratio` compares wall clocks, `ratio_cpu` processor time, which other work on the machine disturbs less.
    """
    with tempfile.TemporaryDirectory() as folder:
        suffix = {"d": ".dcm", "p": ".png", "j": ".jpg"}[kind[0]]
        different = [encoded(radiograph(seed, 2400, 1900), kind) for seed in range(4)]
        for i in range(images):
            (Path(folder) / f"{i}{suffix}").write_bytes(different[i % len(different)])
        store = Path(folder) / "decoded.npy"
        store.write_bytes(b"")
        jobs = [inspection.FileToRead(i, f"{i}{suffix}", folder, size, store=str(store)) for i in range(images)]
        taken = {function: [_seconds(function, jobs, processes) for _ in range(rounds)] for function in (alone, whole)}
    wall = {function: statistics.median(w for w, _ in runs) for function, runs in taken.items()}
    cpu = {function: statistics.median(c for _, c in runs) for function, runs in taken.items()}
    return {
        "kind": kind,
        "decoding_alone_per_s": images / wall[alone],
        "whole_preparation_per_s": images / wall[whole],
        "ratio": wall[alone] / wall[whole],
        "ratio_cpu": cpu[alone] / cpu[whole],
    }


def _seconds(function: Callable, jobs: list[inspection.FileToRead], processes: int) -> tuple[float, float]:
    """Wall-clock seconds for all jobs, and the sum of their processor seconds."""
    started = time.perf_counter()
    cpu = sum(parallel.over_files(function, jobs, inspection.failed, processes))
    return time.perf_counter() - started, cpu


def main() -> None:
    """Measure every kind and print a table with the peak memory of the largest process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--processes", type=int, default=parallel.available())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    given = parser.parse_args()
    table = pd.DataFrame([measure(kind, given.images, given.processes, rounds=given.rounds) for kind in given.kinds])
    print(table.round(2).to_string(index=False))
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"{given.processes} processes, images of 2400 x 1900 pixels; largest process {peak / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
