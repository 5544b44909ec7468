"""Space groups of candidates by spglib, and cells that have them exactly."""

import os
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from asegen.structures.space_groups import made_exact, refined, space_group, space_group_number

PEROVSKITE = crystal(
    ["Sr", "Ti", "O"], [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], spacegroup=221, cellpar=[3.9] * 3 + [90] * 3
)


@pytest.mark.parametrize(
    ("atoms", "group"),
    [
        (bulk("NaCl", "rocksalt", a=5.6), "Fm-3m (225)"),
        (bulk("ZnS", "wurtzite", a=3.8), "P6_3mc (186)"),
        (PEROVSKITE, "Pm-3m (221)"),
    ],
)
def test_a_noisy_supercell_becomes_the_exact_primitive_cell(atoms, group: str) -> None:
    noisy = atoms.repeat((1, 2, 1))
    noisy.rattle(0.02, seed=1)
    assert space_group(noisy, 1e-3) == "P1 (1)"
    exact = refined(noisy, 0.15)
    assert space_group(exact, 1e-5) == group and len(exact) == len(atoms)
    assert exact.get_volume() == pytest.approx(atoms.get_volume(), rel=0.02)
    assert exact.get_chemical_formula(empirical=True) == atoms.get_chemical_formula(empirical=True)


RUTILE = crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.65, 4.65, 2.97] + [90] * 3)
MG2SI = crystal(
    ["Si", "Mg"], [(0, 0, 0), (0.25, 0.25, 0.25)], spacegroup=225, cellpar=[6.4] * 3 + [90] * 3, primitive_cell=True
)


@pytest.mark.parametrize("atoms", [RUTILE, MG2SI, MG2SI.repeat((1, 2, 1)), bulk("ZnS", "wurtzite", a=3.8)])
def test_what_single_precision_leaves_of_a_space_group_is_made_exact_in_place(atoms: Atoms) -> None:
    noisy, draw = atoms.copy(), np.random.default_rng(0)
    noisy.rattle(1e-5, rng=draw)
    strain = 1e-5 * draw.normal(size=(3, 3))
    noisy.set_cell(noisy.cell.array @ (np.eye(3) + strain + strain.T), scale_atoms=True)
    group = space_group(noisy, 0.1)
    assert space_group(noisy, 1e-6) == "P1 (1)"
    exact = made_exact(noisy, 0.01)
    assert exact is not None and space_group(exact, 1e-6) == group
    assert (exact.numbers == atoms.numbers).all()
    assert np.abs(exact.positions - noisy.positions).max() < 1e-3
    # Neither turned nor shifted: the way back to the cell without noise is a change of scale along the axes.
    change = np.linalg.solve(atoms.cell.array, exact.cell.array)
    assert np.abs(change - np.diag(np.diag(change))).max() < 1e-8
    shift = exact.positions - noisy.get_scaled_positions(wrap=False) @ exact.cell.array
    assert np.abs(shift.mean(0)).max() < 1e-12


def test_a_tolerance_that_would_merge_atoms_changes_nothing() -> None:
    close = bulk("Cu", cubic=True)
    close.positions[1] = close.positions[0] + [0.7, 0, 0]
    found = refined(close, 1.0)
    assert found is None or np.isclose(len(found) / found.get_volume(), len(close) / close.get_volume(), rtol=0.05)


def test_spglib_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Its library has no exact positions for this one, tries again, and used to say so on stderr."""
    positions = [[0.729, 0.755, 0.222], [0.459, 0.978, 0.243], [0.735, 0.766, 0.272]]
    atoms = Atoms("HHeH", scaled_positions=positions, cell=[2.151, 3.807, 5.958], pbc=True)
    space_group_number(atoms, 0.3)
    assert capfd.readouterr().err == ""


def test_spglib_doesn_t_warn_of_itself() -> None:
    """It does at every call unless a switch of the process is set, which stays as it was for other libraries."""
    calls = "space_group(bulk('Cu'), 0.1); symmetry_dataset(Atoms('Cu'), 0.1); settings_of('Fm-3m'); "
    calls += "tabulated_operations(523); kind_of_setting(523); print(spglib.error.OLD_ERROR_HANDLING)"
    script = (
        "import spglib; from ase import Atoms; from ase.build import bulk; "
        "from asegen.structures.settings import settings_of, tabulated_operations; "
        "from asegen.structures.space_groups import space_group, symmetry_dataset; "
        "from asegen.symmetry.symbols import kind_of_setting; "
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("SPGLIB_")}  # ASE sets one
    command = [sys.executable, "-W", "error", "-c", script + calls]
    run = subprocess.run(command, capture_output=True, text=True, env=own)
    assert (run.returncode, run.stdout, run.stderr) == (0, "True\n", "")
