"""Copies among the relaxed crystals are dropped, and the known are told from the new.

The known are those of a file of the user's and, with the shipped hull, the crystals inside the package. As these are
not all that are known, what is none of them need not be new.
"""

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
from asegen.screening.stages.known_hull import catalogue_identity, counts_of
from asegen.screening.stages.shared import DUPLICATE_OF, DUPLICATES, by_formula, duplicates
from asegen.structures.matching import ENERGIES, USUAL, same_as

Named = Sequence[tuple[str, Atoms]]
"""Identifiers and crystals."""
_MOST_ATOMS = 60
"""Of known crystals that are compared: the largest of most structure types."""


@dataclass(frozen=True)
class Compare(Stage):
    """Drops relaxed crystals that are another one's, the lowest in energy stays, and tells the known from the new.

    Attributes:
        reference: file of known crystals; None: novelty isn't asked for.
        catalogue: whether crystals inside the package are looked up, too.
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
        Column(
            "known_crystal",
            "the crystal inside the package that is the same one, formula and space group; nothing: it is none of "
            "them, which are not all that are known, or `--reference none` left them out",
            section="copies",
            page=Shown(61, "Known crystal"),
            optional=True,
        ),
    )
    splits: ClassVar[bool] = False
    reference: Path | None = None
    catalogue: bool = False

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(options.reference_file, options.wants_hull)

    @override
    def settings(self) -> dict[str, Any]:
        reference = None if self.reference is None else sha256(self.reference)
        catalogue = catalogue_identity() if self.catalogue else None
        return asdict(USUAL) | {"energies": ENERGIES, "reference": reference, "known_crystals": catalogue}

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
    def supply(self, ledger: Ledger, members: Sequence[int]) -> tuple[Named | None, Named]:
        # Crystals of the candidates' composition: the file's, None without one, and those inside the package.
        (candidate,) = ledger.load(members[:1], self.name)
        formula = candidate.found["formula"]
        return (
            None if self.reference is None else ledger.known_crystals(formula),
            _inside(formula) if self.catalogue else [],
        )

    @override
    def work(self, candidates: Sequence[Candidate], supplied: tuple[Named | None, Named]) -> list[Outcome]:
        given, inside = supplied
        outcomes = duplicates(candidates, USUAL, by_energy=True)
        return [
            outcome if outcome.status == DUPLICATE else _compared(outcome, candidate, given, inside)
            for candidate, outcome in zip(candidates, outcomes, strict=True)
        ]

    @override
    def seconds(self, members: int) -> float | None:
        return None  # pairs have their own limit

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(notes=(f"not compared with others: {reason}",))


def _inside(formula: str) -> Named:
    """The crystals inside the package of a composition."""
    from asegen.prototypes.sources import KNOWN, open_library  # loads torch

    found = open_library(KNOWN).of_composition(counts_of(formula), _MOST_ATOMS)
    return [(id, atoms) for id, atoms, _ in found]


def _compared(outcome: Outcome, candidate: Candidate, given: Named | None, inside: Named) -> Outcome:
    """An outcome that says which of some known crystals, if any, a candidate is."""
    found = dict(outcome.found)
    if given is not None:
        name = _name(candidate.crystal, given)
        found |= {"novel": name is None, "known_as": name}
    # Within the matcher's tolerances bcc is fcc: a known crystal has the same space group.
    group = candidate.found.get("space_group")
    alike = [(id, atoms) for id, atoms in inside if group is not None and group.endswith(f"({id.rpartition('-')[2]})")]
    if (same := _name(candidate.crystal, alike)) is not None:
        found["known_crystal"] = same
    return replace(outcome, found=found)


def _name(crystal: Atoms, known: Named) -> str | None:
    """Of the known crystal that is the same one."""
    if not known:
        return None
    same = same_as([crystal], [atoms for _, atoms in known], USUAL)[0].earlier
    return None if same is None else known[same][0]
