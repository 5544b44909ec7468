"""Structures that a script or a notebook hands over: ASE's Atoms, or objects that become them, such as pymatgen's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeGuard

from ase import Atoms

from asegen.errors import InputError


class Convertible(Protocol):
    """What becomes ASE's Atoms by a method of its own, as a `Structure` of pymatgen does."""

    def to_ase_atoms(self, **options: Any) -> Atoms:
        """The same as Atoms."""
        ...


Structure = Atoms | Convertible
"""One structure."""
Structures = Structure | Iterable[Structure]


def is_structure(given: object) -> TypeGuard[Structure]:
    """Whether it is one structure: a `Structure` of pymatgen iterates over its sites, and so is no list of them."""
    return isinstance(given, Atoms) or callable(getattr(given, "to_ase_atoms", None))


def as_atoms(given: Structure) -> Atoms:
    """One structure as ASE's Atoms: these as they are, others converted.

    Raises:
        InputError: it is no structure, or one with partial occupancies.
    """
    if isinstance(given, Atoms):
        return given
    if not is_structure(given):
        advice = "; ase.io.read reads a file" if isinstance(given, str) else ""
        raise InputError(f"{given!r:.60} is no structure: ASE's Atoms or pymatgen's Structure is needed{advice}")
    try:
        return given.to_ase_atoms(msonable=False)
    except ValueError as error:
        raise InputError(f"{type(given).__name__} can't become Atoms: {error}") from error


def as_list(given: Structures) -> list[Atoms]:
    """One structure or several as a list of ASE's Atoms.

    Raises:
        InputError: as of `as_atoms`.
    """
    if is_structure(given) or isinstance(given, str) or not isinstance(given, Iterable):
        return [as_atoms(given)]
    return [as_atoms(one) for one in given]
