"""Regression of the logarithm of a positive number, such as an elastic modulus."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.properties.regression import Prediction, Regression


class LogRegression(Regression):
    """Numbers that spread over orders of magnitude: the network learns their decimal logarithms.

    Predictions are in the targets' units again. Statistics, losses and the errors that training reports (`mae`,
    `spread`) are those of the logarithm, as in Matbench's `log_kvrh` and `log_gvrh` (Dunn et al., npj Comput. Mater. 6,
    138 (2020)).

    Args:
        elements: for each target 119 numbers, what each element adds to log10 of the target per fraction of atoms.
        scale: for each target the standard deviation of log10 that the fit leaves.
        loss: "mae" or "mse", of the logarithm.
    """

    def __init__(self, elements: Sequence[Sequence[float]], scale: Sequence[float], loss: str = "mae") -> None:
        super().__init__(elements, scale, loss)

    @staticmethod
    def statistics(crystals: Crystals, targets: Tensor) -> dict[str, Any]:
        """The fit of the logarithm by composition.

        Args:
            crystals: all training crystals.
            targets: (n_crystals, n_targets), positive.

        Raises:
            InputError: a target isn't positive.
        """
        if not bool((targets > 0).all()):
            raise InputError(f"{int((targets <= 0).sum())} targets aren't positive: they have no logarithm")
        return Regression.statistics(crystals, targets.log10())

    def loss(
        self, model: Callable[[Crystals], Tensor], crystals: Crystals, generator: torch.Generator, targets: Tensor
    ) -> dict[str, Tensor]:
        """As `Regression.loss` of log10 of the targets, (n_crystals, n_targets), positive."""
        return super().loss(model, crystals, generator, targets.log10())

    @torch.no_grad()
    def predict(self, model: Callable[[Crystals], Tensor], crystals: Crystals) -> Prediction:
        """Values in the targets' units; their spread is that of the logarithm to first order."""
        found = super().predict(model, crystals)
        value = 10**found.value
        return Prediction(value, math.log(10) * value * found.spread)

    def value(self, model: Callable[[Crystals], Tensor], crystals: Crystals) -> Tensor:
        """(n_crystals, n_targets), in the targets' units, differentiable with respect to cells and positions."""
        return 10 ** super().value(model, crystals)
