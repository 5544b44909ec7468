"""Cell and positions to a minimum of a calculator's energy, with every way to fail told apart.

A quasi-Newton method learns the curvature as it goes and needs about half the force calls of FIRE near a minimum, where
pre-relaxed crystals are; far from one it may be led astray. So it is watched: where it goes up in energy, where forces
explode, or where it gets nowhere, FIRE goes on from the lowest state seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE
from ase.optimize.optimize import Optimizer
from ase.spacegroup.symmetrize import refine_symmetry

from asegen.errors import InputError

OptimizerName = Literal["bfgs", "fire"]
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
"""What `minimise` may begin with; FIRE takes over from BFGS where that fails."""

_ALPHA = 25.0
"""eV/Å², curvature that BFGS begins with; ASE's 70 suits molecules, and crystals need more steps with it."""
_RISE = 0.02
"""eV/atom. A step that goes up by more has left the region where a parabola describes the energy."""
_EXPLOSION = 5.0
"""Forces that exceed the largest of the start by this factor, and `_STRONG`, are those of atoms that came too near."""
_STRONG = 1.0
"""eV/Å, below which no force is an explosion."""
_PATIENCE = 25
"""Steps without a new lowest energy before BFGS gives up."""


@dataclass(frozen=True)
class Minimum:
    """Where a minimisation ended.

    Attributes:
        atoms: the last state whose energy, forces and stress are finite; without calculator and constraints.
        energy: eV per atom of that state.
        fmax: eV/Å, the largest force left, those on the cell included (see ASE's FrechetCellFilter).
        steps: taken; going back to the lowest state is one of them, so that force calls are one more.
        converged: whether `fmax` is within what was asked for.
        reason: one line `kind: detail` if not.
    """

    atoms: Atoms
    energy: float
    fmax: float
    steps: int
    converged: bool
    reason: str


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
) -> Minimum:
    """Relaxes cell and positions within a FrechetCellFilter.

    Args:
        atoms: a crystal; left as it is.
        calculator: gives energy, forces and stress.
        fmax: eV/Å, for atoms and cell.
        steps: at most so many, whoever takes them.
        keep_symmetry: the crystal is made to have its space group exactly, and keeps it (FixSymmetry).
        symprec: Å, tolerance of the space group.
        optimizer: "bfgs" (quasi-Newton, which FIRE relieves where it fails) or "fire" from the start.

    Raises:
        InputError: no such optimiser.
        ValueError: already the start has no finite energy, forces and stress.
    """
    checked_optimizer(optimizer)
    atoms = atoms.copy()
    atoms.set_constraint()
    if keep_symmetry:
        refine_symmetry(atoms, symprec=symprec)
        atoms.set_constraint(FixSymmetry(atoms, symprec=symprec))
    atoms.calc = calculator
    if optimizer == "fire":
        return _with_fire(atoms, fmax, steps)
    end = _with_bfgs(atoms, fmax, steps)
    if not isinstance(end, _Astray):
        return end
    if end.steps + 1 >= steps:
        return _minimum(end.lowest, end.steps, steps)
    atoms.set_cell(end.lowest.atoms.cell, apply_constraint=False)
    atoms.set_positions(end.lowest.atoms.positions, apply_constraint=False)
    return _with_fire(atoms, fmax, steps, taken=end.steps + 1, known=end.lowest)


class _State(NamedTuple):
    """A state on the way; as in `Minimum`."""

    atoms: Atoms
    energy: float
    fmax: float
    converged: bool


class _Astray(NamedTuple):
    """Where a quasi-Newton method has failed: the lowest state that it saw, and the steps taken until it failed."""

    lowest: _State
    steps: int


class _NotFiniteError(ValueError):
    """The calculator's energy, forces or stress are NaN or infinite."""


def _with_bfgs(atoms: Atoms, fmax: float, steps: int) -> Minimum | _Astray:
    """Moves the atoms with BFGS for as long as it does what it should."""
    states: list[_State] = []
    filtered: Any = FrechetCellFilter(atoms)  # ASE's annotation of BFGS forgets filters
    with BFGS(filtered, logfile=None, alpha=_ALPHA) as method:
        try:
            for state in _states(method, atoms, fmax, steps):
                states.append(state)
                if _is_astray(states):  # forces that explode may belong to a low energy, in a hole of the potential
                    return _Astray(_lowest(states[:-1]), method.nsteps)
        except Exception:  # calculators fail in their own ways where a long step leads; FIRE makes short ones
            if not states:
                raise
            return _Astray(_lowest(states), method.nsteps)
        return _minimum(states[-1], method.nsteps, steps)


def _is_astray(states: Sequence[_State]) -> bool:
    first, last = states[0], states[-1]
    rises = last.energy > _lowest(states).energy + _RISE
    explodes = last.fmax > max(_EXPLOSION * first.fmax, _STRONG)
    stalls = len(states) > _PATIENCE and _lowest(states[-_PATIENCE:]).energy > _lowest(states).energy
    return not last.converged and (rises or explodes or stalls)


def _lowest(states: Sequence[_State]) -> _State:
    return min(states, key=lambda state: state.energy)


def _with_fire(atoms: Atoms, fmax: float, steps: int, taken: int = 0, known: _State | None = None) -> Minimum:
    """Moves the atoms with FIRE; from a state that is known, after so many steps by another method."""
    last = known
    with FIRE(FrechetCellFilter(atoms), logfile=None) as method:
        try:
            for state in _states(method, atoms, fmax, steps - taken):
                last = state
        except _NotFiniteError:
            if last is None:
                raise
            reason = "non-finite: the calculator's numbers became NaN"
            return Minimum(last.atoms, last.energy, last.fmax, taken + method.nsteps, False, reason)
        assert last is not None  # the first state is always yielded
        return _minimum(last, taken + method.nsteps, steps)


def _states(method: Optimizer, atoms: Atoms, fmax: float, steps: int) -> Iterator[_State]:
    """The start and the state after each step.

    Raises:
        _NotFiniteError: at numbers that are not; optimisers themselves would go on, for nothing is smaller than NaN.
    """
    for arrived in method.irun(fmax, steps):
        forces, energy = method.atoms.get_forces(), atoms.get_potential_energy()
        if not (np.isfinite(forces).all() and np.isfinite(energy)):
            raise _NotFiniteError("non-finite: the calculator gives no finite energy, forces and stress")
        plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        largest = float(np.linalg.norm(forces, axis=1).max())
        yield _State(plain, float(energy) / len(atoms), largest, bool(arrived))


def _minimum(state: _State, taken: int, steps: int) -> Minimum:
    reason = "" if state.converged else f"unconverged: {state.fmax:.3g} eV/Å left after {steps} steps"
    return Minimum(state.atoms, state.energy, state.fmax, taken, state.converged, reason)
