"""Structure types: which known crystals are the same one but for their elements, as far as symmetry tells."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms

from asegen.errors import InputError
from asegen.symmetry.analysis import find_symmetry
from asegen.symmetry.assignments import Occupation, canonical

_SYMPREC = (0.1, 0.01)
"""Å. The first one at which spglib finds a group: loose, since crystals of one type differ in small distortions."""


def occupation_of(atoms: Atoms) -> Occupation | None:
    """The space group of a crystal and what is on which of its positions; None where spglib finds no group.

    Args:
        atoms: a crystal that passes the validity gate.
    """
    for symprec in _SYMPREC:
        try:
            found = find_symmetry(atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers, symprec)
        except InputError:
            continue
        return Occupation(found.group, tuple(sorted((site.letter, site.number) for site in found.sites)))
    return None


def type_numbers(
    occupations: Sequence[Occupation | None], roles: Sequence[Sequence[dict[int, int]]]
) -> list[list[int]]:
    """Numbers of structure types: equal where group, positions and roles on them are, for any origin of the cell.

    Args:
        occupations: of n_crystals; one without is a type of its own.
        roles: (n_crystals, n_orders), what each element of the crystal stands for, by atomic number.

    Returns:
        (n_crystals, n_orders).
    """
    numbers: dict[object, int] = {}

    def number(k: int, order: int) -> int:
        known, role = occupations[k], roles[k][order]
        key: object = (k, order)
        if known is not None:
            key = canonical(Occupation(known.group, tuple(sorted((letter, role[z]) for letter, z in known.sites))))
        return numbers.setdefault(key, len(numbers))

    return [[number(k, order) for order in range(len(roles[k]))] for k in range(len(occupations))]
