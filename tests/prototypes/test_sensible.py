"""Crystals that the data call absurd lend nothing to others."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write
from ase.spacegroup import crystal

from asegen.cli.main import main
from asegen.data.shards import load_split
from asegen.elements import TYPICAL_VOLUME
from asegen.generation.compositions import from_formula
from asegen.generation.target import Target
from asegen.generation.templates import Templates
from asegen.prototypes.catalogue import FILE, Catalogue
from asegen.prototypes.sensible import COLUMN, MAX_ABOVE_HULL, is_crushed, sensible
from asegen.prototypes.sources import AFLOW, KNOWN, open_library
from asegen.structures.space_groups import space_group_number

METALS = "K Fe Co Ni Cu Zn Ru Rh Pd Ag Os Ir Pt Au Al Mg Ti W".split()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One crystal on the hull, one far above it, one of which nothing is known."""
    folder = tmp_path_factory.mktemp("heights")
    structures = [
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("CsCl", "cesiumchloride", a=4.12),
        bulk("KBr", "rocksalt", 6.6),
    ]
    for atoms, height in zip(structures, (0.0, MAX_ABOVE_HULL + 0.1, np.nan), strict=True):
        atoms.info[COLUMN] = height
    write(folder / "train.extxyz", structures)
    main(["ingest", str(folder / "train.extxyz"), "-o", str(folder), "--symmetry", "0.1", "--jobs", "1"])
    return folder


def test_what_lies_far_above_the_hull_is_left_out(shards: Path) -> None:
    split = load_split(shards, "train")
    assert len(split) == 3
    assert sensible(split).ids == [split.ids[0], split.ids[2]]
    known = Catalogue.read(shards / "train" / FILE)
    assert sum(known.known.values()) == 2 and {occupation.group for occupation in known.known} == {225}


def test_a_split_without_energies_stays_as_it_is(shards: Path) -> None:
    split = load_split(shards, "train")
    split.targets.pop(COLUMN)
    assert sensible(split) is split


def test_templates_of_a_split_are_counted(shards: Path) -> None:
    library = open_library(str(shards / "train"))
    assert len(library) == 2 and library.rejected == {f"high {COLUMN}": 1}


@pytest.fixture(scope="module")
def templates() -> Templates:
    """The shipped ones, with volumes of the elements."""
    return Templates(open_library(KNOWN), None)


@pytest.mark.parametrize("symbol", METALS)
def test_no_element_is_a_wire(templates: Templates, symbol: str) -> None:
    (composition,) = from_formula(symbol)
    structures = [atoms for k in range(3) if (atoms := templates.kth(Target(composition), k)) is not None]
    assert structures
    assert all(expansion(atoms) < 2 for atoms in structures)


def bc8(a: float) -> Atoms:
    """Silicon as it is after decompression, with 6.64 Å; Kasper and Richards, Acta Cryst. 17, 752 (1964)."""
    return crystal("Si", [(0.1003, 0.1003, 0.1003)], spacegroup=206, cellpar=[a, a, a, 90, 90, 90], primitive_cell=True)


def test_crystals_with_a_wrong_lattice_constant_are_crushed() -> None:
    assert is_crushed(bc8(4.1)) and not is_crushed(bc8(6.64))
    assert not is_crushed(crystal("SH", [(0, 0, 0), (0, 0.5, 0)], spacegroup=229, cellpar=[2.98] * 3 + [90] * 3))  # H3S


@pytest.mark.parametrize("source", [KNOWN, AFLOW])
def test_no_template_is_crushed(source: str) -> None:
    library = open_library(source)
    assert not any(is_crushed(atoms) for atoms in library.atoms(range(len(library))))


def groups_of(templates: Templates, formula: str, n: int) -> list[int]:
    """Space groups of the first templates of a cell."""
    target = Target(*from_formula(formula))
    return [space_group_number(atoms, 0.01) for k in range(n) if (atoms := templates.kth(target, k)) is not None]


def test_a_known_crystal_is_no_copy_of_a_likelier_type(templates: Templates) -> None:
    assert 63 in groups_of(templates, "U2", 3)  # α-uranium; within the matcher's tolerances it is close-packed
    assert {221, 99, 38, 160} <= set(groups_of(templates, "BaTiO3", 8))


def test_copies_of_one_type_leave_others_their_turn(templates: Templates) -> None:
    assert len(groups_of(templates, "U2", 6)) == 6


def expansion(atoms: Atoms) -> float:
    """Volume over what the elements typically take."""
    return float(atoms.cell.volume / np.array(TYPICAL_VOLUME)[atoms.numbers].sum())
