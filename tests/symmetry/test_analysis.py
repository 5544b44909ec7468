"""Sites found in structures: of made crystals again what they were made of, of real ones a crystal that matches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.errors import InputError
from asegen.structures.atoms import read_structures
from asegen.symmetry.analysis import SymmetricCrystal, find_sites, find_symmetry, found_group, structure_of
from asegen.symmetry.assignments import Occupation, canonical
from asegen.symmetry.groups import space_group
from asegen.symmetry.symbols import LAST_GROUP

Make = Callable[..., SymmetricCrystal]
# Every crystal system and Bravais lattice, and settings with a choice of origin, axes or cell.
SAMPLE = [
    1, 2, 4, 5, 9, 14, 15, 19, 38, 43, 48, 62, 63, 70, 72, 86, 88, 129, 139, 141, 146, 155, 161, 166, 167, 176,
    186, 191, 194, 198, 205, 214, 216, 217, 221, 225, 227, 229, 230,
]  # fmt: skip


@pytest.mark.parametrize("conventional", [False, True])
def test_made_crystals_have_their_operations(random_crystal: Make, conventional: bool) -> None:
    for number in range(1, LAST_GROUP + 1):
        crystal, group = random_crystal(number), space_group(number)
        structure = structure_of(crystal, conventional)
        assert np.linalg.det(structure[0]) > 0, number
        found = found_group(structure, *group.operations(np.eye(3) if conventional else group.primitive), 1e-5)
        assert found is not None and found.holds, number
        # A general site at random may be special in a supergroup of a polar or chiral group, never in a subgroup.
        data = spglib.get_symmetry_dataset(structure, symprec=1e-5)
        assert len(data.rotations) >= len(group.rotations) * (group.points if conventional else 1), number


def test_sites_are_found_again(random_crystal: Make) -> None:
    for number in SAMPLE:
        crystal = random_crystal(number, 1)
        structure = structure_of(crystal, conventional=True)
        again = find_sites(space_group(number), structure[1], structure[2])
        made, found = (sorted((site.letter, site.number) for site in sites) for sites in (crystal.sites, again))
        assert made == found, number
        rebuilt = structure_of(type(crystal)(number, crystal.cell, again), conventional=True)
        assert same_atoms(structure, rebuilt), number


def same_atoms(a: tuple, b: tuple) -> bool:
    off = a[1][:, None] - b[1][None]
    near = (np.abs(off - np.rint(off)) < 1e-6).all(-1) & (a[2][:, None] == b[2][None])
    return bool((near.sum(0) == 1).all() and (near.sum(1) == 1).all())


def test_spglib_leads_to_the_same_crystal_from_any_cell(random_crystal: Make) -> None:
    matcher = StructureMatcher(ltol=1e-3, stol=1e-3, angle_tol=0.1)
    for number in SAMPLE:
        crystal = random_crystal(number, 2)
        cell, positions, numbers = structure_of(crystal)
        shifted = positions + np.array([0.31, 0.17, 0.23])
        turned = cell @ np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
        found = find_symmetry(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ turned, sheared(shifted), numbers, 1e-4)
        if found.group == number > 15:  # below, letters depend on the choice of axes too
            ways = [Occupation(number, tuple(sorted((s.letter, s.number) for s in c.sites))) for c in (crystal, found)]
            assert canonical(ways[0]) == canonical(ways[1]), number
        assert matcher.fit(*(pymatgen_of(structure_of(c)) for c in (crystal, found))), number


def sheared(positions: np.ndarray) -> np.ndarray:
    return positions @ np.linalg.inv(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]))


def pymatgen_of(structure: tuple):
    cell, positions, numbers = structure
    return AseAtomsAdaptor.get_structure(Atoms(numbers=numbers, cell=cell, scaled_positions=positions, pbc=True))


@pytest.mark.parametrize(
    ("atoms", "group", "sites"),
    [
        (bulk("NaCl", "rocksalt", a=5.64), 225, {("a", 11), ("b", 17)}),
        (bulk("Si"), 227, {("a", 14)}),
        (bulk("CsCl", "cesiumchloride", a=4.12), 221, {("a", 55), ("b", 17)}),
        (bulk("Cu", cubic=True), 225, {("a", 29)}),
        (bulk("Mg"), 194, {("c", 12)}),
        (bulk("ZnS", "zincblende", a=5.4), 216, {("a", 30), ("b", 16)}),
        (bulk("Fe"), 229, {("a", 26)}),
    ],
)
def test_prototypes_have_their_textbook_sites(atoms: Atoms, group: int, sites: set) -> None:
    crystal = find_symmetry(atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = canonical(Occupation(group, tuple(sorted((s.letter, s.number) for s in crystal.sites))))
    known = {
        tuple(sorted((renaming[letter], z) for letter, z in sites)) for renaming in space_group(group).alternatives
    }
    assert crystal.group == group and (found.sites in known or len(found.sites) == len(sites))


def test_real_crystals(shared_data: Path) -> None:
    structures = [s for k, s in enumerate(read_structures(shared_data / "mp" / "val.csv.gz")) if k % 20 == 0]
    assert len(structures) == 50
    matcher = StructureMatcher(ltol=0.05, stol=0.1, angle_tol=2)
    for s in structures:
        crystal = find_symmetry(s.atoms.cell.array, s.atoms.get_scaled_positions(), s.atoms.numbers, 0.1)
        assert crystal.group == int(s.values["spacegroup"]), s.id
        assert matcher.fit(pymatgen_of(structure_of(crystal)), AseAtomsAdaptor.get_structure(s.atoms)), s.id


def test_what_has_no_group_is_an_error() -> None:
    with pytest.raises(InputError, match="no space group"):
        find_symmetry(4 * np.eye(3), np.zeros((2, 3)), np.array([1, 1]))
    with pytest.raises(InputError, match="no whole orbit"):
        find_sites(space_group(225), np.array([[0.1, 0.2, 0.3]]), np.array([1]))
