"""`Ranked`: many candidates of each formula, relaxed, and the best different ones of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import spglib
from ase import Atoms

from asegen.calculators.relaxer import relax_structures
from asegen.errors import InputError
from asegen.generation.drawing import draw, judged
from asegen.generation.plan import Sample, cut_batches, make_plan
from asegen.generation.rankers import NONE, find_ranker
from asegen.generation.ranking import Ranking
from asegen.generation.source import Source
from asegen.generation.stability import Stability
from asegen.generation.target import Target
from asegen.relaxation.relax import CONVERGED, OUT_OF_STEPS
from asegen.structures.matching import USUAL, Distinct
from asegen.structures.validity import found_by_spglib
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
    get an energy. The order is by a score: log_prior, what the source says for a candidate in advance (the logarithm of
    a probability, 0 where it says nothing), less the energy per atom over the ranker's scale (0.12 eV of alignn,
    otherwise 0.05), and 1.4 times the logarithm of the number of point operations. What has no energy has a score
    without it, and comes after all that have one, unless none is asked for; what fails the gate comes last. The `n`
    structures of a formula are the first in this order that aren't the same crystal as one before them; there may be
    fewer. A formula that is asked for twice has the same structures twice.

    `info` has what the source gives, and rank (1 is the best of its formula), score, ranked_by, energy_per_atom (eV,
    by that), point_operations (by spglib, within 0.1 Å), candidate (its number in the pool), pool (their number), and
    relax_status and so on, see `relax_structures`.

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
        self._ranker = find_ranker(ranking.by, ranking.device, ranking.relax_steps, source.keeps_spacegroup)
        self._relaxer = load_relaxer(None, ranking.device)
        self._stability = Stability(ranking.device)

    def settings(self) -> dict[str, object]:
        """The source's, and what decides the order."""
        identity = NONE if self._ranker is None else self._ranker.identity
        relaxer = f"{self._relaxer.name} {self._relaxer.version}"
        own = {"ranked_by": self.ranking.by, "pool": self.ranking.candidates, "ranker": identity, "relaxer": relaxer}
        return self.source.settings() | own

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """Refuses early what can't be drawn, see `Source.check`; one candidate of each formula has to be possible."""
        self.source.check(list(dict.fromkeys(target.anonymous for target in targets)), force)

    def batches(self, targets: Sequence[Target], n: int) -> list[list[Sample]]:
        """The plan: a sample's `repeat` is its place in the ranking, and a formula's samples stay together.

        Raises:
            InputError: `n` isn't between 1 and the number of candidates, or too much is asked for.
        """
        most = self.ranking.candidates
        if not 1 <= n <= most:
            raise InputError(f"n = {n}: 1 to {most}, as many as there are candidates, can be kept", "n")
        formulas: dict[Target, list[Sample]] = {}
        for sample in make_plan(targets, n):
            formulas.setdefault(sample.target.anonymous, []).append(replace(sample, repeat=sample.index % n))
        sizes = [Sample(k, target, 0) for k, target in enumerate(formulas)]
        at_once = max(1, _POOLED * self.batch_size // most)
        return [[own for one in batch for own in formulas[one.target]] for batch in cut_batches(sizes, at_once)]

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
            found[k] = moved
        if self._ranker is not None:
            for k, one in zip(good, self._ranker.judge([found[k] for k in good]), strict=True):
                atoms = found[k] = one.atoms
                name, value = (
                    ("energy_missing", one.reason) if one.reason else ("energy_per_atom", round(one.energy, 6))
                )
                atoms.info[name] = value
        for k in good:
            self._score(found[k])
        return found

    def _score(self, atoms: Atoms) -> None:
        """Adds point_operations and score to `info`."""
        info = atoms.info
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        group = found_by_spglib(spglib.get_symmetry_dataset, cell, symprec=_SYMPREC)
        info["point_operations"] = 1 if group is None else _point_operations(group.hall_number)
        info["score"] = info.get("log_prior", 0.0) + _SYMMETRY_WEIGHT * math.log(info["point_operations"])
        if self._ranker is not None and "energy_per_atom" in info:
            info["score"] -= info["energy_per_atom"] / self._ranker.scale

    def best(self, pool: Sequence[Atoms], keep: int) -> list[Atoms]:
        """The first different ones by score, with their rank; what fails the gate fills up what is left.

        Args:
            pool: of one target, as `pools` gives it.
            keep: at most so many.
        """
        ordered = sorted((atoms for atoms in pool if atoms.info["valid"]), key=_order)
        seen = Distinct(USUAL)
        kept = list(islice((atoms for atoms in ordered if seen.add(atoms).earlier is None), keep))
        kept += [atoms for atoms in pool if not atoms.info["valid"]][: keep - len(kept)]
        for place, atoms in enumerate(kept, 1):
            atoms.info["rank"] = place
        return kept


@cache
def _point_operations(hall_number: int) -> int:
    # Those that spglib finds in a cell which isn't primitive lack what would change that cell.
    operations = spglib.get_symmetry_from_database(hall_number)
    assert operations is not None  # it is spglib's own number
    return len(np.unique(operations["rotations"], axis=0))


def _order(atoms: Atoms) -> tuple[bool, float, int]:
    """What candidates are sorted by, the best first."""
    return "energy_per_atom" not in atoms.info, -atoms.info["score"], atoms.info["candidate"]


def _placed(atoms: Atoms, sample: Sample) -> Atoms:
    """A copy for one sample of the plan."""
    placed = atoms.copy()
    placed.info["sample_index"] = sample.index
    if sample.target.material_id is not None:
        placed.info["material_id"] = sample.target.material_id
    return placed
