"""What is done with one structure when a calculator relaxes it, the learned relaxer first; plain, for any process."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from asegen.arguments import check_model, real_number, whole_number
from asegen.errors import InputError, Reason
from asegen.models.header import read_header
from asegen.parallel.files import is_of_the_disk, sha256
from asegen.potentials.engine import Engine
from asegen.potentials.gate import gate
from asegen.potentials.minimise import Minimum, OptimizerName, checked_optimizer, minimise
from asegen.potentials.start import Start, better_start
from asegen.relaxation.statuses import CONVERGED, FAILED, INVALID, OUT_OF_STEPS, REFUSED
from asegen.structures.tolerance import check_symprec
from asegen.trained.weights import DEFAULT_RELAXER, find_weights
from asegen.training.registry import RELAXERS

if TYPE_CHECKING:
    from asegen.trained.relaxer import Relaxer

LEARNED, AS_GIVEN = "learned", "as given"
"""Where a relaxation with a calculator began."""
_REFUSALS = ("isolated atom", "unknown element", "no space group")  # kinds of reasons in errors


class Ended(NamedTuple):
    """How the relaxation of a structure ended, in plain numbers: JSON, and small between processes.

    Attributes:
        status: `CONVERGED`, `OUT_OF_STEPS`, `INVALID`, `REFUSED` or `FAILED` of `asegen.relaxation.statuses`.
        reason: one line; empty if it converged.
        start: `LEARNED` or `AS_GIVEN`; empty where it never began.
        steps: of the calculator's relaxation.
        fmax: eV/Å, the largest force left, those on the cell included; NaN if that isn't known, as the energies.
        energy: eV/atom.
        enthalpy: eV/atom, at the pressure.
        cell: (3, 3), Å; None where the structure is as it was, as what follows.
        positions: (n_atoms, 3), Å.
        forces: (n_atoms, 3), eV/Å, the calculator's.
        stress: (6,), eV/Å³, Voigt, ASE's sign; None where the cell is fixed.
    """

    status: str
    reason: str
    start: str = ""
    steps: int = 0
    fmax: float = math.nan
    energy: float = math.nan
    enthalpy: float = math.nan
    cell: list[list[float]] | None = None
    positions: list[list[float]] | None = None
    forces: list[list[float]] | None = None
    stress: list[float] | None = None


@dataclass(frozen=True)
class Minimisation:
    """How structures are relaxed; plain values, so that any process can do it.

    Attributes:
        engine: the calculator, see `asegen.potentials.engine.find_engine`; at a pressure the enthalpy is minimised.
        fmax: eV/Å, for atoms and cell.
        steps: at most so many, of the calculator's relaxation.
        fix_cell: cells stay.
        keep_symmetry: crystals are made to have their space groups exactly, and keep them.
        symprec: Å, tolerance of the space groups.
        optimizer: "bfgs" or "fire".
        prerelax: the learned relaxer that comes first, a shipped one's name or a file of weights; None for none.
        device: of that relaxer.

    Raises:
        InputError: a number without meaning, or things that don't go together.
    """

    engine: Engine
    fmax: float = 0.05
    steps: int = 500
    fix_cell: bool = False
    keep_symmetry: bool = False
    symprec: float = 0.01
    optimizer: OptimizerName = "bfgs"
    prerelax: str | None = DEFAULT_RELAXER
    device: str = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.engine, Engine):
            raise InputError(f"engine = {self.engine!r:.60}: what find_engine gives is needed", "engine")
        object.__setattr__(self, "fmax", real_number("fmax", self.fmax))
        object.__setattr__(self, "steps", whole_number("steps", self.steps))
        if not 0 < self.fmax < math.inf:
            raise InputError(f"fmax = {self.fmax:g}: a positive number is needed", "fmax")
        check_symprec(self.symprec)
        check_model("prerelax", self.prerelax)
        if self.steps < 0:
            raise InputError(f"steps = {self.steps}: a number that isn't negative is needed", "steps")
        if self.engine.pressure and self.fix_cell:
            raise InputError("pressure and fix_cell exclude each other: a cell can't follow", "pressure", "fix_cell")
        checked_optimizer(self.optimizer)

    def settings(self) -> dict[str, object]:
        """What decides the results, JSON values by the names of the parameters of `relax_with_calculator`.

        Raises:
            InputError: no such relaxer or device.
            CheckpointError: its file holds no weights.
        """
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "engine"}
        known: dict[str, object] = {"calculator": self.engine.identity, **own}
        if self.prerelax is not None:
            weights = find_weights(self.prerelax, *RELAXERS)
            read_header(weights)
            if self.device not in ("auto", "cpu"):  # these are there without asking torch, which isn't loaded here
                from asegen.trained.loading import pick_device

                pick_device(self.device)
            known["prerelax"] = f"sha256 {sha256(weights)[:12]}"
        return known

    def __call__(self, atoms: Atoms) -> Ended:
        """Relaxes one structure, which stays as it is; what is wrong with it, or goes wrong, is a status."""
        if reason := gate(atoms) or self.engine.refusal(atoms):
            return Ended(REFUSED, str(reason))
        try:
            return self.with_calculator(atoms, self.engine.calculator())
        except MemoryError:
            return Ended(FAILED, "out of memory: more than a worker may have")
        except Exception as error:  # every calculator fails in its own way
            if is_of_the_disk(error):
                raise
            return _failure(error)

    def with_calculator(self, atoms: Atoms, calculator: Calculator) -> Ended:
        """As `minimise`, beginning with the learned relaxer where it leads lower."""
        start = self._start(atoms, calculator)
        end = minimise(
            start.atoms,
            calculator,
            self.fmax,
            self.steps,
            self.keep_symmetry,
            self.symprec,
            self.optimizer,
            pressure=self.engine.atomic_pressure,
            fix_cell=self.fix_cell,
        )
        return _ended(end, AS_GIVEN if start.atoms is atoms else LEARNED)

    def _start(self, atoms: Atoms, calculator: Calculator) -> Start:
        if self.prerelax is None:
            return Start(atoms, math.nan, compared=False)
        from asegen.calculators.learned_relaxation import (
            relax_structures,  # loads torch, which a calculator may not need
        )

        relaxer = _relaxer(self.prerelax, self.device)
        how: dict[str, Any] = {"fix_cell": self.fix_cell, "keep_symmetry": self.keep_symmetry, "symprec": self.symprec}
        (moved,) = relax_structures([atoms], relaxer, **how)
        arrived = moved.status in (CONVERGED, OUT_OF_STEPS) and moved.steps > 0 and gate(moved.atoms) is None
        return better_start(moved.atoms if arrived else atoms, atoms, calculator, self.engine.atomic_pressure)


def _ended(end: Minimum, start: str) -> Ended:
    if invalid := gate(end.atoms):
        return Ended(INVALID, str(invalid), start, end.steps, end.fmax)
    kind = "" if end.converged else Reason.read(end.reason).kind
    status = CONVERGED if end.converged else OUT_OF_STEPS if kind == "unconverged" else FAILED
    numbers = (end.atoms.cell.array, end.atoms.positions, end.forces, end.stress)
    lists = [None if number is None else np.asarray(number, float).tolist() for number in numbers]
    return Ended(status, end.reason, start, end.steps, end.fmax, end.energy, end.enthalpy, *lists)


def _failure(error: Exception) -> Ended:
    """What a calculator's error says."""
    text = " ".join(str(error).split())[:200] or "no message"
    kind = Reason.read(text).kind
    if kind in _REFUSALS or kind == "non-finite":
        return Ended(REFUSED if kind in _REFUSALS else FAILED, text)
    return Ended(FAILED, f"calculator: {type(error).__name__}: {text}")


@cache
def _relaxer(name_or_path: str, device: str) -> Relaxer:
    from asegen.trained.relaxer import load_relaxer

    return load_relaxer(name_or_path, device)
