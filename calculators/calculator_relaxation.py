"""Relaxation with any ASE calculator, the learned relaxer first: crystals in memory, see `relax_with_calculator`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.calculators.singlepoint import SinglePointCalculator

from asegen.arguments import whole_number
from asegen.calculators.minimisation import FAILED, Ended, Minimisation
from asegen.errors import InputError
from asegen.parallel.processes import Processes
from asegen.parallel.timed_map import Failed, timed_unordered
from asegen.potentials.engine import Engine, find_engine
from asegen.potentials.minimise import OptimizerName
from asegen.relaxation.statuses import without_notes
from asegen.structures.given import Structures, as_list
from asegen.trained.weights import DEFAULT_RELAXER

SECONDS = 3600.0
"""Of processor time, that one structure may take in a worker process, unless told otherwise."""


@dataclass(frozen=True)
class CalculatorRelaxation:
    """What became of one structure.

    Attributes:
        atoms: a copy, moved; its calculator holds energy, forces and stress. `info` is what it was, with `relax_status`
            and so on in place of an earlier relaxation's; `relax_energy_per_atom` and `relax_enthalpy_per_atom` in eV,
            `relax_pressure` in GPa.
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
    moved.info = without_notes(moved.info) | _notes(ended, minimisation)
    return CalculatorRelaxation(moved, *ended[:7])


def _notes(ended: Ended, minimisation: Minimisation) -> dict[str, object]:
    known = {"fmax": ended.fmax, "energy_per_atom": ended.energy, "enthalpy_per_atom": ended.enthalpy}
    notes: dict[str, object] = {"status": ended.status, "steps": ended.steps}
    notes |= {"calculator": minimisation.engine.name, "pressure": minimisation.engine.pressure}
    notes |= {name: round(value, 6) for name, value in known.items() if math.isfinite(value)}
    notes |= {name: text for name, text in (("start", ended.start), ("reason", ended.reason)) if text}
    return {f"relax_{name}": value for name, value in notes.items()}


def relax_with_calculator(
    structures: Structures,
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
        structures: Atoms or pymatgen's Structures, or one; they aren't changed. What can't be relaxed gets a status
            and a reason.
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
        InputError: no such calculator, model or device, a number without meaning, worker processes for an object, or
            something that is no structure.
        CheckpointError: weights that can't be read.
        AsegenError: the calculator's package is missing, or worker processes can't be started.
    """
    jobs = None if jobs is None else whole_number("jobs", jobs)
    if jobs is not None and (jobs < 1 or not isinstance(calculator, str)):
        raise InputError(f"jobs = {jobs}: one at least, and a calculator by its name", "jobs")
    engine = find_engine(calculator) if isinstance(calculator, str) else _Given.of(calculator)
    how = (fmax, steps, fix_cell, keep_symmetry, symprec, optimizer, prerelax, device)
    minimisation = Minimisation(engine.at_pressure(pressure), *how)
    minimisation.settings()  # refuses a relaxer that isn't there
    given = as_list(structures)
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
    def of(cls, calculator: object) -> _Given:
        """Of a calculator, not of a class or a function that makes one.

        Raises:
            InputError: it is none.
        """
        if isinstance(calculator, type) or not callable(getattr(calculator, "get_forces", None)):
            hint = "a name, module:object, or an object of a class of ASE's calculators is needed"
            raise InputError(f"calculator = {calculator!r:.60}: {hint}", "calculator")
        name = str(getattr(calculator, "name", "") or type(calculator).__name__)
        return cls(name, name, name, given=calculator)

    def calculator(self, directory: object = None) -> Any:
        return self.given
