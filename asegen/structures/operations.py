"""Symmetry operations as a CIF lists them: parsed, and checked to be a group and to fit the cell."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import spglib
from ase.spacegroup.spacegroup import parse_sitesym
from numpy.typing import NDArray

from asegen.structures.errors import StructureError
from asegen.structures.settings import Floats, Operations
from asegen.structures.validity import found_by_spglib

MAX_OPERATIONS = 2000
"""A cubic group with all its centring has 192; cells of magnetic order are several times as large."""
_TEXT = re.compile(r"[xyzXYZ0-9+\-/. ]+(,[xyzXYZ0-9+\-/. ]+){2}")
_SAME_TRANSLATION = 0.01
"""Fractional. Files write 1/3 as 0.33."""
_EXACT = 24  # every translation of the tables is a multiple of 1/24
_METRIC = 0.02
"""Of the product of two cell lengths: how far an operation may change their scalar product (1 % of a length, about 1°
of an angle), which few digits or a cell that was measured without its constraints need."""


@lru_cache(4096)
def parse_operations(listed: tuple[str, ...]) -> Operations:
    """The operations of a list such as ("x,y,z", "-x,-y,z+1/2").

    Args:
        listed: one text for each.

    Raises:
        StructureError: one is no symmetry operation, they are no group, or too many.
    """
    if len(listed) > MAX_OPERATIONS:
        raise StructureError(f"too large: {len(listed)} symmetry operations")
    for operation in listed:
        if not _TEXT.fullmatch(operation):
            raise StructureError(f"bad symmetry: {operation[:40]!r} is no symmetry operation")
    try:
        rotations, translations = parse_sitesym([operation.replace(" ", "") for operation in listed])
    except (ValueError, ZeroDivisionError, IndexError):
        raise StructureError("bad symmetry: an operation holds no fraction where one should be") from None
    if (np.abs(np.rint(np.linalg.det(rotations))) != 1).any() or not np.isfinite(translations).all():
        raise StructureError("bad symmetry: an operation is singular")
    if not is_group(rotations, translations):
        raise StructureError("bad symmetry: the operations are no group, one is missing or damaged")
    return rotations, translations


def products(first: Operations, second: Operations) -> Operations:
    """Every operation of the first list after every one of the second."""
    rotations = np.einsum("iab,jbc->ijac", first[0], second[0]).reshape(-1, 3, 3)
    translations = np.einsum("iab,jb->ija", first[0], second[1]) + first[1][:, None]
    return rotations, translations.reshape(-1, 3)


def is_group(rotations: NDArray[np.int64], translations: Floats) -> bool:
    """Whether the product of any two operations is one of them, up to lattice translations.

    Args:
        rotations: (n, 3, 3).
        translations: (n, 3), fractional.
    """
    codes = _codes(rotations)
    kinds, kind_of, counts = np.unique(codes, return_inverse=True, return_counts=True)
    if (counts != counts[0]).any():
        return False
    of_kind = translations[np.argsort(kind_of, kind="stable")].reshape(len(kinds), -1, 3)
    for rotation, translation in zip(rotations, translations, strict=True):
        turned = _codes(rotation @ rotations)
        place = np.minimum(np.searchsorted(kinds, turned), len(kinds) - 1)
        if (kinds[place] != turned).any():
            return False
        away = (translations @ rotation.T + translation)[:, None] - of_kind[place]
        if not (np.abs(away - np.rint(away)).max(-1).min(-1) < _SAME_TRANSLATION).all():
            return False
    return True


def _codes(rotations: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each rotation; elements of products of sane operations have one digit."""
    return rotations.reshape(-1, 9).astype(np.int64) @ 19 ** np.arange(9)


def fit_cell(rotations: NDArray[np.int64], cell: Floats) -> bool:
    """Whether operations leave a cell's lengths and angles as they are.

    Args:
        rotations: (n, 3, 3).
        cell: (3, 3), rows are lattice vectors, Å.
    """
    if len(rotations) == 1:  # the identity
        return True
    metric = cell @ cell.T
    lengths = np.sqrt(np.diag(metric))
    moved = rotations.transpose(0, 2, 1) @ metric @ rotations
    return bool((np.abs(moved - metric) <= _METRIC * np.outer(lengths, lengths)).all())


@lru_cache(4096)
def group_of(listed: tuple[str, ...]) -> int | None:
    """The number of the space group that listed operations are; None where spglib can't tell."""
    rotations, translations = parse_operations(listed)
    exact = np.rint(translations * _EXACT) / _EXACT
    close = np.where(np.abs(exact - translations) < _SAME_TRANSLATION, exact, translations)
    found = found_by_spglib(spglib.get_spacegroup_type_from_symmetry, rotations, close)
    return None if found is None else int(found.number)
