"""A network for one grey channel and one logit: weights, stages, what trains and how fast (notebook 05).

The networks are timm's: ResNet50 (He et al. 2016, Deep residual learning), the paper's, and EfficientNet-Lite0 (Tan and
Le 2019, arXiv 1905.11946), of which ImageNet weights can be had without a hub. Weights learned on colour images are
adapted by summing the first convolution over its input channels, as timm does: a grey image then gives the same
activations as three equal channels would, at a third of the cost of tripling it.
"""

from pathlib import Path
from typing import Any

import timm
from timm.models import EfficientNet, ResNet
from torch import nn

from foramen.core.compute import seeded
from foramen.core.weights import adapt, read

Network = ResNet | EfficientNet

# From the input to the output; a network that trains "from layer3 up" trains layer3, layer4 and the head.
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4", "head")


def create(name: str, weights: Path | None = None, seed: int = 0, outputs: int = 1) -> Network:
    """timm's network `name` (`training.network` of a study), which maps (B, 1, H, W) to (B, outputs) logits.

    Whatever `weights` does not hold (everything, where it is None) is drawn from `seed`; the global random
    state stays as it was. Raises InputError where the file does not fit.
    """
    with seeded(seed):
        model: Any = timm.create_model(name, in_chans=1, num_classes=outputs)
    if weights is not None:
        adapt(model, read(weights), str(weights))
    return model


def stages(model: Network) -> dict[str, nn.Sequential]:
    """The network as named steps; applied one after the other they give what the network gives.

    Each of layer1 to layer4 ends at a quarter, an eighth, a 16th and a 32nd of the input's resolution. The features
    behind the last frozen stage need computing only once an image.
    """
    if isinstance(model, EfficientNet):
        return {
            "stem": nn.Sequential(model.conv_stem, model.bn1),
            "layer1": model.blocks[:2],
            "layer2": model.blocks[2:3],
            "layer3": model.blocks[3:5],
            "layer4": nn.Sequential(*model.blocks[5:], model.conv_head, model.bn2),
            "head": nn.Sequential(model.global_pool, model.classifier),
        }
    return {
        "stem": nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool),
        **{name: getattr(model, name) for name in STAGES[1:-1]},
        "head": nn.Sequential(model.global_pool, model.fc),
    }


def freeze(model: Network, trainable: str) -> None:
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
    model: Network, learning_rate: float, head_factor: float, layer_decay: float, weight_decay: float
) -> list[dict]:
    """The trainable parameters, grouped for discriminative learning rates (Howard and Ruder 2018).

    The head learns `head_factor` times as fast as layer4, each stage below layer4 `layer_decay` times as fast
    as the one above it. Weight decay acts on weights of more than one dimension, not on biases and batch
    normalisation. (timm's `param_groups_layer_decay` decays by block and knows no faster head.)
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
