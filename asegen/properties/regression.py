"""Regression of properties of crystals: standardised targets, errors in physical units, a bagged ensemble of heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.data.labels import Labels
from asegen.elements import ATOMIC_NUMBERS
from asegen.errors import InputError
from asegen.properties.bagging import bag_weights

_RIDGE = 1.0  # of a crystal's weight: what an element is worth that occurs once is half believed


class Prediction(NamedTuple):
    """What a task says of a batch.

    Attributes:
        value: (n_crystals, n_targets), in the targets' units; a probability in classification.
        spread: (n_crystals, n_targets), standard deviation among the heads, not calibrated; zero with one head.
    """

    value: Tensor
    spread: Tensor


class Regression:
    """A number, or several, of each crystal.

    A linear function of the composition is fitted first (ridge regression); the network learns what it leaves, over the
    standard deviation of what it leaves.

    Args:
        elements: for each target 119 numbers, what each element adds per fraction of atoms, in the target's unit; 0
            where the training data has none.
        scale: for each target the standard deviation that the fit leaves, in the target's unit.
        loss: "mae", absolute deviations, or "mse", squared ones (published: ECN).
        lowest: what no target can be below, such as 0 of a gap: predictions are cut there, the loss isn't.

    Raises:
        InputError: an unknown loss.
    """

    labels: ClassVar[Labels] = "targets"

    def __init__(
        self,
        elements: Sequence[Sequence[float]],
        scale: Sequence[float],
        loss: str = "mae",
        lowest: float | None = None,
    ) -> None:
        if loss not in ("mae", "mse"):
            raise InputError(f"loss = {loss!r} is not one of mae, mse")
        self._elements, self._scale = torch.tensor(elements), torch.tensor(scale)
        self._squared, self._lowest = loss == "mse", lowest

    @staticmethod
    def statistics(crystals: Crystals, targets: Tensor) -> dict[str, Any]:
        """The fit by composition, of the training data.

        Args:
            crystals: all of them.
            targets: (n_crystals, n_targets).

        Returns:
            The arguments `elements` and `scale`.
        """
        x, y = _fractions(crystals).double(), targets.double()
        mean = y.mean(0)
        gram = x.T @ x + _RIDGE * torch.eye(ATOMIC_NUMBERS, dtype=x.dtype, device=x.device)
        # Fractions add up to one, so the mean may ride on every element.
        coefficients = torch.linalg.solve(gram, x.T @ (y - mean)) + mean
        rest = (y - x @ coefficients).std(0, correction=0)
        # A target without any spread beyond composition is still divided by something.
        scale = torch.where(rest > 1e-6 * (1 + mean.abs()), rest, torch.ones_like(rest))
        coefficients = torch.where(x.sum(0)[:, None] > 0, coefficients, 0)
        return {"elements": coefficients.T.tolist(), "scale": scale.tolist()}

    def loss(
        self, model: Callable[[Crystals], Tensor], crystals: Crystals, generator: torch.Generator, targets: Tensor
    ) -> dict[str, Tensor]:
        """Scalar losses of one batch.

        Args:
            model: crystals to (n_crystals, heads, n_targets).
            crystals: a batch.
            generator: unused, the task has no noise of its own.
            targets: (n_crystals, n_targets).

        Returns:
            `loss`, of standardised targets; `mae` (or `mae_0`, `mae_1` … of several targets) of the heads' mean, and
            `spread`, the mean standard deviation among heads, both in the targets' units.

        Raises:
            InputError: the network's number of outputs isn't that of targets.
        """
        given = model(crystals).float()
        if given.shape[2] != targets.shape[1]:
            raise InputError(f"the network has outputs = {given.shape[2]}, but there are {targets.shape[1]} targets")
        base, scale = self.baseline(crystals)
        wanted = (targets - base) / scale
        deviation = given - wanted[:, None]
        size = deviation.square() if self._squared else deviation.abs()
        losses = {"loss": (size.mean(2) * bag_weights(crystals, given.shape[1])).mean()}
        found = self._prediction(given.detach(), base, scale)
        return losses | errors(found, targets)

    @torch.no_grad()
    def predict(self, model: Callable[[Crystals], Tensor], crystals: Crystals) -> Prediction:
        """What the network says of a batch; see `Prediction`."""
        base, scale = self.baseline(crystals)
        return self._prediction(model(crystals).float(), base, scale)

    @staticmethod
    def columns(targets: Sequence[str]) -> tuple[str, ...]:
        """What is predicted of these columns of the data: the columns themselves."""
        return tuple(targets)

    def value(self, model: Callable[[Crystals], Tensor], crystals: Crystals) -> Tensor:
        """(n_crystals, n_targets), in the targets' units, differentiable with respect to cells and positions."""
        base, scale = self.baseline(crystals)
        return base + model(crystals).mean(1) * scale

    def baseline(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        """The fit by composition (n_crystals, n_targets) and the scale (n_targets,), in the targets' units."""
        elements = self._elements.to(crystals.device, crystals.dtype)
        return _fractions(crystals) @ elements.T, self._scale.to(crystals.device, crystals.dtype)

    def _prediction(self, given: Tensor, base: Tensor, scale: Tensor) -> Prediction:
        value = base + given.mean(1) * scale
        if self._lowest is not None:
            value = value.clamp_min(self._lowest)
        return Prediction(value, given.std(1, correction=0) * scale)


def errors(found: Prediction, targets: Tensor) -> dict[str, Tensor]:
    """Mean absolute errors `mae` and mean spreads `spread`, numbered where there are several targets."""
    mae, spread = (found.value - targets).abs().mean(0), found.spread.mean(0)
    if len(mae) == 1:
        return {"mae": mae[0], "spread": spread[0]}
    return {f"mae_{k}": value for k, value in enumerate(mae)} | {f"spread_{k}": v for k, v in enumerate(spread)}


def calibration(metrics: dict[str, float], target: int, n_targets: int) -> float | None:
    """What the heads' spread has to be multiplied with to be a standard deviation of the error.

    Args:
        metrics: of the validation split, as the training loop keeps them in a checkpoint's header.
        target: which target.
        n_targets: how many there are.

    Returns:
        The factor with which the validation split's mean spread fits its mean absolute error, errors taken as normally
        distributed; None where heads don't differ or nothing was validated.
    """
    suffix = "" if n_targets == 1 else f"_{target}"
    mae, spread = metrics.get(f"val_mae{suffix}"), metrics.get(f"val_spread{suffix}")
    return math.sqrt(math.pi / 2) * mae / spread if mae is not None and spread else None


def _fractions(crystals: Crystals) -> Tensor:
    """(n_crystals, 119): share of each element among the atoms."""
    counts = torch.zeros(len(crystals) * ATOMIC_NUMBERS, dtype=crystals.dtype, device=crystals.device)
    place = crystals.batch * ATOMIC_NUMBERS + crystals.numbers
    counts = counts.index_add(0, place, torch.ones_like(place, dtype=crystals.dtype))
    return counts.view(len(crystals), ATOMIC_NUMBERS) / crystals.n_atoms[:, None]
