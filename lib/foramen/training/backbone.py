"""ResNet50 for one grey channel and one logit: weights, stages, what trains and how fast (notebook 05).

The network is timm's (He et al. 2016, Deep residual learning). Weights learned on colour images are adapted
by summing the first convolution over its input channels, as timm does: a grey image then gives the same
activations as three equal channels would, at a third of the cost of tripling it.
"""

import pickle
from pathlib import Path

import safetensors
import timm
import torch
from safetensors.torch import load_file
from timm.models import adapt_input_conv
from torch import nn

from foramen.core.errors import InputError

# From the input to the output; a network that trains "from layer3 up" trains layer3, layer4 and the head.
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4", "head")
HEAD = ("fc.weight", "fc.bias")


def resnet50(weights: Path | None = None, seed: int = 0, outputs: int = 1) -> nn.Module:
    """A ResNet50 that maps (B, 1, H, W) to (B, outputs) logits.

    Whatever `weights` does not hold (everything, where it is None) is drawn from `seed`; the global random
    state stays as it was. Raises InputError where the file does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = timm.create_model("resnet50", pretrained=False, in_chans=1, num_classes=outputs)
    if weights is not None:
        model.load_state_dict(fitting(read_weights(weights), model, weights), strict=False)
    return model


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a `.safetensors` or `.pth`/`.pt` file, by name; code in the file is never run.

    A `.pth` may hold them under `state_dict` or `model`, as training scripts write it. Raises InputError.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: holds more than tensors, or is damaged; it was not loaded, so no code was run"
        ) from None
    except (safetensors.SafetensorError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(f"{path}: not readable as a weights file: {' '.join(str(error).split())[:120]}") from None
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise InputError(f"{path}: holds no table of named tensors")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def fitting(state: dict[str, torch.Tensor], model: nn.Module, path: Path) -> dict[str, torch.Tensor]:
    """The tensors of `state` adapted to `model`: float32, one input channel, a head of another size left out.

    Raises InputError that names the first tensor, in the network's order, that is missing or of another
    shape.
    """
    adapted = {}
    for name, wanted in model.state_dict().items():
        given = state.get(name)
        if given is None and (name in HEAD or name.endswith("num_batches_tracked")):
            continue
        if given is None:
            raise InputError(f"{path}: does not fit ResNet50: tensor {name} {tuple(wanted.shape)} is missing")
        if name == "conv1.weight" and given.shape[1:] == (3, *wanted.shape[2:]):
            given = adapt_input_conv(1, given)
        if given.shape != wanted.shape:
            if name in HEAD:
                continue
            shapes = f"{tuple(given.shape)}, ResNet50 has {tuple(wanted.shape)}"
            raise InputError(f"{path}: does not fit ResNet50: tensor {name} is {shapes}")
        adapted[name] = given.to(wanted.dtype)
    return adapted


def stages(model: nn.Module) -> dict[str, nn.Sequential]:
    """The network as named steps; applied one after the other they give what the network gives.

    The features behind the last frozen stage need computing only once an image.
    """
    return {
        "stem": nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool),
        **{name: getattr(model, name) for name in STAGES[1:-1]},
        "head": nn.Sequential(model.global_pool, model.fc),
    }


def freeze(model: nn.Module, trainable: str) -> None:
    """Let the stages from `trainable` (`head`, `layer4` ... `layer1`, `all`) up train, freeze the rest."""
    first = 0 if trainable == "all" else STAGES.index(trainable)
    for i, stage in enumerate(stages(model).values()):
        stage.requires_grad_(i >= first)


def train_mode(model: nn.Module) -> None:
    """Training mode, except that a frozen batch normalisation keeps its statistics.

    Otherwise the frozen part of the network would still drift with every batch it sees.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not module.weight.requires_grad:
            module.eval()


def parameter_groups(
    model: nn.Module, learning_rate: float, head_factor: float, layer_decay: float, weight_decay: float
) -> list[dict]:
    """The trainable parameters, grouped for discriminative learning rates (Howard and Ruder 2018).

    The head learns `head_factor` times as fast as layer4, each stage below layer4 `layer_decay` times as fast
    as the one above it. Weight decay acts on weights of more than one dimension, not on biases and batch
    normalisation.
    """
    groups = []
    for i, (name, stage) in enumerate(stages(model).items()):
        factor = head_factor if name == "head" else layer_decay ** (STAGES.index("layer4") - i)
        parameters = [p for p in stage.parameters() if p.requires_grad]
        for kind, decay in (("weights", weight_decay), ("biases", 0.0)):
            chosen = [p for p in parameters if (p.ndim > 1) == (kind == "weights")]
            if chosen:
                rate = learning_rate * factor
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay, "name": f"{name} {kind}"})
    return groups
