"""Wyckoff assignments: which elements occupy which positions of a group, so that they give a composition exactly.

Counts of atoms are those of the primitive cell. A position without freedom holds one site at most; others hold any
number. The best assignments by a weight that is a sum over sites are found by dynamic programming over positions,
exactly, so that groups with millions of them cost no more than those with few.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.symmetry.groups import SpaceGroup, WyckoffPosition, space_group

Weight = Callable[[WyckoffPosition, int], float]
"""Logarithmic weight of a site of an element (atomic number) on a position."""

Scores = NDArray[np.float64]
Origins = NDArray[np.int32]

_LARGEST_SEARCH = 50_000_000  # entries of 12 bytes
_LARGEST_TABLE = 2_000_000  # entries; beyond it compositions near an impossible one aren't looked for


class Occupation(NamedTuple):
    """A Wyckoff assignment: a group and what is on which of its positions.

    Attributes:
        group: number of the space group.
        sites: letter and atomic number of each site, sorted.
    """

    group: int
    sites: tuple[tuple[str, int], ...]

    @property
    def counts(self) -> dict[int, int]:
        """Atoms of each element in the primitive cell, by atomic number."""
        positions = space_group(self.group).by_letter
        found: dict[int, int] = {}
        for letter, z in self.sites:
            found[z] = found.get(z, 0) + positions[letter].size
        return found

    def __str__(self) -> str:
        """Such as "Na:a Cl:b" or "Sr:a Ti:b O:c,c", elements in the order of their first letters."""
        letters: dict[int, list[str]] = {}
        for letter, z in self.sites:
            letters.setdefault(z, []).append(letter)
        return " ".join(f"{chemical_symbols[z]}:{','.join(own)}" for z, own in letters.items())


@lru_cache(maxsize=100_000)
def canonical(occupation: Occupation) -> Occupation:
    """The same crystal's occupation in the origin and axes in which its letters come first in the alphabet.

    In triclinic and monoclinic groups other cells of the same lattice rename letters too, which is left out here.
    """
    renamings = space_group(occupation.group).alternatives
    alike = (tuple(sorted((names[letter], z) for letter, z in occupation.sites)) for names in renamings)
    return Occupation(occupation.group, min(alike))


def best_occupations(group: SpaceGroup, counts: Mapping[int, int], weight: Weight, limit: int) -> list[Occupation]:
    """The assignments of a composition in a group of largest weight, best first.

    Args:
        group: the group.
        counts: atoms of each element in the primitive cell, by atomic number.
        weight: of a site; an assignment's weight is the sum over its sites.
        limit: how many to return at most; fewer where the composition is so large that memory would not do. Ways that
            `canonical` makes equal are all returned.

    Returns:
        None if the composition doesn't fit.

    Raises:
        InputError: the composition is too large to be looked into.
    """
    elements, amounts = list(counts), tuple(counts.values())
    unit = _unit(group)
    if any(n % unit for n in amounts):
        return []
    wanted = tuple(n // unit for n in amounts)
    steps = _steps(group, wanted)
    entries = math.prod(n + 1 for n in wanted) * max(len(steps), 1)
    if entries > _LARGEST_SEARCH:
        raise _too_large(group, counts)
    limit = max(1, min(limit, _LARGEST_SEARCH // entries))
    scores: Scores = np.full((limit, *(n + 1 for n in wanted)), -np.inf)
    scores.flat[0] = 0.0
    origins = []
    for step in steps:
        gains = [weight(step.position, elements[e]) for e in step.elements]
        place = _place_one if step.position.is_fixed else _place_any
        scores, origin = place(scores, step, gains)
        origins.append(origin)
    ends = scores.reshape(limit, -1)[:, -1]
    return [
        Occupation(group.number, _trace(steps, origins, limit, wanted, rank, elements))
        for rank in range(limit)
        if np.isfinite(ends[rank])
    ]


class _Step(NamedTuple):
    """A position, its size in units, and the elements that may go there: all of them where it takes one site only."""

    position: WyckoffPosition
    size: int
    elements: tuple[int, ...]


def _unit(group: SpaceGroup) -> int:
    """What the sizes of all positions are multiples of: amounts are counted in it."""
    return math.gcd(*(position.size for position in group.positions))


def _too_large(group: SpaceGroup, counts: Mapping[int, int]) -> InputError:
    formula = _formula(counts, tuple(counts.values()))
    return InputError(f"{formula} is too large for a search through the sites of {group.symbol} ({group.number})")


def _steps(group: SpaceGroup, wanted: Sequence[int]) -> list[_Step]:
    """The steps of a search; `wanted` in units."""
    unit, steps = _unit(group), []
    for position in group.positions:
        size = position.size // unit
        able = tuple(e for e, n in enumerate(wanted) if n >= size)
        if able:
            steps += [_Step(position, size, able)] if position.is_fixed else [_Step(position, size, (e,)) for e in able]
    return steps


def _place_one(scores: Scores, step: _Step, gains: Sequence[float]) -> tuple[Scores, Origins]:
    """At most one site: the best of placing nothing and of each element's site there.

    Args:
        scores: (limit, n_1 + 1, n_2 + 1, …), weights of the best placements of these amounts; -inf: there is none.
        step: what may be placed.
        gains: weight of a site of each of the step's elements.

    Returns:
        The same after the step, and where each placement came from: its rank before, plus `limit` times 0 for nothing
        placed or 1 + k for the step's k-th element.
    """
    limit, size = len(scores), step.size
    placements = [scores]
    for e, gain in zip(step.elements, gains, strict=True):
        shifted = np.full_like(scores, -np.inf)
        np.moveaxis(shifted, e + 1, 0)[size:] = np.moveaxis(scores, e + 1, 0)[:-size] + gain
        placements.append(shifted)
    return _best(np.concatenate(placements), limit)


def _place_any(scores: Scores, step: _Step, gains: Sequence[float]) -> tuple[Scores, Origins]:
    """Any number of sites of one element; arguments and results as in `_place_one`.

    An origin of `limit` or more means one more site than the placement of that rank at the smaller amount, after the
    step.
    """
    limit, size, axis = len(scores), step.size, step.elements[0] + 1
    grown, origin = scores.copy(), np.zeros(scores.shape, np.int32)
    origin += np.arange(limit, dtype=np.int32).reshape(-1, *[1] * (scores.ndim - 1))
    grown_at, origin_at = np.moveaxis(grown, axis, 0), np.moveaxis(origin, axis, 0)
    for n in range(size, len(grown_at)):
        grown_at[n], origin_at[n] = _best(np.concatenate([grown_at[n], grown_at[n - size] + gains[0]]), limit)
    return grown, origin


def _best(placements: Scores, limit: int) -> tuple[Scores, Origins]:
    """The `limit` largest along the first axis, and their indices; ties keep their order."""
    order = np.argsort(-placements, axis=0, kind="stable")[:limit]
    return np.take_along_axis(placements, order, 0), order.astype(np.int32)


def _trace(
    steps: Sequence[_Step],
    origins: Sequence[Origins],
    limit: int,
    wanted: tuple[int, ...],
    rank: int,
    elements: Sequence[int],
) -> tuple[tuple[str, int], ...]:
    """The sites of the assignment of a rank, found backwards."""
    left, sites = list(wanted), []
    for step, origin in zip(reversed(steps), reversed(origins), strict=True):
        while True:
            placed, rank = divmod(int(origin[(rank, *left)]), limit)
            if not placed:
                break
            e = step.elements[placed - 1]
            sites.append((step.position.letter, elements[e]))
            left[e] -= step.size
            if step.position.is_fixed:
                break
    return tuple(sorted(sites))


def _grown(table: NDArray[np.bool_], step: _Step) -> NDArray[np.bool_]:
    """The amounts that can be placed if a step may be used too."""
    size, grown = step.size, table.copy()
    for e in step.elements:
        target, source = np.moveaxis(grown, e, 0), np.moveaxis(table, e, 0)
        if step.position.is_fixed:
            target[size:] |= source[:-size]
        else:
            for n in range(size, len(target)):
                target[n] |= target[n - size]
    return grown


def fits(group: SpaceGroup, counts: Mapping[int, int]) -> bool:
    """Whether a group has an assignment of a composition (atoms in the primitive cell).

    Raises:
        InputError: the composition is too large to be looked into.
    """
    unit, amounts = _unit(group), tuple(counts.values())
    if any(n % unit for n in amounts):
        return False
    wanted = tuple(n // unit for n in amounts)
    if math.prod(n + 1 for n in wanted) > _LARGEST_SEARCH:
        raise _too_large(group, counts)
    return bool(_possible(group, wanted)[wanted])


def _possible(group: SpaceGroup, most: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which amounts of each element, up to some, fit a group; in units."""
    table = np.zeros([n + 1 for n in most], bool)
    table[(0,) * len(most)] = True
    for step in _steps(group, most):
        table = _grown(table, step)
    return table


def impossible(group: SpaceGroup, counts: Mapping[int, int]) -> InputError:
    """The error for a composition that doesn't fit, which names the nearest ones that do.

    Multiples of the formula come first, then compositions of the same elements with the fewest atoms more or less.
    """
    wanted = tuple(counts.values())
    multiples = [m for m in (2, 3, 4, 6, 8) if fits(group, {z: m * n for z, n in counts.items()})][:1]
    near = [_formula(counts, tuple(m * n for n in wanted)) + f" (multiples = {m})" for m in multiples]
    unit = _unit(group)
    most = tuple(-(-(n + max(2, group.positions[0].size)) // unit) for n in wanted)
    if math.prod(n + 1 for n in most) < _LARGEST_TABLE:
        found = unit * np.argwhere(_possible(group, most))
        found = found[(found > 0).all(1)]
        order = np.argsort(np.abs(found - np.array(wanted)).sum(1), kind="stable")[:2]
        named_already = {name.partition(" ")[0] for name in near}
        near += [name for k in order if (name := _formula(counts, found[k])) not in named_already]
    named = f"; nearest that fit: {', '.join(near)}" if near else ""
    formula = _formula(counts, wanted)
    return InputError(
        f"{formula} in the primitive cell fits no Wyckoff positions of {group.symbol} ({group.number}){named}",
        "multiples",
    )


def _formula(counts: Mapping[int, int], amounts: Sequence[int]) -> str:
    return "".join(f"{chemical_symbols[z]}{n if n > 1 else ''}" for z, n in zip(counts, amounts, strict=True))
