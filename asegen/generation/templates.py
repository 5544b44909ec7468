"""`Templates`: compositions in the structures of known crystals, the likeliest structure types first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import spglib
from ase import Atoms

from asegen.generation.compositions import Composition
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.substitution import substituted, substitutions
from asegen.structures.validity import check_atoms, found_by_spglib
from asegen.trained.relaxer import Relaxer

SYMPREC = 0.01
"""Å, of the space group that `info` names."""
_LOOKED_AT = 10
"""Substitutions that are compared with those before, per structure asked for; they are mostly copies."""
_REMEMBERED = 1000
"""Formulas whose structures are remembered."""


class Templates:
    """Substitutes elements in known crystals.

    The structures of a formula are different crystals all of them, of one structure type after the other, in the order
    of the votes of chemically similar known crystals (see `substitutions`), without randomness. Shapes and positions
    are the known crystal's. `info` says source ("template"), log_prior (logarithm of the share of the votes), template
    (the known crystal's identifier), template_distance (of the elements exchanged), spacegroup and spacegroup_symbol
    (spglib's, within `SYMPREC`).

    Args:
        library: known crystals.
        relaxer: gives structures the volume to which it would bring them; the volume of the elements without it.
    """

    def __init__(self, library: TemplateLibrary, relaxer: Relaxer | None) -> None:
        self.library, self._relaxer = library, relaxer
        self._made: dict[str, tuple[list[Atoms], Iterator[Atoms]]] = {}

    @property
    def volumes(self) -> str | None:
        """What decides the volumes: name and version of the relaxer."""
        return None if self._relaxer is None else f"{self._relaxer.name} {self._relaxer.version}"

    def kth(self, composition: Composition, k: int) -> Atoms | None:
        """The composition in the k-th likeliest structure, from 0; None where there are fewer."""
        if composition.formula not in self._made:
            if len(self._made) >= _REMEMBERED:
                self._made.pop(next(iter(self._made)))  # the oldest
            self._made[composition.formula] = [], self._different(composition)
        found, more = self._made[composition.formula]
        while len(found) <= k:
            atoms = next(more, None)
            if atoms is None:
                return None
            found.append(atoms)
        return found[k].copy()

    def with_volumes(self, structures: Sequence[Atoms]) -> list[Atoms]:
        """As large as the relaxer makes them, where it succeeds; copies of one type stay as different as they are."""
        found = [atoms.copy() for atoms in structures]
        if self._relaxer is None:
            return found
        from asegen.calculators.relaxer import relax_structures
        from asegen.relaxation.relax import CONVERGED, OUT_OF_STEPS

        for atoms, record in zip(found, relax_structures(structures, self._relaxer), strict=True):
            if record.status in (CONVERGED, OUT_OF_STEPS):
                ratio = record.atoms.get_volume() / atoms.get_volume()
                atoms.set_cell(atoms.cell * ratio ** (1 / 3), scale_atoms=True)
        return found

    def _different(self, composition: Composition) -> Iterator[Atoms]:
        """Different crystals, the likeliest first, atoms in the formula's order."""
        substituted_ones = self._substituted(composition)
        first = next(substituted_ones, None)
        if first is None:
            return
        yield _with_group(first)
        from asegen.structures.matching import USUAL, Distinct  # loads pymatgen's matcher, for more than one

        seen, different = Distinct(USUAL), 1
        seen.add(first)
        for looked_at, atoms in enumerate(substituted_ones, 1):
            if looked_at > _LOOKED_AT * (different + 1):
                return
            if seen.add(atoms).earlier is None:
                different += 1
                yield _with_group(atoms)

    def _substituted(self, composition: Composition) -> Iterator[Atoms]:
        """What passes the gate: one crystal of each structure type, then the others, which mostly are copies."""
        ranked = substitutions(self.library, composition.numbers)
        for one in chain((one for one in ranked if one.first), (one for one in ranked if not one.first)):
            atoms = _in_order(substituted(self.library, one), composition)
            if check_atoms(atoms) is None:
                atoms.info = {
                    "source": "template",
                    "log_prior": round(one.log_prior, 4),
                    "template": self.library.ids[one.template],
                    "template_distance": round(one.distance, 4),
                }
                yield atoms


def _with_group(atoms: Atoms) -> Atoms:
    found = atoms.copy()
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    group = found_by_spglib(spglib.get_symmetry_dataset, cell, symprec=SYMPREC)
    if group is not None:
        found.info |= {"spacegroup": group.number, "spacegroup_symbol": group.international}
    return found


def _in_order(atoms: Atoms, composition: Composition) -> Atoms:
    """The atoms in the order of a composition's elements."""
    places = {z: k for k, z in enumerate(dict.fromkeys(composition.numbers))}
    return atoms[sorted(range(len(atoms)), key=lambda a: places[int(atoms.numbers[a])])]
