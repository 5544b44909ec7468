"""Crystals with shared or empty sites become the best of all orderings, where that is asked for."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.parallel.workforce import Workforce
from asegen.screening.pipeline import run_stages
from asegen.screening.run import publish
from asegen.screening.stages.read import Read
from asegen.structures.disorder import ordered
from asegen.structures.errors import StructureError
from asegen.structures.fields import NOTE

sys.path.insert(0, str(Path(__file__).parents[1] / "screening"))
from test_faults import cif

FACES = "x,y,z;x+1/2,y+1/2,z;x+1/2,y,z+1/2;x,y+1/2,z+1/2"
SHARED = cif("K1 K 0 0 0 0.5\nNa1 Na 0 0 0 0.5\nCl1 Cl 0.5 0.5 0.5 1", "6 6 6 90 90 90", FACES)
EMPTY = cif("Ti1 Ti 0 0 0 0.75\nO1 O 0.5 0.5 0.5 1", "4.2 4.2 4.2 90 90 90", FACES)


@pytest.mark.parametrize(("text", "formula"), [(SHARED, "KNaCl2"), (EMPTY, "Ti3O4")], ids=["shared", "vacancies"])
def test_atoms_become_whole_and_none_is_lost(text: str, formula: str) -> None:
    atoms = ordered(text)
    assert atoms.symbols.formula.reduce()[0].count() == Atoms(formula).symbols.formula.count()
    assert atoms.get_all_distances(mic=True)[~np.eye(len(atoms), dtype=bool)].min() > 2.0
    assert "Ewald energy" in atoms.info[NOTE]


def test_the_ordering_is_the_lowest_of_all() -> None:
    rng = np.random.default_rng(0)
    sites, anions = rng.random((4, 3)) * 0.3 + [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], []
    for shift in ([0.5, 0.5, 0.5], [0, 0, 0.5], [0, 0.5, 0], [0.5, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]):
        anions.append(np.array(shift) + 0.15)
    lines = [f"{s}{k} {s} {x:.6f} {y:.6f} {z:.6f} 0.5" for k, (x, y, z) in enumerate(sites) for s in ("Mg", "Al")]
    lines += [f"F{k} F {x:.6f} {y:.6f} {z:.6f} 1" for k, (x, y, z) in enumerate(anions)]
    lines += [f"O{k} O {x:.6f} {y:.6f} {z:.6f} 1" for k, (x, y, z) in enumerate([[0.4, 0.7, 0.25], [0.7, 0.25, 0.4]])]
    atoms = ordered(cif("\n".join(lines), "7 7.5 8 90 90 90"))
    energies = {}
    for chosen in combinations(range(4), 2):
        cations = ["Mg2+" if k in chosen else "Al3+" for k in range(4)]
        crystal = Structure(
            Lattice.from_parameters(7, 7.5, 8, 90, 90, 90),
            [*cations, *["F-"] * 6, *["O2-"] * 2],
            [*np.round(sites, 6), *anions, [0.4, 0.7, 0.25], [0.7, 0.25, 0.4]],
        )
        energies[chosen] = EwaldSummation(crystal).total_energy
    found = AseAtomsAdaptor.get_structure(atoms)
    found.add_oxidation_state_by_element({"Mg": 2, "Al": 3, "O": -2, "F": -1})
    assert len(set(np.round(list(energies.values()), 3))) == 6
    assert EwaldSummation(found).total_energy == pytest.approx(min(energies.values()), abs=1e-3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (cif("Cu1 Cu 0 0 0 0.5\nAu1 Au 0 0 0 0.5"), "partial occupancy: no oxidation states for CuAu"),
        (cif("Cu1 Cu 0 0 0 0.5"), "partial occupancy: no oxidation states for Cu"),
        (SHARED.replace("0.5\nNa1", "0.37\nNa1").replace("0 0 0 0.5\nCl", "0 0 0 0.63\nCl"), "no cell of up to 100"),
        ("data_x\nnonsense", "unreadable: "),
    ],
    ids=["alloy", "element", "odd amounts", "no CIF"],
)
def test_what_cannot_be_ordered_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(StructureError, match=reason):
        ordered(text)


def test_a_screening_orders_on_request_only(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text(SHARED)
    force = Workforce(ThreadPoolExecutor(1), lambda: 1)
    (refused,) = run_stages([tmp_path / "a.cif"], tmp_path / "without", [Read()], workforce=force)
    (taken,) = run_stages([tmp_path / "a.cif"], tmp_path / "with", [Read(order=True)], workforce=force)
    assert refused.status == "rejected" and refused.reason.kind == "partial occupancy"
    assert (taken.status, taken["formula"]) == ("ok", "KNaCl2") and "ordered from" in taken.notes[0]
    assert publish(tmp_path / "with") is None
    written = read(tmp_path / "with" / "results.extxyz")
    assert sorted(set(written.symbols)) == ["Cl", "K", "Na"] and written.info["name"] == "a"
