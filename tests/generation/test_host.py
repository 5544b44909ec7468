"""Hosts: what stays, what is drawn, and what is refused; the best fillings first and none twice."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.constraints import FixAtoms, FixedPlane, FixScaled
from ase.io import write
from ase.spacegroup import crystal
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen import Generator, Request
from asegen.errors import InputError
from asegen.generation.host import read_host


def disulfide() -> Atoms:
    """TiS2, P-3m1; lithium is known to go to the octahedral site between its layers (0, 0, ½)."""
    sites = [(0, 0, 0), (1 / 3, 2 / 3, 0.25)]
    made = crystal(["Ti", "S"], sites, spacegroup=164, cellpar=[3.45, 3.45, 6.1, 90, 90, 120])
    return Atoms(made.numbers, made.positions, cell=made.cell, pbc=True)


def titanate() -> Atoms:
    return Atoms("SrTiO3", scaled_positions=[[0, 0, 0], [0.5] * 3, *(0.5 - 0.5 * np.eye(3))], cell=[3.9] * 3, pbc=True)


def test_all_atoms_stay_and_more_are_added() -> None:
    host = read_host(disulfide(), "Li2")
    assert host.composition.formula == "TiS2Li2" and host.added == (3, 3) and host.cell == "fixed"


def test_elements_that_stay_and_those_drawn_anew() -> None:
    host = read_host(titanate(), keep="Ti, O")
    assert host.atoms.get_chemical_formula() == "O3Ti" and host.added == (38,)
    assert read_host(titanate(), "Ba", ["Ti", "O"]).added == (56,)


def test_a_structure_of_pymatgen_is_a_host() -> None:
    host = read_host(AseAtomsAdaptor.get_structure(titanate()), "Li")
    assert host.atoms.get_chemical_formula() == titanate().get_chemical_formula() and host.added == (3,)


def test_fixed_atoms_stay_and_are_fixed() -> None:
    atoms = titanate()
    atoms.set_constraint(FixAtoms([1, 3]))
    host = read_host(atoms)
    assert host.atoms.get_chemical_formula() == "OTi" and sorted(host.added) == [8, 8, 38]
    assert host.atoms.constraints[0].index.tolist() == [0, 1]


def test_elements_that_are_held_in_some_directions_only_are_named() -> None:
    atoms = titanate()
    atoms.set_constraint([FixAtoms([0]), FixScaled([2, 3], mask=[True, True, False]), FixedPlane(4, [0, 0, 1])])
    assert read_host(atoms, "Li").partly_held == ("O",)
    assert Request(host=atoms, add="Li").notes == ["not held in all directions, left out: O"]
    assert Request(host=atoms).notes == ["not held in all directions, drawn anew: O"]
    assert not Request(host=atoms, add="Li", keep="Sr").notes  # asked for
    atoms.set_constraint(FixScaled([2], mask=[True, True, False]))
    assert not Request(host=atoms, add="Li").notes  # all stay


def test_hosts_differ_by_all_that_decides() -> None:
    moved = disulfide()
    moved.positions[1, 2] += 0.1
    made = [
        read_host(disulfide(), "Li"),
        read_host(disulfide(), "Na"),
        read_host(moved, "Li"),
        read_host(disulfide(), "Li", cell="free"),
    ]
    assert len({host.digest for host in made}) == 4
    assert made[0].digest == read_host(disulfide(), "Li").digest


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"host": molecule("H2O"), "add": "Li"}, "the host is no crystal: not periodic"),
        ({"host": Atoms("Ti", pbc=True), "add": "Li"}, "the host is no crystal: bad cell"),
        ({"host": bulk("Si")}, "nothing is to be drawn"),
        ({"host": bulk("Si"), "keep": "Ge"}, "'Ge' is no element of the host"),
        ({"host": bulk("Si"), "add": "Xx"}, "Xx"),
        ({"host": bulk("Si"), "add": "Li", "host_cell": "soft"}, "host_cell = 'soft'"),
        ({"host": bulk("Si"), "add": "Li40"}, "Si2Li40 in the host's fixed cell: bad volume: 0.953 Å³ per atom, not 1"),
        ({"host": bulk("Os", covera=1.58, a=2.73), "add": "Os"}, "fixed cell: bad density: .* g/cm³, above 30"),
        ({"host": "no such.cif", "add": "Li"}, "there is no such file"),
        ({"add": "Li", "system": "Li-O"}, "add goes with host only"),
        ({"host": bulk("Si"), "add": "Li", "system": "Li-O"}, "exclude each other"),
        ({"host": bulk("Si"), "add": "Li", "spacegroup": 1}, "exclude each other"),
        ({"host": bulk("Si"), "add": "Li", "formulas": "LiO"}, "exclude each other"),
    ],
)
def test_nonsense_is_refused(wanted: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Request(**wanted)


def test_a_cell_whose_volume_changes_may_begin_too_small() -> None:
    assert read_host(bulk("Si"), "Li40", cell="scaled").composition.formula == "Si2Li40"


def test_a_file_has_to_hold_one_structure(tmp_path: Path) -> None:
    write(tmp_path / "two.extxyz", [bulk("Si"), bulk("Si")])
    with pytest.raises(InputError, match="one structure is needed, and it holds 2"):
        Request(host=tmp_path / "two.extxyz", add="Li")
    write(tmp_path / "one.cif", disulfide())
    assert Request(host=tmp_path / "one.cif", add="Li").targets()[0].formula == "TiS2Li"


def test_lithium_goes_between_the_layers_of_titanium_disulfide() -> None:
    host = disulfide()
    known = host + Atoms("Li", positions=[[0, 0, 3.05]])
    matcher = StructureMatcher(scale=False, primitive_cell=False)
    found = Generator("host").generate(Request(host=host, add="Li"), n=3)
    best = found[0]
    assert best.info["rank"] == 1 and best.info["host_atoms"] == 3 and best.info["valid"]
    assert np.array_equal(best.positions[:3], host.positions) and np.array_equal(best.cell.array, host.cell.array)
    rms, farthest = matcher.get_rms_dist(*map(AseAtomsAdaptor.get_structure, (best, known)))
    assert farthest * (host.get_volume() / 4) ** (1 / 3) < 0.2  # Å
    counts = [atoms.info["times_found"] for atoms in found]
    assert counts == sorted(counts, reverse=True) and sum(counts) <= 6
    again = Generator("host").generate(Request(host=host, add="Li"), n=3)
    assert all(np.array_equal(one.positions, other.positions) for one, other in zip(found, again, strict=True))


def test_a_ranking_puts_the_lowest_energy_first() -> None:
    found = Generator("host", rank="emt").generate(Request(host=bulk("Cu", cubic=True) * (1, 1, 2), add="H"), n=3)
    assert len(found) >= 2
    energies = [atoms.info["energy_per_atom"] for atoms in found]
    assert energies == sorted(energies) and {atoms.info["ranked_by"] for atoms in found} == {"emt"}


@pytest.mark.parametrize("cell", ["scaled", "free"])
def test_a_cell_that_changes_carries_the_host(cell: str) -> None:
    skewed = titanate()
    skewed.set_cell(skewed.cell.array @ [[0.9, 0.1, 0], [0, 1, 0], [0, 0, 1]], scale_atoms=True)
    (found,) = Generator("host").generate(Request(host=skewed, keep="Ti O", host_cell=cell))
    host = [atom.index for atom in skewed if atom.symbol != "Sr"]
    before, after = skewed.get_scaled_positions()[host], found.get_scaled_positions()[: len(host)]
    assert (after - before) - np.rint(after - before) == pytest.approx(0, abs=1e-9)
    assert found.cell.volume != pytest.approx(skewed.cell.volume, rel=1e-3)
    shape = found.cell.cellpar() / skewed.cell.cellpar()
    assert (np.ptp(shape[:3]) < 1e-9 and shape[3:] == pytest.approx(1)) == (cell == "scaled")
    barium_like = found.get_scaled_positions()[-1]
    assert np.abs(barium_like - np.rint(barium_like)).max() < 0.05  # the A site of the perovskite


def test_a_run_goes_on_only_with_its_host(tmp_path: Path) -> None:
    out = tmp_path / "out.extxyz"
    generator = Generator("host")
    generator.run(Request(host=disulfide(), add="Li"), out, n=2)
    assert generator.run(Request(host=disulfide(), add="Li"), out, n=2, resume=True).was_complete
    with pytest.raises(InputError, match="relax_steps"):
        from asegen import Ranking

        Generator("host", rank=Ranking("emt", relax_steps=3))
    with pytest.raises(InputError, match="would move the host"):
        Generator("diffusion").generate(Request(host=disulfide(), add="Li"))
    with pytest.raises(InputError, match="needs a host"):
        generator.generate("NaCl")
