"""Two classes of crystals, cut from a number at a threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from asegen.crystals.crystals import Crystals
from asegen.data.labels import Labels
from asegen.errors import InputError
from asegen.properties.bagging import bag_weights
from asegen.properties.regression import Prediction


class Classification:
    """Whether a number is at most a threshold: a metal where the band gap is at most 1e-5 eV.

    Args:
        threshold: in the target's unit.
    """

    labels: ClassVar[Labels] = "targets"

    def __init__(self, threshold: float = 1e-5) -> None:
        self.threshold = threshold

    @staticmethod
    def statistics(crystals: Crystals, targets: Tensor) -> dict[str, Any]:
        """Nothing is needed of the training data but that it has one target.

        Args:
            crystals: all of them.
            targets: (n_crystals, 1).

        Raises:
            InputError: several targets, or none.
        """
        if targets.shape[1] != 1:
            raise InputError(f"a classification needs one target, not {targets.shape[1]}")
        return {}

    def loss(
        self, model: Callable[[Crystals], Tensor], crystals: Crystals, generator: torch.Generator, targets: Tensor
    ) -> dict[str, Tensor]:
        """Binary cross-entropy of one batch, and the share of right answers.

        Args:
            model: crystals to (n_crystals, heads, 1), log-odds.
            crystals: a batch.
            generator: unused, the task has no noise of its own.
            targets: (n_crystals, 1).
        """
        given = model(crystals)[..., 0].float()
        belongs = (targets <= self.threshold).to(given.dtype)
        entropy = functional.binary_cross_entropy_with_logits(given, belongs.expand_as(given), reduction="none")
        right = (torch.sigmoid(given.detach()).mean(1) > 0.5) == (belongs[:, 0] > 0.5)
        bags = bag_weights(crystals, given.shape[1])
        return {"loss": (entropy * bags).mean(), "accuracy": right.to(given.dtype).mean()}

    @staticmethod
    def columns(targets: Sequence[str]) -> tuple[str, ...]:
        """What is predicted of a column of the data."""
        return ("probability",)

    @torch.no_grad()
    def predict(self, model: Callable[[Crystals], Tensor], crystals: Crystals) -> Prediction:
        """The heads' mean probability (n_crystals, 1), and its spread among them."""
        probability = torch.sigmoid(model(crystals)[..., 0].float())
        return Prediction(probability.mean(1, keepdim=True), probability.std(1, correction=0, keepdim=True))
