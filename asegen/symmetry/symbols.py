"""Numbers and symbols of space groups. A number is checked without any library; spglib knows the symbols."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from asegen.errors import InputError

if TYPE_CHECKING:
    from spglib import SpaceGroupType

LAST_GROUP = 230
SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
_LAST_OF_SYSTEM = (2, 15, 74, 142, 167, 194, 230)
_SETTINGS = 530


def crystal_system(number: int) -> str:
    """The crystal system of a group's number."""
    return SYSTEMS[next(k for k, last in enumerate(_LAST_OF_SYSTEM) if number <= last)]


def parse_group(text: str) -> int:
    """The number of a group from its number or its symbol: "225", "Fm-3m", "P6_3/mmc", "P63/mmc", "P 2_1/c".

    Raises:
        InputError: neither.
    """
    plain = text.strip()
    if plain.lstrip("+-").isdecimal():
        number = int(plain) if len(plain) < 9 else 0
        if not 1 <= number <= LAST_GROUP:
            raise InputError(f"space group {plain[:12]}: there are 1 to {LAST_GROUP}")
        return number
    known = _symbols()
    found = known.get(_plain_symbol(plain))
    if found is None:
        raise InputError(f"{text[:30]!r} is no space group: write a number from 1 to 230, or a symbol such as Fm-3m")
    return found


def _plain_symbol(text: str) -> str:
    return "".join(text.split()).replace("_", "")


@cache
def _symbols() -> dict[str, int]:
    """Symbols of all settings, short ones of the standard setting first; a few serve two groups in other settings."""
    kinds = [kind_of_setting(hall) for hall in range(1, _SETTINGS + 1)]
    found: dict[str, int] = {}
    for kind in sorted(kinds, key=lambda kind: kind.choice not in ("", "b", "b1", "2", "H")):
        for symbol in (kind.international_short, kind.international_full, *kind.international.split("=")):
            found.setdefault(_plain_symbol(symbol), kind.number)
    return found


def kind_of_setting(hall_number: int) -> SpaceGroupType:
    """What spglib knows of a setting, 1 to 530."""
    import spglib

    kind = spglib.get_spacegroup_type(hall_number)
    assert kind is not None, f"spglib knows no setting {hall_number}"
    return kind
