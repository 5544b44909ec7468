"""Whether a composition can be neutral, by oxidation states that known crystals have."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from ase.data import atomic_numbers

_ANIONS = frozenset(atomic_numbers[symbol] for symbol in ("N", "O", "F", "S", "Cl", "Se", "Br", "I"))
"""Without one of them a composition counts as metallic, and needs no oxidation states."""


@cache
def oxidation_states(z: int) -> tuple[int, ...]:
    """The oxidation states of an element in ionic crystals of the ICSD, as pymatgen's table has them; else all known.

    Args:
        z: atomic number.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.core import Element

        element = Element.from_Z(z)
        return tuple(sorted(element.icsd_oxidation_states or element.oxidation_states))


@cache
def common_oxidation_states(z: int) -> tuple[int, ...]:
    """The common oxidation states of an element, as pymatgen's table has them; all known where none is common.

    Args:
        z: atomic number.
    """
    from pymatgen.core import Element

    element = Element.from_Z(z)
    return tuple(element.common_oxidation_states or element.oxidation_states)


def may_be_neutral(counts: Mapping[int, int], charges: Mapping[int, int] | None = None) -> bool:
    """Whether oxidation states can sum up to zero, or none are needed.

    Each element has one oxidation state, or two neighbouring ones of one sign (as iron in Fe3O4).

    Args:
        counts: atoms of each element, by atomic number.
        charges: of the elements that have this one oxidation state only.
    """
    if not _ANIONS & counts.keys():
        return True
    charges = charges or {}
    sums = {0}
    for z, n in counts.items():
        totals = {n * charges[z]} if z in charges else _totals(z, n)
        sums = {one + total for one in sums for total in totals}
    return 0 in sums


@cache
def _totals(z: int, n: int) -> frozenset[int]:
    """The charges that n atoms of an element can have together."""
    states = oxidation_states(z)
    mixed = {k * a + (n - k) * b for a, b in pairwise(states) if a * b > 0 for k in range(n + 1)}
    return frozenset(mixed | {n * state for state in states})
