"""Structures of compositions that were proposed: candidates of a source, relaxed and ranked by predicted energy."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms

from asegen.discovery.cells import Cell
from asegen.errors import InputError
from asegen.generation.compositions import composition
from asegen.generation.ranked import Ranked
from asegen.generation.ranking import LIKELIHOOD, Ranking
from asegen.generation.source import Source
from asegen.generation.stability import Stability
from asegen.generation.target import Target

DEVIATION = "formation_energy_std"
"""In `info`: standard deviation of the predicted formation energy, eV/atom."""
_BEST = 3
"""Different structures of a composition that are looked at."""
_AT_ONCE = 64


class StructurePredictor:
    """Predicts structures: candidates of a source, pulled into shape by the learned relaxer, the best different ones.

    Args:
        source: that draws candidates.
        candidates: of each composition.
        with_groups: the space group of the cell that is asked for is kept.
        device: where networks compute.
    """

    def __init__(self, source: Source, candidates: int, with_groups: bool = False, device: str = "auto") -> None:
        self._with_groups, self._candidates = with_groups, candidates
        self._ranked = Ranked(source, Ranking("alignn", candidates, device=device, order_by=LIKELIHOOD), _AT_ONCE)
        self._stability = Stability(device)

    @property
    def identity(self) -> dict[str, object]:
        """What decides the structures."""
        source = self._ranked.source.identity
        return {"source": [source.name, source.version], "candidates": self._candidates} | self._ranked.settings()

    def predict(self, cells: Sequence[Cell], seed: int) -> list[list[Atoms] | str]:
        """The best different structures of each cell, with predicted energies above the hull and deviations in `info`.

        Args:
            cells: of different compositions.
            seed: of the run.

        Returns:
            Structures, the best first, or why there are none. What fails the validity gate comes last.
        """
        targets = [self._target(cell) for cell in cells]
        refusals = [self._refusal(target) for target in targets]
        pools = iter(self._ranked.pools([t for t, wrong in zip(targets, refusals, strict=True) if not wrong], seed))
        found: list[list[Atoms] | str] = [wrong or self._ranked.best(next(pools), _BEST) for wrong in refusals]
        structures = [atoms for own in found if not isinstance(own, str) for atoms in own]
        for atoms, one in zip(structures, self._stability.judge(structures), strict=True):
            if (deviation := one.values.get(f"{self._stability.target}_std")) is not None:
                atoms.info[DEVIATION] = round(deviation, 4)
        return found

    def _target(self, cell: Cell) -> Target:
        return Target(composition(cell.symbols), spacegroup=cell.group if self._with_groups else None)

    def _refusal(self, target: Target) -> str:
        try:
            self._ranked.check([target], force=False)
        except InputError as error:
            return str(error)
        return ""
