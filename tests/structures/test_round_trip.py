"""CIFs of real crystals as ASE and pymatgen write them, with and without symmetry, read back.

`python tests/structures/test_round_trip.py ../shared/data/mp/test.csv.gz 1000` tries as many as are asked for.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.cif import CifParser, CifWriter

from asegen.structures.atoms import read_structures
from asegen.structures.cif import cif_to_atoms

SYMPREC = 0.01


def structure_of(atoms: Atoms) -> Structure:
    return Structure(atoms.cell.array, list(atoms.symbols), atoms.get_scaled_positions())


def texts(atoms: Atoms) -> Iterator[tuple[str, str]]:
    """CIFs of a crystal, by how they were written."""
    by_ase = io.BytesIO()
    write(by_ase, atoms, format="cif")
    yield "ASE", by_ase.getvalue().decode()
    yield "pymatgen", str(CifWriter(structure_of(atoms)))
    yield "pymatgen, refined", str(CifWriter(structure_of(atoms), symprec=SYMPREC))
    yield "pymatgen, as it is", str(CifWriter(structure_of(atoms), symprec=SYMPREC, refine_struct=False))


def same_sites(a: Atoms, b: Atoms) -> bool:
    away = a.get_scaled_positions(wrap=False) - b.get_scaled_positions(wrap=False)
    near = np.abs(away - np.rint(away)).max() < 1e-6 and np.abs(a.cell.cellpar() - b.cell.cellpar()).max() < 1e-6
    return bool(near) and a.numbers.tolist() == b.numbers.tolist()


def same_crystal(expected: Structure, found: Atoms) -> bool:
    matcher = StructureMatcher(scale=False, primitive_cell=False, ltol=0.01, stol=0.02, angle_tol=1)
    return len(expected) == len(found) and matcher.fit(expected, structure_of(found))


def read_by_pymatgen(text: str) -> Structure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CifParser.from_str(text).parse_structures(primitive=False)[0]


def comes_back(atoms: Atoms, writer: str, text: str) -> bool:
    """Whether what is read is what was written; of a refined cell, what pymatgen reads."""
    found = cif_to_atoms(text)
    if writer == "pymatgen, refined":
        return same_crystal(read_by_pymatgen(text), found)
    return same_crystal(structure_of(atoms), found) if writer == "pymatgen, as it is" else same_sites(atoms, found)


def differences(path: Path, n: int, step: int) -> Iterator[str]:
    for structure in islice(read_structures(path), 0, n * step, step):
        atoms = Atoms(structure.atoms.numbers, structure.atoms.positions, cell=structure.atoms.cell, pbc=True)
        yield from (f"{structure.id}, {name}" for name, text in texts(atoms) if not comes_back(atoms, name, text))


@pytest.mark.slow
def test_real_crystals_come_back(shared_data: Path) -> None:
    assert not list(differences(shared_data / "mp" / "test.csv.gz", 150, 20))


if __name__ == "__main__":
    wrong = list(differences(Path(sys.argv[1]), int(sys.argv[2]), 1))
    print("\n".join(wrong), f"{len(wrong)} differences", sep="\n")
