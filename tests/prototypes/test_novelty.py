"""How new crystals are, of known ones that are disguised, substituted, and made up."""

import math

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.data.shards import CrystalDataset
from asegen.errors import InputError
from asegen.hull.table import HullTable
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.novelty import KNOWN, NEW_TYPE, SUBSTITUTION, KnownCrystals, environments
from asegen.prototypes.votes import chemical_distance
from asegen.structures.atoms import crystals_from_atoms

SALT = bulk("NaCl", "rocksalt", a=5.64)
CAESIUM = bulk("CsCl", "cesiumchloride", a=4.12)
BLENDE = bulk("ZnS", "zincblende", a=5.41)
NO_COMPOUND = HullTable(np.array([1]), np.array([1]), np.array([1]), np.array([0.0]), np.array([True]))


@pytest.fixture(scope="module")
def known() -> KnownCrystals:
    crystals = [SALT, CAESIUM, BLENDE, bulk("KCl", "rocksalt", a=6.29), bulk("Cu")]
    library = TemplateLibrary(CrystalDataset(crystals_from_atoms(crystals), {}, ["salt", "CsCl", "ZnS", "KCl", "Cu"]))
    return KnownCrystals(library, NO_COMPOUND)


def disguised(atoms: Atoms) -> Atoms:
    """The same crystal in another cell, turned, shifted and shaken a little."""
    found = make_supercell(atoms, [[1, 1, 0], [0, 1, 0], [0, 0, 1]]) * (1, 2, 1)
    found.rattle(0.01, seed=1)
    found.rotate(40, (1, 2, 3), rotate_cell=True)
    found.translate((0.3, 0.2, 0.1))
    return found


@pytest.mark.parametrize("name", ["salt", "CsCl", "ZnS", "Cu"])
def test_a_known_crystal_is_known_in_any_cell(known: KnownCrystals, name: str) -> None:
    atoms = {"salt": SALT, "CsCl": CAESIUM, "ZnS": BLENDE, "Cu": bulk("Cu")}[name]
    found = known.judge(disguised(atoms))
    assert found.kind == KNOWN and found.known_composition and found.structures_at_hand
    assert (found.prototype, found.distance) == (name, 0) and found.rms < 0.05


def test_a_substitution_names_the_chemically_nearest_crystal_of_its_type(known: KnownCrystals) -> None:
    found = known.judge(disguised(bulk("RbCl", "rocksalt", a=6.6)))
    assert found.kind == SUBSTITUTION and not found.known_composition and found.prototype == "KCl"
    assert found.distance == pytest.approx(chemical_distance(37, 19))
    turned = known.judge(bulk("ClRb", "rocksalt", a=6.6))
    assert (turned.prototype, turned.distance) == (found.prototype, pytest.approx(found.distance))


def test_a_known_composition_in_another_known_type_is_a_substitution(known: KnownCrystals) -> None:
    found = known.judge(bulk("NaCl", "cesiumchloride", a=3.5))
    assert found.kind == SUBSTITUTION and found.known_composition and found.prototype == "CsCl"


def test_rms_is_pymatgens(known: KnownCrystals) -> None:
    shaken = bulk("MgO", "rocksalt", a=4.2) * (1, 1, 1)
    shaken.positions[1] += (0.15, 0.1, 0.05)
    found = known.judge(shaken)
    matcher = StructureMatcher(primitive_cell=False)
    expected, _ = matcher.get_rms_anonymous(*map(AseAtomsAdaptor.get_structure, (shaken, SALT)))
    assert found.kind == SUBSTITUTION and found.rms == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "atoms",
    [
        Atoms("NaCl", [(0, 0, 0), (1.3, 1.4, 0)], cell=[2.6, 2.8, 9.0], pbc=True),
        Atoms("SrTiO3", scaled_positions=[[0] * 3, [0.5] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
              cell=[3.9] * 3, pbc=True),
    ],
)  # fmt: skip
def test_what_is_like_no_known_crystal_is_of_a_new_type(known: KnownCrystals, atoms: Atoms) -> None:
    found = known.judge(atoms)
    assert found.kind == NEW_TYPE and found.prototype == "" and math.isnan(found.rms)
    expected = {"novelty": NEW_TYPE, "known_composition": found.known_composition}
    info = known.judge(bulk("MgO", "rocksalt", a=4.2)).as_info() | {"mine": 1}  # as it was before it was relaxed
    assert info["prototype"]
    found.write_into(info)
    assert info == expected | {"mine": 1} and found.as_info() == expected


def test_a_known_composition_without_crystals_says_so() -> None:
    library = TemplateLibrary(CrystalDataset(crystals_from_atoms([SALT]), {}, ["salt"]))
    found = KnownCrystals(library).judge(bulk("MgO", "rocksalt", a=4.2))
    assert found.kind == SUBSTITUTION and found.known_composition and not found.structures_at_hand


def test_what_is_broken_is_refused(known: KnownCrystals) -> None:
    broken = SALT.copy()
    broken.positions[1] = broken.positions[0]
    with pytest.raises(InputError, match="overlapping"):
        known.judge(broken)
    with pytest.raises(InputError, match="no crystals of Og are known"):
        known.judge(bulk("Og", "fcc", a=5.0))
    with pytest.raises(InputError, match=r"'a\.cif' is no structure"):
        known.judge("a.cif")


def test_structures_of_pymatgen_are_judged_as_atoms_are(known: KnownCrystals) -> None:
    assert known.judge(AseAtomsAdaptor.get_structure(disguised(SALT))).kind == KNOWN


def test_environments_do_not_depend_on_cell_volume_or_order_of_atoms() -> None:
    large = SALT * (2, 1, 1)
    large.set_cell(1.3 * large.cell, scale_atoms=True)
    (one,) = environments([SALT])
    assert environments([large[[1, 0, 3, 2]]])[0] == pytest.approx(one)
    # Six neighbours of the other element at a / 2, twelve of the own at a / sqrt(2), of which six are among the twelve.
    length = (5.64**3 / 8) ** (1 / 3)
    assert one[0] == pytest.approx(np.array([5.64 / 2] * 6 + [5.64 / math.sqrt(2)] * 6) / length)
