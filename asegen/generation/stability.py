"""Predicted energies above the hull, for every structure that is generated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ase import Atoms
from ase.data import chemical_symbols

from asegen.calculators.property import Predicted, predict
from asegen.hull.table import Counts, ReducedFormula, reduced, shipped_hull
from asegen.potentials.elements import element_crystal
from asegen.prototypes.known_forms import KnownForms
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
    what is sensible, not which of two sensible crystals is stable. A crystal whose composition is that of crystals
    inside the package is measured against one of these, by the same network, see `asegen.prototypes.known_forms`, and
    a crystal of an element against the element's ground state.

    Args:
        device: where the network computes, see `asegen.trained.loading.pick_device`.

    Raises:
        InputError: no such device.
    """

    def __init__(self, device: str = "auto") -> None:
        self._predictor = shared_predictor(_WEIGHTS, device)
        self._forms = KnownForms(self._energies)
        self._levels: dict[ReducedFormula, float] = {}

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
            structures: any; what fails the validity gate, has an element that the network never saw, or lies where the
                hull has a gap, gets a reason.

        Returns:
            The predictions of the formation energy, in order.
        """
        predictions = predict(structures, self._predictor)
        counts = [reduced(Counter(atoms.numbers.tolist())) for atoms in structures]
        gaps = {formula: shipped_hull().gap(dict(formula)) for formula in set(counts)}
        placed = [k for k, found in enumerate(predictions) if found.values and gaps[counts[k]] is None]
        levels = self.levels(dict(counts[k]) for k in placed)
        for k, (atoms, found) in enumerate(zip(structures, predictions, strict=True)):
            if found.values:
                atoms.info[FORMATION_ENERGY] = round(found.values[self.target], _DIGITS)
            else:
                atoms.info[MISSING] = found.status
            if found.values and (gap := gaps[counts[k]]) is not None:
                atoms.info[MISSING] = gap
        for k, level in zip(placed, levels, strict=True):
            structures[k].info[ABOVE_HULL] = round(predictions[k].values[self.target] - level, _DIGITS)
        return predictions

    def levels(self, compositions: Iterable[Counts]) -> list[float]:
        """The predicted formation energies of what would lie on the hull, eV/atom.

        Args:
            compositions: without gaps of the hull, see `HullTable.gap`.
        """
        formulas = [reduced(counts) for counts in compositions]
        self._levels |= self._ground_states(formula for formula in formulas if formula not in self._levels)
        new = list(dict.fromkeys(formula for formula in formulas if formula not in self._levels))
        for formula, form in zip(new, self._forms.of(map(dict, new)), strict=True):
            shift = None if form is None else form.shift(0.0)
            self._levels[formula] = shipped_hull().point(dict(formula)).energy - (shift or 0.0)
        return [self._levels[formula] for formula in formulas]

    def _ground_states(self, formulas: Iterable[ReducedFormula]) -> dict[ReducedFormula, float]:
        """Levels of elements with a known ground state: zero, or what the network predicts for it if that is lower.

        It was trained on 75 ground states; fluorine's, which wasn't among them, comes out at −0.88 eV/atom.
        """
        elements = {formula: chemical_symbols[formula[0][0]] for formula in formulas if len(formula) == 1}
        crystals = {formula: found for formula, one in elements.items() if (found := element_crystal(one)) is not None}
        energies = self._energies(list(crystals.values())) if crystals else ()
        return {formula: min(0.0, energy or 0.0) for formula, energy in zip(crystals, energies, strict=True)}

    def _energies(self, crystals: Sequence[Atoms]) -> list[float | None]:
        return [found.values.get(self.target) for found in predict(crystals, self._predictor)]
