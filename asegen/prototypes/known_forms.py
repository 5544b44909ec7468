"""Known crystals of a composition, against which others of it are measured by one potential, where its errors cancel.

What a potential gets wrong about a compound it mostly gets wrong about all its forms alike. So where crystals of a
composition are inside the package, others are placed by how far they lie above one of these, by the same potential: the
lowest of those whose energies above the hull are known, or else, where a stable compound of the composition is known,
the lowest of all, which is taken for it. CHGNet's formation energies of GaAs and Mg2Si are 0.12 and 0.10 eV/atom above
the hull; those of their other forms are by as much, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import NamedTuple

from ase import Atoms
from ase.formula import Formula

from asegen.hull.table import Counts, ReducedFormula, reduced, shipped_hull
from asegen.potentials.references import ElementReferences

_FORMS = 3
"""Crystals of a composition whose energies are asked for, those of lowest known or predicted energy."""
_MOST_ATOMS = 40
_MOST = 0.15
"""eV/atom, more than any potential here errs by for known crystals: if the lowest form is off by more, it isn't the
stable one."""


class _Known(NamedTuple):
    """A crystal inside the package.

    Attributes:
        id: its formula and the number of its space group.
        atoms: relaxed by density functional theory.
        above: its energy above the hull, eV/atom; None where that isn't known.
    """

    id: str
    atoms: Atoms
    above: float | None


@dataclass(frozen=True)
class KnownForm:
    """The lowest known crystal of a composition.

    Attributes:
        id: its formula and the number of its space group.
        energy: eV/atom by the potential.
        hull: formation energy of the known hull at the composition, eV/atom.
        above: its energy above the hull, eV/atom; None where that isn't known, but a stable compound of the composition
            is: then the lowest crystal of the composition, those to be measured included, is taken for it.
    """

    id: str
    energy: float
    hull: float
    above: float | None

    def shift(self, elements: float, lowest: float = inf) -> float | None:
        """What is added to formation energies of the composition, so that the form lies where it should, eV/atom.

        Args:
            elements: what the atoms are worth by the potential's references, eV/atom; 0 where `energy` is a formation
                energy.
            lowest: energy of the lowest of the crystals to be measured, eV/atom.

        Returns:
            Nothing where the lowest form can't be the stable one.
        """
        energy = min(self.energy, lowest) if self.above is None else self.energy
        shift = self.hull + (self.above or 0.0) - (energy - elements)
        return shift if self.above is not None or abs(shift) <= _MOST else None


class KnownForms:
    """The known crystals that structures of some compositions are measured against, by one potential.

    Args:
        energies: eV/atom of crystals by the potential, in order; None or NaN where there is none. It is asked once for
            each composition.
    """

    def __init__(self, energies: Callable[[Sequence[Atoms]], Sequence[float | None]]) -> None:
        self._energies = energies
        self._forms: dict[ReducedFormula, KnownForm | None] = {}

    def of(self, compositions: Iterable[Counts]) -> list[KnownForm | None]:
        """The form of each composition; None where no crystal of it is known.

        Args:
            compositions: atoms of each element by atomic number; of an element alone there is none, see
                `ElementReferences`.
        """
        formulas = [reduced(counts) for counts in compositions]
        new = {formula: _known_crystals(dict(formula)) for formula in formulas if formula not in self._forms}
        crystals = [one.atoms for own in new.values() for one in own]
        energies = iter(self._energies(crystals) if crystals else ())
        for formula, own in new.items():
            self._forms[formula] = _lowest(dict(formula), own, [next(energies) for _ in own])
        return [self._forms[formula] for formula in formulas]


def _known_crystals(counts: Counts) -> list[_Known]:
    """The lowest known one, or else the likeliest to be stable."""
    from asegen.prototypes.sources import KNOWN, open_library  # loads torch

    if len(counts) == 1:
        return []
    own = open_library(KNOWN).of_composition(counts, _MOST_ATOMS)
    known = [_Known(*one) for one in own if isfinite(one[2])]
    if known or not shipped_hull().is_stable(counts):
        return sorted(known, key=lambda one: one.above or 0.0)[:1]
    return [_Known(id, atoms, None) for id, atoms, _ in own[:_FORMS]]


def _lowest(counts: Counts, crystals: Sequence[_Known], energies: Sequence[float | None]) -> KnownForm | None:
    have = [(e, one) for e, one in zip(energies, crystals, strict=True) if e is not None and isfinite(e)]
    if not have:
        return None
    energy, lowest = min(have, key=lambda pair: pair[0])
    return KnownForm(lowest.id, energy, shipped_hull().point(counts).energy, lowest.above)


def corrections(
    forms: Mapping[str, KnownForm], lowest: Mapping[str, float], references: ElementReferences
) -> dict[str, float]:
    """`KnownForm.shift` for many compositions.

    Args:
        forms: by formula.
        lowest: energy of the lowest candidate of each formula, eV/atom; formulas without candidates may be missing.
        references: of the potential.

    Returns:
        Formula -> eV/atom; those without one are left out.
    """
    found = {
        formula: form.shift(references.per_atom(Formula(formula).count()), lowest.get(formula, inf))
        for formula, form in forms.items()
    }
    return {formula: shift for formula, shift in found.items() if shift is not None}
