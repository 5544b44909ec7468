"""`Filled`: ways to fill a host, the best first, none of them twice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ase import Atoms

from asegen.errors import InputError
from asegen.generation.drawing import draw
from asegen.generation.host import Host
from asegen.generation.plan import Sample, cut_batches, make_plan, take_shard
from asegen.generation.rankers import find_ranker
from asegen.generation.ranking import NONE, Ranking
from asegen.generation.source import Source
from asegen.generation.stability import NO_ENERGY, Stability
from asegen.generation.target import Target
from asegen.structures.matching import STRICT, Distinct, Tolerances

_SPARE = 3
"""Candidates of a host, beyond the structures that are asked for, to vote, and for those that are copies."""
_DISTANCE = 0.5
"""Å: two fillings are the same where no drawn atom is farther from its partner, the host's symmetry allowed for."""


class Filled:
    """Draws fillings of hosts, puts the best first, and leaves copies out.

    Without a ranking the order is by how often a filling was found, then by when; with one, by energy. Nothing is
    relaxed: the host's atoms stay. `info` has rank (1 is the best), times_found, candidate (the place in the order of
    drawing), and with a ranking ranked_by and energy_per_atom (eV, by that). What fails the validity gate comes last.

    Args:
        source: whose structures hold given atoms (`Source.holds_given`).
        ranking: by what energy. Its number of candidates isn't used.
        batch_size: structures drawn at once.
        device: where energies are predicted.

    Raises:
        InputError: no such calculator, or one that is to relax, or a pressure.
        AsegenError: the calculator's package is missing.
    """

    may_lack = True

    def __init__(self, source: Source, ranking: Ranking | None, batch_size: int, device: str) -> None:
        for name in ("relax_steps", "pressure"):
            if ranking is not None and getattr(ranking, name):
                raise InputError(f"{name} would move the host: relax what is written", name)
        self.source, self.batch_size = source, batch_size
        self._by = NONE if ranking is None else ranking.by
        self._ranker = None if ranking is None else find_ranker(ranking.by, ranking.device)
        self._stability = Stability(device)

    def settings(self) -> dict[str, object]:
        """The source's, and what decides the order."""
        if self._ranker is None:
            return self.source.settings()
        return self.source.settings() | {"ranked_by": self._by, "ranker": self._ranker.identity}

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """The source's."""
        self.source.check(targets, force)

    def batches(self, targets: Sequence[Target], n: int, shard: str | None = None) -> list[list[Sample]]:
        """A batch for each host; shards share hosts out.

        Raises:
            InputError: `n` is under 1, too much is asked for, or there is no such shard.
        """
        return take_shard([make_plan([target], n) for target in targets], shard)

    def draw(self, batch: Sequence[Sample], seed: int, steps: int | None, valid_only: bool) -> list[Atoms]:
        """Up to one structure for each sample of one host, the best first."""
        target, size = batch[0].target, len(batch) + _SPARE
        wanted = [Sample(k, target, k) for k in range(size)]
        drawn = [atoms for part in cut_batches(wanted, self.batch_size) for atoms in self._drawn(part, seed, steps)]
        good = [atoms for atoms in drawn if atoms.info["valid"]]
        best = self._best(self._with_energies(good), target)
        best += [] if valid_only else [atoms for atoms in drawn if not atoms.info["valid"]]
        for place, (sample, atoms) in enumerate(zip(batch, best, strict=False), 1):
            atoms.info |= {"sample_index": sample.index, "rank": place}
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

    def _with_energies(self, good: Sequence[Atoms]) -> list[Atoms]:
        """By energy; as they were drawn without a ranking."""
        if self._ranker is None:
            return list(good)
        for atoms, one in zip(good, self._ranker.judge(good), strict=True):
            energy = {NO_ENERGY: one.reason} if one.reason else {"energy_per_atom": round(one.energy, 6)}
            atoms.info |= energy | {"ranked_by": self._by}
        return sorted(good, key=lambda atoms: atoms.info.get("energy_per_atom", math.inf))

    def _best(self, ordered: Sequence[Atoms], target: Target) -> list[Atoms]:
        """The different ones; by how often each was found where no energy has put them in order."""
        assert target.host is not None  # the source has looked
        seen, first = Distinct(_tolerances(target.host)), list[int]()
        for k, atoms in enumerate(ordered):
            earlier = seen.add(atoms).earlier
            first.append(k if earlier is None else earlier)
        times = Counter(first)
        for k, count in times.items():
            ordered[k].info["times_found"] = count
        found = sorted(times) if self._ranker is not None else sorted(times, key=lambda k: (-times[k], k))
        return [ordered[k] for k in found]


def _tolerances(host: Host) -> Tolerances:
    """One drawn atom elsewhere is a difference, however many atoms of the host are where they were."""
    n_atoms = len(host.atoms) + len(host.added)
    root_mean_square = _DISTANCE / math.sqrt(n_atoms)
    return replace(STRICT, stol=root_mean_square / (host.atoms.get_volume() / n_atoms) ** (1 / 3))
