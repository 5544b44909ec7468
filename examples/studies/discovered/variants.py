"""The variants: crystals that no potential has seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms

from asegen import Discoverer, Generator
from asegen.discovery.cells import Cell, cells_of
from asegen.discovery.discoverer import Discovery
from asegen.generation.compositions import composition
from asegen.prototypes.catalogue import Catalogue

ANY_ENERGY = 99.0
"""eV/atom above the hull: nothing is refused for its energy."""
MOST_ATOMS = 20
TRIED = 6
"""Compositions tried for each structure that is asked for, at most."""


def discovered(n: int, seed: int, **settings: object) -> tuple[list[Atoms], int]:
    """Crystals of a `Discoverer` that asks no potential, and how many compositions it tried."""
    found: Discovery = Discoverer(potential="none", **settings).run(None, n, seed, proposals=TRIED * n)  # type: ignore[arg-type]
    return found.structures, sum(count for _, count in found.funnel)


def plain_flow(n: int, seed: int) -> tuple[list[Atoms], int]:
    """What the flow draws for compositions of known crystals."""
    cells = known_cells()
    chosen = np.random.default_rng(seed).choice(len(cells), n, replace=False)
    return Generator("diffusion").generate([composition(cells[k].symbols) for k in chosen], seed=seed), n


def known_cells() -> list[Cell]:
    """Compositions of the known crystals inside the package, of at most 20 atoms."""
    return [cell for cell in cells_of(Catalogue.shipped()) if sum(cell.counts) <= MOST_ATOMS]


Drawn = tuple[list[Atoms], int]
VARIANTS: dict[str, Callable[[int, int], Drawn]] = {
    "discover": lambda n, seed: discovered(n, seed),
    "no-learning": lambda n, seed: discovered(n, seed, proposal="uniform"),
    "no-ranking": lambda n, seed: discovered(n, seed, candidates=1, e_hull=ANY_ENERGY),
    "ion-exchange": lambda n, seed: discovered(n, seed, candidates=1, e_hull=ANY_ENERGY, proposal="ion-exchange"),
    "flow": plain_flow,
}
"""Structures that no potential has seen, by name."""
