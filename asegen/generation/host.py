"""Hosts: atoms that stay where they are, and what is drawn beside them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from asegen.errors import InputError
from asegen.generation.compositions import Composition, composition, from_numbers
from asegen.structures.formulas import formula_counts
from asegen.structures.given import Structure, as_atoms

FIXED, SCALED, FREE = "fixed", "scaled", "free"
HOST_CELLS = (FIXED, SCALED, FREE)
"""What a host's cell may do: nothing; change its volume alone; or all, while fractional positions of the host stay."""


@dataclass(frozen=True, eq=False)
class Host:
    """Atoms that stay, in their cell, and the atoms that are drawn beside them.

    Attributes:
        atoms: those that stay, at least one; info and constraints included.
        added: (n_added,), atomic numbers of those that are drawn, at least one.
        cell: one of `HOST_CELLS`.
        partly_held: symbols of atoms that don't stay because constraints hold them in some directions only.
    """

    atoms: Atoms
    added: tuple[int, ...]
    cell: str
    partly_held: tuple[str, ...] = ()

    @cached_property
    def composition(self) -> Composition:
        """Of the whole cell, the host's elements first."""
        return from_numbers([*self.atoms.numbers.tolist(), *self.added])[0]

    @cached_property
    def digest(self) -> str:
        """A hash of all that decides what is drawn."""
        arrays = (self.atoms.numbers, self.atoms.positions, self.atoms.cell.array, np.array(self.added))
        content = hashlib.sha256(self.cell.encode())
        for array in arrays:
            content.update(array.tobytes())
        return content.hexdigest()


def read_host(
    host: Structure | Path | str, add: object = None, keep: str | Sequence[str] | None = None, cell: str | None = None
) -> Host:
    """The host that is asked for.

    Which atoms stay: those of the elements in `keep`; without it those that `FixAtoms` holds; without either all. Atoms
    that are held in some directions only are none of `FixAtoms`. What is drawn: `add`; without it, atoms of the
    elements that were taken out, as many as there were.

    Args:
        host: a crystal, Atoms or pymatgen's Structure, or a file that holds one.
        add: a formula of what is added to the cell, such as "Li2".
        keep: elements that stay, such as "Ti O" or ["Ti", "O"].
        cell: one of `HOST_CELLS`; "fixed" without it.

    Raises:
        InputError: no such file, several structures in it, a host without a cell, an element that isn't there,
            nothing to draw, or more than a fixed cell holds by the validity gate.
    """
    cell = FIXED if cell is None else cell
    if cell not in HOST_CELLS:
        raise InputError(f"host_cell = {cell!r} is not one of {', '.join(HOST_CELLS)}", "host_cell")
    atoms = _only_structure(Path(host)) if isinstance(host, Path | str) else as_atoms(host)
    _check(atoms)
    stays = _kept(atoms, keep)
    if not stays.any():
        raise InputError("no atom of the host would stay", "keep")
    out = atoms.numbers[~stays].tolist()
    added = out if add is None else composition(formula_counts(add)).numbers
    if not len(added):
        raise InputError("nothing is to be drawn: add names what, or keep leaves atoms out", "add", "keep")
    partly = _partly_held(atoms[~stays]) if keep is None else ()
    found = Host(atoms[stays], tuple(int(z) for z in added), cell, partly)
    if cell == FIXED:
        _check_room(found)
    return found


def _check_room(host: Host) -> None:
    """Refuses what fails the validity gate wherever the added atoms are, before it is drawn."""
    from asegen.structures.validity import check_cell  # loads spglib

    numbers = [*host.atoms.numbers, *host.added]
    reason = check_cell(Atoms(numbers, positions=np.zeros((len(numbers), 3)), cell=host.atoms.cell, pbc=True))
    if reason is not None:
        raise InputError(
            f"{host.composition.formula} in the host's fixed cell: {reason}; host_cell = {SCALED} lets it change",
            "host_cell",
        )


def _only_structure(path: Path) -> Atoms:
    from asegen.structures.atoms import StructureError, read_structures  # loads readers of files, for a second

    if not path.exists():
        raise InputError(f"cannot read {path}: there is no such file")
    found = [structure.atoms for structure in read_structures(path)]
    if len(found) != 1:
        raise InputError(f"host = {path}: one structure is needed, and it holds {len(found)}", "host")
    (atoms,) = found
    if isinstance(atoms, StructureError):
        raise InputError(f"host = {path}: {atoms}", "host")
    return atoms


def _check(atoms: Atoms) -> None:
    from asegen.structures.validity import NO_CRYSTAL, check_atoms  # loads spglib

    reason = check_atoms(atoms)
    if reason is not None and reason.kind in NO_CRYSTAL:
        raise InputError(f"the host is no crystal: {reason}")


def _kept(atoms: Atoms, keep: str | Sequence[str] | None) -> np.ndarray:
    """(n_atoms,), bool, those that stay."""
    if keep is None:
        from ase.constraints import FixAtoms  # loads SciPy

        held = [int(k) for one in atoms.constraints if isinstance(one, FixAtoms) for k in one.index]
        return np.isin(np.arange(len(atoms)), held) if held else np.ones(len(atoms), bool)
    if not isinstance(keep, Iterable):
        raise InputError(f"keep = {keep!r:.60}: symbols of elements are needed, such as 'Ti O'", "keep")
    symbols = re.split(r"[\s,\-]+", keep.strip()) if isinstance(keep, str) else list(keep)
    for symbol in symbols:
        if symbol not in atomic_numbers or atomic_numbers[symbol] not in atoms.numbers:
            raise InputError(f"keep: {symbol!r} is no element of the host", "keep")
    return np.isin(atoms.get_chemical_symbols(), symbols)


def _partly_held(atoms: Atoms) -> tuple[str, ...]:
    """The elements of atoms that are held in some directions and move in others."""
    from ase.constraints import FixCartesian, FixedLine, FixedPlane, FixScaled  # loads SciPy

    held: set[str] = set()
    for one in atoms.constraints:
        masked = isinstance(one, FixCartesian | FixScaled) and 0 < np.sum(one.mask) < 3
        if masked or isinstance(one, FixedLine | FixedPlane):
            held.update(atoms.symbols[one.index])
    return tuple(sorted(held))
