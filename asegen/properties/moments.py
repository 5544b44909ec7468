"""Regression of a number of each atom whose sign on the whole crystal means nothing: magnetic moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.data.labels import Labels
from asegen.errors import InputError
from asegen.properties.bagging import bag_weights
from asegen.properties.regression import Prediction, errors

Model = Callable[[Crystals], Tensor]


class SiteMoments:
    """Moments of atoms, as good with all signs of a crystal reversed (Kaba, Ravanbakhsh, NeurIPS 2022, section 5).

    Of each crystal the better of the two signs counts, `min(Σ|p − t|, Σ|p + t|)`, for every head. Heads are brought to
    one sign before they are averaged; a prediction's sign is that of a total moment that isn't negative. Atoms whose
    moment isn't known (NaN) are left out.

    Args:
        scale: of each target the root mean square over the training data's atoms, in the target's unit.
    """

    labels: ClassVar[Labels] = "site targets"

    def __init__(self, scale: Sequence[float]) -> None:
        self._scale = torch.tensor(scale)

    @staticmethod
    def statistics(crystals: Crystals, targets: Tensor) -> dict[str, Any]:
        """The argument `scale`, of the training data.

        Args:
            crystals: all of them.
            targets: (n_atoms_total, n_targets), NaN where unknown.
        """
        size = targets.double().square().nanmean(0).sqrt()
        return {"scale": torch.where(size > 0, size, torch.ones_like(size)).tolist()}

    def loss(self, model: Model, crystals: Crystals, generator: torch.Generator, targets: Tensor) -> dict[str, Tensor]:
        """Scalar losses of one batch.

        Args:
            model: crystals to (n_atoms_total, heads, n_targets).
            crystals: a batch.
            generator: unused, the task has no noise of its own.
            targets: (n_atoms_total, n_targets), NaN where unknown.

        Returns:
            `loss`, of standardised moments, the mean over crystals; `mae` and `spread` (numbered if there are several
            targets) of the heads' mean over atoms, in the targets' units.

        Raises:
            InputError: the network gives other numbers than one of each target for each atom.
        """
        given = model(crystals).float()
        if given.shape[0] != len(targets) or given.shape[2] != targets.shape[1]:
            rows, wanted = tuple(given.shape[::2]), tuple(targets.shape)
            raise InputError(f"the network gives {rows} numbers (rows, outputs), but the targets are {wanted}")
        scale = self._scale.to(given)
        deviation = _better(given, (targets / scale)[:, None], crystals)
        bags = bag_weights(crystals, given.shape[1])
        loss = (deviation.mean(2) * bags).mean()
        found = self._prediction(given.detach(), scale, crystals)
        known = torch.isfinite(targets).all(1)
        aligned = Prediction(found.value * alignment(found.value, targets, crystals), found.spread)
        return {"loss": loss} | errors(Prediction(*(part[known] for part in aligned)), targets[known])

    @staticmethod
    def columns(targets: Sequence[str]) -> tuple[str, ...]:
        """What is predicted of these columns of the data: the columns themselves."""
        return tuple(targets)

    @torch.no_grad()
    def predict(self, model: Model, crystals: Crystals) -> Prediction:
        """Moments and their spread among heads, both (n_atoms_total, n_targets), in the targets' units."""
        given = model(crystals).float()
        return self._prediction(given, self._scale.to(given), crystals)

    @staticmethod
    def _prediction(given: Tensor, scale: Tensor, crystals: Crystals) -> Prediction:
        # Heads agree on a sign with the first one, whatever sign each of them learned.
        heads = [head * alignment(head, given[:, 0], crystals) for head in given.unbind(1)]
        together = torch.stack(heads, 1) * scale
        value = together.mean(1)
        total = _totals(value, crystals)
        sign = torch.where(total < 0, -1.0, 1.0).to(value)[crystals.batch]
        return Prediction(value * sign, together.std(1, correction=0))


def alignment(value: Tensor, target: Tensor, crystals: Crystals) -> Tensor:
    """The sign of each crystal that brings values nearer to targets.

    Args:
        value: (n_atoms_total, n_targets).
        target: (n_atoms_total, n_targets), NaN where unknown.
        crystals: the atoms' crystals.

    Returns:
        (n_atoms_total, n_targets), 1 or −1, the same within a crystal.
    """
    as_is, reversed_ = (_totals((sign * value - target).abs().nan_to_num(), crystals) for sign in (1, -1))
    return torch.where(as_is <= reversed_, 1.0, -1.0).to(value)[crystals.batch]


def _better(given: Tensor, wanted: Tensor, crystals: Crystals) -> Tensor:
    """(n_crystals, heads, n_targets): mean deviation over the atoms whose moment is known, of the better sign."""
    known = torch.isfinite(wanted)
    wanted = torch.where(known, wanted, 0.0)
    sums = [_totals((sign * given - wanted).abs() * known, crystals) for sign in (1, -1)]
    return torch.minimum(*sums) / _totals(known.to(given.dtype), crystals).clamp_min(1)


def _totals(values: Tensor, crystals: Crystals) -> Tensor:
    """(n_crystals, …): sums over each crystal's atoms of (n_atoms_total, …)."""
    return values.new_zeros(len(crystals), *values.shape[1:]).index_add(0, crystals.batch, values)
