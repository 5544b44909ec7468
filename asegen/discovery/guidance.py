"""What earlier rounds tell the next one: which formulas were worth it, and what there is enough of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from asegen.criteria.judging import PROBABILITY
from asegen.discovery.cells import Anonymous, Cell
from asegen.discovery.families import families
from asegen.discovery.records import CROWDED, FAILED, HIGH, KEPT, LATE, NOT_DRAWN, UNSTABLE, Record
from asegen.discovery.target_model import TargetModel
from asegen.hull.table import ReducedFormula

_DOUBT = 4.0
"""Proposals of an anonymous formula that its own share of successes weighs as much as everything's."""
_SUCCESSES = frozenset({KEPT, CROWDED})
_NOT_STABLE = frozenset({HIGH, FAILED, UNSTABLE})


@dataclass(frozen=True)
class Guidance:
    """What proposals go by beside known crystals.

    Attributes:
        tried: reduced formulas that are not to be proposed again.
        found: crystals that were worth it: a part of the draws begins with them.
        success: anonymous formula -> how much more often than others it was worth it; 1 for those not named.
        targets: how likely compositions are stable and meet the targets; None without targets.
    """

    tried: Collection[ReducedFormula] = frozenset()
    found: Sequence[Cell] = ()
    success: Mapping[Anonymous, float] = field(default_factory=dict)
    targets: TargetModel | None = None


def guidance_of(records: Sequence[Record], targets: TargetModel | None) -> Guidance:
    """What the proposals so far teach.

    Args:
        records: of all proposals.
        targets: what known crystals say of the targets.
    """
    judged = [record for record in records if PROBABILITY in record.values]
    if targets is not None and judged:
        cells = [record.cell for record in judged]
        on_target = targets.on_target.learning(cells, [float(record.values[PROBABILITY]) for record in judged])
        stable = targets.stable.learning(cells, [float(record.fate not in _NOT_STABLE) for record in judged])
        targets = TargetModel(on_target, stable)
    tried = {record.cell.formula for record in records}
    return Guidance(tried, found_cells(records), success_factors(records), targets)


def success_factors(records: Iterable[Record]) -> dict[Anonymous, float]:
    """How much more often than on average proposals of each anonymous formula were worth it.

    The share of successes of an anonymous formula is estimated from its own proposals, and, as long as these are few,
    from all (the mean of a beta distribution with `_DOUBT` proposals in advance). Where nothing has been found yet all
    are alike.
    """
    tried: Counter[Anonymous] = Counter()
    good: Counter[Anonymous] = Counter()
    for record in records:
        if record.fate not in (NOT_DRAWN, LATE):
            tried[record.cell.anonymous] += 1
            good[record.cell.anonymous] += record.fate in _SUCCESSES
    if not good.total():
        return {}
    average = good.total() / tried.total()
    return {key: (good[key] + _DOUBT * average) / (tried[key] + _DOUBT) / average for key in tried}


def found_cells(records: Iterable[Record]) -> list[Cell]:
    """Cells of what was kept, to begin with in the next round."""
    return [record.cell for record in records if record.fate == KEPT]


class Diversity:
    """Counts what is alike: one structure type, or anonymous formula without one, of elements of the same families.

    Args:
        most: that may be alike.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count: defaultdict[object, int] = defaultdict(int)

    def takes(self, cell: Cell, structure_type: str) -> bool:
        """Counts a crystal in, unless there are enough like it.

        Args:
            cell: its composition.
            structure_type: anything that is equal for the same type.

        Returns:
            Whether it was counted in.
        """
        key = structure_type, cell.anonymous, families(cell.numbers)
        if self._count[key] >= self._most:
            return False
        self._count[key] += 1
        return True
