"""`OnTarget`: of the structures that another drawer gives, those that have the properties asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ase import Atoms

from asegen.criteria.judging import TARGETS, Criteria, Judgement
from asegen.generation.drawing import Drawer
from asegen.generation.plan import Sample
from asegen.generation.source import Source
from asegen.generation.target import Target


class OnTarget:
    """Leaves out what doesn't meet criteria; there may be fewer structures than samples, or none.

    `info` has the properties asked for and target_probability, see `asegen.criteria.judging.Judgement`, and targets,
    the criteria themselves, by which a finished run knows its own output.

    Args:
        drawer: draws the structures.
        criteria: that they have to meet.

    Attributes:
        source: where structures come from.
        nearest: which of those left out came nearest to meeting the criteria, and how; None where none was.
    """

    may_lack = True

    def __init__(self, drawer: Drawer, criteria: Criteria) -> None:
        self.source: Source = drawer.source
        self._drawer, self._criteria = drawer, criteria
        self._label = "; ".join(criteria.identity)
        self.nearest: tuple[Atoms, Judgement] | None = None

    def settings(self) -> dict[str, object]:
        """The drawer's, and the criteria."""
        return self._drawer.settings() | {TARGETS: self._label}

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """The drawer's."""
        self._drawer.check(targets, force)

    def batches(self, targets: Sequence[Target], n: int, shard: str | None = None) -> list[list[Sample]]:
        """The drawer's."""
        return self._drawer.batches(targets, n, shard)

    def draw(self, batch: Sequence[Sample], seed: int, steps: int | None, valid_only: bool) -> list[Atoms]:
        """Those of the drawer's structures that meet all criteria."""
        drawn = self._drawer.draw(batch, seed, steps, valid_only)
        kept = []
        for atoms, found in zip(drawn, self._criteria.judge(drawn), strict=True):
            if found.is_met:
                atoms.info |= {**found.as_info(), TARGETS: self._label}
                kept.append(atoms)
            else:
                self._note_miss(atoms, found)
        return kept

    def _note_miss(self, atoms: Atoms, found: Judgement) -> None:
        if self.nearest is None or found.distance < self.nearest[1].distance:
            self.nearest = atoms, found

    @property
    def miss(self) -> str:
        """What was asked for and how far the nearest structure was from it, in one line; empty if none was left out."""
        if self.nearest is None:
            return ""
        atoms, found = self.nearest
        wanted = " and ".join(map(str, self._criteria.criteria))
        return f"{wanted}; the nearest, {atoms.info['formula']}, has {found.reason}"

    def drawn_as(self, sample: Sample, info: Mapping[str, object]) -> Sample:
        """The drawer's."""
        return self._drawer.drawn_as(sample, info)
