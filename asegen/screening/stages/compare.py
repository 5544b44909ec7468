"""Copies among the relaxed crystals are dropped, and the known are told from the new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from ase import Atoms
from typing_extensions import override

from asegen.errors import Reason
from asegen.parallel.files import sha256
from asegen.screening.claims import Ledger
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import DUPLICATE, OK, Candidate, Outcome
from asegen.screening.stage import Runner, Stage
from asegen.screening.stages.known import gather
from asegen.screening.stages.shared import DUPLICATE_OF, DUPLICATES, by_formula, duplicates
from asegen.structures.matching import ENERGIES, USUAL, same_as


@dataclass(frozen=True)
class Compare(Stage):
    """Drops relaxed crystals that are another one's, the lowest in energy stays, and tells the known from the new.

    Attributes:
        reference: file of known crystals; None: novelty isn't asked for.
    """

    name: ClassVar[str] = "compare"
    columns: ClassVar[tuple[Column, ...]] = (
        DUPLICATES,
        DUPLICATE_OF,
        Column(
            "novel",
            "whether no reference structure is the same crystal; nothing where that was not asked",
            "flag",
            section="copies",
            page=Shown(60, "Novel"),
            style="novelty",
            optional=True,
        ),
        Column("known_as", "identifier of the reference structure that is the same crystal", section="copies"),
    )
    splits: ClassVar[bool] = False
    reference: Path | None = None

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(options.reference_file)

    @override
    def settings(self) -> dict[str, Any]:
        reference = None if self.reference is None else sha256(self.reference)
        return asdict(USUAL) | {"energies": ENERGIES, "reference": reference}

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        # By formula; within one, converged before unconverged, then by energy, then by input.
        order = sorted(candidates, key=lambda c: (c.status != OK, c.found.get("energy") or 0.0, c.key))
        return sorted(by_formula(order), key=min)

    @override
    def prepare(self, ledger: Ledger, run: Runner) -> None:
        if self.reference is not None:
            gather(ledger, self.reference, {c.found["formula"] for c in ledger.candidates(self.name)}, run)

    @override
    def supply(self, ledger: Ledger, members: Sequence[int]) -> list[tuple[str, Atoms]] | None:
        if self.reference is None:
            return None
        (candidate,) = ledger.load(members[:1], self.name)
        return ledger.known_crystals(candidate.found["formula"])

    @override
    def work(self, candidates: Sequence[Candidate], supplied: list[tuple[str, Atoms]] | None) -> list[Outcome]:
        outcomes = duplicates(candidates, USUAL, by_energy=True)
        if supplied is None:
            return outcomes
        return [
            outcome if outcome.status == DUPLICATE else _with_novelty(outcome, candidate, supplied)
            for candidate, outcome in zip(candidates, outcomes, strict=True)
        ]

    @override
    def seconds(self, members: int) -> float | None:
        return None  # pairs have their own limit

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(notes=(f"not compared with others: {reason}",))


def _with_novelty(outcome: Outcome, candidate: Candidate, known: Sequence[tuple[str, Atoms]]) -> Outcome:
    """An outcome that says which of some known crystals, if any, a candidate is."""
    references = [atoms for _, atoms in known]
    same = same_as([candidate.crystal], references, USUAL)[0].earlier if references else None
    name = None if same is None else known[same][0]
    return replace(outcome, found={**outcome.found, "novel": same is None, "known_as": name})
