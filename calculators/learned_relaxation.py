"""`relax_structures`: learned relaxation of any number of structures at once, a record for each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from asegen.calculators.constraints import (
    CrystalConstraints,
    RelaxationConstraints,
    constraints_of,
    freedom_of,
    refusal,
)
from asegen.errors import InputError
from asegen.relaxation.relax import Limits, Relaxed
from asegen.relaxation.statuses import CONVERGED, INVALID, OUT_OF_STEPS, REFUSED, without_notes
from asegen.structures.atoms import check_atoms, crystals_from_atoms, write_into
from asegen.structures.given import Structures, as_list
from asegen.trained.relaxer import Relaxer, load_relaxer


@dataclass(frozen=True)
class Relaxation:
    """What became of one structure.

    Attributes:
        atoms: a copy, moved, without calculator; `info` has this record's other fields as `relax_status` and so on, and
            the model as `relax_model`.
        status: of `asegen.relaxation.statuses.STATUSES`, or `REFUSED` or `INVALID`.
        reason: one line; empty if it converged.
        steps: moves made.
        fmax: Å, how far the network would still move an atom; NaN if that isn't known.
        strain: the largest principal strain that it would still ask for; NaN if that isn't known.
    """

    atoms: Atoms
    status: str
    reason: str
    steps: int = 0
    fmax: float = math.nan
    strain: float = math.nan


def relax_structures(
    structures: Structures,
    model: str | Path | Relaxer | None = None,
    device: str = "auto",
    *,
    fix_cell: bool = False,
    fix_positions: bool = False,
    keep_symmetry: bool = False,
    symprec: float = 0.01,
    limits: Limits | None = None,
    report: Callable[[int], None] = lambda finished: None,
) -> list[Relaxation]:
    """The batch form of `LearnedRelaxer`: any number of crystals at once, each stopping on its own.

    Args:
        structures: Atoms or pymatgen's Structures, or one; they aren't changed. What can't be relaxed gets a status
            and a reason.
        model: a shipped model's name, a path of weights, or a loaded `Relaxer`.
        device: "auto", "cpu", "cuda" …
        fix_cell: cells stay.
        fix_positions: fractional positions stay.
        keep_symmetry: crystals are made to have their space groups exactly, and keep them.
        symprec: Å, tolerance of the space groups.
        limits: when to stop; the default ones without it.
        report: called with the number of structures that have finished since the last call.

    Returns:
        One record each, in order.

    Raises:
        InputError: no such model or device, nothing may move, or something is no structure.
        CheckpointError: weights that can't be read.
    """
    if not isinstance(limits, Limits | None):
        raise InputError(f"limits = {limits!r:.60}: an object of the class Limits is needed", "limits")
    constraints = RelaxationConstraints(fix_cell, fix_positions, keep_symmetry, symprec)
    relaxer = model if isinstance(model, Relaxer) else load_relaxer(model, device)
    given = as_list(structures)
    refused: dict[int, Relaxation] = {}
    fit: dict[int, CrystalConstraints] = {}
    for k, atoms in enumerate(given):
        found = _constraints_or_refusal(atoms, relaxer, constraints)
        if isinstance(found, str):
            refused[k] = Relaxation(atoms.copy(), REFUSED, found)
        else:
            fit[k] = found
    report(len(refused))
    freedom = freedom_of(list(fit.values()), constraints)
    moved = relaxer.relax(crystals_from_atoms([given[k] for k in fit]), limits or Limits(), freedom, report)
    records = refused | {k: _relaxation(given[k], moved, row) for row, k in enumerate(fit)}
    for record in records.values():
        _note(record, relaxer)
    return [records[k] for k in range(len(given))]


def _constraints_or_refusal(
    atoms: Atoms, relaxer: Relaxer, constraints: RelaxationConstraints
) -> CrystalConstraints | str:
    if (reason := refusal(atoms, relaxer)) is not None:
        return str(reason)
    try:
        return constraints_of(atoms, constraints)
    except InputError as error:
        return str(error)


def _relaxation(before: Atoms, moved: Relaxed, row: int) -> Relaxation:
    """The record of a crystal, that of a row of a batch."""
    atoms = before.copy()
    write_into(atoms, moved.crystals[row])
    status, reason = moved.status[row], moved.reason[row]
    invalid = check_atoms(atoms) if status in (CONVERGED, OUT_OF_STEPS) else None
    if invalid is not None:
        status, reason = INVALID, str(invalid)
    fmax, strain = float(moved.farthest[row]), float(moved.strain[row])
    return Relaxation(atoms, status, reason, int(moved.steps[row]), fmax, strain)


def _note(record: Relaxation, relaxer: Relaxer) -> None:
    known = {"fmax": record.fmax, "strain": record.strain}
    notes: dict[str, object] = {"status": record.status, "steps": record.steps, "model": relaxer.name}
    notes |= {key: round(value, 6) for key, value in known.items() if math.isfinite(value)}
    notes |= {"reason": record.reason} if record.reason else {}
    record.atoms.info = without_notes(record.atoms.info) | {f"relax_{key}": value for key, value in notes.items()}
