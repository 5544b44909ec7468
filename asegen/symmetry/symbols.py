"""Numbers and symbols of space groups. A number is checked without any library; spglib knows the symbols."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asegen.errors import InputError

if TYPE_CHECKING:
    from spglib import SpaceGroupType

LAST_GROUP = 230
SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
_LAST_OF_SYSTEM = (2, 15, 74, 142, 167, 194, 230)
_SYMBOL_AND_NUMBER = re.compile(r"(\S.*?)\s*\((\d{1,3})\)")


def crystal_system(number: int) -> str:
    """The crystal system of a group's number."""
    return SYSTEMS[next(k for k, last in enumerate(_LAST_OF_SYSTEM) if number <= last)]


def parse_group(text: str) -> int:
    """The number of a group from its number or any usual symbol of it.

    Args:
        text: such as "225", "225.0", "Fm-3m", "P6_3/mmc", "P 21/n", "Cmca", "R-3m:H", "Fd-3m:2", or both, as in
            "Fm-3m (225)".

    Raises:
        InputError: neither, or a symbol and a number that aren't of the same group.
    """
    plain = text.strip()
    if plain.removesuffix(".0").lstrip("+-").isdecimal():
        return _checked_number(plain.removesuffix(".0"))
    from asegen.structures.settings import group_number  # loads spglib

    both = _SYMBOL_AND_NUMBER.fullmatch(plain)
    found = group_number(both.group(1) if both else plain)
    if both and found != int(both.group(2)):
        raise InputError(f"{text[:40]!r}: the symbol is not that of group {both.group(2)}")
    if found is None:
        raise InputError(f"{text[:30]!r} is no space group: write a number from 1 to 230, or a symbol such as Fm-3m")
    return found


def _checked_number(text: str) -> int:
    number = int(text) if len(text) < 9 else 0
    if not 1 <= number <= LAST_GROUP:
        raise InputError(f"space group {text[:12]}: there are 1 to {LAST_GROUP}")
    return number


def kind_of_setting(hall_number: int) -> SpaceGroupType:
    """What spglib knows of a setting, 1 to 530."""
    import spglib

    from asegen.structures.validity import found_by_spglib

    kind = found_by_spglib(spglib.get_spacegroup_type, hall_number)
    assert kind is not None, f"spglib knows no setting {hall_number}"
    return kind
