"""`Filled`: ways to fill a host, the best first, none of them twice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ase import Atoms

from asegen.errors import InputError
from asegen.generation.drawing import draw
from asegen.generation.host import Host
from asegen.generation.plan import Sample, cut_batches, make_plan
from asegen.generation.rankers import NONE, find_ranker
from asegen.generation.ranking import Ranking
from asegen.generation.source import Source
from asegen.generation.stability import Stability
from asegen.generation.target import Target
from asegen.structures.matching import STRICT, Distinct, Tolerances

_SPARE, _SHARE = 4, 1.5
"""Candidates of a host: so many times the structures that are asked for, and so many more."""
_DISTANCE = 0.5
"""Å: two fillings are the same where no drawn atom is farther from its partner, the host's symmetry allowed for."""


class Filled:
    """Draws fillings of hosts as they come from the source, orders them by energy, and leaves copies out.

    Nothing is relaxed: the host's atoms stay. `info` has rank (1 is the best), ranked_by, energy_per_atom (eV, by that)
    and candidate (the place in the order of drawing). What fails the validity gate comes last.

    Args:
        source: whose structures hold given atoms (`Source.holds_given`).
        ranking: by what energy; alignn without it. Its number of candidates isn't used.
        batch_size: structures drawn at once.
        device: where energies are predicted.

    Raises:
        InputError: no such calculator, or one that is to relax.
        AsegenError: the calculator's package is missing.
    """

    may_lack = True

    def __init__(self, source: Source, ranking: Ranking | None, batch_size: int, device: str) -> None:
        self.ranking = ranking or Ranking(device=device)
        if self.ranking.relax_steps:
            raise InputError("relax_steps would move the host: relax what is written", "relax_steps")
        self.source, self.batch_size = source, batch_size
        self._ranker = find_ranker(self.ranking.by, self.ranking.device)
        self._stability = Stability(device)

    def settings(self) -> dict[str, object]:
        """The source's, and what decides the order."""
        identity = NONE if self._ranker is None else self._ranker.identity
        return self.source.settings() | {"ranked_by": self.ranking.by, "ranker": identity}

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """The source's."""
        self.source.check(targets, force)

    def batches(self, targets: Sequence[Target], n: int) -> list[list[Sample]]:
        """A batch for each host.

        Raises:
            InputError: `n` is under 1, or too much is asked for.
        """
        return [make_plan([target], n) for target in targets]

    def draw(self, batch: Sequence[Sample], seed: int, steps: int | None, valid_only: bool) -> list[Atoms]:
        """Up to one structure for each sample of one host, the best first."""
        target, size = batch[0].target, math.ceil(_SHARE * len(batch)) + _SPARE
        wanted = [Sample(k, target, k) for k in range(size)]
        drawn = [atoms for part in cut_batches(wanted, self.batch_size) for atoms in self._drawn(part, seed, steps)]
        good = [atoms for atoms in drawn if atoms.info["valid"]]
        best = self._different(self._in_order(good), target)
        best += [] if valid_only else [atoms for atoms in drawn if not atoms.info["valid"]]
        for place, (sample, atoms) in enumerate(zip(batch, best, strict=False), 1):
            atoms.info |= {"sample_index": sample.index, "rank": place, "ranked_by": self.ranking.by}
        found = best[: len(batch)]
        self._stability.judge(found)
        return found

    def drawn_as(self, sample: Sample, info: Mapping[str, object]) -> Sample:
        """The sample by which the source drew a structure."""
        return replace(sample, repeat=int(str(info.get("candidate", -1))))

    def _drawn(self, part: Sequence[Sample], seed: int, steps: int | None) -> list[Atoms]:
        drawn = draw(self.source, part, seed, steps)
        for atoms, sample in zip(drawn, part, strict=True):
            atoms.info["candidate"] = sample.repeat
        return drawn

    def _in_order(self, good: Sequence[Atoms]) -> list[Atoms]:
        """By energy; as they were drawn where there is none."""
        if self._ranker is None:
            return list(good)
        found = self._ranker.judge(good)
        for atoms, one in zip(good, found, strict=True):
            value = {"energy_missing": one.reason} if one.reason else {"energy_per_atom": round(one.energy, 6)}
            atoms.info |= value
        return sorted(good, key=lambda atoms: atoms.info.get("energy_per_atom", math.inf))

    def _different(self, ordered: Sequence[Atoms], target: Target) -> list[Atoms]:
        assert target.host is not None  # the source has looked
        seen = Distinct(_tolerances(target.host))
        return [atoms for atoms in ordered if seen.add(atoms).earlier is None]


def _tolerances(host: Host) -> Tolerances:
    """One drawn atom elsewhere is a difference, however many atoms of the host are where they were."""
    n_atoms = len(host.atoms) + len(host.added)
    root_mean_square = _DISTANCE / math.sqrt(n_atoms)
    return replace(STRICT, stol=root_mean_square / (host.atoms.get_volume() / n_atoms) ** (1 / 3))
