"""Forces and stress of every network with gradients, at crystals whose neighbours are equally far: their symmetry."""

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.spacegroup import crystal
from ase.spacegroup.symmetrize import prep_symmetry, symmetrize_rank1, symmetrize_rank2
from ase.stress import voigt_6_to_full_3x3_stress
from torch import nn

from asegen.calculators import PropertyCalculator
from asegen.calculators.constraints import RelaxationConstraints, constraints_of, freedom_of
from asegen.calculators.property import _gradients
from asegen.models.alignn.network import ALIGNN
from asegen.models.cgcnn import CGCNN
from asegen.models.megnet import MEGNet
from asegen.relaxation.motion import Freedom
from asegen.structures.atoms import crystals_from_atoms
from asegen.trained.predictor import load_predictor
from asegen.trained.relaxer import load_relaxer


class Energies(Calculator):
    """The energy that the gradients belong to."""

    implemented_properties = ("energy", "free_energy")

    def __init__(self, predictor: Any) -> None:
        super().__init__()
        self.predictor = predictor

    def calculate(self, atoms: Atoms, properties: Sequence[str], system_changes: Sequence[str]) -> None:
        super().calculate(atoms, properties, system_changes)
        energy = _gradients(atoms, self.predictor)["energy"]
        self.results = {"energy": energy, "free_energy": energy}


def cubic(symbols: list[str], sites: list[tuple[float, float, float]], group: int, a: float) -> Atoms:
    return crystal(symbols, sites, spacegroup=group, cellpar=[a, a, a, 90, 90, 90], primitive_cell=True)


def uniaxial(symbols: list[str], sites: list[tuple[float, float, float]], group: int, a: float, c: float) -> Atoms:
    angle = 120 if group > 142 else 90
    return crystal(symbols, sites, spacegroup=group, cellpar=[a, a, c, 90, 90, angle], primitive_cell=True)


O, H, Q = (0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)  # noqa: E741
PERFECT: dict[str, Callable[[], Atoms]] = {
    "rock salt": lambda: bulk("MgO", "rocksalt", a=4.25),
    "CsCl": lambda: bulk("CsCl", "cesiumchloride", a=4.1),
    "zinc blende": lambda: bulk("ZnS", "zincblende", a=5.41),
    "wurtzite": lambda: uniaxial(["Zn", "S"], [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, 0.375)], 186, 3.82, 3.82 * 1.632993),
    "fluorite": lambda: cubic(["Ca", "F"], [O, Q], 225, 5.46),
    "antifluorite": lambda: cubic(["O", "Li"], [O, Q], 225, 4.62),
    "perovskite": lambda: cubic(["Sr", "Ti", "O"], [O, H, (0.5, 0.5, 0)], 221, 3.91),
    "rutile": lambda: uniaxial(["Ti", "O"], [O, (0.305, 0.305, 0)], 136, 4.6, 2.96),
    "anatase": lambda: uniaxial(["Ti", "O"], [O, (0, 0, 0.208)], 141, 3.79, 9.51),
    "NiAs": lambda: uniaxial(["Ni", "As"], [O, (1 / 3, 2 / 3, 0.25)], 194, 3.62, 5.03),
    "spinel": lambda: crystal(
        ["Mg", "Al", "O"],
        [(0.125, 0.125, 0.125), H, (0.2625, 0.2625, 0.2625)],
        spacegroup=227,
        setting=2,
        cellpar=[8.08, 8.08, 8.08, 90, 90, 90],
        primitive_cell=True,
    ),
    "diamond": lambda: bulk("Si", "diamond", a=5.43),
    "fcc": lambda: bulk("Cu", "fcc", a=3.61),
    "bcc": lambda: bulk("Fe", "bcc", a=2.87),
    "hcp": lambda: bulk("Mg", "hcp", a=3.2, covera=np.sqrt(8 / 3)),
    "Cu2O": lambda: cubic(["O", "Cu"], [O, Q], 224, 4.27),
    "CdI2": lambda: uniaxial(["Cd", "I"], [O, (1 / 3, 2 / 3, 0.25)], 164, 4.24, 6.84),
    "ReO3": lambda: cubic(["Re", "O"], [O, (0.5, 0, 0)], 221, 3.75),
    "AuCu3": lambda: cubic(["Ti", "Ni"], [O, (0.5, 0.5, 0)], 221, 3.75),
    "Heusler": lambda: cubic(["Al", "Mn", "Cu"], [O, H, Q], 225, 5.95),
}


def untrained(network: Callable[[], nn.Module]) -> Any:
    """A predictor with random weights."""
    torch.manual_seed(0)
    model = network().double().eval()
    return SimpleNamespace(device=torch.device("cpu"), differentiable=lambda crystals: model(crystals).mean(1))


def bonds_read() -> ALIGNN:
    """ALIGNN whose readout of bonds and angles isn't zero, as it is at first."""
    model = ALIGNN(width=16, alignn_layers=1, gcn_layers=1, angle_neighbors=6, bond_readout=True)
    assert model.readout is not None
    nn.init.normal_(model.readout[-1].weight)
    return model


def shipped(name: str) -> Any:
    return load_predictor(name, "cpu")


PREDICTORS: dict[str, Callable[[], Any]] = {
    "alignn-formation-energy": lambda: shipped("alignn-formation-energy"),
    "cgcnn-formation-energy": lambda: shipped("cgcnn-formation-energy"),
    "ALIGNN": lambda: untrained(partial(ALIGNN, width=16, alignn_layers=1, gcn_layers=1, angle_neighbors=6)),
    "ALIGNN, bonds read": lambda: untrained(bonds_read),
    "CGCNN": lambda: untrained(CGCNN),
    "MEGNet": lambda: untrained(MEGNet),
}


@pytest.fixture(scope="module", params=list(PREDICTORS))
def predictor(request: pytest.FixtureRequest) -> Any:
    return PREDICTORS[request.param]()


@pytest.mark.parametrize("name", list(PERFECT))
def test_gradients_have_the_crystal_s_symmetry(predictor: Any, name: str) -> None:
    atoms = PERFECT[name]()
    rotations, translations, targets = prep_symmetry(atoms, 1e-5)
    assert len(rotations) > 8
    found, cell = _gradients(atoms, predictor), atoms.cell.array
    wanted = symmetrize_rank1(cell, np.linalg.inv(cell), found["forces"], rotations, translations, targets)
    np.testing.assert_allclose(found["forces"], wanted, atol=1e-6)
    stress = voigt_6_to_full_3x3_stress(found["stress"])
    np.testing.assert_allclose(stress, symmetrize_rank2(cell, np.linalg.inv(cell), stress, rotations), atol=1e-7)


def test_gradients_are_central_differences(predictor: Any) -> None:
    atoms = PERFECT["rock salt"]()
    found = _gradients(atoms, predictor)
    atoms.calc = Energies(predictor)
    np.testing.assert_allclose(found["stress"], calculate_numerical_stress(atoms, 1e-5), atol=1e-6)
    np.testing.assert_allclose(found["forces"], calculate_numerical_forces(atoms, 1e-4), atol=2e-6)


@pytest.mark.parametrize("name", ["CsCl", "hcp", "perovskite", "rutile"])
def test_gradients_are_slopes_in_a_random_direction(predictor: Any, name: str) -> None:
    """Of positions and cell: for each a difference of two energies, where a gradient by differences takes 6 N + 12."""
    atoms, rng = PERFECT[name](), np.random.default_rng(0)
    found = _gradients(atoms, predictor)
    moves, strain = rng.normal(size=(len(atoms), 3)), rng.normal(size=(3, 3))
    moves, strain = moves / np.linalg.norm(moves), strain + strain.T
    strain /= np.linalg.norm(strain)

    def energy(step: float, strained: float) -> float:
        moved = atoms.copy()
        moved.positions += step * moves
        moved.set_cell(moved.cell.array @ (np.eye(3) + strained * strain), scale_atoms=True)
        return float(_gradients(moved, predictor)["energy"])

    work = (energy(1e-4, 0) - energy(-1e-4, 0)) / 2e-4
    assert -(found["forces"] * moves).sum() == pytest.approx(work, abs=2e-6)
    work = (energy(0, 1e-5) - energy(0, -1e-5)) / 2e-5 / atoms.get_volume()
    assert (voigt_6_to_full_3x3_stress(found["stress"]) * strain).sum() == pytest.approx(work, abs=1e-6)


def test_a_relaxation_by_alignn_keeps_the_symmetry() -> None:
    """From a perfect crystal, without a constraint; it used to end in P1."""
    atoms = bulk("MgO", "rocksalt", a=4.25)
    atoms.calc = PropertyCalculator("alignn-formation-energy", "cpu", forces=True)
    assert BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.01, steps=50)
    assert len(prep_symmetry(atoms, 1e-4)[0]) == 48
    np.testing.assert_allclose(atoms.cell.angles(), 60, atol=1e-6)


@pytest.mark.parametrize("name", list(PERFECT))
def test_the_learned_relaxer_s_motion_has_the_crystal_s_symmetry(name: str) -> None:
    atoms = PERFECT[name]()
    crystals = crystals_from_atoms([atoms])
    kept = RelaxationConstraints(keep_symmetry=True, symprec=1e-5)
    symmetric = freedom_of([constraints_of(atoms, kept)], kept)
    motion = load_relaxer(device="cpu").propose(crystals, Freedom())
    wanted = symmetric.project(crystals, motion)
    torch.testing.assert_close(motion.displacement, wanted.displacement, atol=2e-6, rtol=0)
    torch.testing.assert_close(motion.strain, wanted.strain, atol=5e-6, rtol=0)  # the network's single precision
