"""Compositions that a user can ask for: formulas, multiples of them, chemical systems, rows of a file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

from ase.data import atomic_numbers
from ase.formula import Formula

from asegen.errors import InputError

MAX_ATOMS = 1000
"""Most atoms of one cell: attention over atoms needs memory that grows with their square."""

_SYSTEM_MULTIPLES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Composition:
    """What one crystal is to be made of.

    Attributes:
        formula: the full cell's, elements in the order in which the user wrote them, e.g. "Sr2Ti2O6".
        numbers: atomic number of every atom, in the formula's order.
        material_id: where it came from, if a file names it.
    """

    formula: str
    numbers: tuple[int, ...]
    material_id: str | None = None


def parse_formula(text: str) -> dict[str, int]:
    """Counts of a chemical formula; parentheses are allowed.

    Raises:
        InputError: not a formula, an unknown element (named), or no atoms.
    """
    if not text.strip():
        raise InputError("empty formula")
    if not re.fullmatch(r"[A-Za-z0-9()\[\]]+", text):
        raise InputError(f"{text!r} is not a chemical formula: write elements and whole numbers, such as SrTiO3")
    try:
        counts = Formula(text).count()
    except (ValueError, KeyError, AssertionError):
        raise InputError(
            f"{text!r} is not a chemical formula: write elements and whole numbers, such as SrTiO3"
        ) from None
    for symbol in counts:
        if atomic_numbers.get(symbol, 0) < 1:
            raise InputError(f"{symbol!r} in {text!r} is not an element")
    if sum(counts.values()) < 1 or min(counts.values()) < 1:
        raise InputError(f"{text!r} asks for 0 atoms of an element")
    return counts


def composition(counts: dict[str, int], multiple: int = 1, material_id: str | None = None) -> Composition:
    """A composition of a multiple of some counts.

    Raises:
        InputError: more atoms than `MAX_ATOMS`.
    """
    scaled = {symbol: count * multiple for symbol, count in counts.items()}
    total = sum(scaled.values())
    formula = "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in scaled.items())
    if total > MAX_ATOMS:
        raise InputError(f"{formula} has {total} atoms in the cell; at most {MAX_ATOMS} are possible")
    numbers = tuple(atomic_numbers[symbol] for symbol, count in scaled.items() for _ in range(count))
    return Composition(formula, numbers, material_id)


def from_formula(text: str, multiples: Sequence[int] = (1,), atoms: int | None = None) -> list[Composition]:
    """The compositions of a formula: its multiples, or the one multiple that has a number of atoms.

    Args:
        text: a formula.
        multiples: how many formula units, each gives a composition.
        atoms: number of atoms in the cell, instead of multiples.

    Raises:
        InputError: not a formula, a multiple under 1, or no multiple with that number of atoms.
    """
    counts = parse_formula(text)
    unit = sum(counts.values())
    if atoms is not None:
        if atoms < 1:
            raise InputError(f"{atoms} atoms in the cell: at least 1 is needed")
        if atoms % unit:
            raise InputError(f"no multiple of {text} has {atoms} atoms: it has {unit} per formula unit")
        multiples = (atoms // unit,)
    if not multiples or min(multiples) < 1:
        raise InputError("multiples have to be whole numbers of at least 1")
    return [composition(counts, multiple) for multiple in multiples]


def from_numbers(material_id: str, numbers: Sequence[int]) -> Composition:
    """The composition of a list of atomic numbers, in order of first appearance."""
    formula = Formula.from_list([_symbol(z) for z in sorted(numbers, key=list(numbers).index)])
    return composition(formula.count(), material_id=material_id)


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols

    return chemical_symbols[number]


def from_system(text: str, max_atoms: int, n: int) -> list[Composition]:
    """Compositions over a chemical system in varying proportions, for convex hulls.

    All reduced formulas of every subset of the elements (elements and binaries included), times 1 to 4 formula units,
    up to `max_atoms` atoms. Where there are more than `n`, they are taken evenly: subset by subset in turn, small
    cells first.

    Args:
        text: elements joined by hyphens, such as "Li-Fe-O".
        max_atoms: most atoms in a cell.
        n: number of samples wanted; a composition is repeated where there are fewer.

    Raises:
        InputError: not a system of elements, or `max_atoms` under 1.
    """
    symbols = [s for s in text.split("-") if s]
    if not symbols or len(set(symbols)) != len(symbols):
        raise InputError(f"{text!r} is not a chemical system: join different elements by hyphens, such as Li-Fe-O")
    for symbol in symbols:
        if atomic_numbers.get(symbol, 0) < 1:
            raise InputError(f"{symbol!r} in {text!r} is not an element")
    if not 1 <= max_atoms <= MAX_ATOMS:
        raise InputError(f"--max-atoms {max_atoms}: between 1 and {MAX_ATOMS} are possible")
    subsets = [c for size in range(1, len(symbols) + 1) for c in combinations(symbols, size) if size <= max_atoms]
    streams = [_cells_of(subset, max_atoms) for subset in subsets]
    found: list[Composition] = []
    while streams and len(found) < n:
        for stream in list(streams):
            item = next(stream, None)
            if item is None:
                streams.remove(stream)
            elif len(found) < n:
                found.append(item)
    return [found[k % len(found)] for k in range(n)]


def _cells_of(symbols: tuple[str, ...], max_atoms: int) -> Iterator[Composition]:
    """Cells of a subset of elements by growing number of atoms."""
    for total in range(len(symbols), max_atoms + 1):
        for multiple in _SYSTEM_MULTIPLES:
            if total % multiple == 0:
                for parts in _partitions(total // multiple, len(symbols)):
                    if reduce(math.gcd, parts) == 1:
                        yield composition(dict(zip(symbols, parts, strict=True)), multiple)


def _partitions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write `total` as an ordered sum of `parts` positive numbers."""
    if parts == 1:
        yield (total,)
        return
    for first in range(1, total - parts + 2):
        for rest in _partitions(total - first, parts - 1):
            yield (first, *rest)
