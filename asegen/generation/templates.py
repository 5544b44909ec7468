"""`Templates`: compositions in the structures of known crystals, the likeliest structure types first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ase import Atoms

from asegen.generation.plausibility import implausible
from asegen.generation.target import Target
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.substitution import Substitution, substituted, substitutions
from asegen.structures.space_groups import space_group_number
from asegen.structures.validity import check_atoms
from asegen.trained.relaxer import Relaxer

_LOOKED_AT = 10
"""Substitutions that are compared with those before, per structure found, among types, then the rest, then what is
implausible; they are mostly copies."""
_SYMPREC = 0.01  # Å
_REMEMBERED = 1000
"""Formulas whose structures are remembered."""


class _Seen:
    """Crystals of a formula that are taken in one after the other, and whether each is another one than those before.

    A known crystal of the composition itself is a copy only of what has its space group, too: within the matcher's
    tolerances α-uranium is close-packed, and a ferroelectric perovskite is cubic.
    """

    def __init__(self) -> None:
        from asegen.structures.matching import USUAL, Distinct

        self._all, self._of_group = Distinct(USUAL), defaultdict[int | None, Distinct](lambda: Distinct(USUAL))

    def add(self, atoms: Atoms) -> bool:
        """Takes a crystal in, and says whether it is another one; `info` tells the distance."""
        own = self._of_group[space_group_number(atoms, _SYMPREC)]
        is_new = self._all.add(atoms).earlier is None
        if is_new:
            own.add(atoms, compare=False)
        elif atoms.info["template_distance"] == 0:
            is_new = own.add(atoms).earlier is None
        return is_new


class Templates:
    """Substitutes elements in known crystals.

    The structures of a formula are different crystals all of them, of one structure type after the other, in the order
    of the votes of chemically similar known crystals (see `substitutions`), without randomness. Shapes and positions
    are the known crystal's. `info` says source ("template"), log_prior (logarithm of the share of the votes), template
    (the known crystal's identifier), template_distance (of the elements exchanged).

    Args:
        library: known crystals.
        relaxer: gives structures the volume to which it would bring them; the volume of the elements without it.
        element_map: which element takes the place of which, see `substitutions`; every sensible one without it.
    """

    def __init__(
        self, library: TemplateLibrary, relaxer: Relaxer | None, element_map: Mapping[int, int] | None = None
    ) -> None:
        self.library, self._relaxer, self.element_map = library, relaxer, dict(element_map or {})
        self._made: dict[object, tuple[list[Atoms], Iterator[Atoms]]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Without what is remembered, for pickles and copies: a search under way can't be stored, and is done again."""
        return self.__dict__ | {"_made": {}}

    @property
    def volumes(self) -> str | None:
        """What decides the volumes: name and version of the relaxer."""
        return None if self._relaxer is None else f"{self._relaxer.name} {self._relaxer.version}"

    def kth(self, target: Target, k: int) -> Atoms | None:
        """The composition in the k-th likeliest structure, from 0; None where there are fewer.

        Args:
            target: with a composition; the templates of all its cells compete.
            k: from 0.
        """
        key = target.formula, target.cells
        if key not in self._made:
            if len(self._made) >= _REMEMBERED:
                self._made.pop(next(iter(self._made)))  # the oldest
            self._made[key] = [], self._different([cell.numbers for cell in target.whole_cells])
        found, more = self._made[key]
        while len(found) <= k:
            atoms = next(more, None)
            if atoms is None:
                return None
            found.append(atoms)
        return found[k].copy()

    def with_volumes(self, structures: Sequence[Atoms]) -> list[Atoms]:
        """As large as the relaxer makes them, where it succeeds; copies of one type stay as different as they are.

        Known crystals of the same elements keep their volumes.
        """
        found = [atoms.copy() for atoms in structures]
        new = [atoms for atoms in found if atoms.info["template_distance"] > 0]
        if self._relaxer is None or not new:
            return found
        from asegen.calculators.learned_relaxation import relax_structures
        from asegen.relaxation.statuses import CONVERGED, OUT_OF_STEPS

        for atoms, record in zip(new, relax_structures(new, self._relaxer), strict=True):
            if record.status in (CONVERGED, OUT_OF_STEPS):
                ratio = record.atoms.get_volume() / atoms.get_volume()
                atoms.set_cell(atoms.cell * ratio ** (1 / 3), scale_atoms=True)
        return found

    def _different(self, cells: Sequence[Sequence[int]]) -> Iterator[Atoms]:
        """Different crystals, the likeliest first, atoms in the formula's order.

        Args:
            cells: atomic numbers of each that is possible; what is a supercell of an earlier crystal is no other one.
        """
        seen, different = None, 0
        for part in self._substituted(cells):
            for looked_at, atoms in enumerate(part, 1):
                if looked_at > _LOOKED_AT * (different + 1):
                    break
                if different == 0:
                    yield atoms
                    seen = _Seen()  # loads pymatgen's matcher, for more than one
                assert seen is not None
                is_new = seen.add(atoms)
                if is_new and different > 0:
                    yield atoms
                different += is_new

    def _substituted(self, cells: Sequence[Sequence[int]]) -> Iterator[Iterator[Atoms]]:
        """What passes the gate: one crystal of each structure type, then the others, then what is implausible.

        The others mostly are copies.
        """
        ranked = substitutions(self.library, *cells, element_map=self.element_map)
        odd: list[Atoms] = []
        yield self._plausible((one for one in ranked if one.first), cells[0], odd)
        yield self._plausible((one for one in ranked if not one.first), cells[0], odd)
        yield iter(odd)

    def _plausible(self, chosen: Iterable[Substitution], numbers: Sequence[int], odd: list[Atoms]) -> Iterator[Atoms]:
        """What passes the gate of some substitutions; `odd` takes what is implausible."""
        for one in chosen:
            atoms = _in_order(substituted(self.library, one), numbers)
            if check_atoms(atoms) is None:
                atoms.info = {
                    "source": "template",
                    "log_prior": round(one.log_prior, 4),
                    "template": self.library.ids[one.template],
                    "template_distance": round(one.distance, 4),
                }
                if implausible(atoms) is None:
                    yield atoms
                else:
                    odd.append(atoms)


def _in_order(atoms: Atoms, numbers: Sequence[int]) -> Atoms:
    """The atoms in the order in which elements first appear in atomic numbers."""
    places = {z: k for k, z in enumerate(dict.fromkeys(numbers))}
    return atoms[sorted(range(len(atoms)), key=lambda a: places[int(atoms.numbers[a])])]
