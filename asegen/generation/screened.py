"""`Screened`: structures in the source's order, what is predicted to lie far above the hull behind the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

from ase import Atoms

from asegen.generation.drawing import check_all, draw
from asegen.generation.plan import Sample, cut_batches, make_plan, take_shard
from asegen.generation.plausibility import IMPLAUSIBLE
from asegen.generation.source import Source
from asegen.generation.stability import ABOVE_HULL, Stability
from asegen.generation.target import Target
from asegen.hull.table import ReducedFormula, reduced

if TYPE_CHECKING:
    from asegen.structures.matching import Distinct

MAX_ABOVE_HULL = 0.3
"""eV/atom above the hull, predicted, up to which a structure is sensible: of 17,629 known crystals 3 % lie higher."""
MARGIN = 0.1
"""eV/atom above the lowest structure of the formula that are sensible, however high it lies: a few known crystals lie
high, and the prediction has errors."""
GROUP = 32
"""Structures of a formula that are put in order together: what is drawn depends on no larger part of the plan."""
SPARE = 24
"""Further structures that a group may draw at most, in place of those far above the hull."""
_SPARE_EACH = 4
"""Those for each structure that is asked for: a single one must not cost much where all is high."""
_LEAST = 2
"""Structures that a group draws at once, at least."""


class Screened:
    """Draws structures as `Plain` does, and others in place of those far above the hull.

    Every `GROUP` structures of a formula are put in order: first those that are sensible (see `MAX_ABOVE_HULL` and
    `MARGIN`; also what has no predicted energy), in the source's order, copies of others among them last; then the
    others by energy, then what is implausible (see `asegen.generation.plausibility`), then what fails the validity
    gate. For those that aren't sensible, and for copies, the group draws others, at most `SPARE` and four for each that
    is asked for, and the first are kept. Elements keep the source's order: errors of the prediction are larger there
    than what would decide.

    `info` has candidate too: the place in the source's order of the formula.

    Args:
        source: where structures come from, the likeliest first.
        batch_size: structures drawn at once.
        stability: predicts the energies.
    """

    def __init__(self, source: Source, batch_size: int, stability: Stability) -> None:
        self.source, self.batch_size, self._stability = source, batch_size, stability
        self.may_lack = source.may_lack

    def settings(self) -> dict[str, object]:
        """The source's, and what decides the order."""
        return self.source.settings() | {"order_by": "energy", "energies": self._stability.identity}

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """The source's."""
        check_all(self.source, targets, force)

    def batches(self, targets: Sequence[Target], n: int, shard: str | None = None) -> list[list[Sample]]:
        """The largest cells first; a group's samples stay together, and shards share groups out.

        Raises:
            InputError: `n` or the batches' size is under 1, too much is asked for, or there is no such shard.
        """
        groups = sorted(_grouped(make_plan(targets, n)).values(), key=lambda group: -group[0].n_atoms)
        cut_batches([], self.batch_size)  # refuses a size under 1
        batches: list[list[Sample]] = []
        for group in take_shard(groups, shard):
            if not batches or len(batches[-1]) + len(group) > self.batch_size:
                batches.append([])
            batches[-1] += group
        return batches

    def draw(self, batch: Sequence[Sample], seed: int, steps: int | None, valid_only: bool) -> list[Atoms]:
        """Draws the groups of a batch and puts each in order.

        Returns:
            A structure for each sample, in the batch's order; fewer where the source has no more.
        """
        groups = [_Group(samples) for samples in _grouped(batch).values()]
        first = [(group, sample) for group in groups for sample in group.next(len(group.samples))]
        wanted = [(group, sample) for group, sample in first if not self.may_lack or self.source.can_draw(sample)]
        while wanted:
            made = self._drawn([sample for _, sample in wanted], seed, steps, valid_only)
            for (group, _), atoms in zip(wanted, made, strict=True):
                group.add(atoms)
            more = [(group, sample) for group in groups for sample in group.next(group.lacking)]
            wanted = [(group, sample) for group, sample in more if self.source.can_draw(sample)]
        placed = {sample.index: atoms for group in groups for sample, atoms in group.placed()}
        return [placed[sample.index] for sample in batch if sample.index in placed]

    def drawn_as(self, sample: Sample, info: Mapping[str, object]) -> Sample:
        """The sample by which the source drew a structure."""
        return replace(sample, repeat=int(str(info.get("candidate", -1))))

    def _drawn(self, wanted: Sequence[Sample], seed: int, steps: int | None, valid_only: bool) -> list[Atoms]:
        """A structure for each, in order, with energies."""
        numbered = [replace(sample, index=k) for k, sample in enumerate(wanted)]
        drawn: list[Atoms] = []
        for part in cut_batches(numbered, self.batch_size):
            drawn += draw(self.source, part, seed, steps, valid_only)
        drawn.sort(key=lambda atoms: atoms.info["sample_index"])
        for atoms, sample in zip(drawn, wanted, strict=True):
            atoms.info["candidate"] = sample.repeat
        self._stability.judge(drawn)
        return drawn


class _Group:
    """Samples of a formula whose structures are put in order together.

    Args:
        samples: of a plan, at most `GROUP`.

    Attributes:
        samples: as given.
        proposals: structures that were drawn for them, in the source's order.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.proposals: list[Atoms] = []
        self._copies: set[int] = set()
        self._compared: list[int] = []
        self._seen = Different()
        self._asked = 0

    def add(self, atoms: Atoms) -> None:
        """Takes the next structure in; it changes places with an earlier one that is the same but less likely."""
        place = len(self.proposals)
        self.proposals.append(atoms)
        if not _is_sensible(atoms, math.inf):
            return
        self._compared.append(place)
        earlier = self._seen.add(atoms)
        if earlier is None:
            return
        self._copies.add(place)
        first = self._compared[earlier]
        if _log_prior(atoms) > _log_prior(self.proposals[first]):
            self.proposals[first], self.proposals[place] = atoms, self.proposals[first]

    def next(self, count: int) -> list[Sample]:
        """The next samples of the source's order, until the group's share of it is used up."""
        asked_for = len(self.samples)
        start, self._asked = self._asked, min(self._asked + count, asked_for + min(SPARE, _SPARE_EACH * asked_for))
        first = self.samples[0]
        offset = first.repeat // GROUP * (GROUP + SPARE)
        return [Sample(0, first.target.anonymous, offset + k) for k in range(start, self._asked)]

    @property
    def lacking(self) -> int:
        """How many structures to draw in place of those that aren't sensible, or copies of others."""
        different = (atoms for k, atoms in enumerate(self.proposals) if k not in self._copies)
        lacking = len(self.samples) - sum(_is_sensible(atoms, MAX_ABOVE_HULL) for atoms in different)
        return max(_LEAST, lacking) if lacking > 0 else 0

    def placed(self) -> list[tuple[Sample, Atoms]]:
        """Each sample with its structure."""
        pairs = list(zip(self.samples, _in_order(self.proposals, self._copies), strict=False))
        for sample, atoms in pairs:
            atoms.info["sample_index"] = sample.index
            if sample.target.material_id is not None:
                atoms.info["material_id"] = sample.target.material_id
        return pairs


class Different:
    """Tells which earlier crystal one is the same as; nothing is loaded for the first."""

    def __init__(self) -> None:
        self._first: Atoms | None = None
        self._count = 0
        self._seen: dict[ReducedFormula, tuple[Distinct, list[int]]] = {}

    def add(self, atoms: Atoms) -> int | None:
        """Takes a crystal in; the place, from 0, of the earlier one that it is the same as, or a supercell of."""
        place, self._count = self._count, self._count + 1
        if place == 0:
            self._first = atoms.copy()
            return None
        if self._first is not None:
            first, self._first = self._first, None
            self._compare(first, 0)
        return self._compare(atoms, place)

    def _compare(self, atoms: Atoms, place: int) -> int | None:
        from asegen.structures.matching import USUAL, Distinct  # loads pymatgen's matcher

        formula = reduced(Counter(atoms.numbers.tolist()))
        seen, places = self._seen.setdefault(formula, (Distinct(USUAL), []))
        places.append(place)
        earlier = seen.add(atoms).earlier
        return None if earlier is None else places[earlier]


def _log_prior(atoms: Atoms) -> float:
    return float(atoms.info.get("log_prior", 0.0))


def _grouped(samples: Iterable[Sample]) -> dict[tuple[Target, int], list[Sample]]:
    groups: dict[tuple[Target, int], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.target.anonymous, sample.repeat // GROUP), []).append(sample)
    return groups


def _height(atoms: Atoms) -> float:
    """Predicted energy above the hull; 0 where there is none that could decide anything."""
    return 0.0 if len(set(atoms.numbers)) == 1 else float(atoms.info.get(ABOVE_HULL, 0.0))


def _is_sensible(atoms: Atoms, limit: float) -> bool:
    return bool(atoms.info["valid"]) and IMPLAUSIBLE not in atoms.info and _height(atoms) <= limit


def _in_order(proposals: Sequence[Atoms], copies: Set[int]) -> list[Atoms]:
    """Sensible ones as they come, copies of these, the others by energy, what fails the gate at the end."""
    valid = [atoms for atoms in proposals if atoms.info["valid"]]
    plausible = [(k in copies, atoms) for k, atoms in enumerate(proposals) if _is_sensible(atoms, math.inf)]
    limit = max(MAX_ABOVE_HULL, min((_height(atoms) for _, atoms in plausible), default=0.0) + MARGIN)
    sensible = [(is_copy, atoms) for is_copy, atoms in plausible if _height(atoms) <= limit]
    ordered = [atoms for _, atoms in sorted(sensible, key=lambda pair: pair[0])]
    ordered += sorted((atoms for _, atoms in plausible if _height(atoms) > limit), key=_height)
    ordered += sorted((atoms for atoms in valid if IMPLAUSIBLE in atoms.info), key=_height)
    return [*ordered, *(atoms for atoms in proposals if not atoms.info["valid"])]
