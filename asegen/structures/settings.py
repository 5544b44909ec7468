"""The 530 settings of the space groups that spglib tabulates, by every usual symbol.

A symbol is read without regard to blanks, underscores and case. Beside the short and full international symbols these
are known: short symbols of monoclinic settings (P21/n, I2/a), the names that groups had before 1992 (Cmca for Cmce) and
before 1935 (Fm3m for Fm-3m), and a choice of origin or axes behind a colon (Fd-3m:2, R-3m:H) or as ICSD writes it
(F d -3 m Z, R -3 m H).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache

import numpy as np
import spglib
from numpy.typing import NDArray

from asegen.structures.validity import found_by_spglib

Floats = NDArray[np.float64]
Operations = tuple[NDArray[np.int64], Floats]
"""Rotations (n, 3, 3) and translations (n, 3) of fractional coordinates."""

_SETTINGS = 530
_STANDARD = ("", "b", "b1", "2", "H")  # choices of the International Tables' standard settings
_ICSD_CHOICES = {"h": "h", "r": "r", "s": "1", "z": "2"}
_ANOTHER_AXIS = {"a": "bc", "b": "ac", "c": "ab"}
_NAMED_APART = (67, 68)
_NAMED_APART_BY = {"": "a", "ba-c": "b", "cab": "b", "-cba": "c", "bca": "c", "a-cb": "a"}
"""Old names told these groups' settings with the axes a and b exchanged apart: Cmma and Cmmb, by spglib's choice."""
_LAST_HEXAGONAL = 194
_CENTRED_TRICLINIC = re.compile(r"[abcfi](-?)1")
_TO_ASCII = str.maketrans("₀₁₂₃₄₅₆₇₈₉−–‐", "0123456789---")


@cache
def all_settings() -> tuple[spglib.SpaceGroupType, ...]:
    """Every setting that spglib tabulates, those of the standard first."""
    found = [found_by_spglib(spglib.get_spacegroup_type, hall) for hall in range(1, _SETTINGS + 1)]
    known = [setting for setting in found if setting is not None]
    assert len(known) == _SETTINGS, "spglib's table has other settings"
    return tuple(sorted(known, key=lambda setting: setting.choice not in _STANDARD))


def settings_of(symbol: str, choice: str = "") -> tuple[spglib.SpaceGroupType, ...]:
    """The settings that a symbol can mean, the most usual first; none where the symbol is unknown.

    Args:
        symbol: such as "P 21/c", "R-3m:H", "Fd-3m Z".
        choice: of origin or axes, such as "2" or "H", where it isn't part of the symbol.
    """
    name, _, own = plain_symbol(symbol).partition(":")
    found = _by_symbol().get(name, ())
    if not found and name[-1:] in _ICSD_CHOICES:
        found, own = _by_symbol().get(name[:-1], ()), own or _ICSD_CHOICES[name[-1]]
    wanted = own or choice.lower()
    if wanted:
        return tuple(s for s in found if s.choice.lower() == wanted)
    with_usual_axes = tuple(s for s in found if not s.choice.strip("12"))
    return with_usual_axes or found


def settings_of_hall(symbol: str) -> tuple[spglib.SpaceGroupType, ...]:
    """The setting of a Hall symbol, or none where it isn't in spglib's table."""
    wanted = _plain_hall(symbol)
    return next(((setting,) for setting in all_settings() if _plain_hall(setting.hall_symbol) == wanted), ())


def _plain_hall(symbol: str) -> str:
    return " ".join(symbol.replace("_", " ").lower().split())


def group_number(symbol: str) -> int | None:
    """The number of the group that a symbol means; None where the symbol is unknown.

    Args:
        symbol: as in `settings_of`, or of a centred cell of a triclinic group, such as "C-1".
    """
    if centred := _CENTRED_TRICLINIC.fullmatch(plain_symbol(symbol)):
        return 2 if centred.group(1) else 1
    return next((setting.number for setting in settings_of(symbol)), None)


@lru_cache(64)
def tabulated_operations(hall_number: int) -> Operations:
    """All operations of a setting, centring included.

    Args:
        hall_number: 1 to 530, spglib's.
    """
    table = found_by_spglib(spglib.get_symmetry_from_database, hall_number)
    assert table is not None, f"spglib knows no setting {hall_number}"
    return table["rotations"].astype(np.int64), table["translations"]


def plain_symbol(symbol: str) -> str:
    """A symbol in lower case, without blanks, underscores and brackets, bars over digits as minus signs."""
    ascii_text = re.sub("(\\d)[\u0304\u0305\u203e\u00af]", r"-\1", symbol).translate(_TO_ASCII)
    return re.sub(r"[\s_()]", "", ascii_text).lower()


@cache
def _by_symbol() -> dict[str, tuple[spglib.SpaceGroupType, ...]]:
    """Settings by plain symbol; today's symbols win over old ones, and those of the setting over those of its group."""
    found: dict[str, list[spglib.SpaceGroupType]] = {}
    for names in (_own_symbols, _old_symbols, _symbols_of_group):
        before = set(found)
        for setting in all_settings():
            for name in {plain_symbol(text) for text in names(setting)} - before:
                found.setdefault(name, []).append(setting)
    return {name: tuple(settings) for name, settings in found.items()}


def _own_symbols(setting: spglib.SpaceGroupType) -> Iterator[str]:
    symbol = _symbol(setting)
    yield symbol
    yield setting.international_full
    if _is_monoclinic(setting):
        yield "".join(word for word in symbol.split() if word != "1")


def _old_symbols(setting: spglib.SpaceGroupType) -> Iterator[str]:
    symbol = _symbol(setting)
    lattice, *words = symbol.split()
    if "e" in words:  # a glide along two axes, which was named by either
        along = _ANOTHER_AXIS["abc"[words.index("e")]]
        if setting.number in _NAMED_APART:
            along = _NAMED_APART_BY[setting.choice.lstrip("12")]
        yield from (lattice + "".join(words).replace("e", axis) for axis in along)
    if setting.number > _LAST_HEXAGONAL:
        yield symbol.replace("-3", "3")


def _symbols_of_group(setting: spglib.SpaceGroupType) -> Iterator[str]:
    if not _is_monoclinic(setting):  # there it is the symbol of one setting
        yield setting.international_short


def _symbol(setting: spglib.SpaceGroupType) -> str:
    """Such as "P 1 2_1/n 1"; spglib puts the group's symbol before it."""
    return str(setting.international).split("=")[-1].strip()


def _is_monoclinic(setting: spglib.SpaceGroupType) -> bool:
    return 3 <= setting.number <= 15
