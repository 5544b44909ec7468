"""The convex hull of the Materials Project as a table inside the package, and energies above it.

A point of the hull is a composition with the formation energy per atom of the stable phases there. The energy above the
hull of a crystal is its formation energy less the hull's at its composition; what the hull consists of there, by the
lever rule, is what the crystal decomposes into. Energies are on the scale of MP2020 (A. Jain et al., APL Materials 1,
011002 (2013); A. Wang et al., Sci. Rep. 11, 15496 (2021)).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.optimize import linprog

from asegen.elements import ELECTRONEGATIVITY
from asegen.errors import InputError
from asegen.parallel.files import replacing

ENERGY_SCALE = "MP2020"
"""Energies on another scale must not be compared with this hull."""
STEP = 2e-4
"""eV/atom. Energies are kept as whole numbers of it."""
FAR_BELOW = -0.1
"""eV/atom. No known crystal lies so far below: what networks predict there is doubtful. Of 12 such crystals of
`discover` 10 lay below the hull by CHGNet, with a mean error of 0.1 eV/atom."""
SO_FAR_BELOW = f"more than {-FAR_BELOW:g} eV/atom below the hull"
"""The same in words, for what commands and tables say."""
_NOTHING = 1e-6
"""Shares of phases below this are rounding."""
_RARE = 1e-3
"""An element of a smaller share of the compositions is one whose compounds are mostly lacking: a noble gas."""

Counts = Mapping[int, int]
"""Atoms of each element in a formula, by atomic number."""
ReducedFormula = tuple[tuple[int, int], ...]
"""Pairs of atomic number and count, ascending."""


class Point(NamedTuple):
    """The hull at one composition.

    Attributes:
        energy: formation energy, eV/atom.
        phases: reduced formula of each stable phase -> its share of the atoms; the shares' sum is 1.
    """

    energy: float
    phases: dict[str, float]


class HullTable:
    """Points of a convex hull of formation energies.

    Elements are points of it with energy 0, listed or not.

    Args:
        n_elements: (n_points,), elements in each composition.
        numbers: (sum of n_elements,), atomic numbers, ascending within a composition.
        counts: (sum of n_elements,), atoms of each element in the reduced formula.
        energies: (n_points,), eV/atom.
        stable: (n_points,), bool, whether a compound of that composition is stable: the vertices of the hull, and what
            lies on it between them.
    """

    def __init__(
        self,
        n_elements: NDArray[np.integer],
        numbers: NDArray[np.integer],
        counts: NDArray[np.integer],
        energies: NDArray[np.floating],
        stable: NDArray[np.bool_],
    ) -> None:
        self._n_elements, self._numbers, self._counts = n_elements, numbers, counts
        self._energies, self._stable = energies, stable
        self._first = np.concatenate([[0], np.cumsum(n_elements, dtype=np.int64)])

    def __len__(self) -> int:
        return len(self._energies)

    @staticmethod
    def read(path: Path) -> HullTable:
        """Reads a table that `write` made.

        Raises:
            InputError: it can't be read.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                stable = np.unpackbits(file["stable"])[: len(file["n_elements"])].astype(bool)
                energies = file["energies"] * STEP
                return HullTable(file["n_elements"], file["numbers"], file["counts"], energies, stable)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} is no table of a hull: {error}") from None

    def write(self, path: Path) -> None:
        """Writes the table; energies are rounded to `STEP`.

        Raises:
            OSError: the place can't be written.
        """
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez_compressed(
                file,
                n_elements=self._n_elements.astype(np.uint8),
                numbers=self._numbers.astype(np.uint8),
                counts=self._counts.astype(np.uint16),
                energies=np.rint(self._energies / STEP).astype(np.int16),
                stable=np.packbits(self._stable),
            )

    def point(self, counts: Counts) -> Point:
        """The hull at a composition.

        Args:
            counts: of at least one element.
        """
        elements = sorted(counts)
        wanted = np.array([counts[z] for z in elements], float)
        system = self._system(tuple(elements))
        found = linprog(system.energies, A_eq=system.fractions, b_eq=wanted / wanted.sum(), method="highs")
        shares = {int(k): float(found.x[k]) for k in np.flatnonzero(found.x > _NOTHING)}
        return Point(float(found.fun), {system.formulas[k]: share for k, share in shares.items()})

    def above(self, counts: Counts, formation_energy: float) -> float:
        """The energy above the hull, eV/atom; negative where a crystal is more stable than the known phases.

        Args:
            counts: of the crystal.
            formation_energy: eV/atom, on the hull's energy scale.
        """
        return formation_energy - self.point(counts).energy

    def knows(self, counts: Counts) -> bool:
        """Whether a compound of this composition is known, stable or not."""
        return reduced(counts) in self._places

    def is_stable(self, counts: Counts) -> bool:
        """Whether a stable compound of this composition is known."""
        place = self._places.get(reduced(counts))
        return place is not None and bool(self._stable[place])

    def gap(self, counts: Counts) -> str | None:
        """Why an energy above the hull means nothing at a composition; None where it does.

        Without the compounds of an element the hull is too high there, and what isn't stable lies below it.

        Args:
            counts: of at least one element.
        """
        rare = self.lacking(counts)
        return f"the known phases have hardly any compound of {', '.join(rare)}" if rare else None

    def lacking(self, counts: Counts) -> list[str]:
        """The elements, by symbol, whose compounds are mostly lacking where a composition isn't known.

        Args:
            counts: of at least one element.
        """
        if len(counts) == 1 or self.knows(counts):
            return []
        return [chemical_symbols[z] for z in sorted(counts) if self._shares[z] < _RARE]

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        """Share of the compositions that hold an element, by atomic number."""
        return np.bincount(self._numbers, minlength=len(chemical_symbols)) / len(self)

    def known_in(self, elements: set[int]) -> list[dict[int, int]]:
        """The known compositions of a chemical system, elements and subsystems included, by atomic numbers."""
        return [self._composition(int(k)) for k in self._within(elements)]

    def stable_in(self, elements: set[int]) -> list[tuple[dict[int, int], float]]:
        """The stable compounds of a chemical system, subsystems included, without the elements.

        Returns:
            Counts by atomic number, and the formation energy, eV/atom, of each.
        """
        return [(self._composition(k), float(self._energies[k])) for k in self._stable_compounds(elements)]

    def _stable_compounds(self, elements: set[int]) -> list[int]:
        return [int(k) for k in self._within(elements) if self._stable[k] and self._n_elements[k] > 1]

    @cached_property
    def _places(self) -> dict[ReducedFormula, int]:
        pairs = list(zip(self._numbers.tolist(), self._counts.tolist(), strict=True))
        edges = self._first.tolist()
        return {tuple(pairs[start:stop]): k for k, (start, stop) in enumerate(pairwise(edges))}

    def _within(self, elements: set[int]) -> NDArray[np.integer]:
        """The points that consist of these elements only."""
        inside = np.isin(self._numbers, list(elements)).astype(np.int64)
        return np.flatnonzero(np.add.reduceat(inside, self._first[:-1]) == self._n_elements)

    def _composition(self, k: int) -> dict[int, int]:
        part = slice(self._first[k], self._first[k + 1])
        return dict(zip(self._numbers[part].tolist(), self._counts[part].tolist(), strict=True))

    @cache  # noqa: B019  a table lives as long as the process
    def _system(self, elements: tuple[int, ...]) -> _System:
        """The vertices of a chemical system, and its elements."""
        own = self._stable_compounds(set(elements))
        compositions = [{z: 1} for z in elements] + [self._composition(k) for k in own]
        energies = np.concatenate([np.zeros(len(elements)), self._energies[own]])
        fractions = np.array([[c.get(z, 0) for c in compositions] for z in elements], float)
        return _System([formula_of(c) for c in compositions], energies, fractions / fractions.sum(0))


class _System(NamedTuple):
    """Phases of a chemical system: formulas, energies (n,), eV/atom, and shares of the elements (n_elements, n)."""

    formulas: list[str]
    energies: NDArray[np.float64]
    fractions: NDArray[np.float64]


def reduced(counts: Counts) -> ReducedFormula:
    """The reduced formula as pairs of atomic number and count, ascending."""
    divisor = int(np.gcd.reduce(list(counts.values())))
    return tuple((z, counts[z] // divisor) for z in sorted(counts))


def formula_of(counts: Counts) -> str:
    """The reduced formula, the least electronegative element first, such as LiFePO4."""
    ordered = sorted(reduced(counts), key=lambda pair: (ELECTRONEGATIVITY[pair[0]], pair[0]))
    return "".join(f"{chemical_symbols[z]}{n if n > 1 else ''}" for z, n in ordered)


@cache
def shipped_hull() -> HullTable:
    """The hull of the Materials Project inside the package; see its card, `mp.md`."""
    return HullTable.read(Path(str(resources.files("asegen.hull") / "mp.npz")))
