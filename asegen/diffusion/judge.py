"""Learning to tell good samples from bad ones: the choice among the candidates of a generator.

Trained on a generator's own samples for compositions whose crystal is known. The quality of a sample is 1 less its root
mean square distance to that crystal (pymatgen's, normalised), and 0 where the two don't match.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from asegen.crystals.crystals import Crystals
from asegen.data.labels import Labels
from asegen.diffusion.augmentation import mirrored
from asegen.diffusion.lattice_scale import LatticeScale

Score = Callable[[Crystals, Tensor], Tensor]


class Judge:
    """Cross entropy of the quality that a network gives a crystal.

    Args:
        lattice_mean: see `LatticeScale`.
        lattice_std: see `LatticeScale`.
    """

    labels: ClassVar[Labels] = "targets"

    def __init__(self, lattice_mean: Sequence[float], lattice_std: Sequence[float]) -> None:
        self._scale = LatticeScale(lattice_mean, lattice_std)

    @staticmethod
    def statistics(crystals: Crystals, targets: Tensor) -> dict[str, list[float]]:
        """The constructor's arguments from training crystals."""
        return LatticeScale.statistics(crystals)

    def loss(self, model: Score, crystals: Crystals, generator: torch.Generator, targets: Tensor) -> dict[str, Tensor]:
        """Binary cross entropy, with the share of crystals on the right side of one half.

        Args:
            model: `(crystals, lattice_coordinates (B, 6)) -> (B,)` logits.
            crystals: generated crystals.
            generator: chooses between a crystal and its mirror image.
            targets: (n_crystals, 1), the quality, in [0, 1].
        """
        logit = self.score(model, mirrored(crystals, generator)).float()
        quality = targets[:, 0]
        loss = functional.binary_cross_entropy_with_logits(logit, quality)
        return {"loss": loss, "accuracy": ((logit > 0) == (quality > 0)).float().mean()}

    def score(self, model: Score, crystals: Crystals) -> Tensor:
        """(n_crystals,): logits of the quality, the higher the better."""
        return model(crystals, self._scale.coordinates(crystals))
