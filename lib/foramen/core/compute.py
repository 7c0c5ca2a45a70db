"""Device, precision and threads of a training, the same wherever a network is trained (notebooks 04, 05)."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

# Read at the first convolution. On processors with AMX, oneDNN 3.13 reads memory that nobody wrote where a convolution
# of stride 2 leaves one column in bfloat16 (ResNet50 on inputs up to 32 pixels wide): other numbers at each run, at
# times NaN. The step below AMX is right. Where all inputs are wider, DEFAULT is safe, and up to twice as fast.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")


def device(name: str = "auto") -> torch.device:
    """The device of that name; `auto` is the first GPU where there is one, else the processor."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def kind(on: torch.device) -> str:
    """What a result was computed on: `cpu`, or the model of the GPU."""
    return torch.cuda.get_device_name(on) if on.type == "cuda" else on.type


def bfloat16_is_native(on: torch.device) -> bool:
    """True where bfloat16 has instructions of its own; where it is emulated it is slower than float32."""
    if on.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def autocast(precision: str, on: torch.device) -> AbstractContextManager:
    """Mixed precision for the forward pass: `bf16`, `fp32` (none) or `auto` (bf16 where it is native)."""
    enabled = precision == "bf16" or (precision == "auto" and bfloat16_is_native(on))
    return torch.autocast(on.type, torch.bfloat16, enabled=enabled)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """What the block draws follows from `seed`; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def deterministic(threads: int) -> None:
    """Same input, same bytes: a fixed number of threads and only operations that repeat exactly.

    A result depends on the number of threads (sums are added in another order), so it is part of the study. On a GPU
    PyTorch warns of `grid_sample`: what it adds in random order is the gradient by the image, which no network here
    asks for; that by the grid repeated to the byte where it was tried (tests/training/test_gpu.py, on an H100).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # float32 is float32, as on the processor
