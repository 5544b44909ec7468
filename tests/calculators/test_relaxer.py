"""`LearnedRelaxer` and its batch form: ASE's idiom, constraints, symmetries, refusals; with known networks."""

import io
from pathlib import Path

import numpy as np
import pytest
import spglib
import torch
from ase import Atoms
from ase.build import bulk, make_supercell, molecule
from ase.constraints import FixAtoms, FixCom, FixedPlane, FixSymmetry
from ase.filters import FrechetCellFilter, StrainFilter, UnitCellFilter
from ase.io import read
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st

from asegen.calculators.learned_relaxation import relax_structures
from asegen.calculators.relaxer import LearnedRelaxer
from asegen.crystals.crystals import Crystals, Tangent
from asegen.errors import InputError
from asegen.models.empnn.moment_network import MomentEMPNN
from asegen.relaxation.relax import Limits
from asegen.trained.relaxer import Relaxer, load_relaxer

HEADER = {"name": "test", "steps": 1, "elements": list(range(1, 60))}


class ToVolume(torch.nn.Module):
    """Known behaviour: half the way to 20 Å³ per atom in every step, and atoms move towards an even distribution."""

    def __init__(self, goal: float = 20.0, shift: float = 0.0) -> None:
        super().__init__()
        self.goal, self.shift = goal, shift

    def forward(self, crystals: Crystals) -> list[Tangent]:
        size = torch.log(self.goal * crystals.n_atoms / crystals.volume) / 6
        strain = size[:, None, None] * torch.eye(3, dtype=crystals.dtype)
        displacement = torch.full_like(crystals.scaled_positions, -self.shift)
        displacement[crystals.first_atom] = self.shift
        return [Tangent(displacement, strain)]


def known(goal: float = 20.0, shift: float = 0.0) -> Relaxer:
    return Relaxer(HEADER, ToVolume(goal, shift), torch.device("cpu"))


@pytest.fixture(scope="module")
def network() -> Relaxer:
    torch.manual_seed(0)
    model = MomentEMPNN(width=16, channels=4, first_layers=1, steps=2, neighbors=10, radial=12)
    with torch.no_grad():
        for step in model.steps:
            step.gates[-1].weight.mul_(4)
            step.gates[-1].bias.mul_(4)  # moves of a few tenths of an Å, as a trained network's
    return Relaxer(HEADER, model.eval(), torch.device("cpu"))


def rutile(seed: int | None = None) -> Atoms:
    atoms = crystal(["Ti", "O"], [(0, 0, 0), (0.31, 0.31, 0)], spacegroup=136, cellpar=[4.6, 4.6, 2.95, 90, 90, 90])
    if seed is not None:
        atoms.rattle(0.1, seed=seed)
        strain = np.eye(3) + 0.05 * np.random.default_rng(seed).normal(size=(3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    return atoms


def group(atoms: Atoms, symprec: float = 1e-4) -> int:
    return spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec).number


# -- ASE's idiom -------------------------------------------------------------------------------------------------------


def test_run_irun_attach_logfile_and_trajectory(tmp_path: Path) -> None:
    atoms, log = bulk("Cu", a=3.6), io.StringIO()
    seen: list[float] = []
    with LearnedRelaxer(atoms, logfile=log, trajectory=tmp_path / "a.traj", model=known(), cell=True) as relaxer:
        relaxer.attach(lambda: seen.append(atoms.cell.volume))
        assert relaxer.run(fmax=0.01, steps=30, cell_max=1e-3) is True
    assert relaxer.status == "converged" and not relaxer.reason
    assert abs(atoms.cell.volume / 20 - 1) < 0.01
    frames = read(tmp_path / "a.traj", ":")
    assert len(frames) == len(seen) == relaxer.nsteps + 1
    np.testing.assert_allclose([f.cell.volume for f in frames], seen)
    lines = log.getvalue().splitlines()
    assert len(lines) == relaxer.nsteps + 2 and lines[-1].startswith("LearnedRelaxer:")
    again = LearnedRelaxer(bulk("Cu", a=3.6), logfile=None, model=known(), cell=True)
    states = list(again.irun(steps=2))
    assert states == [False, False, False] and again.status == "out of steps" and again.nsteps == 2
    assert again.run(steps=50, cell_max=1e-3) and again.nsteps > 2  # goes on where it was
    assert again.converged()


def test_restart_goes_on_with_the_count_and_the_first_volume(tmp_path: Path) -> None:
    atoms, file = bulk("Cu", a=3.6), tmp_path / "state.json"
    first = LearnedRelaxer(atoms, restart=file, logfile=None, model=known(), volume_factor=1.4, cell=True)
    first.run(steps=1)
    volume = atoms.cell.volume
    second = LearnedRelaxer(atoms, restart=file, logfile=None, model=known(), volume_factor=1.4, cell=True)
    assert second.nsteps == 1
    assert not second.run(steps=1)
    assert second.status == "volume" and "1.4" in second.reason
    assert atoms.cell.volume == volume < 1.4 * bulk("Cu", a=3.6).cell.volume
    file.write_text("not JSON")
    with pytest.raises(InputError, match="restart"):
        LearnedRelaxer(atoms, restart=file, logfile=None, model=known())


def test_the_network_is_asked_once_per_state() -> None:
    relaxer, calls = known(), []
    relaxer._model.register_forward_hook(lambda *args: calls.append(1))
    LearnedRelaxer(bulk("Cu", a=3.6), logfile=io.StringIO(), model=relaxer, cell=True).run(steps=4, cell_max=0.0)
    assert len(calls) == 5


def test_atoms_keep_what_they_carry_and_are_not_wrapped() -> None:
    atoms = rutile(1)
    atoms.positions += atoms.cell.array[0]  # outside of the cell, as in a trajectory
    atoms.info["key"], atoms.arrays["tags"] = "value", np.arange(6)
    before = atoms.positions.copy()
    LearnedRelaxer(atoms, logfile=None, model=known(atoms.cell.volume / 6, 0.001)).run(fmax=0.0, steps=1)
    assert 0 < np.abs(atoms.positions - before).max() < 0.1
    assert atoms.info["key"] == "value" and atoms.arrays["tags"][5] == 5


def test_two_atoms_at_one_place_are_invalid_as_in_a_batch() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.append(atoms[0])
    (record,) = relax_structures(atoms, known(atoms.cell.volume / 9))
    relaxer = LearnedRelaxer(atoms, logfile=None, model=known(atoms.cell.volume / 9), cell=True)
    assert relaxer.run() is False and not relaxer.converged()
    assert (relaxer.status, relaxer.reason) == (record.status, record.reason) == ("invalid", record.reason)
    assert relaxer.reason.startswith("overlapping") and relaxer.nsteps == record.steps == 0
    moving = LearnedRelaxer(atoms, logfile=None, model=known(), cell=True)
    assert not moving.run(steps=2, cell_max=0.0) and moving.status == "invalid" and moving.nsteps == 2


def test_a_step_is_shortened_to_maxstep() -> None:
    for shift in (0.0, 0.2):
        free, short = (bulk("NaCl", "rocksalt", a=5.0) for _ in range(2))
        LearnedRelaxer(free, logfile=None, model=known(40.0, shift), cell=True).run(steps=1)
        relaxer = LearnedRelaxer(short, logfile=None, model=known(40.0, shift), cell=True, maxstep=0.05)
        relaxer.run(steps=1)
        ends = np.linalg.norm(short.cell.array - bulk("NaCl", "rocksalt", a=5.0).cell.array, axis=1)
        assert 0 < ends.max() < 0.051
        assert np.abs(free.cell.array - bulk("NaCl", "rocksalt", a=5.0).cell.array).max() > 0.2
        if shift:
            before = bulk("NaCl", "rocksalt", a=5.0).get_scaled_positions()
            moved = (short.get_scaled_positions() - before + 0.5) % 1 - 0.5
            assert 0.03 < np.linalg.norm(moved @ bulk("NaCl", "rocksalt", a=5.0).cell.array, axis=1).max() < 0.051


def test_representations_say_what_it_is() -> None:
    relaxer = LearnedRelaxer(bulk("Cu", a=3.6), logfile=None, model=known(), cell=True)
    assert repr(relaxer) == "LearnedRelaxer(Cu, model='test', new)"
    relaxer.run()
    assert repr(relaxer) == f"LearnedRelaxer(Cu, model='test', converged after {relaxer.nsteps} steps)"
    (record,) = relax_structures(bulk("Cu", a=3.6), known())
    assert "0x" not in repr(record) and "converged" in repr(record)


# -- constraints -------------------------------------------------------------------------------------------------------


def test_fixed_atoms_keep_their_place_in_the_cell(network: Relaxer) -> None:
    atoms = rutile(2)
    atoms.set_constraint([FixAtoms([0, 3]), FixCom()])
    before = atoms.get_scaled_positions()
    LearnedRelaxer(atoms, logfile=None, model=network, cell=True).run(steps=3)
    after = atoms.get_scaled_positions()
    np.testing.assert_allclose(after[[0, 3]], before[[0, 3]], atol=1e-12)
    assert np.abs(after[1] - before[1]).max() > 1e-4
    batch = relax_structures([_constrained(rutile(2), FixAtoms([0, 3]))], network, limits=Limits(steps=3))
    np.testing.assert_allclose(batch[0].atoms.positions, atoms.positions, atol=1e-6)


def _constrained(atoms: Atoms, constraint: object) -> Atoms:
    atoms.set_constraint(constraint)
    return atoms


@pytest.mark.parametrize("by", ["constraint", "request", "batch"])
def test_the_space_group_is_kept(network: Relaxer, by: str) -> None:
    atoms = rutile()
    atoms.rattle(1e-3, seed=0)
    assert group(atoms, 1e-5) == 1
    if by == "constraint":
        atoms.set_constraint(FixSymmetry(atoms, symprec=0.01))
    before = atoms.cell.cellpar()
    if by == "batch":
        atoms = relax_structures([atoms], network, keep_symmetry=True, limits=Limits(steps=5))[0].atoms
    else:
        LearnedRelaxer(atoms, logfile=None, model=network, keep_symmetry=by == "request", cell=True).run(steps=5)
    assert group(atoms, 1e-5) == 136
    assert np.abs(atoms.cell.cellpar() - before)[:3].max() > 1e-2


def test_a_fixed_cell_stays_and_fixed_positions_too(network: Relaxer) -> None:
    for fixed, asked_for in (("cell", {}), ("positions", {"cell": True, "fix_positions": True})):
        atoms = rutile(3)
        cell, x = atoms.cell.array.copy(), atoms.get_scaled_positions()
        LearnedRelaxer(atoms, logfile=None, model=network, **asked_for).run(fmax=0.0, steps=2)
        assert np.allclose(atoms.cell.array, cell) == (fixed == "cell")
        assert np.allclose(atoms.get_scaled_positions(), x) == (fixed == "positions")


def test_cell_filters_say_what_moves(network: Relaxer) -> None:
    atoms = rutile(4)
    cell, x = atoms.cell.array.copy(), atoms.get_scaled_positions()
    LearnedRelaxer(StrainFilter(atoms, mask=[1, 0, 0, 0, 0, 0]), logfile=None, model=network).run(steps=2)
    np.testing.assert_allclose(atoms.get_scaled_positions(), x, atol=1e-12)
    np.testing.assert_allclose(atoms.cell.array[:, 1:], cell[:, 1:])
    assert np.abs(atoms.cell.array - cell).max() > 1e-3
    same = rutile(4)
    LearnedRelaxer(UnitCellFilter(same, constant_volume=True), logfile=None, model=network).run(steps=2)
    assert abs(same.cell.volume / np.linalg.det(cell) - 1) < 1e-9
    scaled = rutile(4)
    LearnedRelaxer(FrechetCellFilter(scaled, hydrostatic_strain=True), logfile=None, model=network).run(steps=2)
    np.testing.assert_allclose(scaled.cell.angles(), rutile(4).cell.angles())
    with pytest.raises(InputError, match="pressure"):
        LearnedRelaxer(UnitCellFilter(same, scalar_pressure=1.0), logfile=None, model=network)


# -- symmetries of the whole relaxer -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Relaxer:
    return load_relaxer(device="cpu")


@pytest.mark.parametrize("which", ["network", "shipped"])
@settings(max_examples=8)
@given(seed=st.integers(0, 1000))
def test_the_whole_relaxer_turns_and_permutes_with_the_crystal(
    network: Relaxer, shipped: Relaxer, which: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    atoms = rutile(seed)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turned = Atoms(atoms.numbers, atoms.positions @ q, cell=atoms.cell.array @ q, pbc=True)
    shift = rng.normal(size=3)
    moved = atoms.copy()
    moved.positions += shift
    order = rng.permutation(len(atoms))
    shears = np.eye(3, dtype=int)
    for _ in range(2):
        a, b = rng.permutation(3)[:2]
        shear = np.eye(3, dtype=int)
        shear[a, b] = rng.choice([-1, 1])
        shears = shear @ shears
    other = Atoms(atoms.numbers, atoms.positions, cell=shears @ atoms.cell.array, pbc=True)
    twice = make_supercell(atoms, np.diag([1, 1, 2]))
    limits = Limits(steps=3, position_tolerance=0, cell_tolerance=0, volume_factor=10)
    cases = [atoms, turned, moved, atoms[order], other, twice]
    found = [r.atoms for r in relax_structures(cases, shipped if which == "shipped" else network, limits=limits)]
    here, close = found[0], {"atol": 1e-5, "rtol": 1e-5}
    assert np.abs(here.positions - atoms.positions).max() > 1e-2
    np.testing.assert_allclose(found[1].positions, here.positions @ q, **close)
    np.testing.assert_allclose(found[1].cell.array, here.cell.array @ q, **close)
    np.testing.assert_allclose(found[2].cell.array, here.cell.array, **close)
    drift = found[2].get_scaled_positions() - here.get_scaled_positions() - atoms.cell.scaled_positions(shift)
    np.testing.assert_allclose(drift, np.round(drift), **close)
    np.testing.assert_allclose(found[3].positions, here.positions[order], **close)
    np.testing.assert_allclose(found[4].cell.array, shears @ here.cell.array, atol=3e-5)
    away = (found[4].positions - here.positions) @ np.linalg.inv(here.cell.array)
    np.testing.assert_allclose(away - away.mean(0), 0, **close)
    np.testing.assert_allclose(found[5].cell.array, np.diag([1, 1, 2]) @ here.cell.array, **close)


def test_batch_is_single(network: Relaxer) -> None:
    cases = [rutile(1), bulk("NaCl", "rocksalt", a=5.0), rutile(2)]
    together = relax_structures(cases, network, limits=Limits(steps=4))
    for atoms, record in zip(cases, together, strict=True):
        LearnedRelaxer(atoms, logfile=None, model=network, cell=True).run(steps=4)
        np.testing.assert_allclose(record.atoms.positions, atoms.positions, atol=1e-5)
        np.testing.assert_allclose(record.atoms.cell.array, atoms.cell.array, atol=1e-5)


def test_one_crystal_needs_no_list() -> None:
    (alone,), (listed,) = relax_structures(bulk("Cu", a=3.6), known()), relax_structures([bulk("Cu", a=3.6)], known())
    assert (alone.atoms.cell.array == listed.atoms.cell.array).all() and alone.status == listed.status == "converged"


# -- refusals ----------------------------------------------------------------------------------------------------------


def bad() -> dict[str, Atoms]:
    nan = bulk("Cu")
    nan.positions[0, 0] = np.nan
    infinite = bulk("Cu")
    infinite.cell[0, 0] = np.inf
    cases = {
        "no atoms": Atoms(cell=[3, 3, 3], pbc=True),
        "not periodic": molecule("H2O"),
        "non-finite": nan,
        "non-finite:": infinite,
        "bad cell": Atoms("Cu", cell=[[3, 0, 0], [6, 0, 0], [0, 0, 3]], pbc=True),
        "unknown element": Atoms("X", cell=[3, 3, 3], pbc=True),
        "untrained element": bulk("Au"),
        "can't be honoured": _constrained(bulk("Cu"), FixedPlane(0, (0, 0, 1))),
    }
    return cases


@pytest.mark.parametrize("kind", list(bad()))
def test_what_cannot_be_relaxed_is_refused_in_one_line(kind: str) -> None:
    with pytest.raises(InputError, match=kind) as error:
        LearnedRelaxer(bad()[kind], logfile=None, model=known())
    assert "\n" not in str(error.value)


def test_in_a_batch_each_bad_structure_gets_its_status_and_the_others_are_done() -> None:
    overlapping = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 0.01]], cell=[3, 3, 3], pbc=True)
    cases = [bulk("Cu", a=3.6), *bad().values(), overlapping, bulk("Ni", a=3.2)]
    counts: list[int] = []
    found = relax_structures(cases, known(), report=counts.append)
    statuses = ["converged", *["refused"] * len(bad()), "invalid", "converged"]
    assert [r.status for r in found] == statuses
    assert sum(counts) == len(cases)
    for record, atoms in zip(found, cases, strict=True):
        assert record.atoms.info["relax_status"] == record.status
        assert record.atoms.info.get("relax_reason", "") == record.reason
        assert (record.atoms.numbers == atoms.numbers).all() and record.atoms is not atoms
    assert found[-2].reason.startswith("overlapping")


def test_a_structure_without_a_space_group_to_keep_costs_no_other_its_relaxation() -> None:
    molecule = Atoms("Cu2", positions=[[0, 0, 0], [0.74, 0, 0]], cell=[6, 6, 6], pbc=True)  # too near for spglib
    refused, kept = relax_structures([molecule, bulk("Cu")], known(), keep_symmetry=True, symprec=0.8)
    assert (refused.status, refused.reason) == ("refused", "spglib finds no space group at 0.8 Å")
    assert kept.status == "converged"


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match="nothing is left"):
        relax_structures([], known(), fix_cell=True, fix_positions=True)
    with pytest.raises(InputError, match="nothing is left"):
        LearnedRelaxer(bulk("Cu"), model=known(), fix_positions=True)
    with pytest.raises(InputError, match="symprec"):
        relax_structures([], known(), symprec=0.0)
    with pytest.raises(InputError, match="symprec"):
        relax_structures([], known(), symprec=1.5)
    for fmax in (-1.0, np.nan):
        with pytest.raises(InputError, match="tolerances"):
            LearnedRelaxer(bulk("Cu"), model=known()).run(fmax=fmax)
    with pytest.raises(InputError, match="maxstep"):
        LearnedRelaxer(bulk("Cu"), model=known(), maxstep=0.0)
    with pytest.raises(InputError, match="no model"):
        LearnedRelaxer(bulk("Cu"), model="no such model")
    with pytest.raises(InputError, match="model = False: the name of a model"):
        relax_structures([], False)
    with pytest.raises(InputError, match="not for Denoising or Reconstruction"):
        LearnedRelaxer(bulk("Cu"), model="torusflow-mp")
    with pytest.raises(InputError, match="limits = 3: an object of the class Limits"):
        relax_structures([], known(), limits=3)  # type: ignore[arg-type]
    assert relax_structures([], known()) == []


@pytest.mark.parametrize(
    ("given", "run", "message"),
    [
        ({"maxstep": "0.1"}, {}, "maxstep = '0.1': a number is needed"),
        ({"volume_factor": "2"}, {}, "volume_factor = '2': a number is needed"),
        ({"volume_factor": 0.5}, {}, "volume_factor > 1"),
        ({}, {"fmax": "0.1"}, "fmax = '0.1': a number is needed"),
        ({}, {"cell_max": None}, "cell_max = None: a number is needed"),
        ({}, {"steps": 2.5}, "steps = 2.5: a whole number is needed"),
    ],
)
def test_numbers_of_a_wrong_kind_are_refused_by_name(given: dict, run: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LearnedRelaxer(bulk("Cu"), logfile=None, model=known(), **given).run(**run)
