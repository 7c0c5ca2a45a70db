"""What a processor computes is right and the same at each run, at the shapes that the studies' networks have."""

import pytest
import torch
from torch.nn import functional

from foramen.core import compute


@pytest.mark.parametrize("shape", [(3, 2), (4, 2), (6, 3), (8, 4), (2, 2)], ids=str)
def test_the_last_strided_convolution_repeats_and_is_right_in_bfloat16(shape):
    """ResNet50's layer4.0.conv2 at 48 x 24 (smoke), 64 x 32 (default), 96 x 48, 128 x 64 (reference) and 24 x 24."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(32, 512, *shape, generator=draw).contiguous(memory_format=torch.channels_last)
    weights = torch.randn(512, 512, 3, 3, generator=draw).contiguous(memory_format=torch.channels_last) / 68
    exact = functional.conv2d(images, weights, stride=2, padding=1)
    outputs = []
    for filled in (1e30, float("nan"), 1e30, float("nan")):
        freed = [torch.full((1 << size,), filled) for size in range(10, 20)]  # what an unwritten buffer may hold
        del freed
        with torch.no_grad(), compute.autocast("bf16", torch.device("cpu")):
            outputs.append(functional.conv2d(images, weights, stride=2, padding=1).float())
    assert all(torch.equal(output, outputs[0]) for output in outputs)
    torch.testing.assert_close(outputs[0], exact, atol=0.05, rtol=0.02)
