"""The spatial transformer: a radiograph sampled through a similarity transform theta (notebook 04).

It turns a radiograph (n, 1, S, S) into the classifier's input (n, 1, h, w): the point x of the input is read from the
point theta x of the radiograph (Jaderberg et al. 2015, Spatial Transformer Networks, equation 1). Either theta is the
same for every radiograph, or a localisation network chooses it for each. With several heads, one a foramen, each has a
theta of its own, and their outputs are the channels of the input (n, k, h, w).
"""

import torch
from torch import nn

from foramen.core import geometry
from foramen.training.classifier import Transformer

# The localisation network sees this disc about the middle of the image, in half image sides. The edges of a detected
# region and collimation lie outside, turned and moved as far as `self_supervision` does, too: moved together with the
# anatomy they would give a known transform away. The edge of a whole film (`region: film`) that is narrower than high
# can come in, and what then follows a known change may be the edge.
DISC = 0.62


class SpatialTransformer(Transformer):
    """A transformer whose place, rotation and zoom a localisation network chooses for each image and head.

    The pose is bounded, p = limits tanh(z), so that no step of training can throw the image out of the frame. The last
    layer starts at zero, so that training starts from the reference frame.
    """

    limits: torch.Tensor
    taught = False

    def __init__(
        self, frame: torch.Tensor, limits: torch.Tensor, shape: tuple[int, int], samples: int, localisation_size: int
    ):
        super().__init__(frame, shape, samples)
        self.register_buffer("limits", limits)
        self.localisation_size = localisation_size
        self.localisation = localisation_network(localisation_size, len(geometry.POSE) * frame.shape[:-2].numel())

    def pose(self, images: torch.Tensor) -> torch.Tensor:
        """The pose (n, 4), or one a head (n, k, 4), of the anatomy relative to the reference; always in float32."""
        with torch.autocast(images.device.type, enabled=False):
            whole = torch.eye(3, device=images.device)[:2].expand(len(images), 2, 3)
            return self.pose_of_small(self.small(images, whole))

    def small(self, images: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        """Images (n, 1, S, S) sampled through theta (n, 2, 3) at the localisation network's own size."""
        samples = geometry.supersampling(images.shape[-1], self.localisation_size, 1.0)
        return geometry.sample(images, theta, self.localisation_size, samples)

    def pose_of_small(self, small: torch.Tensor) -> torch.Tensor:
        """The pose (n, 4), or one a head (n, k, 4), within the limits, from images at the network's own size."""
        z = self.localisation(standardised_disc(small)).view(len(small), *self.frame.shape[:-2], len(geometry.POSE))
        return self.limits * torch.tanh(z)

    def theta(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 2, 3), or one a head (n, k, 2, 3)."""
        return (geometry.matrices(self.pose(images)) @ self.frame)[..., :2, :]


def localisation_network(size: int, outputs: int) -> nn.Sequential:
    """A small convolutional network from (n, 1, size, size) to `outputs` numbers, zero before it is trained."""
    channels, layers = [1, 16, 32, 64, 64], []
    for before, after in zip(channels, channels[1:], strict=False):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        size = (size + 1) // 2
    last = nn.Linear(64, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * size * size, 64), nn.ReLU(), last)


def standardised_disc(small: torch.Tensor) -> torch.Tensor:
    """Images (n, 1, s, s) with mean 0 and SD 1 within the disc, and 0 outside it."""
    line = torch.linspace(-1, 1, small.shape[-1], device=small.device)
    inside = (line[:, None] ** 2 + line**2 <= DISC**2).to(small.dtype)
    mean = (small * inside).sum(dim=(2, 3), keepdim=True) / inside.sum()
    centred = (small - mean) * inside
    sd = (centred.square().sum(dim=(2, 3), keepdim=True) / inside.sum()).sqrt()
    return centred / (sd + 1e-6)


@torch.inference_mode()
def transform(transformer: Transformer, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What a transformer makes of images (n, 1, S, S) uint8: the input (n, k, h, w) in 0 to 1, and theta.

    Theta is (n, 2, 3) for one head (k = 1), (n, k, 2, 3) for several.
    """
    transformer.eval()
    theta = transformer.theta(images / 255.0)
    return transformer(images / 255.0, theta), theta
