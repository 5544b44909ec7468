"""Compositions over a chemical system, in the order in which a chemist would try them.

First what is known: the elements and the compositions of the Materials Project's hull, the stable ones before the
others. Then compositions whose common oxidation states add up to zero, then those of anonymous formulas that many known
compounds have. Each kind goes from the commonest anonymous formula to the rarest, and through the subsystems in turn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, islice, permutations, product

from ase.data import atomic_numbers, chemical_symbols

from asegen.elements import ELECTRONEGATIVITY
from asegen.errors import InputError
from asegen.generation.compositions import MAX_ATOMS, Composition, composition
from asegen.hull.table import Counts, ReducedFormula, reduced, shipped_hull
from asegen.prototypes.exchanges import signature
from asegen.prototypes.formula_units import MAX_ATOMS as USUAL_ATOMS
from asegen.structures.formulas import parse_system
from asegen.structures.oxidation import common_oxidation_states

LARGEST_KNOWN = 40
"""Atoms of a formula unit of a known compound, unless told otherwise: Li7P3S11 has 21."""
_MOST_SUBSYSTEMS = 500
_MOST_PERMUTATIONS = 24
_PATTERNS = 20
"""Anonymous formulas of each number of elements that count as common."""
_STABLE, _KNOWN, _BALANCED, _COMMON, _ELEMENT = 8, 4, 2, 1, 1
"""Structures of a composition, at most, before those of other kinds have theirs."""


def from_system(text: str, n: int, max_atoms: int | None = None) -> list[Composition]:
    """Formula units over a chemical system, in the order in which structures of them are worth drawing.

    A composition comes as often as it is worth structures: stable compounds up to 8 times, others that are known up to
    4, charge-balanced ones twice, others and elements once. They take turns: no composition comes a second time before
    all that are taken came once. Of the compositions that aren't known as many are taken as there is room for.

    Args:
        text: elements joined by hyphens, commas or blanks, such as "Li-Fe-O".
        n: compositions wanted, repeated ones counted; where there are too few, more often than said above.
        max_atoms: most atoms in a cell; without it 20 of a formula unit, and 40 of one that is known.

    Raises:
        InputError: not a system of elements, or `max_atoms` under 1.
    """
    symbols = parse_system(text)
    if max_atoms is not None and not 1 <= max_atoms <= MAX_ATOMS:
        raise InputError(f"max_atoms = {max_atoms}: between 1 and {MAX_ATOMS} are possible", "max_atoms")
    system = _System([atomic_numbers[symbol] for symbol in symbols])
    most = USUAL_ATOMS if max_atoms is None else max_atoms
    known = list(islice(system.known(max_atoms or LARGEST_KNOWN), n))
    known_structures = sum(times for _, times in known)
    room = max(0, n - min(known_structures, n // 2))
    seen = {reduced(counts) for counts, _ in known}
    balanced = list(islice(_new(system.balanced(most), seen), math.ceil(0.6 * room / _BALANCED)))
    left = max(0, room - _BALANCED * len(balanced))
    common = list(islice(_new(system.common(most), seen), left))
    worth = [*known, *((c, _BALANCED) for c in balanced), *((c, _COMMON) for c in common)]
    return [system.composition(counts) for counts in islice(_rounds(worth), n)]


def _new(found: Iterable[Counts], seen: set[ReducedFormula]) -> Iterator[Counts]:
    """Those that weren't seen before."""
    for counts in found:
        key = reduced(counts)
        if key not in seen:
            seen.add(key)
            yield counts


def _rounds(worth: Sequence[tuple[Counts, int]]) -> Iterator[Counts]:
    """Each once, then each that is worth it again, and so on; without end."""
    most = max(times for _, times in worth)
    for k in range(most):
        yield from (counts for counts, times in worth if k < times)
    again = [counts for counts, times in worth if times > 1] or [counts for counts, _ in worth]
    while True:
        yield from again


class _System:
    """A chemical system.

    Args:
        numbers: of its elements, in the order in which they were written.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers

    def composition(self, counts: Counts) -> Composition:
        """Of counts, elements in the system's order."""
        return composition({chemical_symbols[z]: counts[z] for z in self._numbers if z in counts})

    def known(self, max_atoms: int) -> Iterator[tuple[Counts, int]]:
        """Known compositions with the number of structures each is worth: elements, stable ones, others; small first.

        Args:
            max_atoms: of a formula unit.
        """
        hull = shipped_hull()
        yield from (({z: 1}, _ELEMENT) for z in self._numbers)
        compounds = [counts for counts in hull.known_in(set(self._numbers)) if 1 < len(counts)]
        small = sorted((c for c in compounds if sum(c.values()) <= max_atoms), key=self._by_size)
        stable = {reduced(counts) for counts in small if hull.is_stable(counts)}
        yield from ((counts, _STABLE) for counts in small if reduced(counts) in stable)
        yield from ((counts, _KNOWN) for counts in small if reduced(counts) not in stable)

    def _by_size(self, counts: Counts) -> tuple[int, list[int]]:
        return sum(counts.values()), [counts.get(z, 0) for z in self._numbers]

    def balanced(self, max_atoms: int) -> Iterator[Counts]:
        """Compositions that common oxidation states balance, of each subsystem in turn.

        Args:
            max_atoms: of a formula unit.
        """
        return self._of_subsystems(lambda elements: _balanced(elements, max_atoms))

    def common(self, max_atoms: int) -> Iterator[Counts]:
        """Compositions of common anonymous formulas, of each subsystem in turn.

        Args:
            max_atoms: of a formula unit.
        """
        return self._of_subsystems(lambda elements: _common(elements, max_atoms))

    def _of_subsystems(self, of_one: Callable[[tuple[int, ...]], Iterable[Counts]]) -> Iterator[Counts]:
        subsets = (s for size in range(2, len(self._numbers) + 1) for s in combinations(self._numbers, size))
        return _in_turn([iter(of_one(subset)) for subset in islice(subsets, _MOST_SUBSYSTEMS)])


def _in_turn(streams: Sequence[Iterator[Counts]]) -> Iterator[Counts]:
    """One of each stream in turn, until all are exhausted."""
    left = list(streams)
    while left:
        going = []
        for stream in left:
            for item in islice(stream, 1):
                yield item
                going.append(stream)
        left = going


def _balanced(elements: tuple[int, ...], max_atoms: int) -> list[Counts]:
    """Compositions that oxidation states balance, the commonest anonymous formulas first."""
    found = [counts for counts in _assigned(elements, max_atoms, _all_patterns(len(elements))) if _balances(counts)]
    return sorted(found, key=lambda counts: -_frequencies()[signature(counts)])


def _common(elements: tuple[int, ...], max_atoms: int) -> Iterator[Counts]:
    """Compositions of the commonest anonymous formulas."""
    return _assigned(elements, max_atoms, _all_patterns(len(elements))[:_PATTERNS])


def _assigned(elements: tuple[int, ...], max_atoms: int, patterns: Iterable[tuple[int, ...]]) -> Iterator[Counts]:
    """Anonymous formulas with the elements in every order, the less electronegative with the larger counts last."""
    ordered = sorted(elements, key=lambda z: -ELECTRONEGATIVITY[z])
    for pattern in patterns:
        if sum(pattern) <= max_atoms:
            descending = sorted(pattern, reverse=True)
            orders = dict.fromkeys(islice(permutations(descending), _MOST_PERMUTATIONS))
            yield from (dict(zip(ordered, order, strict=True)) for order in orders)


def _balances(counts: Counts) -> bool:
    """Whether common oxidation states, negative for the most electronegative element, add up to zero."""
    anion = max(counts, key=lambda z: ELECTRONEGATIVITY[z])
    choices = [[s for s in common_oxidation_states(z) if (s < 0) == (z == anion)] for z in counts]
    return any(
        sum(state * n for state, n in zip(states, counts.values(), strict=True)) == 0 for states in product(*choices)
    )


@cache
def _frequencies() -> Mapping[tuple[int, ...], int]:
    """How many known compositions have each anonymous formula, counts ascending."""
    return Counter(signature(counts) for counts in shipped_hull().known_in(set(range(1, len(chemical_symbols)))))


@cache
def _all_patterns(n_elements: int) -> list[tuple[int, ...]]:
    """The anonymous formulas of so many elements, the commonest first."""
    own = [(-count, sum(pattern), pattern) for pattern, count in _frequencies().items() if len(pattern) == n_elements]
    return [pattern for _, _, pattern in sorted(own)]
