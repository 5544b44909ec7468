"""What training and sampling ask of a generative process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.diffusion.noise import SampleNoise


class Process(Protocol):
    """A pair of a training loss and a sampler over crystals of given composition."""

    default_steps: int

    def loss(self, model: Callable[..., Any], crystals: Crystals, generator: torch.Generator) -> dict[str, Tensor]:
        """Scalar losses of one batch; the entry `"loss"` is minimised, the others are reported.

        Args:
            model: the network, called as the process documents.
            crystals: a batch of training crystals.
            generator: source of all randomness but the network's drop-out, on the crystals' device.
        """

    def sample(
        self,
        model: Callable[..., Any],
        numbers: Tensor,
        n_atoms: Tensor,
        noise: SampleNoise,
        steps: int | None = None,
    ) -> Crystals:
        """Draws one crystal per composition.

        Args:
            model: the network.
            numbers: (n_atoms_total,), int64, atomic numbers.
            n_atoms: (n_crystals,), int64.
            noise: the stream of noise of each sample.
            steps: number of network evaluations along the trajectory; the process's default without it.
        """
