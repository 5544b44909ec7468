"""Phonons: ASE's own and a closed form as oracles, controls whose verdict is known, and phonopy's command line."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.data import atomic_masses
from ase.neighborlist import neighbor_list
from ase.phonons import Phonons as AsePhonons
from ase.spacegroup import crystal
from ase.units import _amu, _e

from asegen.potentials.engine import find_engine
from asegen.screening.stages.finite_displacements import Settings, displaced, phonons
from asegen.screening.stages.phonon_results import (
    BANDS,
    DOS,
    MARGINAL,
    MESH,
    PARAMETERS,
    STABLE,
    SUMMARY,
    UNSTABLE,
    read_phonons,
    verdict,
)
from asegen.screening.stages.supercells import multiples, primitive

EV_IN_THZ = 241.79892620
SMALL = Settings(height=8.0, mesh=20.0)


class Springs(Calculator):
    """Springs of one strength (eV/Å²) and length (Å) between atoms nearer than 1.2 lengths."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, strength: float, length: float) -> None:
        super().__init__()
        self.strength, self.length = strength, length

    def calculate(self, *args, **kwargs) -> None:
        super().calculate(*args, **kwargs)
        i, distance, vector = neighbor_list("idD", self.atoms, 1.2 * self.length)
        pull = self.strength * (distance - self.length)
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, i, (pull / distance)[:, None] * vector)
        virial = 0.5 * np.einsum("e,ei,ej->ij", pull / distance, vector, vector) / self.atoms.cell.volume
        energy = 0.25 * self.strength * ((distance - self.length) ** 2).sum()
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        self.results["stress"] = virial.ravel()[[0, 4, 8, 5, 2, 1]]


def test_a_cubic_lattice_of_springs_by_the_textbook(tmp_path: Path) -> None:
    """Nearest neighbours by springs: along x, one wave of 2 √(k/m) |sin(q a/2)| and two that cost nothing."""
    strength, a = 3.0, 2.5
    found = phonons(bulk("Cu", "sc", a=a), Springs(strength, a), tmp_path, SMALL)
    mass = bulk("Cu").get_masses()[0] * _amu
    top = 2 * np.sqrt(strength * _e / 1e-20 / mass) / (2 * np.pi) / 1e12
    (along,) = [b for b in found.bands if b.labels == ("G", "X")]
    share = np.linspace(0, 1, len(along.distance))
    assert along.frequencies[2] == pytest.approx(top * np.sin(np.pi * share / 2), abs=2e-3 * top)
    assert np.abs(along.frequencies[:2]).max() < 0.02 * top
    assert along.distance[-1] == pytest.approx(1 / (2 * a))
    assert found.verdict == STABLE and found.supercell == (4, 4, 4) and found.n_displacements == 1
    assert found.n_atoms == 64 and found.reason == ""


@pytest.fixture(scope="module")
def aluminium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aluminium")
    phonons(bulk("Al", a=4.0), EMT(), folder, SMALL)
    return folder


def test_aluminium_by_ases_own_phonons(aluminium: Path, tmp_path: Path) -> None:
    found = read_phonons(aluminium)
    table = yaml.safe_load((aluminium / PARAMETERS).read_text())
    cell = np.array(table["unit_cell"]["lattice"])
    peer = AsePhonons(Atoms("Al", cell=cell, pbc=True), EMT(), found.supercell, delta=0.01, name=str(tmp_path / "p"))
    peer.run()
    peer.read(acoustic=True)
    # between these wave vectors the two interpolate in different ways
    band = yaml.safe_load((aluminium / BANDS).read_text())["phonon"]
    band = [row for row in band if np.allclose(np.array(row["q-position"]) * found.supercell % 1, 0)]
    theirs = np.sort(peer.band_structure(np.array([row["q-position"] for row in band]), verbose=False)) * EV_IN_THZ
    ours = np.array([[mode["frequency"] for mode in row["band"]] for row in band])
    assert len(band) > 10 and ours == pytest.approx(theirs, abs=0.01) and ours.max() > 5


def test_what_is_written_is_what_was_found(aluminium: Path) -> None:
    found = read_phonons(aluminium)
    assert found.verdict == STABLE and -0.1 < found.lowest
    band = yaml.safe_load((aluminium / BANDS).read_text())
    lowest = min(mode["frequency"] for row in band["phonon"] for mode in row["band"])
    assert min(min(row) for b in found.bands for row in b.frequencies) == pytest.approx(lowest, abs=1e-4)
    points, density = np.loadtxt(aluminium / DOS).T
    assert found.dos_frequencies == pytest.approx(points, abs=1e-4) and found.dos == pytest.approx(density, abs=1e-4)
    assert np.trapezoid(density, points) == pytest.approx(3, rel=0.02)  # states of one atom
    assert json.loads((aluminium / SUMMARY).read_text())["verdict"] == STABLE
    assert all(band["labels"])


def test_phonopys_command_line_reads_it(aluminium: Path, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("phonopy-load")), str(aluminium / PARAMETERS), "--mesh", "20", "--gc"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs, ours = (
        [[mode["frequency"] for mode in q["band"]] for q in yaml.safe_load((folder / MESH).read_text())["phonon"]]
        for folder in (tmp_path, aluminium)
    )
    assert np.array(theirs) == pytest.approx(np.array(ours), abs=1e-3)


def test_simple_cubic_copper_falls(tmp_path: Path) -> None:
    found = phonons(bulk("Cu", "sc", a=2.4), EMT(), tmp_path, SMALL)
    assert found.verdict == UNSTABLE and found.lowest < -0.5 and len(found.lowest_at) == 3
    assert found.lowest_of_farther < -0.5 and found.reason == ""


@pytest.mark.parametrize(
    ("lowest", "expected"),
    [(0.2, STABLE), (-0.0999, STABLE), (-0.1, MARGINAL), (-0.5, MARGINAL), (-0.5001, UNSTABLE), (-4, UNSTABLE)],
)
def test_verdicts(lowest: float, expected: str) -> None:
    assert verdict(lowest) == expected


def test_the_size_is_checked(tmp_path: Path) -> None:
    found = phonons(bulk("Al", a=4.0), EMT(), tmp_path, Settings(height=5.0, mesh=20.0, check_size=True))
    assert found.verdict == STABLE and found.supercell == (3, 3, 3)
    larger = phonons(bulk("Al", a=4.0), EMT(), tmp_path, Settings(height=9.0, mesh=20.0))
    assert larger.supercell == (4, 4, 4) and found.lowest_of_larger == pytest.approx(larger.lowest, abs=1e-6)
    refused = phonons(bulk("Al"), EMT(), tmp_path, Settings(height=5.0, mesh=20.0, most_atoms=30, check_size=True))
    assert refused.verdict == STABLE and refused.reason.startswith("size not checked")


class Cusp(EMT):
    """EMT that pushes an atom away from where symmetry wants it, but only within 0.02 Å of there."""

    def calculate(self, *args, **kwargs) -> None:
        super().calculate(*args, **kwargs)
        n = round(len(self.atoms) ** (1 / 3))
        away = self.atoms.get_scaled_positions() * n
        away = (away - np.rint(away)) @ self.atoms.cell.array / n
        near = np.linalg.norm(away, axis=1, keepdims=True) < 0.02
        self.results["forces"] = self.results["forces"] + 100.0 * away * near


def test_a_cusp_is_no_instability(tmp_path: Path) -> None:
    found = phonons(bulk("Al", a=4.0), Cusp(), tmp_path, SMALL)
    assert found.verdict == STABLE and found.lowest > -0.1 and found.lowest_of_nearer < -0.5
    assert found.reason == "displacement decides: unstable with 0.01 Å, stable with 0.1 Å" and found.displacement == 0.1
    smooth = phonons(bulk("Al", a=4.0), EMT(), tmp_path / "smooth", replace(SMALL, displacement=0.1))
    assert found.bands == smooth.bands and read_phonons(tmp_path) == found
    table = yaml.safe_load((tmp_path / PARAMETERS).read_text())  # for phonopy, the forces that decide
    assert np.linalg.norm(table["displacements"][0]["displacement"]) == pytest.approx(0.1, rel=1e-3)
    alone = phonons(bulk("Al", a=4.0), Cusp(), tmp_path, replace(SMALL, confirm=0.0))
    assert alone.verdict == UNSTABLE and alone.lowest == found.lowest_of_nearer


def test_a_supercell_that_changes_the_verdict_makes_it_marginal(tmp_path: Path) -> None:
    class Small(EMT):
        """Simple cubic copper falls, but not in cells of 64 atoms and more."""

        def calculate(self, *args, **kwargs) -> None:
            super().calculate(*args, **kwargs)
            if len(self.atoms) >= 64:
                x = self.atoms.get_scaled_positions() * round(len(self.atoms) ** (1 / 3))
                away = (x - np.rint(x)) @ self.atoms.cell.array / round(len(self.atoms) ** (1 / 3))
                self.results["forces"] = -20.0 * (away - away.mean(0))

    settings = Settings(height=7.0, mesh=20.0, check_size=True)
    found = phonons(bulk("Cu", "sc", a=2.4), Small(), tmp_path, settings)
    assert found.verdict == MARGINAL and found.lowest < -0.5 < found.lowest_of_larger
    assert found.reason == "supercell decides: unstable with 27 atoms, stable with 64"


def test_what_gets_no_verdict(tmp_path: Path) -> None:
    large = phonons(bulk("Al"), EMT(), tmp_path, Settings(most_atoms=20))
    assert large.verdict == "" and large.reason.startswith("too large: a supercell of 216 atoms")
    rough = phonons(bulk("Cu", a=3.9), EMT(), tmp_path, Settings(steps=1))
    assert rough.verdict == "" and rough.reason.startswith("unconverged") and read_phonons(tmp_path) == rough


def test_atoms_that_feel_no_force(tmp_path: Path) -> None:
    found = phonons(bulk("Cu", "sc", a=2.5), Springs(0.0, 2.5), tmp_path, SMALL)
    assert found.verdict == "" and found.reason == "no frequencies: no force brings displaced atoms back"
    assert read_phonons(tmp_path) == found


def test_numbers_that_are_none(tmp_path: Path) -> None:
    class Broken(EMT):
        def calculate(self, *args, **kwargs) -> None:
            super().calculate(*args, **kwargs)
            if len(self.atoms) > 4:
                self.results["forces"] = self.results["forces"] * np.nan

    with pytest.raises(ValueError, match="non-finite"):
        phonons(bulk("Al"), Broken(), tmp_path, SMALL)


def test_skewed_cells_get_supercells_that_are_wide_enough() -> None:
    atoms = Atoms("Cu", cell=[[3, 0, 0], [8, 3, 0], [0, 5, 3]], pbc=True)
    repeated = atoms * multiples(atoms, 12.0)
    areas = [np.linalg.norm(np.cross(repeated.cell[i - 2], repeated.cell[i - 1])) for i in range(3)]
    assert (repeated.cell.volume / np.array(areas) >= 12 - 1e-6).all()


def test_a_conventional_cell_is_reduced() -> None:
    assert len(primitive(bulk("Al", cubic=True) * (1, 2, 1), 0.01)) == 1
    phonon = displaced(bulk("Al"), SMALL)
    assert len(phonon.supercells_with_displacements) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("atoms", "expected", "lowest"),
    [
        (bulk("Si"), STABLE, None),
        (bulk("NaCl", "rocksalt", a=5.64), STABLE, None),
        (
            crystal(
                ["Sr", "Ti", "O"],
                [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
                spacegroup=221,
                cellpar=[3.93] * 3 + [90] * 3,
            ),
            UNSTABLE,
            -3.84,
        ),
    ],
    ids=["Si", "NaCl", "cubic SrTiO3"],
)
def test_controls_by_chgnet(atoms: Atoms, expected: str, lowest: float | None, tmp_path: Path) -> None:
    pytest.importorskip("chgnet")
    found = phonons(atoms, find_engine("chgnet").calculator(), tmp_path)
    assert found.verdict == expected
    assert lowest is None or found.lowest == pytest.approx(lowest, abs=0.1)


def test_masses_are_ases_where_phonopy_has_none() -> None:
    phonon = displaced(bulk("Pu", "fcc", a=4.6), Settings(height=4.0))
    assert phonon.primitive.masses == pytest.approx([atomic_masses[94]])
