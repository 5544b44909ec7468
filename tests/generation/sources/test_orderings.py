"""Orderings of partial occupancies: different crystals of the right composition, by Ewald energy or a calculator."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import spglib
from ase.io import read
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, Request
from asegen.cli.main import main
from asegen.errors import InputError
from asegen.generation.sources import orderings


@pytest.fixture(autouse=True)
def fewer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Orderings than users get: one crystal's 30 take seconds."""
    monkeypatch.setattr(orderings, "MOST", 6)
    orderings.all_orderings.cache_clear()
    yield
    orderings.all_orderings.cache_clear()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Rock salt with two cations that share the sites, and an alloy."""
    salt = Structure(Lattice.tetragonal(4.0, 4.1), [{"K": 0.5, "Na": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    salt.to(str(tmp_path / "salt.cif"), fmt="cif")
    Structure(
        Lattice.cubic(3.8), [{"Cu": 0.75, "Au": 0.25}] * 4, [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    ).to(str(tmp_path / "alloy.cif"), fmt="cif")
    return tmp_path


def test_orderings_are_different_and_the_lowest_ewald_energy_comes_first(mixed: Path) -> None:
    found = Generator("orderings").generate(Request(file=mixed / "salt.cif", order=True), n=4)
    assert len(found) == 4
    assert all(atoms.info["formula"] == atoms.get_chemical_formula("metal") for atoms in found)
    crystals = [AseAtomsAdaptor.get_structure(atoms) for atoms in found]
    assert {one.composition.reduced_formula for one in crystals} == {"KNaCl2"}
    matcher = StructureMatcher(ltol=0.1, stol=0.1, angle_tol=3)
    assert not any(matcher.fit(a, b) for k, a in enumerate(crystals) for b in crystals[:k])
    energies = []
    for one in (one for one in crystals if len(one) == len(crystals[-1])):
        one.add_oxidation_state_by_element({"K": 1, "Na": 1, "Cl": -1})
        energies.append(EwaldSummation(one).total_energy)
    assert energies == sorted(energies)
    assert all({"spacegroup", "spacegroup_symbol"} <= atoms.info.keys() for atoms in found)
    assert "Ewald" in found[0].info["ordering"] and found[0].info["material_id"] == "salt"


def test_alloys_are_ranked_by_a_calculator(mixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.extxyz"
    main(["generate", "--from", str(mixed / "alloy.cif"), "--order", "--rank", "emt", "-n", "4", "-o", str(out)])
    found = read(out, ":")
    assert {atoms.get_chemical_formula(empirical=True) for atoms in found} == {"AuCu3"}
    assert 221 in {
        spglib.get_symmetry_dataset((a.cell.array, a.get_scaled_positions(), a.numbers), 0.1).number for a in found
    }
    assert [atoms.info["rank"] for atoms in found] == list(range(1, len(found) + 1))


def test_what_has_no_occupancies_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("formula\nNaCl\n")
    with pytest.raises(InputError):
        Request(file=tmp_path / "t.csv", order=True).targets()
    with pytest.raises(InputError, match="orderings need a file"):
        Generator("orderings").generate("NaCl")
    with pytest.raises(InputError, match="order goes with file only"):
        Request("NaCl", order=True)
