"""GemNet's dense layers: no bias, He-orthogonal weights, an activation that keeps the variance."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SILU_SCALE = 0.6  # about the root mean square of SiLU of a standard normal number
HALF = 1 / math.sqrt(2)  # keeps the variance of a sum of two


def scaled_silu(x: Tensor) -> Tensor:
    """`SiLU(x)/0.6`: keeps the variance of standard normal inputs (Gasteiger et al., NeurIPS 2021)."""
    return functional.silu(x) * (1 / SILU_SCALE)


@torch.no_grad()
def he_orthogonal_(weight: Tensor) -> Tensor:
    """Fills a weight with an orthogonal matrix whose rows are standardised to mean 0 and variance 1/fan-in.

    Args:
        weight: (n_out, n_in).
    """
    nn.init.orthogonal_(weight)
    variance, mean = torch.var_mean(weight, dim=1, keepdim=True)
    return weight.sub_(mean).div_(torch.sqrt(variance + 1e-6) * math.sqrt(weight.shape[1]))


class Dense(nn.Linear):
    """A linear layer without bias, with or without the scaled SiLU.

    Args:
        n_in: size of the input.
        n_out: size of the output.
        activated: apply `scaled_silu`.
    """

    def __init__(self, n_in: int, n_out: int, activated: bool = False) -> None:
        super().__init__(n_in, n_out, bias=False)
        self.activated = activated

    def reset_parameters(self) -> None:
        """He-orthogonal weights."""
        he_orthogonal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., n_in) to (..., n_out)."""
        y = functional.linear(x, self.weight)
        return scaled_silu(y) if self.activated else y


class Residual(nn.Module):
    """GemNet's residual layer: `(x + f(x))/√2`, f two activated dense layers in turn.

    Args:
        width: size of input and output.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Dense(width, width), Dense(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to (..., width)."""
        # The activations' scales ride on a weight and on the sum: passes over x cost as much as its products.
        inner = functional.silu(self.first(x))
        outer = functional.silu(functional.linear(inner, self.second.weight * (1 / SILU_SCALE)))
        return torch.add(x * HALF, outer, alpha=HALF / SILU_SCALE)


def residuals(width: int, count: int) -> nn.Sequential:
    """`count` residual layers in a row."""
    return nn.Sequential(*[Residual(width) for _ in range(count)])
