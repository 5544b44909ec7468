"""Structures that a script or a notebook hands over: ASE's Atoms, or objects that become them, such as pymatgen's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from ase import Atoms

from asegen.arguments import listed
from asegen.errors import InputError
from asegen.structures.fields import UNREADABLE


class Convertible(Protocol):
    """What becomes ASE's Atoms by a method of its own, as a `Structure` of pymatgen does."""

    def to_ase_atoms(self, **options: Any) -> Atoms:
        """The same as Atoms."""
        ...


Structure = Atoms | Convertible
"""One structure."""
Structures = Structure | Iterable[Structure]


def one_or_several(given: object) -> list[object]:
    """What was handed over, one by one; one structure is no list, although pymatgen's iterates over its sites."""
    return [given] if isinstance(given, Atoms) or _converts(given) else listed(given)


def as_atoms(given: object) -> Atoms:
    """One structure as ASE's Atoms: these as they are, others converted.

    Raises:
        InputError: it is no structure, or one with partial occupancies.
    """
    if isinstance(given, Atoms):
        return given
    if not _converts(given):
        advice = "; ase.io.read reads a file" if isinstance(given, str | Path) else ""
        raise InputError(f"{given!r:.60} is no structure: ASE's Atoms or pymatgen's Structure is needed{advice}")
    try:
        atoms: Atoms = given.to_ase_atoms(msonable=False)  # type: ignore[attr-defined]  # it has, see above
    except ValueError as error:
        raise InputError(f"a {type(given).__name__} can't become Atoms: {error}") from error
    return atoms


def disordered_cif(given: object) -> str | None:
    """The CIF of a structure of pymatgen that has partial occupancies, None of anything else."""
    if not _is_disordered(given):
        return None
    return str(given.to(fmt="cif"))  # type: ignore[attr-defined]  # what knows of order is pymatgen's


def as_list(given: Structures) -> list[Atoms]:
    """One structure or several as a list of ASE's Atoms.

    One with partial occupancies costs no other its result: in its place are Atoms without atoms, of which the validity
    gate gives the reason (`UNREADABLE`).

    Raises:
        InputError: something is no structure; of several, it says which.
    """
    several = one_or_several(given)
    return [_one_of(several, place) for place in range(len(several))]


def _one_of(several: list[object], place: int) -> Atoms:
    one = several[place]
    if _is_disordered(one):
        return Atoms(info={UNREADABLE: "partial occupancy: Atoms have whole atoms alone"})
    try:
        return as_atoms(one)
    except InputError as error:
        where = f"structure {place + 1} of {len(several)}: " if len(several) > 1 else ""
        raise InputError(f"{where}{error}") from error


def _converts(given: object) -> bool:
    return callable(getattr(given, "to_ase_atoms", None))


def _is_disordered(given: object) -> bool:
    return _converts(given) and not getattr(given, "is_ordered", True)
