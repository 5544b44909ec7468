"""Structures as text that is read back as it was, to the last digit."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms
from ase.io.jsonio import decode, encode


def frames(structures: Sequence[Atoms]) -> list[str]:
    """One text for each structure, its `info` included."""
    return [str(encode({"atoms": _bare(atoms), "info": atoms.info})) for atoms in structures]


def read_frames(texts: Sequence[str]) -> list[Atoms]:
    """The structures that `frames` wrote.

    Raises:
        ValueError: something else.
    """
    found = []
    for text in texts:
        plain = decode(text)
        atoms: Atoms = plain["atoms"]
        atoms.info = dict(plain["info"])
        found.append(atoms)
    return found


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
