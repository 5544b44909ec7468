"""The source "symmetric" with the shipped weights: group and composition exact, sites obeyed, bad ones refused."""

from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from pymatgen.core import Composition as Formula
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, Request, open_source
from asegen.errors import CheckpointError, InputError
from asegen.generation.finishing import SYMPREC
from asegen.generation.source import Source
from asegen.symmetry.groups import space_group
from asegen.trained.samplers import DEFAULT_SYMMETRIC_MODEL

# A composition for each crystal system and Bravais lattice.
WANTED = [
    (1, "SiO2"), (2, "Ca2O3"), (4, "K2S2"), (12, "GaTe"), (19, "Na4Cl4"), (62, "Ti4O8"), (63, "Zr2B2"), (70, "S4"),
    (71, "Ta2P"), (123, "CuAu"), (139, "BaAl4"), (152, "Si3O6"), (166, "Bi2Te3"), (191, "MgB2"), (194, "Zn2O2"),
    (198, "Fe4Si4"), (225, "CaF2"), (227, "Si2"), (229, "Fe"),
]  # fmt: skip


def found_by_spglib(atoms: Atoms) -> spglib.SpglibDataset:
    return spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), SYMPREC)


@pytest.fixture(scope="module")
def generator(symmetric: Source) -> Generator:
    return Generator(symmetric)


def test_group_and_composition_are_exact_in_every_system(generator: Generator, tmp_path: Path) -> None:
    table = "\n".join(f"{formula},{group}" for group, formula in WANTED)
    (tmp_path / "wanted.csv").write_text(f"formula,spacegroup\n{table}\n")
    request = Request(file=tmp_path / "wanted.csv", multiples=[1], file_spacegroups=True)
    drawn = generator.generate(request, n=2, seed=3)
    assert len(drawn) == 2 * len(WANTED)
    for atoms, (group, formula) in zip(drawn, [one for one in WANTED for _ in range(2)], strict=True):
        data = found_by_spglib(atoms)
        assert atoms.info["valid"] and atoms.info["spacegroup_requested"] == group
        assert data.number == atoms.info["spacegroup"]
        # A supergroup has at least the operations of the group, modulo the primitive lattice.
        assert len(data.rotations) >= len(space_group(group).rotations)
        assert AseAtomsAdaptor.get_structure(atoms).composition == Formula(formula)


def test_search_conventional_cells_and_info() -> None:
    primitive, conventional = (
        Generator(open_source("symmetric", cell=cell, device="cpu")).generate(rock_salt("Fm-3m"), seed=1)[0]
        for cell in ("primitive", "conventional")
    )
    assert len(primitive) == 2 and len(conventional) == 8
    np.testing.assert_allclose(conventional.cell.angles(), 90, atol=1e-9)
    assert conventional.get_volume() == pytest.approx(4 * primitive.get_volume(), rel=1e-6)
    assert primitive.info["spacegroup_symbol"] == "Fm-3m" and primitive.info["wyckoff"] == "Na:a Cl:b"
    assert primitive.info["model"] == DEFAULT_SYMMETRIC_MODEL and primitive.info["attempt"] == 0
    assert 5.0 < conventional.cell.lengths()[0] < 6.3  # rock salt: 5.64 Å


def rock_salt(spacegroup: int | str, sites: str | None = None) -> Request:
    return Request("NaCl", spacegroup=spacegroup, sites=sites)


def test_sites_are_obeyed(generator: Generator) -> None:
    (atoms,) = generator.generate(Request(spacegroup=221, sites="Sr:b Ti:a O:d"))
    assert atoms.info["wyckoff"] == "Sr:b Ti:a O:d" and atoms.info["formula"] == "SrTiO3"
    numbers = Request(spacegroup=136, sites="Ti:1,O:1", compositions=5)
    composed = generator.source.compose(numbers.targets())
    assert {t.spacegroup for t in composed} == {136} and all(t.composition is not None for t in composed)
    for atoms in generator.generate(Request("Ti2O4", spacegroup=136, sites="Ti:1,O:1"), n=3):
        assert [len(part.split(":")[1].split(",")) for part in atoms.info["wyckoff"].split()] == [1, 1]
    with pytest.raises(InputError, match="make SrTiO3 in the primitive cell, not SrTiO2"):
        generator.generate(Request("SrTiO2", spacegroup=221, sites="Sr:b Ti:a O:d"))
    with pytest.raises(InputError, match="numbers of sites; likely are"):
        generator.generate(rock_salt(225, "Na:2,Cl:1"))


def test_without_a_group_those_of_known_crystals_are_drawn(generator: Generator) -> None:
    request = Request(["SrTiO3", "TiO2"], multiples=[1])
    drawn = generator.generate(request, n=4, seed=2)
    assert {a.info["formula"] for a in drawn} == {"SrTiO3", "TiO2"} and len(drawn) == 8
    assert {a.info["spacegroup_requested"] for a in drawn[:4]} & {38, 99, 140, 160, 221}
    assert drawn == generator.generate(request, n=4, seed=2)


def test_samples_do_not_depend_on_their_neighbours(generator: Generator) -> None:
    alone = generator.generate(Request("Ti4O8", spacegroup=62), n=2, seed=5)
    among = generator.generate(Request(["Ti4O8", "Ca4O4"], spacegroup=62), n=2, seed=5)[:2]
    for a, b in zip(alone, among, strict=True):
        assert a.info["wyckoff"] == b.info["wyckoff"]
        np.testing.assert_allclose(a.cell.cellpar(), b.cell.cellpar(), rtol=1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"formulas": "Na2Cl3", "multiples": [1], "spacegroup": 225}, "nearest that fit: Na4Cl6"),
        ({"formulas": "NaCl", "spacegroup": 225, "sites": "Na:z"}, "no Wyckoff position 'z'"),
        ({"spacegroup": 225, "sites": "Na:a Cl:a"}, "not Na and Cl"),
        ({"spacegroup": 225}, "a formula is needed"),
        ({}, "a formula is needed"),
        ({"formulas": "EsF", "spacegroup": 225}, "training data"),
    ],
)
def test_what_cannot_be_drawn(generator: Generator, given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generator.generate(Request(**given))


def test_what_cannot_be_asked_or_opened(tmp_path: Path) -> None:
    for group, message in [(0, "0: there are 1 to 230"), (231, "231: there are"), ("Q2", "no space group")]:
        with pytest.raises(InputError, match=message):
            rock_salt(group)
    with pytest.raises(InputError, match="not one of primitive"):
        open_source("symmetric", cell="niggli", device="cpu")
    with pytest.raises(CheckpointError):
        open_source("symmetric", known=tmp_path / "none.safetensors", device="cpu")
