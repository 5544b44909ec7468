"""Numbers that are zero for many crystals and positive for the others: band gaps."""

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
from asegen.properties.regression import Prediction, Regression, errors

Model = Callable[[Crystals], Tensor]

_SMALL = 0.01


class HurdleRegression:
    """A hurdle model (Cragg, Econometrica 39, 829 (1971)): whether a number is zero, and how large it is if it isn't.

    A single regression on all crystals puts what it doubts near zero, so that an insulator becomes a metal. Here the
    network gives two numbers in each head: the log-odds that the target is zero, learned from all crystals, and the
    target in standard units as in `Regression`, learned from those alone where it isn't zero.

    Args:
        elements: as in `Regression`, fitted to the crystals whose target isn't zero.
        scale: as in `Regression`, of the same crystals.
        least: in the target's unit; where a crystal isn't taken for zero, the number is at least this.
        threshold: a target up to this, in its unit, is zero: a metal has a gap of at most 1e-5 eV.
        gate: the predicted number is 0 where the probability of zero is above this. Chosen on the validation split:
            the higher, the fewer are taken for zero that aren't.
        probability: what the column of that probability is called.

    Raises:
        InputError: the gate is no probability.
    """

    labels: ClassVar[Labels] = "targets"

    def __init__(
        self,
        elements: Sequence[Sequence[float]],
        scale: Sequence[float],
        least: float = 0.0,
        threshold: float = 1e-5,
        gate: float = 0.5,
        probability: str = "zero_probability",
    ) -> None:
        if not 0 <= gate <= 1:
            raise InputError(f"gate = {gate} is no probability, 0 to 1")
        self.threshold, self.gate, self.probability = threshold, gate, probability
        self._size = Regression(elements, scale, lowest=least)

    @staticmethod
    def statistics(crystals: Crystals, targets: Tensor) -> dict[str, Any]:
        """The arguments `elements`, `scale` and `least`, of the training crystals whose target isn't zero.

        `least` is what only one in a hundred of these is below.

        Args:
            crystals: all of them.
            targets: (n_crystals, 1), not negative.

        Raises:
            InputError: several targets, negative ones, or none above zero.
        """
        if targets.shape[1] != 1:
            raise InputError(f"a hurdle model has one target, not {targets.shape[1]}")
        positive = targets[:, 0] > 0
        if bool((targets < 0).any()) or not bool(positive.any()):
            raise InputError("a hurdle model needs targets that are zero or positive, some of them positive")
        least = float(targets[positive].double().quantile(_SMALL))
        return {**Regression.statistics(crystals[positive], targets[positive]), "least": least}

    def loss(self, model: Model, crystals: Crystals, generator: torch.Generator, targets: Tensor) -> dict[str, Tensor]:
        """Binary cross-entropy, and absolute deviations of the crystals that aren't zero.

        Args:
            model: crystals to (n_crystals, heads, 2).
            crystals: a batch.
            generator: unused, the task has no noise of its own.
            targets: (n_crystals, 1).

        Returns:
            `loss`, the sum of both; `mae` and `spread` of the prediction, in the target's unit; `mae_positive`, the
            error of the number in crystals that aren't zero, whatever the gate says; `accuracy` at probability 1/2.

        Raises:
            InputError: the network hasn't two outputs.
        """
        given = model(crystals).float()
        if given.shape[2] != 2:
            raise InputError(f"a hurdle model needs a network with outputs = 2, not {given.shape[2]}", "outputs")
        zero = (targets <= self.threshold).to(given.dtype)
        bags = bag_weights(crystals, given.shape[1])
        logits = given[..., 0]
        entropy = functional.binary_cross_entropy_with_logits(logits, zero.expand_as(logits), reduction="none")
        base, scale = self._size.baseline(crystals)
        deviation = (given[..., 1] - (targets - base) / scale).abs()
        counted = bags * (1 - zero)
        size = (deviation * counted).sum() / counted.sum().clamp_min(1)
        return {"loss": (entropy * bags).mean() + size} | self._figures(given.detach(), crystals, targets)

    def columns(self, targets: Sequence[str]) -> tuple[str, ...]:
        """What is predicted of a column of the data: itself, and the probability that it is zero."""
        return (*targets, self.probability)

    @torch.no_grad()
    def predict(self, model: Model, crystals: Crystals) -> Prediction:
        """The number and the probability that it is zero, both with their spread, (n_crystals, 2)."""
        return self._prediction(model(crystals).float(), crystals)

    def _prediction(self, given: Tensor, crystals: Crystals) -> Prediction:
        heads = torch.sigmoid(given[..., :1])
        zero, size = heads.mean(1), self._size.predict(lambda _: given[..., 1:], crystals)
        value = torch.where(zero > self.gate, 0.0, size.value)
        # The expected square of the error about the value, over both of the cases.
        square = zero * value.square() + (1 - zero) * (size.spread.square() + (size.value - value).square())
        spread = torch.cat([square.sqrt(), heads.std(1, correction=0)], 1)
        return Prediction(torch.cat([value, zero], 1), spread)

    def _figures(self, given: Tensor, crystals: Crystals, targets: Tensor) -> dict[str, Tensor]:
        found, positive = self._prediction(given, crystals), targets[:, 0] > self.threshold
        size = self._size.predict(lambda _: given[..., 1:], crystals).value
        error = (size - targets)[positive].abs().sum() / positive.sum().clamp_min(1)
        right = (found.value[:, 1] > 0.5) != positive
        whole = errors(Prediction(found.value[:, :1], found.spread[:, :1]), targets)
        return whole | {"mae_positive": error, "accuracy": right.float().mean()}
