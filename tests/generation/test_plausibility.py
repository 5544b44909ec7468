"""Plausibility: what chemistry forbids is named, and what it allows is not."""

import gzip
from importlib.resources import files
from io import StringIO

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read
from ase.spacegroup import crystal

from asegen.calculators import Generator, Request
from asegen.generation.plausibility import implausible


def peroxide(symbol: str, length: float, c: float) -> Atoms:
    """Calcium carbide's type: pairs of oxygen along the axis."""
    half = length / c / 2
    places = [(0, 0, 0), (0.5, 0.5, 0.5 + half), (0.5, 0.5, 0.5 - half)]
    return Atoms([symbol, "O", "O"], scaled_positions=places, cell=np.diag([3.8, 3.8, c]), pbc=True)


def test_a_peroxide_of_barium_makes_sense_and_one_of_tin_does_not() -> None:
    assert implausible(peroxide("Ba", 1.5, 3.8)) is None
    assert implausible(peroxide("Sn", 1.5, 3.8)) == "bond: O–O of 1.50 Å"
    assert implausible(peroxide("Sn", 2.2, 3.8)) is None


def test_volumes_and_distances() -> None:
    rock_salt = bulk("NaCl", "rocksalt", a=5.64)
    for scale, reason in ((1.0, None), (1.35, "volume"), (0.82, None), (0.70, "volume")):
        found = rock_salt.copy()
        found.set_cell(found.cell * scale, scale_atoms=True)
        why = implausible(found)
        assert why is None if reason is None else why is not None and why.startswith(reason)
    squeezed = Atoms("TiO2", scaled_positions=[(0, 0, 0), (0.3, 0, 0), (0, 0.5, 0.5)], cell=[4, 3, 3], pbc=True)
    assert implausible(squeezed) == "bond: O–Ti of 1.20 Å"
    assert implausible(Atoms("Og", cell=[3, 3, 3], pbc=True)) is None  # beyond the tables, as the last element


@pytest.mark.parametrize(
    "atoms",
    [
        Atoms("NH3", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0, 0.5, 0.5), (0.5, 0, 0.5)], cell=[2.35] * 3),
        bulk("ClH", "zincblende", a=5.64),
        Atoms("NH4", positions=[(0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (1.7, 1.7, 1.7)], cell=[3.4] * 3),
    ],
)
def test_hydrogen_without_a_neighbour_makes_no_sense(atoms: Atoms) -> None:
    """One atom of it is enough."""
    atoms.pbc = True
    assert implausible(atoms) == "bond: H bonded to nothing"


@pytest.mark.parametrize(
    ("name", "structure", "a"),
    [("LiH", "rocksalt", 4.08), ("NaH", "rocksalt", 4.88), ("PdH", "rocksalt", 4.09), ("LaH2", "fluorite", 5.65)]
    + [("TiH2", "fluorite", 4.45), ("CsH", "rocksalt", 6.38)],
)
def test_hydrides_make_sense(name: str, structure: str, a: float) -> None:
    assert implausible(bulk(name, structure, a=a)) is None


def test_known_crystals_with_hydrogen_have_neighbours_of_it() -> None:
    calcium = crystal(
        ["Ca", "H", "H"],
        [(0.24, 0.25, 0.11), (0.355, 0.25, 0.427), (0.974, 0.25, 0.676)],
        spacegroup=62,
        cellpar=[5.96, 3.6, 6.82] + [90] * 3,
    )
    packed = files("asegen") / "potentials" / "reference_crystals.extxyz.gz"
    known = read(StringIO(gzip.decompress(packed.read_bytes()).decode()), ":", format="extxyz")
    hydrogenous = [calcium, *(atoms for atoms in known if 1 in atoms.numbers)]
    assert len(hydrogenous) > 5
    assert not [str(atoms.symbols) for atoms in hydrogenous if "H bonded" in str(implausible(atoms))]


def test_known_crystals_of_a_composition_make_sense() -> None:
    """Solid nitrogen and dry ice take 1.6 to 2.1 times the volume that their atoms typically take."""
    found = Generator("template").generate(["N", "CO2"], n=2)
    assert [atoms.info["template_distance"] for atoms in found] == 4 * [0.0]
    (ice,) = Generator("analogy").generate(Request("CO2", spacegroup=205))
    assert ice.info["source"] == "precedent"
    for atoms in (*found[:3], ice):
        assert "implausible" not in atoms.info
        atoms.info = {}
        assert "volume" in str(implausible(atoms))
