"""Compositions that a user can ask for: formulas, multiples of them, chemical systems, rows of a file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from ase.data import atomic_numbers, chemical_symbols

from asegen.errors import InputError
from asegen.structures.formulas import formula_counts, parse_system

MAX_ATOMS = 1000
"""Most atoms of one cell: attention over atoms needs memory that grows with their square."""

_SYSTEM_MULTIPLES = (1, 2, 3, 4)
_GOLDEN = (math.sqrt(5) - 1) / 2  # steps of this part of a circle cover it most evenly


@dataclass(frozen=True)
class Composition:
    """What one crystal is to be made of.

    Attributes:
        formula: the full cell's, elements in the order in which the user wrote them, e.g. "Sr2Ti2O6".
        numbers: (n_atoms,), atomic number of every atom, in the formula's order.
    """

    formula: str
    numbers: tuple[int, ...]


def composition(counts: Mapping[str, int], multiple: int = 1) -> Composition:
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
    return Composition(formula, numbers)


def from_formula(wanted: object, multiples: Sequence[int] = (1,), n_atoms: int | None = None) -> list[Composition]:
    """The compositions of a formula: its multiples, or the one multiple that has a number of atoms.

    Args:
        wanted: a formula as text, or anything that `asegen.structures.formulas.formula_counts` reads.
        multiples: how many formula units, each gives a composition.
        n_atoms: atoms in the cell, instead of multiples.

    Raises:
        InputError: not a formula, a multiple under 1, or no multiple with that number of atoms.
    """
    counts = formula_counts(wanted)
    unit = sum(counts.values())
    if n_atoms is not None:
        if not 1 <= n_atoms <= MAX_ATOMS:
            raise InputError(f"{n_atoms} atoms in the cell: 1 to {MAX_ATOMS} are possible")
        if n_atoms % unit:
            name = composition(counts).formula
            raise InputError(f"no multiple of {name} has {n_atoms} atoms: it has {unit} per formula unit")
        multiples = (n_atoms // unit,)
    check_multiples(multiples)
    return [composition(counts, multiple) for multiple in multiples]


def from_numbers(numbers: Sequence[int], multiples: Sequence[int] = (1,)) -> list[Composition]:
    """The compositions of a list of atomic numbers, elements in order of first appearance.

    Args:
        numbers: of every atom of a cell, at least one.
        multiples: how many such cells, each gives a composition.

    Raises:
        InputError: a multiple under 1, or too many atoms.
    """
    symbols = [chemical_symbols[z] for z in numbers]
    check_multiples(multiples)
    return [composition(Counter(symbols), multiple) for multiple in multiples]


def check_multiples(multiples: Sequence[int]) -> None:
    """Refuses multiples that are none, or that repeat.

    Raises:
        InputError: one is under 1, or asked for twice.
    """
    if not multiples or min(multiples) < 1:
        raise InputError("multiples have to be whole numbers of at least 1")
    if len(set(multiples)) != len(multiples):
        again = next(value for value, count in Counter(multiples).items() if count > 1)
        raise InputError(f"multiples = {again} is asked for more than once; n says how many structures", "multiples")


def from_system(text: str, max_atoms: int, n: int) -> list[Composition]:
    """Compositions over a chemical system in varying proportions, for convex hulls.

    The cells are those of all reduced formulas of every subset of the elements (elements and binaries included), times
    1 to 4 formula units, up to `max_atoms` atoms. Where there are more than `n`, they are taken evenly: each subset in
    turn, and within it each size of cell in turn, simple proportions first. The result is in order of subset and size.

    Args:
        text: elements joined by hyphens, commas or blanks, such as "Li-Fe-O".
        max_atoms: most atoms in a cell.
        n: compositions wanted; where there are fewer cells, they are repeated.

    Raises:
        InputError: not a system of elements, or `max_atoms` under 1.
    """
    symbols = parse_system(text)
    if not 1 <= max_atoms <= MAX_ATOMS:
        raise InputError(f"max_atoms = {max_atoms}: between 1 and {MAX_ATOMS} are possible", "max_atoms")
    subsets = (c for size in range(1, min(len(symbols), max_atoms) + 1) for c in combinations(symbols, size))
    some = islice(subsets, n)  # each has a cell, and 30 elements have a billion of them
    found = list(islice(_in_turn([_cells_of(subset, max_atoms) for subset in some]), n))
    chosen = [found[k % len(found)] for k in range(n)]
    return sorted(chosen, key=lambda c: (len(set(c.numbers)), _places(c, symbols), len(c.numbers), c.formula))


def _places(composition: Composition, symbols: Sequence[str]) -> list[int]:
    return sorted(symbols.index(chemical_symbols[z]) for z in set(composition.numbers))


def _in_turn(streams: Sequence[Iterator[Composition]]) -> Iterator[Composition]:
    """One item of each stream in turn, until all are exhausted."""
    left = list(streams)
    while left:
        going = []
        for stream in left:
            for item in islice(stream, 1):
                yield item
                going.append(stream)
        left = going


def _cells_of(symbols: tuple[str, ...], max_atoms: int) -> Iterator[Composition]:
    """All cells of just these elements, each size in turn."""
    return _in_turn([_cells_of_size(symbols, total) for total in range(len(symbols), max_atoms + 1)])


def _cells_of_size(symbols: tuple[str, ...], total: int) -> Iterator[Composition]:
    """Cells with `total` atoms, those with the simplest proportions first, which have the most formula units."""
    for multiple in reversed(_SYSTEM_MULTIPLES):
        if total % multiple == 0:
            for parts in _proportions(total // multiple, len(symbols)):
                if math.gcd(*parts) == 1:
                    yield composition(dict(zip(symbols, parts, strict=True)), multiple)


def _proportions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ordered sums of `parts` positive numbers that give `total`, in strides that spread them evenly."""
    count = math.comb(total - 1, parts - 1)
    stride = max(1, round(count * _GOLDEN))
    while math.gcd(stride, count) > 1:
        stride += 1
    first = int(count * ((0.5 + total * _GOLDEN) % 1))  # of each total another, or a few samples would be all alike
    for k in range(count):
        yield _proportion((first + k * stride) % count, total, parts)


def _proportion(index: int, total: int, parts: int) -> tuple[int, ...]:
    """The sum at a place in the lexicographic list of all."""
    found = []
    for left in range(parts - 1, 0, -1):
        first = 1
        while index >= (count := math.comb(total - first - 1, left - 1)):
            index -= count
            first += 1
        found.append(first)
        total -= first
    return (*found, total)
