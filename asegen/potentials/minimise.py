"""Cell and positions to a minimum of a calculator's energy or enthalpy, with every way to fail told apart.

A quasi-Newton method learns the curvature as it goes and needs about half the force calls of FIRE near a minimum, where
pre-relaxed crystals are; far from one it may be led astray. So it is watched: where it goes up in energy, where forces
explode, or where it gets nowhere, FIRE goes on from the lowest state seen.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixAtoms, FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from ase.optimize.optimize import Optimizer
from ase.spacegroup.symmetrize import refine_symmetry
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.potentials.quasi_newton import SpringBFGS
from asegen.structures.space_groups import NONE_FOUND

OptimizerName = Literal["bfgs", "fire"]
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
"""What `minimise` may begin with; FIRE takes over from BFGS where that fails."""

_RISE = 0.02
"""eV/atom. A step that goes up by more has left the region where a parabola describes the energy."""
_EXPLOSION = 5.0
"""Forces that exceed the largest of the start by this factor, and `_STRONG`, are those of atoms that came too near."""
_STRONG = 3.0
"""eV/Å, below which no force is an explosion."""
_PATIENCE = 25
"""Steps without a new lowest energy before BFGS gives up."""


@dataclass(frozen=True)
class Minimum:
    """Where a minimisation ended.

    Attributes:
        atoms: the last state whose energy, forces and stress are finite; without calculator and constraints.
        energy: eV per atom of that state.
        enthalpy: eV per atom, `E + pV`; the energy where there is no pressure.
        fmax: eV/Å, the largest force left, those on the cell included (see ASE's FrechetCellFilter).
        steps: taken; going back to the lowest state is one of them, so that force calls are one more.
        converged: whether `fmax` is within what was asked for.
        reason: one line `kind: detail` if not.
        forces: (n_atoms, 3), eV/Å, the calculator's, whatever constraints there are.
        stress: (6,), eV/Å³, Voigt, ASE's sign; None where the calculator wasn't asked for it.
    """

    atoms: Atoms
    energy: float
    enthalpy: float
    fmax: float
    steps: int
    converged: bool
    reason: str
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None


def checked_optimizer(name: str) -> OptimizerName:
    """The name of an optimiser.

    Raises:
        InputError: there is no such one.
    """
    for known in OPTIMIZERS:
        if name == known:
            return known
    raise InputError(f"no optimizer {name!r}; there are {', '.join(OPTIMIZERS)}", "optimizer")


def minimise(
    atoms: Atoms,
    calculator: Calculator,
    fmax: float = 0.03,
    steps: int = 500,
    keep_symmetry: bool = False,
    symprec: float = 0.01,
    optimizer: OptimizerName = "bfgs",
    *,
    pressure: float = 0.0,
    fix_cell: bool = False,
) -> Minimum:
    """Relaxes cell and positions within a FrechetCellFilter.

    Constraints of the atoms are honoured. Fixed atoms keep their fractional positions where the cell moves, as ASE's
    cell filters have it; where the space group is kept, so do all atoms that it maps them to.

    Args:
        atoms: a crystal; left as it is.
        calculator: gives energy, forces and stress; no stress is needed where the cell is fixed.
        fmax: eV/Å, for atoms and cell.
        steps: at most so many, whoever takes them.
        keep_symmetry: the crystal is made to have its space group exactly, and keeps it (FixSymmetry).
        symprec: Å, tolerance of the space group.
        optimizer: "bfgs" (quasi-Newton, which FIRE relieves where it fails) or "fire" from the start.
        pressure: eV/Å³ (`ase.units.GPa` is one GPa), hydrostatic; the enthalpy is minimised.
        fix_cell: atoms alone move.

    Raises:
        InputError: no such optimiser.
        ValueError: already the start has no finite energy, forces and stress; no space group is found to be kept.
    """
    checked_optimizer(optimizer)
    atoms = atoms.copy()
    if keep_symmetry:
        _fix_symmetry(atoms, symprec)
    atoms.calc = calculator
    task = _Task(atoms, fmax, steps, pressure, fix_cell)
    with _no_warnings_of_logarithms():
        return _with_fire(task) if optimizer == "fire" else _with_both(task)


@contextmanager
def _no_warnings_of_logarithms() -> Iterator[None]:
    """ASE's cell filter takes the logarithm of the deformation; scipy warns of its rounding, 1e-13, at every step."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "logm result may be inaccurate", RuntimeWarning)
        yield


def _with_both(task: _Task) -> Minimum:
    """BFGS, and FIRE from the lowest state where that fails."""
    end = _with_bfgs(task)
    if not isinstance(end, _Astray):
        return end
    if end.steps + 1 >= task.steps:
        return _minimum(end.lowest, end.steps, task.steps)
    task.atoms.set_cell(end.lowest.atoms.cell, apply_constraint=False)
    task.atoms.set_positions(end.lowest.atoms.positions, apply_constraint=False)
    return _with_fire(task, taken=end.steps + 1, known=end.lowest)


def _fix_symmetry(atoms: Atoms, symprec: float) -> None:
    """Makes the space group exact, and adds the constraint that keeps it."""
    constraints = atoms.constraints
    atoms.set_constraint()  # with them, fixed atoms would not be refined
    try:
        refine_symmetry(atoms, symprec=symprec)
        symmetry = FixSymmetry(atoms, symprec=symprec)
    except NONE_FOUND:
        raise ValueError(f"no space group: spglib finds none at {symprec:g} Å") from None
    kept = [_whole_orbits(one, symmetry) if isinstance(one, FixAtoms) else one for one in constraints]
    atoms.set_constraint([*kept, symmetry])


def _whole_orbits(fixed: FixAtoms, symmetry: FixSymmetry) -> FixAtoms:
    """Forces of symmetric atoms are averaged, so that one that is fixed holds the others."""
    return FixAtoms(sorted({int(images[k]) for images in symmetry.symm_map for k in fixed.index}))


@dataclass(frozen=True)
class _Task:
    """What is minimised, and how far; as in `minimise`. The atoms have a calculator, and are moved."""

    atoms: Atoms
    fmax: float
    steps: int
    pressure: float
    fix_cell: bool

    def target(self) -> Any:  # ASE's annotations of optimisers forget filters
        """What an optimiser moves."""
        return self.atoms if self.fix_cell else FrechetCellFilter(self.atoms, scalar_pressure=self.pressure)


class _State(NamedTuple):
    """A state on the way; as in `Minimum`."""

    atoms: Atoms
    energy: float
    enthalpy: float
    fmax: float
    converged: bool
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None


class _Astray(NamedTuple):
    """Where a quasi-Newton method has failed: the lowest state that it saw, and the steps taken until it failed."""

    lowest: _State
    steps: int


class _NotFiniteError(ValueError):
    """The calculator's energy, forces or stress are NaN or infinite."""


def _with_bfgs(task: _Task) -> Minimum | _Astray:
    """Moves the atoms with BFGS for as long as it does what it should."""
    states: list[_State] = []
    with SpringBFGS(task.target(), logfile=None) as method:
        try:
            for state in _states(method, task, task.steps):
                states.append(state)
                if _is_astray(states):  # forces that explode may belong to a low energy, in a hole of the potential
                    return _Astray(_lowest(states[:-1]), method.nsteps)
        except Exception:  # calculators fail in their own ways where a long step leads; FIRE makes short ones
            if not states:
                raise
            return _Astray(_lowest(states), method.nsteps)
        return _minimum(states[-1], method.nsteps, task.steps)


def _is_astray(states: Sequence[_State]) -> bool:
    first, last = states[0], states[-1]
    rises = last.enthalpy > _lowest(states).enthalpy + _RISE
    explodes = last.fmax > max(_EXPLOSION * first.fmax, _STRONG)
    stalls = len(states) > _PATIENCE and _lowest(states[-_PATIENCE:]).enthalpy > _lowest(states).enthalpy
    return not last.converged and (rises or explodes or stalls)


def _lowest(states: Sequence[_State]) -> _State:
    return min(states, key=lambda state: state.enthalpy)


def _with_fire(task: _Task, taken: int = 0, known: _State | None = None) -> Minimum:
    """Moves the atoms with FIRE; from a state that is known, after so many steps by another method."""
    last = known
    with FIRE(task.target(), logfile=None) as method:
        try:
            for state in _states(method, task, task.steps - taken):
                last = state
        except _NotFiniteError:
            if last is None:
                raise
            return _ended(last, taken + method.nsteps, False, "non-finite: the calculator's numbers became NaN")
        assert last is not None  # the first state is always yielded
        return _minimum(last, taken + method.nsteps, task.steps)


def _states(method: Optimizer, task: _Task, steps: int) -> Iterator[_State]:
    """The start and the state after each of so many steps.

    Raises:
        _NotFiniteError: at numbers that are not; optimisers themselves would go on, for nothing is smaller than NaN.
    """
    atoms = task.atoms
    for arrived in method.irun(task.fmax, steps):
        left, energy = method.atoms.get_forces(), atoms.get_potential_energy()
        if not (np.isfinite(left).all() and np.isfinite(energy)):
            raise _NotFiniteError("non-finite: the calculator gives no finite energy, forces and stress")
        plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        enthalpy = energy + task.pressure * atoms.get_volume()
        largest = float(np.linalg.norm(left, axis=1).max())
        forces = atoms.get_forces(apply_constraint=False).copy()
        stress = None if task.fix_cell else atoms.get_stress(apply_constraint=False).copy()
        per_atom = float(energy) / len(atoms), float(enthalpy) / len(atoms)
        yield _State(plain, *per_atom, largest, bool(arrived), forces, stress)


def _minimum(state: _State, taken: int, steps: int) -> Minimum:
    reason = "" if state.converged else f"unconverged: {state.fmax:.3g} eV/Å left after {steps} steps"
    return _ended(state, taken, state.converged, reason)


def _ended(state: _State, taken: int, converged: bool, reason: str) -> Minimum:
    how = (taken, converged, reason)
    return Minimum(state.atoms, state.energy, state.enthalpy, state.fmax, *how, state.forces, state.stress)
