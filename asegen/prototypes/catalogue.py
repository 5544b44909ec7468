"""Which ways to fill a group are likely: by analogy to known crystals, and by how often sites are filled.

A way (an `Occupation`) is likely if a known crystal of the same group and the same numbers of atoms has it with
similar elements: every known crystal votes for the ways that exchanging its elements gives, with a weight that falls
with the chemical distance of the exchange. Ways without a precedent share a small part by a product over their sites
of smoothed frequencies of (group, position, element). The known crystals that vote for a way are its precedents: they
lend their positions and the shape of their cells too.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache, cached_property
from itertools import islice, permutations, product, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asegen.crystals.wyckoff import Orbits, SymmetricBatch
from asegen.diffusion.symmetric_flow import bravais_statistics
from asegen.elements import COVALENT_RADIUS, ELECTRONEGATIVITY, LAST, column
from asegen.errors import CheckpointError, InputError
from asegen.geometry.torus import wrap
from asegen.models.checkpoint import read_tensors, write_tensors
from asegen.symmetry.assignments import Occupation, best_occupations, canonical, fits, impossible
from asegen.symmetry.batches import occupations_of
from asegen.symmetry.groups import space_group

FILE = "known.wyckoff.safetensors"
"""The catalogue's name in the folder of a split."""
_NEW = 0.05
"""Votes of the ways without precedent, against the known crystals' (an exchange of nothing votes with 1)."""
_SOFTNESS = 0.5
"""Chemical distance at which a vote has fallen by e."""
_SMOOTHING = 4.0
"""Sites of an element in a group that count as much as the group's sites of all elements."""
_SEARCHED = 256
_MOST_PRECEDENTS = 8
_FINE = 2**16
"""Steps of a Wyckoff parameter in a file, 0.2 mÅ in a cell of 10 Å."""
_MOST_EXCHANGES = 120  # of elements of equal numbers: five of them, or several of fewer


class Proposals(NamedTuple):
    """Ways to fill a group with a composition.

    Attributes:
        occupations: canonical, likeliest first.
        probabilities: (n,), sum 1.
    """

    occupations: list[Occupation]
    probabilities: NDArray[np.float64]


class Example(NamedTuple):
    """The numbers of a known crystal.

    Attributes:
        letters: of its sites, as they are and not as `canonical` names them.
        numbers: their atomic numbers.
        u: (n_sites, 3), Wyckoff parameters.
        lattice: (6,), see `orbits.Numbers`.
    """

    letters: str
    numbers: tuple[int, ...]
    u: NDArray[np.float64]
    lattice: NDArray[np.float64]


class Precedent(NamedTuple):
    """A known crystal that others may be like.

    Attributes:
        weight: its vote, 1 for the same elements.
        group: number of the space group.
        example: the crystal.
        exchange: what takes the place of each of its elements, by atomic numbers.
    """

    weight: float
    group: int
    example: Example
    exchange: dict[int, int]

    @property
    def counts(self) -> dict[int, int]:
        """The known crystal's atoms of each element in the primitive cell, by atomic number."""
        sites = zip(self.example.letters, self.example.numbers, strict=True)
        return Occupation(self.group, tuple(sites)).counts


class Catalogue:
    """Known crystals by canonical occupation, with the shapes of their lattices.

    Args:
        known: the crystals of each occupation.
        bravais_mean: (14, 6), see `diffusion.symmetric_flow.SymmetricFlow`.
        bravais_std: (14, 6).

    Attributes:
        known: occupations with their numbers of crystals.
        examples: the crystals of each occupation.
    """

    def __init__(
        self,
        known: Mapping[Occupation, Sequence[Example]],
        bravais_mean: Sequence[Sequence[float]],
        bravais_std: Sequence[Sequence[float]],
    ) -> None:
        self.examples = dict(known)
        self.known = {occupation: len(examples) for occupation, examples in known.items()}
        self.bravais_mean, self.bravais_std = bravais_mean, bravais_std

    @staticmethod
    def of(crystals: SymmetricBatch) -> Catalogue:
        """The catalogue of known crystals."""
        orbits, (u, lattice) = crystals
        known: dict[Occupation, list[Example]] = defaultdict(list)
        sites = zip(map(chr, orbits.letter.tolist()), orbits.numbers.tolist(), _quantised(orbits, u), strict=True)
        for k, occupation in enumerate(occupations_of(orbits)):
            own = list(islice(sites, len(occupation.sites)))
            places = np.array([place for _, _, place in own])
            letters, numbers = "".join(letter for letter, _, _ in own), tuple(z for _, z, _ in own)
            known[canonical(occupation)].append(Example(letters, numbers, places, lattice[k].double().numpy()))
        return Catalogue(known, *bravais_statistics(orbits, lattice))

    def without(self, elements: Set[int]) -> Catalogue:
        """The catalogue without the crystals of one chemical system, to see what is found when they aren't known.

        Args:
            elements: atomic numbers.
        """
        kept = {way: examples for way, examples in self.examples.items() if way.counts.keys() != elements}
        return Catalogue(kept, self.bravais_mean, self.bravais_std)

    # -- files -----------------------------------------------------------------------------------------------------

    def write(self, path: Path, header: Mapping[str, Any]) -> None:
        """Writes a safetensors file.

        Args:
            path: the file.
            header: what the crystals were.
        """
        entries = sorted(self.examples.items(), key=lambda entry: entry[0])
        sites = [site for occupation, _ in entries for site in occupation.sites]
        examples = [example for _, own in entries for example in own]
        letters, numbers = "".join(e.letters for e in examples), [z for e in examples for z in e.numbers]
        tensors = {
            "group": torch.tensor([occupation.group for occupation, _ in entries], dtype=torch.uint8),
            "crystals": torch.tensor([len(own) for _, own in entries], dtype=torch.int16),
            "n_sites": torch.tensor([len(occupation.sites) for occupation, _ in entries], dtype=torch.int16),
            "letter": torch.tensor([ord(letter) for letter, _ in sites], dtype=torch.uint8),
            "number": torch.tensor([z for _, z in sites], dtype=torch.uint8),
            "example_letter": torch.tensor([ord(letter) for letter in letters], dtype=torch.uint8),
            "example_number": torch.tensor(numbers, dtype=torch.uint8),
            "example_u": torch.from_numpy(np.concatenate([e.u for e in examples]) * _FINE).round().to(torch.uint16),
            "example_lattice": torch.from_numpy(np.stack([e.lattice for e in examples])).float(),
            "bravais_mean": torch.tensor(self.bravais_mean),
            "bravais_std": torch.tensor(self.bravais_std),
        }
        write_tensors(path, tensors, dict(header))

    @staticmethod
    def read(path: Path) -> Catalogue:
        """Reads what `write` wrote.

        Raises:
            CheckpointError: it isn't such a file.
        """
        _, tensors = read_tensors(path)
        try:
            columns = {name: tensor.tolist() for name, tensor in tensors.items() if tensor.dim() == 1}
            sites = zip(map(chr, columns["letter"]), columns["number"], strict=True)
            examples = _examples(tensors, columns)
            known = {}
            for group, crystals, n in zip(columns["group"], columns["crystals"], columns["n_sites"], strict=True):
                occupation = Occupation(group, tuple(islice(sites, n)))
                known[occupation] = [examples(n) for _ in range(crystals)]
            return Catalogue(known, tensors["bravais_mean"].tolist(), tensors["bravais_std"].tolist())
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"{path} holds no catalogue of known crystals ({error!r})") from None

    # -- what is alike ---------------------------------------------------------------------------------------------

    def precedents(self, counts: Mapping[int, int], group: int | None = None) -> list[Precedent]:
        """Known crystals that a composition may be like: of each way to fill a group the nearest, then the next ones.

        Args:
            counts: atoms of each element in the primitive cell, by atomic number.
            group: number of the space group; any without it.

        Returns:
            Ways in the order of their votes; at most `_MOST_PRECEDENTS` of each.
        """
        alike = self._by_counts.get(_signature(counts), ()) if group is None else self._like(group, counts)
        by_way: dict[Occupation, list[Precedent]] = defaultdict(list)
        for known, _ in alike:
            for exchange, weight in _weighted_exchanges(known.counts, counts):
                way = _exchanged(known, exchange)
                by_way[way] += [Precedent(weight, known.group, e, exchange) for e in self.examples[known]]
        ways = sorted(by_way.values(), key=lambda own: -sum(precedent.weight for precedent in own))
        ranked = [sorted(own, key=lambda precedent: -precedent.weight)[:_MOST_PRECEDENTS] for own in ways]
        return [precedent for rank in zip_longest(*ranked) for precedent in rank if precedent is not None]

    # -- what is likely --------------------------------------------------------------------------------------------

    def propose(self, counts: Mapping[int, int], group: int, limit: int = 64) -> Proposals:
        """The likeliest ways to fill a group with a composition.

        Args:
            counts: atoms of each element in the primitive cell, by atomic number.
            group: number of the space group.
            limit: most ways.

        Raises:
            InputError: no way; the nearest compositions that have one are named.
        """
        votes = self._votes(counts, self._like(group, counts))
        table = space_group(group)
        found = best_occupations(table, counts, lambda at, z: self.log_frequency(group, at.letter, z), _SEARCHED)
        if not found:
            raise impossible(table, counts)
        weights = {way: math.exp(sum(self.log_frequency(group, *site) for site in way.sites)) for way in found}
        return _ranked(_with_new(votes, weights), limit)

    def propose_any(self, counts: Mapping[int, int], limit: int = 64) -> Proposals:
        """The likeliest ways to fill any group, groups and ways together.

        Args:
            counts: as in `propose`.
            limit: most ways.

        A composition without precedent is put into the groups that crystals of as many elements have most often.
        """
        votes = self._votes(counts, self._by_counts.get(_signature(counts), ()))
        if votes:
            return _ranked(votes, limit)
        for group, weight in self._groups_by_elements[len(counts)].most_common():
            if len(votes) >= limit:
                break
            if fits(space_group(group), counts):
                ways = self.propose(counts, group, 4)
                for way, share in zip(*ways, strict=True):
                    votes[way] = weight * float(share)
        if not votes:
            return self.propose(counts, 1, limit)
        return _ranked(votes, limit)

    def propose_sites(self, n_sites: Mapping[int, int], group: int, limit: int = 64) -> Proposals:
        """The likeliest ways to put given numbers of sites of each element into a group, whatever the composition.

        Args:
            n_sites: number of sites of each element, by atomic number.
            group: number of the space group.
            limit: most ways.

        Raises:
            InputError: no way: too few positions are free to take more than one site.
        """
        table = space_group(group)
        ways: list[tuple[float, tuple[tuple[str, int], ...]]] = [(0.0, ())]
        for z in (z for z, n in n_sites.items() for _ in range(n)):
            grown = {}
            for weight, sites in ways:
                taken = {letter for letter, _ in sites}
                for position in table.positions:
                    if not (position.is_fixed and position.letter in taken):
                        way = tuple(sorted([*sites, (position.letter, z)]))
                        grown[way] = weight + self.log_frequency(group, position.letter, z)
            ways = sorted(((weight, way) for way, weight in grown.items()), reverse=True)[:_SEARCHED]
        if not ways:
            raise InputError(f"{table.symbol} ({group}) has no room for {sum(n_sites.values())} sites")
        precedents = [entry for entry in self._by_sites.get(_signature(n_sites), ()) if entry[0].group == group]
        found = {Occupation(group, sites): math.exp(weight - ways[0][0]) for weight, sites in ways}
        return _ranked(_with_new(self._votes(n_sites, precedents, numbers_of_sites), found), limit)

    def log_frequency(self, group: int, letter: str, number: int) -> float:
        """Logarithm of the smoothed share of an element's sites in a group that are on a position.

        Args:
            group: number of the group.
            letter: of the position.
            number: atomic number.
        """
        n = self._n_sites
        positions = len(space_group(group).positions)
        share = (n[group, letter, 0] + 0.5) / (n[group, "", 0] + 0.5 * positions)
        return math.log((n[group, letter, number] + _SMOOTHING * share) / (n[group, "", number] + _SMOOTHING))

    def _votes(
        self,
        wanted: Mapping[int, int],
        precedents: Iterable[tuple[Occupation, int]],
        measure: Callable[[Occupation], Mapping[int, int]] = lambda occupation: occupation.counts,
    ) -> dict[Occupation, float]:
        """What known crystals say; `measure` gives of them what `wanted` is of each element: atoms, or sites."""
        votes: dict[Occupation, float] = defaultdict(float)
        for known, crystals in precedents:
            for exchange, weight in _weighted_exchanges(measure(known), wanted):
                votes[_exchanged(known, exchange)] += crystals * weight
        return dict(votes)

    def _like(self, group: int, counts: Mapping[int, int]) -> list[tuple[Occupation, int]]:
        return [entry for entry in self._by_counts.get(_signature(counts), ()) if entry[0].group == group]

    @cached_property
    def _by_counts(self) -> dict[tuple[int, ...], list[tuple[Occupation, int]]]:
        found: dict[tuple[int, ...], list[tuple[Occupation, int]]] = defaultdict(list)
        for occupation, crystals in self.known.items():
            found[_signature(occupation.counts)].append((occupation, crystals))
        return dict(found)

    @cached_property
    def _by_sites(self) -> dict[tuple[int, ...], list[tuple[Occupation, int]]]:
        found: dict[tuple[int, ...], list[tuple[Occupation, int]]] = defaultdict(list)
        for occupation, crystals in self.known.items():
            found[_signature(numbers_of_sites(occupation))].append((occupation, crystals))
        return dict(found)

    @cached_property
    def _groups_by_elements(self) -> dict[int, Counter[int]]:
        found: dict[int, Counter[int]] = defaultdict(Counter)
        for occupation, crystals in self.known.items():
            found[len(occupation.counts)][occupation.group] += crystals
        return found

    @cached_property
    def _n_sites(self) -> Counter[tuple[int, str, int]]:
        """Sites by group, letter ("" for all) and element (0 for all)."""
        found: Counter[tuple[int, str, int]] = Counter()
        for occupation, crystals in self.known.items():
            for letter, z in occupation.sites:
                for key in product((letter, ""), (z, 0)):
                    found[occupation.group, *key] += crystals
        return found


def numbers_of_sites(occupation: Occupation) -> dict[int, int]:
    """Sites of each element, by atomic number."""
    return dict(Counter(z for _, z in occupation.sites))


def _with_new(votes: Mapping[Occupation, float], weights: Mapping[Occupation, float]) -> dict[Occupation, float]:
    """Votes, and a small part for ways without precedent by their weights."""
    # Ways that another origin makes equal differ in weight only by chance: each is known by its best.
    best: dict[Occupation, float] = {}
    for way, weight in weights.items():
        best[canonical(way)] = max(weight, best.get(canonical(way), 0.0))
    share = _NEW / sum(best.values())
    return {way: votes.get(way, 0.0) + share * best.get(way, 0.0) for way in [*votes, *best]}


def _signature(counts: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(sorted(counts.values()))


def _exchanges(old: Mapping[int, int], new: Mapping[int, int]) -> Iterator[dict[int, int]]:
    """All ways to put the elements of one composition in the places of another with the same numbers of atoms."""
    places: dict[int, list[int]] = defaultdict(list)
    for z, n in old.items():
        places[n].append(z)
    arrivals: dict[int, list[int]] = defaultdict(list)
    for z, n in new.items():
        arrivals[n].append(z)
    choices = [[zip(places[n], order, strict=True) for order in permutations(arrivals[n])] for n in places]
    for parts in islice(product(*map(_tuples, choices)), _MOST_EXCHANGES):
        yield {a: b for part in parts for a, b in part}


def _weighted_exchanges(old: Mapping[int, int], new: Mapping[int, int]) -> Iterator[tuple[dict[int, int], float]]:
    """All exchanges with their votes."""
    for exchange in _exchanges(old, new):
        distance = sum(chemical_distance(a, b) for a, b in exchange.items())
        yield exchange, math.exp(-distance / _SOFTNESS)


def _exchanged(known: Occupation, exchange: Mapping[int, int]) -> Occupation:
    return canonical(Occupation(known.group, tuple(sorted((letter, exchange[z]) for letter, z in known.sites))))


def _quantised(orbits: Orbits, u: Tensor) -> list[list[float]]:
    """Wyckoff parameters as a file holds them, 0 where nothing is free."""
    return ((torch.where(orbits.free, wrap(u.double()), 0.0) * _FINE).round() % _FINE / _FINE).tolist()


def _examples(tensors: Mapping[str, Tensor], columns: Mapping[str, list[int]]) -> Callable[[int], Example]:
    """A function that gives the next example of a file, which has n sites."""
    sites = zip(columns["example_letter"], columns["example_number"], strict=True)
    u = tensors["example_u"].double().numpy() / _FINE
    lattices = iter(tensors["example_lattice"].double().numpy())
    ends = [0]

    def following(n: int) -> Example:
        own = list(islice(sites, n))
        ends.append(ends[-1] + n)
        letters, numbers = "".join(chr(letter) for letter, _ in own), tuple(z for _, z in own)
        return Example(letters, numbers, u[ends[-2] : ends[-1]], next(lattices))

    return following


def _tuples(choices: Sequence[Iterable[tuple[int, int]]]) -> list[tuple[tuple[int, int], ...]]:
    return [tuple(choice) for choice in choices]


def _ranked(votes: Mapping[Occupation, float], limit: int) -> Proposals:
    best = sorted(votes.items(), key=lambda entry: (-entry[1], entry[0]))[:limit]
    weights = np.array([weight for _, weight in best])
    return Proposals([way for way, _ in best], weights / weights.sum())


@cache
def chemical_distance(a: int, b: int) -> float:
    """How different two elements are as parts of a crystal: 0 for the same, about 1 for neighbours in the table.

    From electronegativity, covalent radius and column, atomic numbers given; beyond lawrencium as lawrencium.
    """
    if a == b:
        return 0.0
    a, b = min(a, LAST), min(b, LAST)
    negativity = (ELECTRONEGATIVITY[a] - ELECTRONEGATIVITY[b]) / 0.4
    radius = (COVALENT_RADIUS[a] - COVALENT_RADIUS[b]) / 0.25
    columns = min(abs(column(a) - column(b)), 4) / 2
    return math.sqrt(negativity**2 + radius**2 + columns**2 + 0.25)
