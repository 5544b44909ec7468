"""The first stage: entries of files become crystals, or are refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from ase import Atoms
from typing_extensions import override

from asegen.errors import Reason
from asegen.parallel.limits import OutOfTime, time_limit
from asegen.potentials.gate import UNSUPPORTED_KINDS, gate
from asegen.screening.claims import Ledger
from asegen.screening.columns import Column, Shown
from asegen.screening.inputs import LOG_PRIOR, RANK, entry_of
from asegen.screening.options import Options
from asegen.screening.records import FAILED, OK, REJECTED, UNSUPPORTED, Candidate, Input, Outcome
from asegen.screening.stage import Stage
from asegen.screening.stages.shared import FORMULA, N_ATOMS, SPACE_GROUP, TIGHT_SYMPREC, chunks
from asegen.structures.errors import StructureError
from asegen.structures.fields import NOTE, WITHOUT_MOMENTS
from asegen.structures.formulas import reduced_formula
from asegen.structures.reading import CIF, read_entry
from asegen.structures.space_groups import space_group
from asegen.structures.tables import number
from asegen.structures.vacuum import vacuum

READ_SECONDS = 60.0
"""That one entry may take to be read and checked."""
_PARTIAL = "partial occupancy"  # kind of the reason of `asegen.structures.cif`


@dataclass(frozen=True)
class Read(Stage):
    """Reads entries and lets crystals in (see `asegen.potentials.gate`).

    Attributes:
        at_once: entries of a group.
        order: whether CIFs with partial occupancies are ordered (see `asegen.structures.disorder`), not refused.
    """

    name: ClassVar[str] = "read"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("name", "the identifier in the input file; the id where it has none"),
        Column(
            "rank_before", "the place among those of its formula that its generator gave it", "integer", "", "input"
        ),
        Column(
            LOG_PRIOR,
            "what its generator expects of it: logarithm of the share of votes; it decides between the candidates of a "
            "composition that lie within e_hull_error",
            "number",
            "",
            "input",
            tile=Shown(80, "Log prior", digits=2),
        ),
        FORMULA,
        N_ATOMS,
        Column(
            "vacuum",
            "the widest gap between planes of atoms where it is wider than in crystals (7 Å): this is a layer, a wire "
            "or a molecule, and its energies and properties are compared with those of crystals",
            "number",
            "Å",
            "input",
            table=Shown(46, "vacuum, Å", digits=1),
            tile=Shown(85, "Vacuum", digits=1),
        ),
        Column("space_group_before", "international symbol and number of the input", section="symmetry"),
        SPACE_GROUP,
    )
    alone: ClassVar[bool] = True
    at_once: int = 16
    order: bool = False

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(order=options.order)

    @override
    def settings(self) -> dict[str, Any]:
        return {"order": True} if self.order else {}  # how many at once changes no result

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        return chunks([candidate.key for candidate in candidates], self.at_once)

    @override
    def supply(self, ledger: Ledger, members: Sequence[int]) -> list[Input]:
        return ledger.inputs(members)

    @override
    def work(self, candidates: Sequence[Candidate], supplied: list[Input]) -> list[Outcome]:
        return [self._one(entry) for entry in supplied]

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        # An entry that can't even be read is no crystal, whatever it did to its reader.
        return Outcome(REJECTED if status == FAILED else status, reason)

    def _one(self, entry: Input) -> Outcome:
        try:
            with time_limit(READ_SECONDS):
                name, atoms, info = self._atoms(entry)
                reason = gate(atoms)
        except StructureError as error:
            return Outcome(REJECTED, Reason.read(str(error)))
        except OutOfTime:
            return Outcome(REJECTED, Reason("time limit", f"more than {READ_SECONDS:g} s to read"))
        except Exception as error:  # a malformed entry is a record, never the end of the run
            return Outcome(REJECTED, Reason("unreadable", f"{type(error).__name__}: {str(error)[:120]!r}"))
        found = {"name": name, **_described(atoms, info)}
        told = [atoms.info.get(NOTE), WITHOUT_MOMENTS if _has_magnetic_order(atoms) else None]
        notes = tuple(str(note) for note in told if note)
        if reason is not None:
            status = UNSUPPORTED if reason.kind in UNSUPPORTED_KINDS else REJECTED
            return Outcome(status, reason, found, notes=notes)
        crystal = plain(atoms)
        group = space_group(crystal, TIGHT_SYMPREC)
        if (gap := vacuum(crystal)) is not None:
            found["vacuum"] = gap
        return Outcome(OK, None, {**found, "space_group_before": group, SPACE_GROUP.name: group}, crystal, notes)

    def _atoms(self, entry: Input) -> tuple[str, Atoms, Mapping[str, object]]:
        try:
            id, atoms, info = read_entry(entry_of(entry))
        except StructureError as error:
            if not (self.order and entry.format == CIF and Reason.read(str(error)).kind == _PARTIAL):
                raise
            from asegen.structures.disorder import ordered  # loads pymatgen's transformations, for seconds

            return entry.name, ordered(entry.content), {}
        return id or str(info.get("name", "")), atoms, info


def _has_magnetic_order(atoms: Atoms) -> bool:
    """Whether there are moments that aren't parallel, as those in inputs of DFT are."""
    moments = atoms.get_initial_magnetic_moments()
    return bool(moments.any() and (moments.ndim > 1 or moments.min() < 0 < moments.max()))


def plain(atoms: Atoms) -> Atoms:
    """Elements, positions and a right-handed cell of the same lattice, nothing else."""
    cell = atoms.cell.array
    return Atoms(atoms.numbers, atoms.positions, cell=-cell if np.linalg.det(cell) < 0 else cell, pbc=True)


def _described(atoms: Atoms, info: Mapping[str, object]) -> dict[str, Any]:
    """What can be said of atoms whether or not they are a crystal."""
    found: dict[str, Any] = {}
    if len(atoms) and np.isfinite(atoms.positions).all():
        found |= {FORMULA.name: reduced_formula(atoms), N_ATOMS.name: len(atoms)}
    if (rank := _rank(info)) is not None:
        found["rank_before"] = rank
    if (prior := number(info.get(LOG_PRIOR))) is not None and np.isfinite(prior):
        found[LOG_PRIOR] = prior
    return found


def _rank(info: Mapping[str, object]) -> int | None:
    """What a generator says; nothing else that a file may call a rank."""
    value = info.get(RANK)
    return int(value) if isinstance(value, int | np.integer) and not isinstance(value, bool) and value > 0 else None
