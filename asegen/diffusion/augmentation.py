"""Changes of a training crystal that leave it as likely as it was."""

from __future__ import annotations

import torch

from asegen.crystals.crystals import Crystals


def mirrored(crystals: Crystals, generator: torch.Generator) -> Crystals:
    """The crystals, every other one, at random, inverted: the same metric, all distances the same.

    Args:
        crystals: a batch.
        generator: the choice, on the crystals' device.
    """
    sign = torch.randint(2, (len(crystals),), device=crystals.device, generator=generator) * 2 - 1
    positions = sign[crystals.batch, None].to(crystals.dtype) * crystals.scaled_positions
    return crystals.replace(scaled_positions=positions)
