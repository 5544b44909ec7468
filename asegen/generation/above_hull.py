"""Energies above the shipped hull of what a ranker has judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ase import Atoms

from asegen.generation.rankers import Ranker
from asegen.hull.table import Counts, ReducedFormula, reduced, shipped_hull
from asegen.prototypes.known_forms import KnownForms

ABOVE_HULL = "e_hull"
"""In `info` of a ranked structure, eV/atom."""


class AboveHull:
    """Places ranked structures above the shipped hull.

    Those whose composition is that of crystals inside the package are measured against these, by the same ranker, see
    `asegen.prototypes.known_forms`.

    Args:
        ranker: by which they were ranked.
    """

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker
        self._forms = KnownForms(self._energies)

    def place(self, pool: Sequence[Atoms]) -> None:
        """Adds to `info` e_hull, eV/atom, and measured_against, the known crystal, if it was measured against one.

        Args:
            pool: with energy_per_atom in `info`; what has none, or no way to tell, gets nothing.
        """
        pools: dict[ReducedFormula, list[Atoms]] = {}
        for atoms in pool:
            if "energy_per_atom" in atoms.info:
                pools.setdefault(reduced(Counter(atoms.numbers.tolist())), []).append(atoms)
        for formula, own in pools.items():
            elements = self._elements(own[0])
            if elements is not None and shipped_hull().gap(dict(formula)) is None:
                self._place(own, dict(formula), elements)

    def _place(self, pool: Sequence[Atoms], counts: Counts, elements: float) -> None:
        """Structures of one composition."""
        known, (form,) = shipped_hull().point(counts).energy, self._forms.of([counts])
        lowest = min(atoms.info["energy_per_atom"] for atoms in pool)
        shift = None if form is None else form.shift(elements, lowest)
        for atoms in pool:
            above = atoms.info["energy_per_atom"] - elements - known
            atoms.info[ABOVE_HULL] = round(above + (shift or 0.0), 4)
            if form is not None and shift is not None:
                atoms.info["measured_against"] = form.id

    def _energies(self, crystals: Sequence[Atoms]) -> list[float]:
        return [judged.energy for judged in self._ranker.judge(crystals)]

    def _elements(self, atoms: Atoms) -> float | None:
        """What the atoms are worth to the ranker, eV/atom; None where nothing says so."""
        if self._ranker.gives_formation_energies:
            return 0.0
        references = self._ranker.references
        if references is None or references.refusal(atoms) is not None:
            return None
        return references.per_atom(Counter(atoms.symbols))
