"""The free numbers of known crystals, as arrays of a file, and as records that are made when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asegen.crystals.wyckoff import Orbits
from asegen.geometry.torus import wrap
from asegen.symmetry.assignments import Occupation

_FINE = 2**16
"""Steps of a Wyckoff parameter in a file, 0.2 mÅ in a cell of 10 Å."""


class Example(NamedTuple):
    """The numbers of a known crystal.

    Attributes:
        letters: of its sites, as they are and not as `canonical` names them.
        numbers: their atomic numbers.
        u: (n_sites, 3), Wyckoff parameters.
        lattice: (6,), see `orbits.Numbers`.
        above_hull: eV/atom; NaN where it isn't known.
        is_predicted: whether that energy is a prediction, and not that of the crystal's source.
    """

    letters: str
    numbers: tuple[int, ...]
    u: NDArray[np.float64]
    lattice: NDArray[np.float64]
    above_hull: float = math.nan
    is_predicted: bool = False


class StoredExamples(Mapping[Occupation, Sequence[Example]]):
    """The examples of each occupation in a file's arrays; the inverse of `stored`.

    Args:
        tensors: the arrays.

    Attributes:
        sizes: number of examples of each occupation.

    Raises:
        KeyError: an array is missing.
        ValueError: arrays don't fit one another.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        columns = {name: tensors[name].tolist() for name in ("group", "crystals", "n_sites", "letter", "number")}
        sites = zip(map(chr, columns["letter"]), columns["number"], strict=True)
        pairs = zip(columns["group"], columns["n_sites"], strict=True)
        occupations = [Occupation(group, tuple(islice(sites, n))) for group, n in pairs]
        self.sizes = dict(zip(occupations, columns["crystals"], strict=True))
        self._row = {occupation: row for row, occupation in enumerate(occupations)}
        crystals, n_sites = np.array(columns["crystals"]), np.array(columns["n_sites"])
        self._first_crystal = np.cumsum(crystals) - crystals
        self._first_site = np.cumsum(crystals * n_sites) - crystals * n_sites
        self._letters = "".join(map(chr, tensors["example_letter"].tolist()))
        self._numbers: list[int] = tensors["example_number"].tolist()
        self._u = tensors["example_u"].double().numpy() / _FINE
        self._lattice = tensors["example_lattice"].double().numpy()
        above = tensors.get("example_above_hull")  # catalogues of older versions have none
        self._above_hull = [math.nan] * len(self._lattice) if above is None else above.double().tolist()
        predicted = tensors.get("example_predicted")
        self._predicted = [False] * len(self._lattice) if predicted is None else predicted.bool().tolist()
        lengths = {len(self._letters), len(self._numbers), len(self._u)}
        if lengths != {int((crystals * n_sites).sum())} or {
            *(len(self._lattice), len(self._above_hull), len(self._predicted))
        } != {int(crystals.sum())}:
            raise ValueError("its arrays differ in length")

    def __getitem__(self, occupation: Occupation) -> list[Example]:
        row, n = self._row[occupation], len(occupation.sites)
        first, site = int(self._first_crystal[row]), int(self._first_site[row])
        return [self._example(first + k, site + k * n, n) for k in range(self.sizes[occupation])]

    def _example(self, crystal: int, site: int, n: int) -> Example:
        own = slice(site, site + n)
        letters, numbers = self._letters[own], tuple(self._numbers[own])
        energy = self._above_hull[crystal], self._predicted[crystal]
        return Example(letters, numbers, self._u[own], self._lattice[crystal], *energy)

    def __iter__(self) -> Iterator[Occupation]:
        return iter(self._row)

    def __len__(self) -> int:
        """Number of occupations."""
        return len(self._row)


def sizes(examples: Mapping[Occupation, Sequence[Example]]) -> dict[Occupation, int]:
    """How many examples each occupation has."""
    if isinstance(examples, StoredExamples):
        return examples.sizes
    return {occupation: len(own) for occupation, own in examples.items()}


def stored(examples: Mapping[Occupation, Sequence[Example]]) -> dict[str, Tensor]:
    """Examples as arrays: per occupation its group, sites and number of crystals; per crystal its sites and numbers."""
    entries = sorted(examples.items(), key=lambda entry: entry[0])
    sites = [site for occupation, _ in entries for site in occupation.sites]
    flat = [example for _, own in entries for example in own]
    letters, numbers = "".join(e.letters for e in flat), [z for e in flat for z in e.numbers]
    return {
        "group": torch.tensor([occupation.group for occupation, _ in entries], dtype=torch.uint8),
        "crystals": torch.tensor([len(own) for _, own in entries], dtype=torch.int16),
        "n_sites": torch.tensor([len(occupation.sites) for occupation, _ in entries], dtype=torch.int16),
        "letter": torch.tensor([ord(letter) for letter, _ in sites], dtype=torch.uint8),
        "number": torch.tensor([z for _, z in sites], dtype=torch.uint8),
        "example_letter": torch.tensor([ord(letter) for letter in letters], dtype=torch.uint8),
        "example_number": torch.tensor(numbers, dtype=torch.uint8),
        "example_u": torch.from_numpy(np.concatenate([e.u for e in flat]) * _FINE).round().to(torch.uint16),
        "example_lattice": torch.from_numpy(np.stack([e.lattice for e in flat])).float(),
        "example_above_hull": torch.tensor([e.above_hull for e in flat], dtype=torch.float16),
        "example_predicted": torch.tensor([e.is_predicted for e in flat], dtype=torch.uint8),
    }


def quantised(orbits: Orbits, u: Tensor) -> list[list[float]]:
    """Wyckoff parameters as a file holds them, 0 where nothing is free."""
    return ((torch.where(orbits.free, wrap(u.double()), 0.0) * _FINE).round() % _FINE / _FINE).tolist()
