"""What earlier rounds tell the next one: which formulas were worth it, and what there is enough of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from asegen.discovery.cells import Anonymous, Cell
from asegen.discovery.records import CROWDED, KEPT, LATE, NOT_DRAWN, Record
from asegen.elements import column, period

_DOUBT = 4.0
"""Proposals of an anonymous formula that its own share of successes weighs as much as everything's."""
_LANTHANIDES, _ACTINIDES = range(57, 72), range(89, 104)
_SUCCESSES = frozenset({KEPT, CROWDED})


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


def families(numbers: Sequence[int]) -> tuple[str, ...]:
    """The chemical family of each element: lanthanides, actinides, blocks of transition metals, columns.

    Args:
        numbers: atomic numbers, by ascending counts.
    """
    return tuple(sorted(map(_family, numbers)))


def _family(z: int) -> str:
    if z in _LANTHANIDES:
        return "lanthanide"
    if z in _ACTINIDES:
        return "actinide"
    if 3 <= column(z) <= 12:
        return "transition metal" if column(z) > 3 else "lanthanide"
    return f"column {column(z)}" if z != 1 and period(z) > 1 else "hydrogen"
