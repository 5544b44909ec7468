"""Predicted energies above the hull, for every structure that is generated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ase import Atoms

from asegen.calculators.property import Predicted, predict
from asegen.hull.table import reduced, shipped_hull
from asegen.trained.predictor import shared_predictor

FORMATION_ENERGY, ABOVE_HULL, MISSING = "formation_energy_predicted", "e_hull_predicted", "e_hull_missing"
"""In `info`: eV/atom both, or one line that says why there are none."""
NO_ENERGY = "energy_missing"
"""In `info` of a ranked structure: one line that says why the ranking has no energy of it."""
_WEIGHTS = "alignn-formation-energy"
_DIGITS = 4


class Stability:
    """The formation energy that ALIGNN predicts, and its height above the Materials Project's convex hull.

    A prediction takes milliseconds and is wrong by about 0.04 eV/atom, more for elements: it tells what is absurd from
    what is sensible, not which of two sensible crystals is stable.

    Args:
        device: where the network computes, see `asegen.trained.loading.pick_device`.

    Raises:
        InputError: no such device.
    """

    def __init__(self, device: str = "auto") -> None:
        self._predictor = shared_predictor(_WEIGHTS, device)

    @property
    def identity(self) -> str:
        """What decides the energies."""
        return self._predictor.name

    @property
    def target(self) -> str:
        """What the network calls the formation energy."""
        (target,) = self._predictor.targets
        return target

    def judge(self, structures: Sequence[Atoms]) -> list[Predicted]:
        """Adds to `info` of each structure `formation_energy_predicted` and `e_hull_predicted`, or `e_hull_missing`.

        Args:
            structures: any; what fails the validity gate, or has an element that the network never saw, gets a reason.

        Returns:
            The predictions of the formation energy, in order.
        """
        predictions = predict(structures, self._predictor)
        hull: dict[tuple[tuple[int, int], ...], float] = {}
        for atoms, found in zip(structures, predictions, strict=True):
            if not found.values:
                atoms.info[MISSING] = found.status
                continue
            formula = reduced(Counter(atoms.numbers.tolist()))
            if formula not in hull:
                hull[formula] = shipped_hull().point(dict(formula)).energy
            energy = found.values[self.target]
            atoms.info[FORMATION_ENERGY] = round(energy, _DIGITS)
            atoms.info[ABOVE_HULL] = round(energy - hull[formula], _DIGITS)
        return predictions
