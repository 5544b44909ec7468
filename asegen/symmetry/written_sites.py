"""Wyckoff sites as a user writes them: letters, such as "Na:a Cl:b", or numbers of sites, such as "Na:1,Cl:1"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from ase.data import atomic_numbers, chemical_symbols

from asegen.arguments import text as plain_text
from asegen.errors import InputError
from asegen.symmetry.assignments import Occupation
from asegen.symmetry.groups import SpaceGroup


def parse_sites(text: str) -> dict[int, list[str]] | dict[int, int]:
    """What a user says of the sites: letters, "Na:a Cl:b" or "O:e,e,g", or their number, "Na:1,Cl:2".

    Returns:
        By atomic number, in the order written: the letters, or the numbers of sites.

    Raises:
        InputError: neither of the two, an unknown element, or one named twice.
    """
    text = plain_text("sites", text, "Na:a Cl:b")
    wrong = InputError(
        f"sites = {text[:60]!r}: write letters, such as 'Na:a Cl:b', or numbers of sites, such as Na:1,Cl:1", "sites"
    )
    found: dict[int, list[str]] = {}
    own: list[str] | None = None
    for token in text.replace(",", " ").split():
        symbol, colon, value = token.rpartition(":")
        if colon:
            z = atomic_numbers.get(symbol, 0)
            if z < 1:
                raise InputError(f"sites: {symbol[:10]!r} is not an element", "sites")
            if z in found:
                raise InputError(
                    f"sites names {symbol} twice: join its letters by commas, such as {symbol}:a,c", "sites"
                )
            own = found.setdefault(z, [])
        if own is None or not (value.isdecimal() or (len(value) == 1 and value.isalpha() and value.isascii())):
            raise wrong
        own.append(value)
    kinds = {value.isdecimal() for values in found.values() for value in values}
    if len(kinds) != 1:
        raise wrong
    if kinds == {False}:
        return found
    if any(len(values) > 1 or not 1 <= int(values[0][:9]) <= 1000 for values in found.values()):
        raise wrong
    return {z: int(values[0]) for z, values in found.items()}


def check_letters(group: SpaceGroup, letters: Mapping[int, Sequence[str]]) -> Occupation:
    """The occupation that a user spells out.

    Raises:
        InputError: a letter that the group doesn't have, or a position without freedom that is used twice.
    """
    for own in letters.values():
        for letter in own:
            if letter not in group.by_letter:
                known = f"{group.positions[0].letter} to {group.positions[-1].letter}"
                raise InputError(f"{group.symbol} ({group.number}) has no Wyckoff position {letter!r}: it has {known}")
    sites = sorted((letter, z) for z, own in letters.items() for letter in own)
    for (letter, z), (other, also) in pairwise(sites):
        if letter == other and group.by_letter[letter].is_fixed:
            position = group.by_letter[letter]
            raise InputError(
                f"position {position.multiplicity}{letter} of {group.symbol} ({group.number}) has no free parameter: "
                f"one site at most, not {chemical_symbols[z]} and {chemical_symbols[also]}"
            )
    return Occupation(group.number, tuple(sites))
