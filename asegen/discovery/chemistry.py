"""Which compositions are wanted: elements of groups, elements to be left out, a chemical system, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

from ase.data import atomic_numbers

from asegen.arguments import text, whole_number
from asegen.errors import InputError
from asegen.structures.formulas import parse_system
from asegen.symmetry.symbols import LAST_GROUP, SYSTEMS, crystal_system, parse_group

ANY = "*"
MAX_ELEMENTS, MAX_ATOMS = 4, 20
"""Of a composition and its cell, unless told otherwise."""
_MOST_ELEMENTS = 8
"""Known crystals have no more."""

Slots = tuple[frozenset[int], ...]
"""For each element of a composition, those that it may be."""


@dataclass(frozen=True)
class Chemistry:
    """What compositions are wanted.

    Args:
        elements: groups of elements, such as "Li Na | O S | *": a composition has exactly one element of each group;
            "*" is any element. Any number of any elements without it.
        exclude: elements that none has, such as "Pb Cd Tl".
        system: a chemical system, such as "Li-P-S"; its subsystems are included, elements alone aren't.
        max_elements: most elements.
        max_atoms: most atoms in a cell.
        spacegroups: numbers, symbols, ranges such as "195-230" or crystal systems such as "cubic", joined by commas;
            any without it.

    Raises:
        InputError: what is no element or group, or contradicts itself.
    """

    elements: str | None = None
    exclude: str | Sequence[str] = ()
    system: str | None = None
    max_elements: int = MAX_ELEMENTS
    max_atoms: int = MAX_ATOMS
    spacegroups: str | None = None

    def __post_init__(self) -> None:
        """Refuses early what can't be."""
        for name, example in (("elements", "Li Na | O S | *"), ("system", "Li-P-S"), ("spacegroups", "cubic")):
            if getattr(self, name) is not None:
                text(name, getattr(self, name), example)
        if not isinstance(self.exclude, Iterable):
            raise InputError(f"exclude = {self.exclude!r:.60}: symbols are needed, such as 'Pb Cd Tl'", "exclude")
        for name in ("max_elements", "max_atoms"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        if not 1 <= self.max_elements <= _MOST_ELEMENTS:
            wrong = f"max_elements = {self.max_elements}: 1 to {_MOST_ELEMENTS} are possible"
            raise InputError(wrong, "max_elements")
        if self.max_atoms < 1:
            raise InputError(f"max_atoms = {self.max_atoms}: at least 1 is needed", "max_atoms")
        if self.elements is not None and self.system is not None:
            raise InputError("elements and system exclude each other", "elements", "system")
        self._excluded  # noqa: B018  refuses what is no element
        self._check_groups()
        if self.system is not None and not self._system:
            raise InputError(f"exclude leaves nothing of system = {self.system}", "exclude", "system")
        self.groups  # noqa: B018  refuses what is no space group

    def _check_groups(self) -> None:
        groups = self._groups
        if len(groups) > self.max_elements:
            wrong = (
                f"elements = {self.elements!r} has {len(groups)} groups, more than max_elements = {self.max_elements}"
            )
            raise InputError(wrong, "elements", "max_elements")
        for part, group in zip((self.elements or "").split("|"), groups, strict=False):
            if group is not None and not group:
                raise InputError(f"exclude leaves nothing of {part.strip()!r} in elements", "exclude", "elements")
        if groups and not any(_are_distinct(one) for one in permutations([g for g in groups if g is not None])):
            raise InputError(f"elements = {self.elements!r}: no two elements of its groups differ", "elements")

    def slots(self, n_elements: int, known: frozenset[int]) -> list[Slots]:
        """The choices of elements for compositions of so many elements; nothing where there are none.

        Args:
            n_elements: of a composition.
            known: elements that can be had at all.
        """
        allowed = known - self._excluded
        if n_elements > self.max_elements:
            return []
        if self.system is not None:
            single = len(self._system) == 1
            inside = frozenset(self._system) & allowed
            return [(inside,) * n_elements] if (n_elements > 1 or single) and len(inside) >= n_elements else []
        if not self._groups:
            return [(allowed,) * n_elements]
        if len(self._groups) != n_elements:
            return []
        groups = [allowed if group is None else group & allowed for group in self._groups]
        return list(dict.fromkeys(permutations(groups)))

    @property
    def groups(self) -> frozenset[int] | None:
        """Numbers of the space groups that are wanted; None for any.

        Raises:
            InputError: something that is none.
        """
        if self.spacegroups is None:
            return None
        found: set[int] = set()
        for part in str(self.spacegroups).split(","):
            found |= _space_groups(part.strip())
        return frozenset(found)

    @property
    def _excluded(self) -> frozenset[int]:
        symbols = self.exclude if isinstance(self.exclude, str) else " ".join(map(str, self.exclude))
        return frozenset(_elements(symbols, "exclude"))

    @property
    def _system(self) -> frozenset[int]:
        return frozenset(atomic_numbers[s] for s in parse_system(self.system or "")) - self._excluded

    @property
    def _groups(self) -> list[frozenset[int] | None]:
        if self.elements is None:
            return []
        parts = [part.strip() for part in self.elements.split("|")]
        if not all(parts):
            raise InputError(f"elements = {self.elements!r}: a group is empty; write * for any element", "elements")
        return [None if part == ANY else frozenset(_elements(part, "elements")) - self._excluded for part in parts]


def _elements(text: str, parameter: str) -> list[int]:
    symbols = [symbol for symbol in re.split(r"[\s,;]+", text.strip()) if symbol]
    for symbol in symbols:
        if atomic_numbers.get(symbol, 0) < 1:
            raise InputError(f"{parameter} = {text[:60]!r}: {symbol[:20]!r} is not an element", parameter)
    return [atomic_numbers[symbol] for symbol in symbols]


def _are_distinct(groups: Sequence[frozenset[int]]) -> bool:
    """Whether each group, in this order, has an element that those before leave over (the smallest is taken)."""
    taken: set[int] = set()
    for group in groups:
        left = group - taken
        if not left:
            return False
        taken.add(min(left))
    return True


def _space_groups(text: str) -> set[int]:
    if text in SYSTEMS:
        return {number for number in range(1, LAST_GROUP + 1) if crystal_system(number) == text}
    first, dash, last = text.partition("-")
    if dash and first.isdecimal() and last.isdecimal():
        low, high = parse_group(first), parse_group(last)
        if low > high:
            raise InputError(f"spacegroups = {text}: the first is above the last", "spacegroups")
        return set(range(low, high + 1))
    return {parse_group(text)}
