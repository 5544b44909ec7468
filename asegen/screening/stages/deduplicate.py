"""Copies among the inputs are dropped before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from typing_extensions import override

from asegen.errors import Reason
from asegen.screening.columns import Column
from asegen.screening.records import Candidate, Outcome
from asegen.screening.stage import Stage
from asegen.screening.stages.shared import DUPLICATE_OF, DUPLICATES, by_formula, duplicates
from asegen.structures.matching import STRICT


@dataclass(frozen=True)
class Deduplicate(Stage):
    """Drops crystals that plainly are another input's; of the same ones the first input stays."""

    name: ClassVar[str] = "dedup"
    columns: ClassVar[tuple[Column, ...]] = (DUPLICATES, DUPLICATE_OF)
    splits: ClassVar[bool] = False

    @override
    def settings(self) -> dict[str, Any]:
        return asdict(STRICT)

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        return [group for group in by_formula(candidates) if len(group) > 1]

    @override
    def work(self, candidates: Sequence[Candidate], supplied: None) -> list[Outcome]:
        return duplicates(candidates, STRICT)

    @override
    def seconds(self, members: int) -> float | None:
        return None  # pairs have their own limit

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(candidate.status, notes=(f"not compared with others: {reason}",))
