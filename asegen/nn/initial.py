"""What weights a network starts from."""

from __future__ import annotations

import math

import torch
from torch import nn


@torch.no_grad()
def widen(variance: float, *modules: nn.Module) -> None:
    """Gives matrices that were drawn from ±1/√fan_in, torch's default of variance 1/(3 fan_in), another variance.

    Args:
        variance: in units of 1/fan_in; 2 keeps sizes through ReLU (He et al. 2015), 1 about so through SiLU with sums.
        modules: whose parameters of two and more dimensions are multiplied; biases stay.
    """
    for module in modules:
        for weight in module.parameters():
            if weight.dim() > 1:
                weight.mul_(math.sqrt(3 * variance))
