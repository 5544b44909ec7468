"""What may move of `ase.Atoms`: constraints, cell filters and space groups, as the relaxer understands them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from ase.constraints import FixAtoms, FixCom, FixSymmetry
from ase.filters import Filter, StrainFilter, UnitCellFilter
from ase.spacegroup.symmetrize import prep_symmetry

from asegen.errors import InputError
from asegen.relaxation.motion import Freedom, Symmetry

_HONOURED = "FixAtoms, FixCom and FixSymmetry"


@dataclass(frozen=True)
class Wishes:
    """What a user lets move.

    Attributes:
        fix_cell: cells stay.
        fix_positions: fractional positions stay.
        keep_symmetry: the space group that is found within `symprec` is kept.
        symprec: Å.

    Raises:
        InputError: nothing may move.
    """

    fix_cell: bool = False
    fix_positions: bool = False
    keep_symmetry: bool = False
    symprec: float = 0.01

    def __post_init__(self) -> None:
        if self.fix_cell and self.fix_positions:
            raise InputError("with the cell and the positions fixed, nothing is left to relax")
        if not self.symprec > 0:
            raise InputError(f"symprec = {self.symprec}: a positive length in Å is needed")


@dataclass(frozen=True)
class Held:
    """What holds one crystal back.

    Attributes:
        fixed: (n_atoms,), bool, atoms that stay where they are within the cell.
        rotations: (n_operations, 3, 3), of fractional coordinates, `x' = W x + w`; the identity alone if none are kept.
        translations: (n_operations, 3).
        targets: (n_operations, n_atoms), where each operation sends each atom.
    """

    fixed: np.ndarray
    rotations: np.ndarray
    translations: np.ndarray
    targets: np.ndarray


def what_holds(atoms: Atoms, wishes: Wishes) -> Held:
    """Constraints and space group of a crystal.

    Fixed atoms stay where they are within the cell, as they do with ASE's cell filters; with a space group, so do all
    atoms that it maps them to. `FixCom` needs nothing: a relaxer never moves the whole crystal.

    Args:
        atoms: a crystal with finite positions and a cell that has a volume.
        wishes: the user's.

    Raises:
        InputError: a constraint other than `FixAtoms`, `FixCom` and `FixSymmetry`, or spglib finds no space group.
    """
    fixed = np.zeros(len(atoms), bool)
    operations = _space_group(atoms, wishes.symprec) if wishes.keep_symmetry else _identity(len(atoms))
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
            fixed[constraint.index] = True
        elif isinstance(constraint, FixSymmetry):
            operations = constraint.rotations, constraint.translations, constraint.symm_map
        elif not isinstance(constraint, FixCom):
            raise InputError(f"the constraint {type(constraint).__name__} can't be honoured; {_HONOURED} can")
    rotations, translations, targets = (np.asarray(part) for part in operations)
    fixed[targets[:, fixed]] = True
    return Held(fixed, rotations, translations, targets)


def _identity(n_atoms: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.eye(3, dtype=int)[None], np.zeros((1, 3)), np.arange(n_atoms)[None]


def _space_group(atoms: Atoms, symprec: float) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    try:
        return prep_symmetry(atoms, symprec)
    except (AttributeError, TypeError, ValueError):  # ASE passes on the None that spglib gives where it finds nothing
        raise InputError("spglib finds no space group") from None


def freedom_of(held: Sequence[Held], wishes: Wishes) -> Freedom:
    """What may move of a batch.

    Args:
        held: one of each crystal.
        wishes: for all of them.
    """
    fixed = torch.from_numpy(np.concatenate([np.zeros(0, bool), *(h.fixed for h in held)]))
    symmetry = _symmetry(held) if any(len(h.rotations) > 1 for h in held) else None
    return Freedom(not wishes.fix_cell, not wishes.fix_positions, fixed if fixed.any() else None, symmetry)


def _symmetry(held: Sequence[Held]) -> Symmetry:
    columns: list[list[np.ndarray]] = [[] for _ in range(6)]
    first_atom, first_operation = 0, 0
    for k, h in enumerate(held):
        n_operations, n_atoms = h.targets.shape
        row = (
            np.full(n_operations, k),
            h.rotations.astype(float),
            h.translations,
            np.repeat(np.arange(n_operations), n_atoms) + first_operation,
            np.tile(np.arange(n_atoms), n_operations) + first_atom,
            h.targets.ravel() + first_atom,
        )
        for column, part in zip(columns, row, strict=True):
            column.append(part)
        first_atom, first_operation = first_atom + n_atoms, first_operation + n_operations
    return Symmetry(*(torch.from_numpy(np.concatenate(column)) for column in columns))


@dataclass(frozen=True)
class StrainMask:
    """The strains that a cell filter lets happen.

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


def unwrap(target: Atoms | Filter, wishes: Wishes) -> tuple[Atoms, Wishes, StrainMask | None]:
    """Atoms, wishes and strains of what users of ASE's optimisers pass: Atoms, or a cell filter around them.

    Args:
        target: Atoms, `UnitCellFilter` or one derived from it such as `FrechetCellFilter`, or `StrainFilter`.
        wishes: the user's.

    Raises:
        InputError: another filter, or one with a pressure, which the network doesn't know.
    """
    if isinstance(target, Atoms):
        return target, wishes, None
    if isinstance(target, UnitCellFilter):
        if target.scalar_pressure:
            raise InputError("a learned relaxer knows no pressure: scalar_pressure must be 0")
        strains = StrainMask(np.asarray(target.mask, float), target.hydrostatic_strain, target.constant_volume)
        return target.atoms, wishes, strains
    if isinstance(target, StrainFilter):
        voigt = np.asarray(target.mask, float)
        mask = voigt[np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])]
        only_cell = Wishes(wishes.fix_cell, True, wishes.keep_symmetry, wishes.symprec)
        return target.atoms, only_cell, StrainMask(mask)
    raise InputError(f"{type(target).__name__} can't be relaxed; pass Atoms, a cell filter, or a StrainFilter")
