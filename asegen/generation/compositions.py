"""Compositions that a user can ask for: formulas, multiples of them, cells of a file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ase.data import atomic_numbers, chemical_symbols

from asegen.errors import InputError
from asegen.structures.formulas import formula_counts

MAX_ATOMS = 1000
"""Most atoms of one cell: attention over atoms needs memory that grows with their square."""


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


def multiplied(unit: Composition, multiple: int) -> Composition:
    """The composition of a cell of several formula units.

    Raises:
        InputError: more atoms than `MAX_ATOMS`.
    """
    return composition(Counter(chemical_symbols[z] for z in unit.numbers), multiple)


def formula_unit(cell: Composition) -> Composition:
    """The composition of one formula unit, such as TiO2 of Ti2O4."""
    counts = Counter(chemical_symbols[z] for z in cell.numbers)
    units = math.gcd(*counts.values())
    return composition({symbol: count // units for symbol, count in counts.items()})


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
        raise InputError(
            f"multiples = {again} is asked for more than once; n says how many structures", "multiples", "n"
        )
