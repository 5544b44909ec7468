"""Learned pre-relaxation: crystals pulled to sensible cells before a calculator sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from ase import Atoms
from typing_extensions import override

from asegen.errors import Reason
from asegen.models.header import read_model_header
from asegen.parallel.files import sha256
from asegen.potentials.gate import gate
from asegen.screening.columns import Column
from asegen.screening.options import Options
from asegen.screening.records import Candidate, Outcome
from asegen.screening.stage import Stage
from asegen.screening.stages.shared import N_ATOMS, SPACE_GROUP, TIGHT_SYMPREC, chunks
from asegen.structures.space_groups import refined, space_group
from asegen.trained.weights import DEFAULT_RELAXER, find_weights
from asegen.training.registry import RELAXERS

if TYPE_CHECKING:
    from asegen.calculators.learned_relaxation import Relaxation
    from asegen.trained.relaxer import Relaxer

_SECONDS_TO_LOAD = 120.0


@dataclass(frozen=True)
class Prerelax(Stage):
    """Pulls crystals to sensible cells with a learned relaxer, in batches, without energies.

    One that the network doesn't know, or leads nowhere, goes on as it was. The others are symmetrised afterwards, with
    a small tolerance: the network keeps space groups no better than its graph's cut-offs do. What it merely brings near
    to a space group isn't forced into it, where forces would vanish on a saddle point of the energy.

    Attributes:
        symprec: Å, see `asegen.screening.stages.symmetrise.Symmetrise`; None to leave that.
        model: a shipped relaxer's name or a file of weights; the default one without it.
        device: "auto", "cpu", "cuda" …
        at_once: crystals of a group.
    """

    name: ClassVar[str] = "prerelax"
    columns: ClassVar[tuple[Column, ...]] = (
        N_ATOMS,
        SPACE_GROUP,
        Column("prerelax_status", "how the learned relaxation ended", section="relaxation"),
        Column("prerelax_steps", "moves made by it", "integer", section="relaxation"),
    )
    alone: ClassVar[bool] = True
    symprec: float | None = TIGHT_SYMPREC
    model: str | None = None
    device: str = "auto"
    at_once: int = 32

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        symmetrises = options.stages is None or "symmetrise" in options.stages
        symprec = min(options.symprec, TIGHT_SYMPREC) if symmetrises else None
        return cls(symprec, options.model, options.device)

    @override
    def settings(self) -> dict[str, Any]:
        # The size of the groups decides the last digits.
        return {"model": _identity(self.model), "at_once": self.at_once, "symprec": self.symprec}

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        order = sorted(candidates, key=lambda c: (c.found.get("n_atoms", 0), c.key))  # similar sizes side by side
        return chunks([candidate.key for candidate in order], self.at_once)

    @override
    def work(self, candidates: Sequence[Candidate], supplied: None) -> list[Outcome]:
        return [self._outcome(moved) for moved in prerelax([c.crystal for c in candidates], self.model, self.device)]

    @override
    def seconds(self, members: int) -> float | None:
        return _SECONDS_TO_LOAD + 60.0 * members

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(found={"prerelax_status": status}, notes=(f"not pre-relaxed: {reason}",))

    def _outcome(self, moved: Moved) -> Outcome:
        values: dict[str, Any] = {"prerelax_status": moved.status, "prerelax_steps": moved.steps}
        crystal = moved.atoms
        if crystal is None:
            return Outcome(found=values, notes=(f"not pre-relaxed: {moved.reason}",))
        if self.symprec is not None:
            crystal = refined(crystal, self.symprec) or crystal
            values |= {SPACE_GROUP.name: space_group(crystal, self.symprec), N_ATOMS.name: len(crystal)}
        return Outcome(found=values, atoms=crystal)


class Moved(NamedTuple):
    """What became of one crystal; `atoms` is None where it is better left as it was."""

    atoms: Atoms | None
    status: str
    reason: str
    steps: int


def prerelax(structures: Sequence[Atoms], model: str | None, device: str) -> list[Moved]:
    """Relaxes crystals as one batch.

    Args:
        structures: crystals that pass the gate.
        model: name or path; the default relaxer without it.
        device: "auto", "cpu", "cuda" …
    """
    from asegen.calculators.learned_relaxation import (
        relax_structures,  # loads torch, which the parent process doesn't need
    )

    return [_moved(relaxation) for relaxation in relax_structures(structures, _relaxer(model, device))]


def _moved(relaxation: Relaxation) -> Moved:
    from asegen.relaxation.statuses import CONVERGED, OUT_OF_STEPS

    status, reason, steps = relaxation.status, relaxation.reason, relaxation.steps
    if status in (CONVERGED, OUT_OF_STEPS):
        if (invalid := gate(relaxation.atoms)) is None:
            relaxation.atoms.wrap(eps=0)
            return Moved(relaxation.atoms, status, reason, steps)
        reason = str(invalid)
    return Moved(None, status, reason, steps)


@lru_cache(1)
def _relaxer(model: str | None, device: str) -> Relaxer:
    from asegen.trained.relaxer import load_relaxer

    return load_relaxer(model, device)


def _identity(model: str | None) -> str:
    """A relaxer's name and the hash of its weights.

    Raises:
        InputError: no such model.
        CheckpointError: the file holds no weights.
    """
    name = model or DEFAULT_RELAXER
    weights = find_weights(name, *RELAXERS)
    read_model_header(weights)
    return f"{name}, sha256 {sha256(weights)[:12]}"
