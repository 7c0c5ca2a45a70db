"""Attention over several crops of a radiograph: which of them the answer is read from (notebooks 05 and 08)."""

import torch
from torch import nn

WIDTH = 128


class Attention(nn.Module):
    """Gated attention (Ilse et al. 2018, Attention-based deep multiple instance learning, equation 9).

    Features (n, k, d) of k crops become one vector (n, d), their mean weighted by what each crop itself says. The last
    layer starts at zero, so that training starts from the plain mean.
    """

    def __init__(self, features: int):
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.what, self.gate, self.score = nn.Linear(features, WIDTH), nn.Linear(features, WIDTH), nn.Linear(WIDTH, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def weights(self, features: torch.Tensor) -> torch.Tensor:
        """The weight (n, k) of each crop; each row sums to 1."""
        given = self.norm(features)
        return self.score(torch.tanh(self.what(given)) * torch.sigmoid(self.gate(given)))[..., 0].softmax(dim=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, k, d) to (n, d)."""
        return (self.weights(features)[..., None] * features).sum(dim=1)
