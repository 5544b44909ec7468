"""The atom sites of a CIF: elements, coordinates, occupancies, alternatives.

A site that isn't fully occupied by one element is an error, never an approximation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from asegen.structures.cif_tags import Tags, column
from asegen.structures.errors import StructureError
from asegen.structures.fields import HEAVY_HYDROGEN, HEAVY_HYDROGEN_NOTE
from asegen.structures.validity import Floats

_OCCUPANCY_TOLERANCE = 1e-3 + 1e-9
_SAME_SITE = 1e-4
"""Fractional: ions that share a site are given the same coordinates."""
_SYMBOL = re.compile(r"([A-Za-z]{1,2})(?![A-Za-z])(\d*|\d*(\.\d+)?[+-]|[+-]\d*(\.\d+)?)['*]*")  # Fe, Fe3+, FE
_LABEL = re.compile(r"([A-Z][a-z]?)(?![A-Za-z])(?!.*([A-Z][a-z]|\d\.\d))[^/,;&|]*")  # Fe1, O1A, but not Fe/Mg
_WATER = re.compile(r"H2O\d*|OH\d*", re.IGNORECASE)


class Sites(NamedTuple):
    """Sites that are each one whole atom.

    Attributes:
        numbers: (n,), atomic numbers.
        positions: (n, 3), fractional.
        rows: (n,), of the CIF's loop.
        note: what had to be decided.
    """

    numbers: NDArray[np.int64]
    positions: Floats
    rows: NDArray[np.int64]
    note: str | None


def read_sites(tags: Tags) -> Sites:
    """The sites that a CIF lists.

    Args:
        tags: of its block.

    Raises:
        StructureError: symbols or coordinates are missing or unknown, a site isn't fully occupied by one element, or
            alternatives of a disorder, dummies, or atoms that are implied are among them.
    """
    numbers, note = _numbers(tags)
    occupancies = _occupancies(tags, len(numbers))
    positions = _coordinates(tags, len(numbers))
    rows = _whole_sites(numbers, positions, occupancies)
    _check_completeness(tags)
    _check_alternatives(tags, len(numbers))
    return Sites(numbers[rows], positions[rows], rows, note)


def _numbers(tags: Tags) -> tuple[NDArray[np.int64], str | None]:
    symbols, pattern = column(tags, "_atom_site_type_symbol"), _SYMBOL
    if not symbols:
        symbols, pattern = column(tags, "_atom_site_label"), _LABEL
    if not symbols:
        raise StructureError("unreadable: the CIF has no atom sites")
    names = [_symbol(str(symbol), pattern) for symbol in symbols]
    note = HEAVY_HYDROGEN_NOTE if set(names) & set(HEAVY_HYDROGEN) else None
    return np.array([1 if name in HEAVY_HYDROGEN else atomic_numbers[name] for name in names]), note


@lru_cache(4096)
def _symbol(text: str, pattern: re.Pattern[str]) -> str:
    match = pattern.fullmatch(text.strip())
    symbol = match.group(1).capitalize() if match and not _WATER.fullmatch(text.strip()) else ""
    if symbol not in HEAVY_HYDROGEN and atomic_numbers.get(symbol, 0) == 0:
        raise StructureError(f"unknown element: {text[:40]!r} is no element")
    return symbol


def _occupancies(tags: Tags, n_sites: int) -> Floats:
    values = column(tags, "_atom_site_occupancy", n_sites) or [1] * n_sites
    return np.array([1.0 if value == 1 else _occupancy(value) for value in values])


def _occupancy(value: Any) -> float:
    if value in (".", "?"):  # CIF's words for "the default", which is 1
        return 1.0
    if not isinstance(value, int | float):
        raise StructureError(f"unreadable: occupancy {str(value)[:40]!r}")
    if value > 1 + _OCCUPANCY_TOLERANCE:
        raise StructureError(f"bad occupancy: {value:g} is more than 1")
    return float(value)


def _whole_sites(numbers: NDArray[np.int64], positions: Floats, occupancies: Floats) -> NDArray[np.int64]:
    """Rows of the sites, one for ions of one element that fill a site together."""
    partial = np.flatnonzero(~(occupancies >= 1 - _OCCUPANCY_TOLERANCE))
    if len(partial) == 0:
        return np.arange(len(numbers))
    kept = np.ones(len(numbers), dtype=bool)
    for row in partial:
        if kept[row]:
            away = positions[partial] - positions[row]
            mates = partial[(np.abs(away - np.rint(away)) < _SAME_SITE).all(1) & (numbers[partial] == numbers[row])]
            together = float(occupancies[mates].sum())
            if not abs(together - 1) <= len(mates) * _OCCUPANCY_TOLERANCE or not (occupancies[mates] > 0).all():
                raise StructureError(f"partial occupancy: a site is occupied to {together:g}")
            kept[mates[mates != row]] = False
    return np.flatnonzero(kept)


def _check_completeness(tags: Tags) -> None:
    if "dum" in (column(tags, "_atom_site_calc_flag") or []):
        raise StructureError("dummy atoms: a site is marked as a dummy")
    implied = column(tags, "_atom_site_attached_hydrogens") or []
    if any(isinstance(count, int) and count > 0 for count in implied):
        raise StructureError("missing atoms: hydrogens are implied, not listed")


def _check_alternatives(tags: Tags, n_sites: int) -> None:
    """Groups of one assembly are never there at once; a negative one excludes its own images."""
    groups = [str(group) for group in column(tags, "_atom_site_disorder_group", n_sites) or []]
    assemblies = column(tags, "_atom_site_disorder_assembly", n_sites) or ["."] * n_sites
    seen: dict[str, str] = {}
    for group, assembly in zip(groups, map(str, assemblies), strict=False):
        if group in (".", "?", "0"):
            continue
        if group.startswith("-") or seen.setdefault(assembly, group) != group:
            name = f" {assembly}" if assembly not in (".", "?") else ""
            raise StructureError(f"disorder: sites are alternatives of one another (assembly{name})")


def _coordinates(tags: Tags, n_sites: int) -> Floats:
    columns = [column(tags, f"_atom_site_fract_{axis}", n_sites) for axis in "xyz"]
    if any(values is None for values in columns):
        raise StructureError("unreadable: the CIF has no fractional coordinates")
    return finite(columns, "a coordinate").T


def finite(values: Sequence[Any], what: str) -> Floats:
    """Numbers, or columns of them, of a CIF as an array.

    Args:
        values: of its tags.
        what: they are, for the message.

    Raises:
        StructureError: one is missing, no number, or not finite.
    """
    try:
        array = np.array([_floats(value) for value in values])
    except (TypeError, ValueError):
        raise StructureError(f"unreadable: {what} is missing or is not a number") from None
    if not np.isfinite(array).all():
        raise StructureError(f"non-finite: {what} is NaN or infinite")
    return array


def _floats(value: Any) -> float | list[float]:
    return [float(entry) for entry in value] if isinstance(value, list) else float(value)
