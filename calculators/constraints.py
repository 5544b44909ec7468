"""What the learned relaxer takes of `ase.Atoms`: elements, constraints, cell filters and space groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.constraints import FixAtoms, FixCom, FixSymmetry
from ase.data import chemical_symbols
from ase.filters import Filter, OptimizableFilter, StrainFilter, UnitCellFilter
from ase.optimize.optimize import OptimizableAtoms
from ase.spacegroup.symmetrize import prep_symmetry
from ase.utils.abc import Optimizable

from asegen.errors import InputError, Reason
from asegen.relaxation.motion import Freedom, Symmetry
from asegen.structures.space_groups import NONE_FOUND
from asegen.structures.tolerance import check_symprec
from asegen.structures.validity import NO_CRYSTAL, check_atoms
from asegen.trained.relaxer import Relaxer

_HONOURED = "FixAtoms, FixCom and FixSymmetry"


@dataclass(frozen=True)
class RelaxationConstraints:
    """What stays fixed in a relaxation, for all of its crystals.

    Attributes:
        fix_cell: cells stay.
        fix_positions: fractional positions stay.
        keep_symmetry: the space group that is found within `symprec` is kept.
        symprec: Å, tolerance of the space groups.

    Raises:
        InputError: nothing may move, or a tolerance without meaning.
    """

    fix_cell: bool = False
    fix_positions: bool = False
    keep_symmetry: bool = False
    symprec: float = 0.01

    def __post_init__(self) -> None:
        if self.fix_cell and self.fix_positions:
            raise InputError("with the cell and the positions fixed, nothing is left to relax")
        check_symprec(self.symprec)


def refusal(atoms: Atoms, relaxer: Relaxer) -> Reason | None:
    """Why Atoms can't be relaxed at all, or None.

    Args:
        atoms: any Atoms.
        relaxer: the one that would do it.
    """
    reason = check_atoms(atoms)
    if reason is not None and (len(atoms) == 0 or reason.kind in NO_CRYSTAL):
        return reason
    foreign = sorted(set(atoms.numbers.tolist()) - relaxer.elements)
    if foreign:
        named = chemical_symbols[foreign[0]]
        return Reason("untrained element", f"{relaxer.name} has no training data with {named}")
    return None


@dataclass(frozen=True)
class CrystalConstraints:
    """The constraints of one crystal, as arrays.

    Attributes:
        fixed: (n_atoms,), bool, atoms whose fractional positions stay.
        rotations: (n_operations, 3, 3), of the space group that is kept, acting on fractional coordinates,
            `x' = W x + w`; the identity alone where none is kept.
        translations: (n_operations, 3), w.
        targets: (n_operations, n_atoms), where each operation sends each atom.
    """

    fixed: np.ndarray
    rotations: np.ndarray
    translations: np.ndarray
    targets: np.ndarray


def constraints_of(atoms: Atoms, constraints: RelaxationConstraints) -> CrystalConstraints:
    """The constraints of a crystal: those of the Atoms, and the space group that is to be kept.

    Fixed atoms keep their fractional positions, as they do with ASE's cell filters; with a space group, so do all atoms
    that it maps them to. `FixCom` needs nothing: the relaxer never moves the whole crystal.

    Args:
        atoms: a crystal with finite positions and a cell that has a volume.
        constraints: those of the relaxation.

    Raises:
        InputError: a constraint other than `FixAtoms`, `FixCom` and `FixSymmetry`, or spglib finds no space group.
    """
    fixed = np.zeros(len(atoms), bool)
    operations = _space_group(atoms, constraints.symprec) if constraints.keep_symmetry else _identity(len(atoms))
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
            fixed[constraint.index] = True
        elif isinstance(constraint, FixSymmetry):
            operations = constraint.rotations, constraint.translations, constraint.symm_map
        elif not isinstance(constraint, FixCom):
            raise InputError(f"the constraint {type(constraint).__name__} can't be honoured; {_HONOURED} can")
    rotations, translations, targets = (np.asarray(part) for part in operations)
    fixed[targets[:, fixed]] = True
    return CrystalConstraints(fixed, rotations, translations, targets)


def _identity(n_atoms: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.eye(3, dtype=int)[None], np.zeros((1, 3)), np.arange(n_atoms)[None]


def _space_group(atoms: Atoms, symprec: float) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    try:
        return prep_symmetry(atoms, symprec)
    except NONE_FOUND:
        raise InputError(f"spglib finds no space group at {symprec:g} Å") from None


def freedom_of(crystals: Sequence[CrystalConstraints], constraints: RelaxationConstraints) -> Freedom:
    """What may move of a batch, as `asegen.relaxation` takes it.

    Args:
        crystals: the constraints of each.
        constraints: those of the relaxation.
    """
    fixed = torch.from_numpy(np.concatenate([np.zeros(0, bool), *(crystal.fixed for crystal in crystals)]))
    symmetry = _symmetry(crystals) if any(len(crystal.rotations) > 1 for crystal in crystals) else None
    return Freedom(not constraints.fix_cell, not constraints.fix_positions, fixed if fixed.any() else None, symmetry)


def _symmetry(crystals: Sequence[CrystalConstraints]) -> Symmetry:
    columns: list[list[np.ndarray]] = [[] for _ in range(6)]
    first_atom, first_operation = 0, 0
    for k, crystal in enumerate(crystals):
        n_operations, n_atoms = crystal.targets.shape
        row = (
            np.full(n_operations, k),
            crystal.rotations.astype(float),
            crystal.translations,
            np.repeat(np.arange(n_operations), n_atoms) + first_operation,
            np.tile(np.arange(n_atoms), n_operations) + first_atom,
            crystal.targets.ravel() + first_atom,
        )
        for column, part in zip(columns, row, strict=True):
            column.append(part)
        first_atom, first_operation = first_atom + n_atoms, first_operation + n_operations
    return Symmetry(*(torch.from_numpy(np.concatenate(column)) for column in columns))


@dataclass(frozen=True)
class StrainMask:
    """The strains that a cell filter allows.

    Attributes:
        mask: (3, 3), 1 where a component is free.
        hydrostatic: only the volume may change.
        constant_volume: the volume may not change.
    """

    mask: np.ndarray
    hydrostatic: bool = False
    constant_volume: bool = False

    def apply(self, strain: torch.Tensor) -> torch.Tensor:
        """(n_crystals, 3, 3): the free part of strains of that shape."""
        free = strain * torch.from_numpy(self.mask).to(strain)
        mean = free.diagonal(dim1=1, dim2=2).mean(-1)[:, None, None] * torch.eye(3, dtype=strain.dtype)
        if self.hydrostatic:
            return mean
        return free - mean if self.constant_volume else free


class Unwrapped(NamedTuple):
    """What an optimiser was given: the crystal, and what of it may move by itself.

    Attributes:
        crystal: the Atoms themselves.
        cell: whether it was a cell filter, so that the cell moves.
        positions: whether atoms may move within the cell.
        strains: those that the filter allows; None where it allows all.
    """

    crystal: Atoms
    cell: bool
    positions: bool
    strains: StrainMask | None


def unwrap(target: Atoms | Filter | Optimizable) -> Unwrapped:
    """The Atoms inside a cell filter, with what the filter lets move.

    Args:
        target: Atoms, `UnitCellFilter` or one derived from it such as `FrechetCellFilter`, `StrainFilter`, or ASE's
            `OptimizableAtoms` or `OptimizableFilter` around one of these.

    Raises:
        InputError: another filter, or one with a pressure, which the network doesn't know.
    """
    if isinstance(target, OptimizableAtoms):
        target = target.atoms
    elif isinstance(target, OptimizableFilter):
        target = target.filterobj
    if isinstance(target, Atoms):
        return Unwrapped(target, cell=False, positions=True, strains=None)
    if isinstance(target, UnitCellFilter):
        if target.scalar_pressure:
            raise InputError("a learned relaxer knows no pressure: scalar_pressure must be 0")
        strains = StrainMask(np.asarray(target.mask, float), target.hydrostatic_strain, target.constant_volume)
        return Unwrapped(target.atoms, cell=True, positions=True, strains=strains)
    if isinstance(target, StrainFilter):
        voigt = np.asarray(target.mask, float)
        mask = voigt[np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])]
        return Unwrapped(target.atoms, cell=True, positions=False, strains=StrainMask(mask))
    raise InputError(f"{type(target).__name__} can't be relaxed; pass Atoms, a cell filter, or a StrainFilter")
