"""Chemical formulas and systems as people, CIFs and other programs write them; the reduced formula as a key."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from ase import Atoms
from ase.data import atomic_numbers
from ase.formula import Formula

from asegen.errors import InputError
from asegen.structures.fields import HEAVY_HYDROGEN

MAX_DIGITS = 6
"""Of a number in a formula."""
_LONGEST = 200
_LONGEST_SHOWN = 60
_DEEPEST = 8
_HYDRATE = re.compile(r"\s*[·•∙⋅*]\s*|(?<!\d)\.(?=\d*\s*[(\[{]?[A-Z])|\.(?=\d+\s*[(\[{]?(?:H2O|NH3))")
"""A dot after a digit is one of a decimal number, unless water or ammonia follows."""
_NONMETALS = frozenset("H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Te I Xe At Rn".split())
_TOKEN = re.compile(r"([A-Z][a-z]?)|([(\[{])|([)\]}])|(\d+(?:\.0*)?(?!\d))|(\s+)")
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_SYSTEM = re.compile(r"[\s,;-]+")


@runtime_checkable
class Amounts(Protocol):
    """A composition of pymatgen."""

    def get_el_amt_dict(self) -> Mapping[str, float]:
        """Symbol -> amount."""


@runtime_checkable
class Composed(Protocol):
    """A Structure or an entry of pymatgen."""

    @property
    def composition(self) -> Amounts:
        """What it consists of."""


def reduced_formula(atoms: Atoms) -> str:
    """Such as NaCl, elements in pymatgen's order; of elements that form molecules as O2.

    Args:
        atoms: with at least one atom.
    """
    from pymatgen.core import Composition  # loads for a second, which a refused formula needn't wait for

    return str(Composition(atoms.get_chemical_formula("hill")).reduced_formula)


def parse_formula(text: str) -> dict[str, int]:
    """Counts of a chemical formula, elements in the order in which they appear.

    Args:
        text: such as "SrTiO3", "Sr1 Ti1 O3", "SrTiO₃", "CuSO4.5H2O" or "(NH4)2[FeCl5(H2O)]".

    Raises:
        InputError: not a formula, and which character is wrong; an unknown element; no atoms.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain:
        raise InputError("empty formula")
    if len(plain) > _LONGEST:
        raise InputError(f"{_shown(text)} is too long for a formula: {len(plain)} characters")
    if re.search(r"\.\d+\.\d", plain):  # half a molecule of water
        raise _wrong(".", text)
    counts: Counter[str] = Counter()
    for part in _HYDRATE.split(plain):
        times, rest = _leading_number(part.strip(), text)
        found = _parse_part(rest, text)
        # In Al.7CoCrFeNi no dot joins molecules or salts.
        if "." in plain and found and _NONMETALS.isdisjoint(found):
            raise _wrong(".", text)
        for symbol, count in found.items():
            counts[symbol] += times * count
    if not counts:
        raise InputError(f"{_shown(text)} names no element")
    if min(counts.values()) < 1:
        raise InputError(f"{_shown(text)} asks for 0 atoms of an element")
    return dict(counts)


def formula_counts(wanted: object) -> dict[str, int]:
    """Counts of whatever people pass where a formula is meant.

    Args:
        wanted: text, a mapping of symbols to amounts, pymatgen's Composition or Structure, ASE's Formula, or Atoms.

    Raises:
        InputError: something else, an unknown element, or amounts that aren't whole numbers of at least 1.
    """
    if isinstance(wanted, str):
        return parse_formula(wanted)
    if isinstance(wanted, Atoms):
        return _checked(Counter(wanted.get_chemical_symbols()), wanted)
    if isinstance(wanted, Formula):
        return _checked(wanted.count(), wanted)
    if isinstance(wanted, Amounts):
        return _checked(wanted.get_el_amt_dict(), wanted)
    if isinstance(wanted, Composed):
        return _checked(wanted.composition.get_el_amt_dict(), wanted.composition)
    if isinstance(wanted, Mapping):
        return _checked(wanted, wanted)
    raise InputError(
        f"{_shown(repr(wanted))} is no formula: pass text, a dict, a Composition, a Structure, a Formula or Atoms"
    )


def is_formula(wanted: object) -> bool:
    """Whether something is one formula, and not a list of several."""
    return isinstance(wanted, str | Atoms | Formula | Mapping | Amounts | Composed)


def parse_system(text: str) -> list[str]:
    """The elements of a chemical system, in the order in which they are written.

    Args:
        text: elements joined by hyphens, commas or blanks, such as "Li-Fe-O" or "Li, Fe, O".

    Raises:
        InputError: not different elements; the message says which isn't one, and how to join them.
    """
    symbols = [symbol for symbol in _SYSTEM.split(text.strip()) if symbol]
    for symbol in symbols:
        if atomic_numbers.get(symbol, 0) < 1:
            raise InputError(f"{symbol[:20]!r} in {_shown(text)} is not an element{_meant(symbol)}")
    if not symbols or len(set(symbols)) != len(symbols):
        raise InputError(f"{_shown(text)} is not a chemical system: join different elements, such as Li-Fe-O")
    return symbols


def whole_number(value: object, what: str) -> int:
    """A whole number of at least 1 from a number or a text such as "10" or "10.0".

    Args:
        value: the number or its text.
        what: it is, for the message, such as "number of atoms".

    Raises:
        InputError: something else.
    """
    text = str(value).strip()
    if not re.fullmatch(rf"[0-9]{{1,{MAX_DIGITS + 3}}}(\.0*)?", text) or int(float(text)) < 1:
        raise InputError(f"{text[:20]!r} is no {what}")
    return int(float(text))


def _leading_number(part: str, text: str) -> tuple[int, str]:
    found = re.match(r"\d+", part)
    return (_amount(found.group(), text), part[found.end() :]) if found else (1, part)


def _parse_part(part: str, text: str) -> Counter[str]:
    """Counts of a formula without dots, by a stack of brackets."""
    stack: list[Counter[str]] = [Counter()]
    closes: list[str] = []
    last: Counter[str] = Counter()
    place = 0
    while place < len(part):
        token = _TOKEN.match(part, place)
        if token is None:
            raise _wrong(part[place], text)
        symbol, opened, closed, number, _ = token.groups()
        if symbol:
            last = Counter({_element(symbol, text): 1})
        elif opened and len(closes) < _DEEPEST:
            closes.append(_CLOSES[opened])
            stack.append(Counter())
            last = Counter()
        elif closed and closes and closes.pop() == closed and stack[-1]:
            last = stack.pop()
        elif number and last:
            extra = _amount(number, text) - 1
            last, group = Counter(), last
            stack[-1].update({symbol: count * extra for symbol, count in group.items()})
        elif opened or closed or number:
            raise _wrong(part[place], text)
        if symbol or closed:
            stack[-1].update(last)
        place = token.end()
    if closes:
        raise InputError(f"{_shown(text)}: a bracket isn't closed")
    return stack[0]


def _element(symbol: str, text: str) -> str:
    if atomic_numbers.get(symbol, 0) > 0:
        return symbol
    hint = ": write H for this isotope of hydrogen" if symbol in HEAVY_HYDROGEN else ""
    raise InputError(f"{symbol!r} in {_shown(text)} is not an element{hint}")


def _amount(digits: str, text: str) -> int:
    whole = digits.partition(".")[0]
    if len(whole) > MAX_DIGITS:
        raise InputError(f"{_shown(text)}: a number of {len(whole)} digits")
    return int(whole)


def _wrong(character: str, text: str) -> InputError:
    hint = "elements begin with a capital letter" if character.islower() else "write elements and whole numbers"
    if character == "." and re.search(r"\.\d", text):
        hint += "; alloys are drawn from a CIF with partial occupancies: asegen generate --from alloy.cif --order"
    return InputError(f"{_shown(text)} is not a chemical formula: {character!r} can't stand there; {hint}")


def _checked(amounts: Mapping[str, float], wanted: object) -> dict[str, int]:
    if not amounts:
        raise InputError("empty formula")
    counts = {}
    for symbol, amount in amounts.items():
        if not isinstance(symbol, str) or atomic_numbers.get(symbol, 0) < 1:
            raise InputError(f"{str(symbol)[:20]!r} in {_shown(str(wanted))} is not an element")
        counts[symbol] = whole_number(amount, f"number of {symbol} atoms")
    return counts


def _meant(symbol: str) -> str:
    if symbol.capitalize() in atomic_numbers:
        return f": {symbol.capitalize()} is"
    pieces: Sequence[str] = re.findall(r"[A-Z][a-z]?", symbol)
    if len(pieces) > 1 and "".join(pieces) == symbol:
        return f": join elements by hyphens, {'-'.join(pieces)}"
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")
