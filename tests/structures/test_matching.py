"""Copies are found as pymatgen's own matcher finds them, whatever their cells; other crystals are left alone."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.structures.matching import ENERGIES, STRICT, USUAL, same_as

SALT = bulk("NaCl", "rocksalt", a=5.6)


def disguised(atoms: Atoms, seed: int) -> Atoms:
    """The same crystal in another cell: doubled, rotated, shifted, in another order."""
    rng = np.random.default_rng(seed)
    other = make_supercell(atoms, [[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    other.rotate(40 * rng.random(), rng.normal(size=3), rotate_cell=True)
    other.translate(rng.normal(size=3))
    other.wrap()
    return other[rng.permutation(len(other))]


def earlier(structures: list[Atoms], kept: tuple[Atoms, ...] = (), tolerances=USUAL) -> list[int | None]:
    return [same.earlier for same in same_as(structures, kept, tolerances)]


def test_disguised_copies_are_copies_of_the_first() -> None:
    cesium = bulk("NaCl", "cesiumchloride", a=3.4)
    crystals = [SALT, cesium, *(disguised(atoms, k) for k, atoms in enumerate([SALT, cesium, SALT]))]
    assert earlier(crystals, tolerances=STRICT) == [None, None, 0, 1, 0]


def test_volumes_are_not_scaled() -> None:
    large = bulk("NaCl", "rocksalt", a=5.6 * 2.2 ** (1 / 3))
    assert earlier([SALT, large]) == [None, None]
    first, second = (AseAtomsAdaptor.get_structure(atoms) for atoms in (SALT, large))
    assert StructureMatcher().fit(first, second)  # the trap


def test_known_ones_come_first_and_are_not_compared_with_each_other() -> None:
    kept = (SALT, SALT.copy(), bulk("NaCl", "zincblende", a=6.0))
    assert earlier([disguised(kept[2], 1), SALT, bulk("NaCl", "cesiumchloride", a=3.4)], kept) == [2, 0, None]


def test_the_answer_is_pymatgens_without_scaling() -> None:
    rng = np.random.default_rng(3)
    matcher = StructureMatcher(scale=False)
    for k in range(25):
        one, other = SALT.repeat((1, 1, 2)), SALT.repeat((1, 1, 2))
        one.rattle(0.4 * rng.random(), seed=k)
        other.rattle(0.4 * rng.random(), seed=100 + k)
        other.set_cell(other.cell * (0.9 + 0.2 * rng.random()), scale_atoms=True)
        pair = [AseAtomsAdaptor.get_structure(atoms) for atoms in (one, other)]
        assert (earlier([one, other])[1] == 0) == matcher.fit(*pair), k


def test_cells_that_pymatgen_cannot_reduce_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Lattice.get_niggli_reduced_lattice

    def gives_up_on_large_ones(lattice: Lattice, tol: float = 1e-5) -> Lattice:
        if lattice.volume > 1.5 * SALT.cell.volume:
            raise ValueError("can't find niggli")
        return own(lattice, tol)

    monkeypatch.setattr(Lattice, "get_niggli_reduced_lattice", gives_up_on_large_ones)
    assert earlier([SALT, disguised(SALT, 1), SALT]) == [None, None, 0]


def test_crystals_of_other_energies_are_no_copies() -> None:
    same = same_as([SALT, SALT, SALT, SALT], [], USUAL, energies=[0.0, 2 * ENERGIES, 0.5 * ENERGIES, None])
    assert [one.earlier for one in same] == [None, None, 0, 0]
