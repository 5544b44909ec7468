"""`SymmetricGenerator` with the shipped weights: group and composition exact, wishes obeyed, bad ones refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from pymatgen.core import Composition as Formula
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import SymmetricGenerator
from asegen.errors import CheckpointError, InputError
from asegen.generation.compositions import from_formula
from asegen.generation.sources.symmetric import SYMPREC
from asegen.symmetry.groups import space_group
from asegen.trained.samplers import DEFAULT_SYMMETRIC_MODEL

# A composition for each crystal system and Bravais lattice.
WISHES = [
    (1, "SiO2"), (2, "Ca2O3"), (4, "K2S2"), (12, "GaTe"), (19, "Na4Cl4"), (62, "Ti4O8"), (63, "Zr2B2"), (70, "S4"),
    (71, "Ta2P"), (123, "CuAu"), (139, "BaAl4"), (152, "Si3O6"), (166, "Bi2Te3"), (191, "MgB2"), (194, "Zn2O2"),
    (198, "Fe4Si4"), (225, "CaF2"), (227, "Si2"), (229, "Fe"),
]  # fmt: skip


def found_by_spglib(atoms: Atoms) -> spglib.SpglibDataset:
    return spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), SYMPREC)


def test_group_and_composition_are_exact_in_every_system() -> None:
    wishes = [replace(from_formula(formula)[0], group=group) for group, formula in WISHES]
    drawn = SymmetricGenerator(quick=True, device="cpu").generate(wishes, n=2, seed=3)
    assert len(drawn) == 2 * len(WISHES)
    for atoms, (group, formula) in zip(drawn, [wish for wish in WISHES for _ in range(2)], strict=True):
        data = found_by_spglib(atoms)
        assert atoms.info["valid"] and atoms.info["spacegroup_requested"] == group
        assert data.number == atoms.info["spacegroup"]
        # A supergroup has at least the operations of the group, modulo the primitive lattice.
        assert len(data.rotations) >= len(space_group(group).rotations)
        assert AseAtomsAdaptor.get_structure(atoms).composition == Formula(formula)


def test_search_conventional_cells_and_info() -> None:
    primitive, conventional = (
        SymmetricGenerator("Fm-3m", cell=cell, device="cpu").generate("NaCl", seed=1)[0]
        for cell in ("primitive", "conventional")
    )
    assert len(primitive) == 2 and len(conventional) == 8
    np.testing.assert_allclose(conventional.cell.angles(), 90, atol=1e-9)
    assert conventional.get_volume() == pytest.approx(4 * primitive.get_volume(), rel=1e-6)
    assert primitive.info["spacegroup_symbol"] == "Fm-3m" and primitive.info["wyckoff"] == "Na:a Cl:b"
    assert primitive.info["model"] == DEFAULT_SYMMETRIC_MODEL and primitive.info["attempt"] == 0
    assert 5.0 < conventional.cell.lengths()[0] < 6.3  # rock salt: 5.64 Å


def test_sites_are_obeyed() -> None:
    letters = SymmetricGenerator(221, sites="Sr:b Ti:a O:d", quick=True, device="cpu")
    (atoms,) = letters.generate(letters.compositions(1))
    assert atoms.info["wyckoff"] == "Sr:b Ti:a O:d" and atoms.info["formula"] == "SrTiO3"
    numbers = SymmetricGenerator(136, sites="Ti:1,O:1", quick=True, device="cpu")
    assert {c.group for c in numbers.compositions(5)} == {136}
    for atoms in numbers.generate("Ti2O4", n=3):
        assert [len(part.split(":")[1].split(",")) for part in atoms.info["wyckoff"].split()] == [1, 1]
    with pytest.raises(InputError, match="make SrTiO3 in the primitive cell, not SrTiO2"):
        letters.generate("SrTiO2")
    with pytest.raises(InputError, match="numbers of sites; likely are"):
        SymmetricGenerator(225, sites="Na:2,Cl:1", quick=True, device="cpu").generate("NaCl")


def test_common_groups_and_compositions_with_a_group_of_their_own() -> None:
    generator = SymmetricGenerator(quick=True, device="cpu")
    drawn = generator.generate(["SrTiO3", *from_formula("TiO2")], n=4, seed=2)
    assert {a.info["formula"] for a in drawn} == {"SrTiO3", "TiO2"} and len(drawn) == 8
    assert {a.info["spacegroup_requested"] for a in drawn[:4]} & {38, 99, 140, 160, 221}
    assert drawn == generator.generate(["SrTiO3", "TiO2"], n=4, seed=2)


def test_samples_do_not_depend_on_their_neighbours() -> None:
    generator = SymmetricGenerator(62, quick=True, device="cpu")
    alone = generator.generate("Ti4O8", n=2, seed=5)
    among = generator.generate(["Ti4O8", "Ca4O4"], n=2, seed=5)[:2]
    for a, b in zip(alone, among, strict=True):
        assert a.info["wyckoff"] == b.info["wyckoff"]
        np.testing.assert_allclose(a.cell.cellpar(), b.cell.cellpar(), rtol=1e-3)


def test_bad_wishes(tmp_path: Path) -> None:
    for wish, message in [(0, "0: there are 1 to 230"), (231, "231: there are"), ("Q2", "no space group")]:
        with pytest.raises(InputError, match=message):
            SymmetricGenerator(wish, device="cpu")
    with pytest.raises(InputError, match="nearest that fit: Na4Cl6"):
        SymmetricGenerator(225, device="cpu").generate("Na2Cl3")
    with pytest.raises(InputError, match="no Wyckoff position 'z'"):
        SymmetricGenerator(225, sites="Na:z", device="cpu")
    with pytest.raises(InputError, match="not Na and Cl"):
        SymmetricGenerator(225, sites="Na:a Cl:a", device="cpu")
    with pytest.raises(InputError, match="--spacegroup"):
        SymmetricGenerator(sites="Na:a", device="cpu")
    with pytest.raises(InputError, match="not one of primitive"):
        SymmetricGenerator(225, cell="niggli", device="cpu")
    with pytest.raises(InputError, match="a formula is needed"):
        SymmetricGenerator(225, device="cpu").compositions(1)
    with pytest.raises(CheckpointError):
        SymmetricGenerator(225, known=tmp_path / "none.safetensors", device="cpu")
    with pytest.raises(InputError, match="training data"):
        SymmetricGenerator(225, device="cpu").generate("EsF")
