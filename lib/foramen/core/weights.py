"""Weights files: read without running the code in them, adapted to one grey channel, or refused (notebook 05)."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from timm.models import adapt_input_conv
from torch import nn

from foramen.core.errors import InputError
from foramen.core.files import replacing


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a `.safetensors` or `.pth`/`.pt` file, by name; code in the file is never run.

    A `.pth` may hold them under `state_dict` or `model`, as training scripts write it. Raises InputError.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(f"{path}: holds more than tensors or is damaged; not loaded, so no code was run") from None
    except Exception as error:  # a damaged archive or pickle raises anything, a MemoryError, too
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{path}: not readable as a weights file: {reason}") from None
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise InputError(f"{path}: holds no table of named tensors")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def head(model: nn.Module) -> tuple[str, str]:
    """Names of the tensors of the last layer of one of timm's networks."""
    layer = _facts(model)["classifier"]
    return f"{layer}.weight", f"{layer}.bias"


def adapt(model: nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Give one of timm's networks the tensors of `state`: as float32, colour channels summed.

    Its head stays where the file's has another size, or none. Raises InputError that names the first tensor, in the
    network's order, that is missing or of another shape, and `source`.
    """
    known = _facts(model)
    network, own = known["architecture"], head(model)
    adapted = {}
    for name, wanted in model.state_dict().items():
        given = state.get(name)
        if given is None and (name in own or name.endswith("num_batches_tracked")):
            continue
        if given is None:
            raise InputError(f"{source}: does not fit {network}: tensor {name} {tuple(wanted.shape)} is missing")
        if name == f"{known['first_conv']}.weight" and given.shape[1:] == (3, *wanted.shape[2:]):
            given = adapt_input_conv(1, given)
        if given.shape != wanted.shape:
            if name in own:
                continue
            shapes = f"{tuple(given.shape)}, {network} has {tuple(wanted.shape)}"
            raise InputError(f"{source}: does not fit {network}: tensor {name} is {shapes}")
        adapted[name] = given.to(wanted.dtype)
    model.load_state_dict(adapted, strict=False)


def _facts(model: nn.Module) -> Any:
    """What timm knows of a network: architecture, and the names of its first convolution and its classifier."""
    return model.pretrained_cfg


def save(model: nn.Module, path: Path, without: tuple[str, ...] = ()) -> None:
    """Write a model's tensors but those named as .safetensors, atomically."""
    state = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items() if name not in without}
    with replacing(path) as temporary:
        save_file(state, temporary)
