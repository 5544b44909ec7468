"""Candidates that don't have the properties asked for end here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Self

from typing_extensions import override

from asegen.criteria.criterion import read_criteria
from asegen.errors import Reason
from asegen.parallel.files import sha256
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import OFF_TARGET, Candidate, Outcome
from asegen.screening.stage import Stage
from asegen.screening.stages.shared import chunks
from asegen.trained.weights import find_weights

if TYPE_CHECKING:
    from asegen.criteria.judging import Criteria, Judgement

_SECONDS_TO_LOAD = 120.0


@dataclass(frozen=True)
class Targets(Stage):
    """Ends relaxed candidates that lie outside of a range of a property; they competed for the hull before.

    Attributes:
        wanted: ranges, such as "band_gap=1..2".
        device: "auto", "cpu", "cuda" …
        at_once: crystals of a group.
    """

    name: ClassVar[str] = "targets"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "target_probability",
            "that all ranges asked for are met, by the predictions' standard deviations",
            "number",
            "",
            "properties",
            page=Shown(56, "On target", digits=2),
            optional=True,
        ),
        Column(
            "target_distance",
            "how far properties lie outside of the ranges asked for, in units of the ranges' nearer ends; 0: on target",
            "number",
            "",
            "properties",
        ),
    )
    alone: ClassVar[bool] = True
    wanted: tuple[str, ...] = ()
    device: str = "auto"
    at_once: int = 32

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(tuple(map(str, read_criteria(options.targets))), options.device)

    @override
    def settings(self) -> dict[str, Any]:
        models = [criterion.quantity.model for criterion in read_criteria(self.wanted)]
        hashes = [f"sha256 {sha256(find_weights(model))[:12]}" for model in models if model]
        return {"wanted": list(self.wanted), "models": hashes}

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        return chunks([candidate.key for candidate in candidates], self.at_once)

    @override
    def work(self, candidates: Sequence[Candidate], supplied: None) -> list[Outcome]:
        judgements = _criteria(self.wanted, self.device).judge([candidate.crystal for candidate in candidates])
        return [
            Outcome(candidate.status, None, _found(one))
            if one.is_met
            else Outcome(OFF_TARGET, Reason(OFF_TARGET, one.reason), _found(one))
            for candidate, one in zip(candidates, judgements, strict=True)
        ]

    @override
    def seconds(self, members: int) -> float | None:
        return _SECONDS_TO_LOAD + 10.0 * members


def _found(judgement: Judgement) -> dict[str, float | None]:
    distance = judgement.distance if isfinite(judgement.distance) else None  # a property has no value
    return {"target_probability": judgement.probability, "target_distance": distance}


@lru_cache(4)
def _criteria(wanted: tuple[str, ...], device: str) -> Criteria:
    from asegen.criteria.judging import Criteria  # loads torch, which the parent process doesn't need

    return Criteria(read_criteria(wanted), device)
