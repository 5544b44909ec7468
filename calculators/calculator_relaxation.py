"""Relaxation with any ASE calculator, the learned relaxer first: crystals in memory, see `relax_with_calculator`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator
from ase.calculators.singlepoint import SinglePointCalculator

from asegen.errors import InputError, Reason
from asegen.models.header import read_header
from asegen.parallel.files import is_of_the_disk, sha256
from asegen.parallel.processes import Processes
from asegen.parallel.timed_map import Failed, timed_unordered
from asegen.potentials.engine import Engine, find_engine
from asegen.potentials.gate import gate
from asegen.potentials.minimise import OPTIMIZERS, Minimum, OptimizerName, minimise
from asegen.potentials.pressure import atomic_pressure
from asegen.potentials.start import Start, better_start
from asegen.trained.weights import DEFAULT_RELAXER, find_weights
from asegen.training.registry import RELAXERS

if TYPE_CHECKING:
    from asegen.trained.relaxer import Relaxer

CONVERGED, OUT_OF_STEPS, INVALID, REFUSED, FAILED = "converged", "out of steps", "invalid", "refused", "failed"
"""Statuses, the words of `asegen.calculators.relaxer`."""
LEARNED, AS_GIVEN = "learned", "as given"
"""Where a relaxation with a calculator began."""
SECONDS = 3600.0
"""Of processor time, that one structure may take in a worker process, unless told otherwise."""
_REFUSALS = ("isolated atom", "unknown element")  # kinds of reasons that calculators give in their errors


class Ended(NamedTuple):
    """How the relaxation of a structure ended, in plain numbers: JSON, and small between processes.

    Attributes:
        status: one of the statuses above.
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
        engine: the calculator, see `asegen.potentials.engine.find_engine`.
        fmax: eV/Å, for atoms and cell.
        steps: at most so many, of the calculator's relaxation.
        pressure: GPa; the enthalpy is minimised.
        fix_cell: cells stay.
        keep_symmetry: crystals are made to have their space groups exactly, and keep them.
        symprec: Å, tolerance of the space groups.
        optimizer: one of `asegen.potentials.minimise.OPTIMIZERS`.
        prerelax: the learned relaxer that comes first, a shipped one's name or a file of weights; None for none.
        device: of that relaxer.

    Raises:
        InputError: a number without meaning, or things that don't go together.
    """

    engine: Engine
    fmax: float = 0.05
    steps: int = 500
    pressure: float = 0.0
    fix_cell: bool = False
    keep_symmetry: bool = False
    symprec: float = 0.01
    optimizer: OptimizerName = "bfgs"
    prerelax: str | None = DEFAULT_RELAXER
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("fmax", "symprec"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} = {getattr(self, name):g}: a positive number is needed", name)
        if self.steps < 0:
            raise InputError(f"steps = {self.steps}: a number that isn't negative is needed", "steps")
        if atomic_pressure(self.pressure) and self.fix_cell:
            raise InputError("pressure and fix_cell exclude each other: a cell can't follow", "pressure", "fix_cell")
        if self.optimizer not in OPTIMIZERS:
            raise InputError(f"no optimizer {self.optimizer!r}; there are {', '.join(OPTIMIZERS)}", "optimizer")

    def settings(self) -> dict[str, object]:
        """What decides the results, JSON values.

        Raises:
            InputError: no such relaxer.
            CheckpointError: its file holds no weights.
        """
        known: dict[str, object] = {one.name: getattr(self, one.name) for one in fields(self)}
        known |= {"engine": self.engine.identity, "prerelax": None}
        if self.prerelax is not None:
            weights = find_weights(self.prerelax, *RELAXERS)
            read_header(weights)
            known["prerelax"] = sha256(weights)
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
        pressure = atomic_pressure(self.pressure)
        start = self._start(atoms, calculator, pressure)
        end = minimise(
            start.atoms,
            calculator,
            self.fmax,
            self.steps,
            self.keep_symmetry,
            self.symprec,
            self.optimizer,
            pressure=pressure,
            fix_cell=self.fix_cell,
        )
        return _ended(end, AS_GIVEN if start.atoms is atoms else LEARNED)

    def _start(self, atoms: Atoms, calculator: Calculator, pressure: float) -> Start:
        if self.prerelax is None:
            return Start(atoms, math.nan, compared=False)
        from asegen.calculators.relaxer import relax_structures  # loads torch, which a calculator may not need

        relaxer = _relaxer(self.prerelax, self.device)
        how: dict[str, Any] = {"fix_cell": self.fix_cell, "keep_symmetry": self.keep_symmetry, "symprec": self.symprec}
        (moved,) = relax_structures([atoms], relaxer, **how)
        arrived = moved.status in (CONVERGED, OUT_OF_STEPS) and moved.steps > 0 and gate(moved.atoms) is None
        return better_start(moved.atoms if arrived else atoms, atoms, calculator, pressure)


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


@dataclass(frozen=True)
class CalculatorRelaxation:
    """What became of one structure.

    Attributes:
        atoms: a copy, moved; its calculator holds energy, forces and stress. `info` is what it was, with `relax_status`
            and so on; `relax_energy_per_atom` and `relax_enthalpy_per_atom` in eV, `relax_pressure` in GPa.
        status: "converged", "out of steps", "invalid", "refused" or "failed".
        reason: one line; empty if it converged.
        start: "learned" where the learned relaxer's crystal was lower in energy, "as given", or empty.
        steps: of the calculator's relaxation.
        fmax: eV/Å, the largest force left, those on the cell included; NaN if that isn't known, as the energies.
        energy: eV/atom.
        enthalpy: eV/atom, `E + pV`; the energy where there is no pressure.
    """

    atoms: Atoms
    status: str
    reason: str
    start: str = ""
    steps: int = 0
    fmax: float = math.nan
    energy: float = math.nan
    enthalpy: float = math.nan


def relaxation_of(atoms: Atoms, ended: Ended, minimisation: Minimisation) -> CalculatorRelaxation:
    """The record of a structure.

    Args:
        atoms: as it was given.
        ended: how its relaxation ended.
        minimisation: what was done.
    """
    moved = atoms.copy()
    if ended.cell is not None:
        moved.set_cell(ended.cell, apply_constraint=False)
        moved.set_positions(ended.positions, apply_constraint=False)
        results: dict[str, Any] = {"energy": ended.energy * len(atoms), "forces": np.array(ended.forces)}
        results |= {} if ended.stress is None else {"stress": np.array(ended.stress)}
        moved.calc = SinglePointCalculator(moved, **results)
    moved.info |= _notes(ended, minimisation)
    return CalculatorRelaxation(moved, *ended[:7])


def _notes(ended: Ended, minimisation: Minimisation) -> dict[str, object]:
    known = {"fmax": ended.fmax, "energy_per_atom": ended.energy, "enthalpy_per_atom": ended.enthalpy}
    notes: dict[str, object] = {"status": ended.status, "steps": ended.steps}
    notes |= {"calculator": minimisation.engine.name, "pressure": minimisation.pressure}
    notes |= {name: round(value, 6) for name, value in known.items() if math.isfinite(value)}
    notes |= {name: text for name, text in (("start", ended.start), ("reason", ended.reason)) if text}
    return {f"relax_{name}": value for name, value in notes.items()}


def relax_with_calculator(
    structures: Atoms | Sequence[Atoms],
    calculator: str | BaseCalculator = "chgnet",
    *,
    fmax: float = 0.05,
    steps: int = 500,
    pressure: float = 0.0,
    fix_cell: bool = False,
    keep_symmetry: bool = False,
    symprec: float = 0.01,
    optimizer: OptimizerName = "bfgs",
    prerelax: str | None = DEFAULT_RELAXER,
    device: str = "auto",
    jobs: int | None = None,
    report: Callable[[int], None] = lambda finished: None,
) -> list[CalculatorRelaxation]:
    """Relaxes crystals with a calculator, after the learned relaxer, which saves most of the force calls.

    Where the learned relaxer's crystal is higher in energy (enthalpy under pressure, of which it knows nothing), the
    crystal as it was is the start. Constraints of the Atoms are honoured; fixed atoms keep their fractional positions
    where the cell moves.

    Args:
        structures: any Atoms, or one; they aren't changed. What can't be relaxed gets a status and a reason.
        calculator: a name of `asegen.potentials.registry.POTENTIALS`, `module:object`, or a calculator of ASE.
        fmax: eV/Å, for atoms and cell.
        steps: at most so many, of the calculator's relaxation.
        pressure: GPa, hydrostatic; the enthalpy is minimised.
        fix_cell: cells stay.
        keep_symmetry: crystals are made to have their space groups exactly, and keep them.
        symprec: Å, tolerance of the space groups.
        optimizer: "bfgs" (quasi-Newton, which FIRE relieves where it fails) or "fire".
        prerelax: the learned relaxer, a shipped one's name or a file of weights; None for none.
        device: of that relaxer: "auto", "cpu", "cuda" …
        jobs: single-threaded worker processes; without it this process does it.
        report: called with the number of structures that have finished since the last call.

    Returns:
        One record each, in order.

    Raises:
        InputError: no such calculator or model, a number without meaning, or worker processes for an object.
        CheckpointError: weights that can't be read.
        AsegenError: the calculator's package is missing, or worker processes can't be started.
    """
    if jobs is not None and (jobs < 1 or not isinstance(calculator, str)):
        raise InputError(f"jobs = {jobs}: one at least, and a calculator by its name", "jobs")
    engine = find_engine(calculator) if isinstance(calculator, str) else _Given.of(calculator)
    how = (fmax, steps, pressure, fix_cell, keep_symmetry, symprec, optimizer, prerelax, device)
    minimisation = Minimisation(engine, *how)
    minimisation.settings()  # refuses a relaxer that isn't there
    given = [structures] if isinstance(structures, Atoms) else list(structures)
    ended: dict[int, Ended] = {}
    for k, one in _relaxed(minimisation, given, jobs):
        ended[k] = one
        report(1)
    return [relaxation_of(atoms, ended[k], minimisation) for k, atoms in enumerate(given)]


def _relaxed(minimisation: Minimisation, structures: Sequence[Atoms], jobs: int | None) -> Iterator[tuple[int, Ended]]:
    if jobs is None:
        yield from enumerate(map(minimisation, structures))
        return
    pool = Processes(jobs)
    try:
        yield from relaxed_by(pool, minimisation, structures)
    finally:
        pool.kill()
        pool.shutdown()


def relaxed_by(
    pool: Processes, minimisation: Minimisation, structures: Sequence[Atoms], seconds: float = SECONDS
) -> Iterator[tuple[int, Ended]]:
    """Relaxes structures in worker processes; what takes too long or brings its worker down has failed.

    Args:
        pool: open.
        minimisation: what is done.
        structures: any number.
        seconds: of processor time for one structure.

    Yields:
        Place and end of each, as they come.
    """
    plain = [_plain(atoms) for atoms in structures]
    for k, found in timed_unordered(minimisation, plain, pool, seconds):
        yield k, Ended(FAILED, found.reason) if isinstance(found, Failed) else found


def _plain(atoms: Atoms) -> Atoms:
    """What decides the relaxation, and nothing that another process may fail to read."""
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, constraint=atoms.constraints)
    for name in ("initial_magmoms", "initial_charges"):
        if name in atoms.arrays:
            plain.set_array(name, atoms.get_array(name))
    return plain


@dataclass(frozen=True)
class _Given(Engine):
    """A calculator that came as an object."""

    given: Any = None

    @classmethod
    def of(cls, calculator: BaseCalculator) -> _Given:
        name = str(getattr(calculator, "name", "") or type(calculator).__name__)
        return cls(name, name, name, given=calculator)

    def calculator(self, directory: object = None) -> Any:
        return self.given
