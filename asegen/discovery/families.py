"""Families of chemically similar elements."""

from __future__ import annotations

from collections.abc import Sequence

from asegen.elements import column, period

_LANTHANIDES, _ACTINIDES = range(57, 72), range(89, 104)


def families(numbers: Sequence[int]) -> tuple[str, ...]:
    """The chemical family of each element, sorted.

    Args:
        numbers: atomic numbers.
    """
    return tuple(sorted(map(family, numbers)))


def family(z: int) -> str:
    """The chemical family of an element.

    Lanthanides with scandium and yttrium, actinides, other transition metals, hydrogen, or a column of the main groups.

    Args:
        z: atomic number.
    """
    if z in _LANTHANIDES:
        return "lanthanide"
    if z in _ACTINIDES:
        return "actinide"
    if 3 <= column(z) <= 12:
        return "transition metal" if column(z) > 3 else "lanthanide"
    return f"column {column(z)}" if z != 1 and period(z) > 1 else "hydrogen"
