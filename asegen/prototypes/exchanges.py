"""Elements of a known crystal exchanged for those of a composition that has as many atoms of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, permutations, product

from ase.data import atomic_numbers

from asegen.arguments import text as plain_text
from asegen.errors import InputError
from asegen.prototypes.votes import chemical_distance, vote
from asegen.symmetry.assignments import Occupation, canonical

_MOST_EXCHANGES = 120  # of elements of equal numbers: five of them, or several of fewer


def parse_element_map(text: str) -> dict[int, int]:
    """Which element takes the place of which, from text such as "Li:Na Co:Ni".

    Returns:
        By atomic number: of the known crystal -> of the new one.

    Raises:
        InputError: something else, an unknown element, or one that is named twice on one side.
    """
    text = plain_text("element_map", text, "Li:Na Co:Ni")
    pairs = [token.partition(":") for token in text.replace(",", " ").split()]
    if not pairs or not all(old and new for old, _, new in pairs):
        raise InputError(f"element_map = {text[:60]!r}: write pairs such as 'Li:Na Co:Ni'", "element_map")
    for symbol in (symbol for old, _, new in pairs for symbol in (old, new)):
        if atomic_numbers.get(symbol, 0) < 1:
            raise InputError(f"element_map: {symbol[:10]!r} is not an element", "element_map")
    found = {atomic_numbers[old]: atomic_numbers[new] for old, _, new in pairs}
    if len(found) < len(pairs) or len(set(found.values())) < len(pairs):
        raise InputError(f"element_map = {text[:60]!r} names an element twice on one side", "element_map")
    return found


def signature(counts: Mapping[int, int]) -> tuple[int, ...]:
    """The numbers of atoms (or sites) of the elements, ascending; what can be exchanged has the same."""
    return tuple(sorted(counts.values()))


def _exchanges(old: Mapping[int, int], new: Mapping[int, int]) -> Iterator[dict[int, int]]:
    """All assignments of the elements of one composition to those of another with the same numbers of atoms."""
    places: dict[int, list[int]] = defaultdict(list)
    for z, n in old.items():
        places[n].append(z)
    arrivals: dict[int, list[int]] = defaultdict(list)
    for z, n in new.items():
        arrivals[n].append(z)
    choices = [[zip(places[n], order, strict=True) for order in permutations(arrivals[n])] for n in places]
    for parts in islice(product(*map(_tuples, choices)), _MOST_EXCHANGES):
        yield {a: b for part in parts for a, b in part}


def weighted_exchanges(old: Mapping[int, int], new: Mapping[int, int]) -> Iterator[tuple[dict[int, int], float]]:
    """All exchanges of elements between two compositions of one signature, and the vote of each.

    Args:
        old: atoms (or sites) of each element of the known crystal, by atomic number.
        new: those wanted.

    Yields:
        For each element of the known crystal the one that takes its place, and the vote.
    """
    for exchange in _exchanges(old, new):
        yield exchange, vote(sum(chemical_distance(a, b) for a, b in exchange.items()))


def exchanged(known: Occupation, exchange: Mapping[int, int]) -> Occupation:
    """The canonical occupation with other elements."""
    return canonical(Occupation(known.group, tuple(sorted((letter, exchange[z]) for letter, z in known.sites))))


def _tuples(choices: Sequence[Iterable[tuple[int, int]]]) -> list[tuple[tuple[int, int], ...]]:
    return [tuple(choice) for choice in choices]
