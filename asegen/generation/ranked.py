"""`Ranked`: many candidates of each formula, relaxed, and the best different ones of them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import count, islice

import numpy as np
from ase import Atoms

from asegen.calculators.learned_relaxation import relax_structures
from asegen.errors import InputError
from asegen.generation.above_hull import AboveHull
from asegen.generation.compositions import formula_unit
from asegen.generation.drawing import check_all, draw, judged
from asegen.generation.plan import Sample, check_plan, cut_batches, largest_first, take_shard
from asegen.generation.plausibility import IMPLAUSIBLE, implausible
from asegen.generation.rankers import find_ranker
from asegen.generation.ranking import ENERGY, NONE, Ranking
from asegen.generation.source import Source
from asegen.generation.stability import MISSING, NO_ENERGY, Stability
from asegen.generation.target import Target
from asegen.hull.table import reduced
from asegen.prototypes.formula_units import Units, reduced_counts
from asegen.relaxation.statuses import CONVERGED, OUT_OF_STEPS
from asegen.structures.matching import USUAL, Distinct
from asegen.structures.settings import tabulated_operations
from asegen.structures.space_groups import symmetry_dataset
from asegen.trained.relaxer import load_relaxer

_POOLED = 8
"""Candidates of a batch of formulas, in drawn batches: long enough to fill them, short enough to lose in a kill."""
_SYMMETRY_WEIGHT = 1.4
"""Of the logarithm of the number of point operations: of equal energies the more symmetric crystal is the likelier.
Chosen on val, as are the rankers' scales."""
_SYMPREC = 0.1
"""Å, within which they are found."""


class Ranked:
    """Draws candidates of each formula, relaxes them, and gives the best different ones.

    Candidates that pass the validity gate are moved by the learned relaxer (what it can't improve stays as it was) and
    get an energy. A composition has one list, whatever cells its candidates have: by energy per atom, the lowest first;
    of those that the ranker can't tell apart from the lowest that is left (`Ranker.error`) the likeliest comes first,
    by its prior: what the source says in advance (`log_prior`, the logarithm of a probability, 0 where it says nothing)
    and 1.4 times the logarithm of the number of point operations. Ordered by likelihood, both make one score: the prior
    less the energy over the ranker's scale (0.12 eV of alignn, otherwise 0.05). What has no energy comes after all that
    have one, by its prior; then what is implausible; what fails the gate comes last. The `n` structures of a formula
    are the first that aren't the same crystal as one before them, supercells included; there may be fewer. A formula
    that is asked for twice goes on where it was; a row of a file gets the best.

    `info` has what the source gives, and rank (1 is the best of its formula), prior, score, ranked_by, energy_per_atom
    (eV, by that), e_hull (eV/atom above the shipped hull, by that, where there are references for it) and
    measured_against (see `AboveHull`), point_operations (by spglib, within 0.1 Å), candidate (its number in the pool),
    pool (their number), and relax_status and so on, see `relax_structures`.

    Args:
        source: where candidates come from.
        ranking: how they are ordered.
        batch_size: candidates drawn at once.

    Raises:
        InputError: a bad name or number of steps, or no such device.
        AsegenError: the calculator's package is missing.
    """

    may_lack = True

    def __init__(self, source: Source, ranking: Ranking, batch_size: int) -> None:
        self.source, self.ranking, self.batch_size = source, ranking, batch_size
        how = (ranking.relax_steps, source.keeps_spacegroup, ranking.pressure)
        self._ranker = find_ranker(ranking.by, ranking.device, *how)
        self._above_hull = None if self._ranker is None else AboveHull(self._ranker)
        self._relaxer = load_relaxer(None, ranking.device)
        self._stability = Stability(ranking.device)

    def settings(self) -> dict[str, object]:
        """The source's, and what decides the order."""
        identity = NONE if self._ranker is None else self._ranker.identity
        relaxer = f"{self._relaxer.name} {self._relaxer.version}"
        own = {
            "order": self.ranking.order_by,
            "ranked_by": self.ranking.by,
            "pool": self.ranking.candidates,
            "ranker": identity,
            "relaxer": relaxer,
        }
        return self.source.settings() | own

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """Refuses early what can't be drawn, see `Source.check`; one candidate of each formula has to be possible."""
        check_all(self.source, list(dict.fromkeys(target.anonymous for target in targets)), force)

    def batches(self, targets: Sequence[Target], n: int, shard: str | None = None) -> list[list[Sample]]:
        """The plan: a sample's `repeat` is its place in the ranking.

        A formula's samples stay together, and shards share formulas out.

        Raises:
            InputError: `n` isn't between 1 and the number of candidates, too much is asked for, or there is no such
                shard.
        """
        most = self.ranking.candidates
        if not 1 <= n <= most:
            raise InputError(f"n = {n}: 1 to {most}, as many as there are candidates, can be kept", "n")
        check_plan(targets, n)
        lists: dict[Target, list[Sample]] = {}
        numbers = count()
        for target, times in one_list_each(targets):
            places = range(min(n * times, most))
            lists.setdefault(target.anonymous, []).extend(Sample(next(numbers), target, place) for place in places)
        sizes = take_shard(largest_first(Sample(k, target, 0) for k, target in enumerate(lists)), shard)
        at_once = max(1, _POOLED * self.batch_size // most)
        return [[own for one in batch for own in lists[one.target]] for batch in cut_batches(sizes, at_once)]

    def draw(self, batch: Sequence[Sample], seed: int, steps: int | None, valid_only: bool) -> list[Atoms]:
        """Draws the pools of a batch's formulas and takes the best of each.

        Returns:
            Up to one structure for each sample, in order; none where a formula has no more different ones.
        """
        keep: dict[Target, int] = {}
        for sample in batch:
            target = sample.target.anonymous
            keep[target] = max(keep.get(target, 0), sample.repeat + 1)
        pools = dict(zip(keep, self.pools(list(keep), seed, steps, valid_only), strict=True))
        best = {target: self.best(pool, keep[target]) for target, pool in pools.items()}
        found = []
        for sample in batch:
            own = best[sample.target.anonymous]
            if sample.repeat < len(own):
                found.append(_placed(own[sample.repeat], sample))
        if self.ranking.pressure:
            for atoms in found:
                atoms.info[MISSING] = "the known phases' hull is at zero pressure"
        else:
            self._stability.judge(found)
        return found

    def drawn_as(self, sample: Sample, info: Mapping[str, object]) -> Sample:
        """The candidate that a structure was, as a sample of the source."""
        return replace(sample, repeat=int(str(info["candidate"])))

    def pools(
        self, targets: Sequence[Target], seed: int, steps: int | None = None, valid_only: bool = False
    ) -> list[list[Atoms]]:
        """All candidates, relaxed and with their scores in `info`, before they are ordered and copies left out.

        Args:
            targets: different ones.
            seed: as in `Generator.generate`, like all below.
            steps: of the source's sampler.
            valid_only: draw again what fails the validity gate.

        Returns:
            A list for each target, in the order in which they were drawn.
        """
        size = self.ranking.candidates
        numbered = (Sample(k * size + j, target, j) for k, target in enumerate(targets) for j in range(size))
        samples = [sample for sample in numbered if self.source.can_draw(sample)]
        drawn: list[Atoms] = []
        for part in cut_batches(samples, self.batch_size):
            drawn += draw(self.source, part, seed, steps, valid_only)
        drawn.sort(key=lambda atoms: atoms.info["sample_index"])
        pools: list[list[Atoms]] = [[] for _ in targets]
        for atoms in self._judged(drawn):
            place, number = divmod(atoms.info["sample_index"], size)
            atoms.info |= {"candidate": number, "pool": size, "ranked_by": self.ranking.by}
            pools[place].append(atoms)
        if self._above_hull is not None:
            for pool in pools:
                self._above_hull.place(pool)
        return pools

    def _judged(self, drawn: Sequence[Atoms]) -> list[Atoms]:
        """Relaxed where that leads to something, with an energy where there is one."""
        good = [k for k, atoms in enumerate(drawn) if atoms.info["valid"]]
        keep = self.source.keeps_spacegroup
        relaxed = relax_structures([drawn[k] for k in good], self._relaxer, keep_symmetry=keep)
        found = list(drawn)
        for k, record in zip(good, relaxed, strict=True):
            moved = record.atoms if record.status in (CONVERGED, OUT_OF_STEPS) else drawn[k].copy()
            moved.info = judged(moved) | {k: v for k, v in record.atoms.info.items() if k.startswith("relax_")}
            if (why := implausible(moved)) is None:
                moved.info.pop(IMPLAUSIBLE, None)
            else:
                moved.info[IMPLAUSIBLE] = why
            found[k] = moved
        if self._ranker is not None:
            for k, one in zip(good, self._ranker.judge([found[k] for k in good]), strict=True):
                atoms = found[k] = one.atoms
                name, value = (NO_ENERGY, one.reason) if one.reason else ("energy_per_atom", round(one.energy, 6))
                atoms.info[name] = value
        for k in good:
            self._score(found[k])
        return found

    def _score(self, atoms: Atoms) -> None:
        """Adds point_operations, prior and score to `info`."""
        info = atoms.info
        group = symmetry_dataset(atoms, _SYMPREC)
        info["point_operations"] = 1 if group is None else _point_operations(group.hall_number)
        info["prior"] = info.get("log_prior", 0.0) + _SYMMETRY_WEIGHT * math.log(info["point_operations"])
        info["score"] = info["prior"]
        if self._ranker is not None and (energy := info.get("energy_per_atom")) is not None:
            info["score"] -= energy / self._ranker.scale

    def best(self, pool: Sequence[Atoms], keep: int) -> list[Atoms]:
        """The first different ones, with their rank; what fails the gate fills up what is left.

        Args:
            pool: of one target, as `pools` gives it.
            keep: at most so many.
        """
        ordered = self._in_order([atoms for atoms in pool if atoms.info["valid"]])
        seen = Distinct(USUAL)
        kept = list(islice((atoms for atoms in ordered if seen.add(atoms).earlier is None), keep))
        kept += [atoms for atoms in pool if not atoms.info["valid"]][: keep - len(kept)]
        for place, atoms in enumerate(kept, 1):
            atoms.info["rank"] = place
        return kept

    def _in_order(self, pool: Sequence[Atoms]) -> list[Atoms]:
        by_likelihood = sorted(pool, key=lambda atoms: (-atoms.info["score"], atoms.info["candidate"]))
        sound = [atoms for atoms in by_likelihood if IMPLAUSIBLE not in atoms.info]
        judged = [atoms for atoms in sound if "energy_per_atom" in atoms.info]
        if self.ranking.order_by == ENERGY and self._ranker is not None:
            judged = by_energy(judged, self._ranker.error)
        rest = [atoms for atoms in sound if "energy_per_atom" not in atoms.info]
        return [*judged, *rest, *(atoms for atoms in by_likelihood if IMPLAUSIBLE in atoms.info)]


def by_energy(pool: Iterable[Atoms], error: float) -> list[Atoms]:
    """The lowest energy per atom first; within an error of the lowest that is left, the highest prior first.

    Args:
        pool: of one composition, with energy_per_atom, prior and candidate in `info`.
        error: eV/atom.
    """
    left = sorted(pool, key=lambda atoms: (atoms.info["energy_per_atom"], atoms.info["candidate"]))
    found = []
    while left:
        limit = left[0].info["energy_per_atom"] + error
        near = left[: bisect_right(left, limit, key=lambda atoms: atoms.info["energy_per_atom"])]
        place, _ = max(enumerate(near), key=lambda pair: (pair[1].info["prior"], -pair[0]))
        found.append(left.pop(place))
    return found


def one_list_each(targets: Sequence[Target]) -> list[tuple[Target, int]]:
    """What is ranked together, and how often it is asked for, in the order of the first of each.

    Cells of one reduced formula, group and sites are one list, in which each cell has an equal share of the candidates.
    Rows of a file have lists of their own.
    """
    lists: dict[object, list[Target]] = {}
    for k, target in enumerate(targets):
        key = k if target.material_id is not None else (_formula_unit(target), target.spacegroup, target.sites)
        lists.setdefault(key, []).append(target)
    return [(_together(own), max(Counter(own).values())) for own in lists.values()]


def _formula_unit(target: Target) -> object:
    return None if target.composition is None else reduced(Counter(target.numbers))


def _together(targets: Sequence[Target]) -> Target:
    """One target with the cells of all."""
    different = list(dict.fromkeys(targets))
    first = different[0]
    if len(different) == 1 or first.composition is None:
        return first
    weights: dict[int, float] = {}
    for target in different:
        units, _ = reduced_counts(Counter(target.numbers))
        for cell in target.cells or (Units(1, 1.0),):
            weights[units * cell.multiple] = weights.get(units * cell.multiple, 0.0) + cell.share
    cells = tuple(Units(multiple, weight / len(different)) for multiple, weight in weights.items())
    return replace(first, composition=formula_unit(first.composition), cells=cells)


@cache
def _point_operations(hall_number: int) -> int:
    # Those that spglib finds in a cell which isn't primitive lack what would change that cell.
    return len(np.unique(tabulated_operations(hall_number)[0], axis=0))


def _placed(atoms: Atoms, sample: Sample) -> Atoms:
    """A copy for one sample of the plan."""
    placed = atoms.copy()
    placed.info["sample_index"] = sample.index
    if sample.target.material_id is not None:
        placed.info["material_id"] = sample.target.material_id
    return placed
