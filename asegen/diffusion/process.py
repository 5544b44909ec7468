"""What drawing crystals of given compositions asks of a generative task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.diffusion.noise import SampleNoise


class GenerativeProcess(Protocol):
    """A sampler of crystals for the network that a task has trained; `TorusFlow` and the forms of `GemsDiff` are such.

    Attributes:
        default_steps: network evaluations along a trajectory when the caller names no number.
    """

    default_steps: int

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
            steps: number of network evaluations along the trajectory; `default_steps` without it.
        """
