"""Prototype substitution: a composition takes the structure of the known crystals that are chemically nearest.

A template has as many atoms of each of its elements as the composition has of its own. The distance is the mean over
atoms of the difference of Mendeleev numbers, as in the baseline that generators are measured against; the cell is
scaled to the volume that `VolumeRule` expects.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, permutations, product
from typing import NamedTuple

import numpy as np
from ase import Atoms

from asegen.templates.library import MENDELEEV, Integers, TemplateLibrary, arranged

_MOST_ORDERS = 24
"""Most ways to assign elements that are tried; where there are more, only the nearest one is."""


class Substitution(NamedTuple):
    """One way to make a composition out of a template.

    Attributes:
        template: place in the library.
        distance: mean over atoms of the difference of Mendeleev numbers.
        elements: the template's atomic numbers, and what each becomes.
        structure: the template.
    """

    template: int
    distance: float
    elements: tuple[tuple[int, int], ...]
    structure: Atoms


def substitutions(library: TemplateLibrary, numbers: Sequence[int]) -> list[Substitution]:
    """All ways to make a composition, the nearest first; equally near ones in the library's order.

    Args:
        library: known crystals.
        numbers: (n_atoms,), atomic numbers of the cell.

    Returns:
        Nothing where no template has these counts.
    """
    counts, wanted = arranged(np.array(numbers))
    kind = library.kind(counts)
    if kind is None:
        return []
    orders = np.array(list(_orders(counts)))  # (n_orders, n_elements)
    new = np.array(wanted)[orders]
    away = np.abs(MENDELEEV[kind.elements][:, None] - MENDELEEV[new][None]) @ np.array(counts) / sum(counts)
    rows, columns = np.divmod(np.argsort(away, axis=None, kind="stable"), len(orders))
    return [
        Substitution(
            kind.index[r],
            float(away[r, c]),
            tuple(zip(kind.elements[r].tolist(), new[c].tolist(), strict=True)),
            kind.structures[r],
        )
        for r, c in zip(rows, columns, strict=True)
    ]


def _orders(counts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Permutations of places with equal counts; the first, by Mendeleev number, is the nearest there is."""
    groups = [[place for place, _ in group] for _, group in groupby(enumerate(counts), key=lambda pair: pair[1])]
    ways = math.prod(math.factorial(len(group)) for group in groups)
    if ways > _MOST_ORDERS:
        yield tuple(range(len(counts)))
        return
    for parts in product(*(permutations(group) for group in groups)):
        yield tuple(place for part in parts for place in part)


def substituted(library: TemplateLibrary, substitution: Substitution) -> Atoms:
    """The crystal that a substitution makes, periodic, without a calculator.

    Args:
        library: known crystals.
        substitution: of this library.
    """
    old: Integers = substitution.structure.numbers
    becomes = dict(substitution.elements)
    made = substitution.structure.copy()
    made.numbers = [becomes[z] for z in old.tolist()]
    made.set_cell(made.cell * library.volumes.ratio(made.numbers, old) ** (1 / 3), scale_atoms=True)
    return made
