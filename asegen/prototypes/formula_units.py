"""How many formula units the primitive cell of a composition has: as many as in known crystals like it.

A formula doesn't tell: rutile has two, α-quartz three, spinel two. Every known crystal of the same anonymous formula
votes for its own number, the more the more similar its elements are, as in `asegen.prototypes.votes`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

MAX_ATOMS = 20
"""Of a cell, unless told otherwise: what models saw in training."""
LARGE_SHARE = 0.03
"""Of the votes, with which known crystals lend a larger cell all the same: olivines have 28 atoms."""
BROAD = 0.25
"""Part of the wider circle: of 300 crystals of mp/val the mean logarithm of the true cell's share is -0.718, without it
-0.745."""
_WIDER = 1 / 3
"""Power that makes of a vote one that falls three times as slowly with the chemical distance."""


class Units(NamedTuple):
    """A size of cell.

    Attributes:
        multiple: formula units in the primitive cell.
        share: probability; the shares of a formula add up to 1.
    """

    multiple: int
    share: float


def shares(votes: Mapping[int, float], atoms: int, max_atoms: int | None = None) -> tuple[Units, ...]:
    """The numbers of formula units by probability, the likeliest first.

    Args:
        votes: for each number of formula units.
        atoms: of a formula unit.
        max_atoms: of a cell; without it `MAX_ATOMS`, and more where `LARGE_SHARE` of the votes are for it.

    Returns:
        At least one: a single formula unit where nothing has votes.
    """
    total = sum(votes.values()) or 1.0
    most = max(MAX_ATOMS if max_atoms is None else max_atoms, atoms)
    kept = {
        multiple: vote
        for multiple, vote in votes.items()
        if vote > 0 and (multiple * atoms <= most or (max_atoms is None and vote > LARGE_SHARE * total))
    }
    total = sum(kept.values())
    ordered = sorted(kept.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Units(multiple, round(vote / total, 6)) for multiple, vote in ordered) or (Units(1, 1.0),)


def summed(votes: Iterable[tuple[int, float]]) -> dict[int, float]:
    """The votes for each number of formula units, sum 1 + `BROAD`.

    To the votes themselves it adds `BROAD` times those of a wider circle: a formula of which one polymorph is known
    would otherwise have no other cell.

    Args:
        votes: number of formula units and vote of each known crystal, see `asegen.prototypes.votes`.
    """
    near: dict[int, float] = {}
    wide: dict[int, float] = {}
    for units, vote in votes:
        near[units] = near.get(units, 0.0) + vote
        wide[units] = wide.get(units, 0.0) + vote**_WIDER
    if not sum(near.values()) > 0:
        return {}
    return {
        units: near[units] / sum(near.values()) + BROAD * wide[units] / sum(wide.values()) for units in sorted(near)
    }


def reduced_counts(counts: Mapping[int, int]) -> tuple[int, dict[int, int]]:
    """Formula units in a cell, and the counts of one."""
    units = math.gcd(*counts.values())
    return units, {z: n // units for z, n in counts.items()}


def turn(cells: tuple[Units, ...], k: int) -> tuple[int, int]:
    """The number of formula units of the k-th structure of a formula, and how many before it have the same.

    Sizes take turns so that after any number of structures each has its share of them as nearly as can be.

    Args:
        cells: at least one.
        k: from 0.
    """
    turns, given = _turns(cells)
    while len(turns) <= k:
        place = (len(turns) + 1) / sum(cell.share for cell in cells)
        chosen = max(range(len(cells)), key=lambda c: place * cells[c].share - given[c])
        turns.append((cells[chosen].multiple, given[chosen]))
        given[chosen] += 1
    return turns[k]


@lru_cache(maxsize=1000)
def _turns(cells: tuple[Units, ...]) -> tuple[list[tuple[int, int]], list[int]]:
    """The turns that were asked for so far, and how many each cell had: both grow."""
    return [], [0] * len(cells)
