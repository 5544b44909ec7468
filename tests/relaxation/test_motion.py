"""Motions: composition, size, and what holds a crystal back, against spglib and ASE."""

import numpy as np
import pytest
import spglib
import torch
from ase import Atoms
from ase.spacegroup import crystal

from asegen.crystals.crystals import Crystals, Tangent
from asegen.geometry.lattice import metric_tensor
from asegen.relaxation.motion import Freedom, Symmetry, size_of, total_motion
from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms


def rutile() -> Atoms:
    basis = [(0, 0, 0), (0.31, 0.31, 0)]
    return crystal(["Ti", "O"], basis, spacegroup=136, cellpar=[4.6, 4.6, 2.95, 90, 90, 90])


def quartz() -> Atoms:
    basis = [(0.47, 0, 1 / 3), (0.41, 0.27, 0.786)]
    return crystal(["Si", "O"], basis, spacegroup=152, cellpar=[4.91, 4.91, 5.4, 90, 90, 120])


def cell_of(atoms: Atoms) -> tuple:
    return atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers


def symmetry_of(structures: list[Atoms], symprec: float = 1e-3) -> Symmetry:
    """The operations by spglib, atoms matched one by one."""
    parts: list[list] = [[], [], [], [], [], []]
    first = 0
    for k, atoms in enumerate(structures):
        found = spglib.get_symmetry(cell_of(atoms), symprec=symprec)
        x = atoms.get_scaled_positions()
        for w, t in zip(found["rotations"], found["translations"], strict=True):
            parts[0].append(k)
            parts[1].append(w)
            parts[2].append(t)
            away = x[:, None] @ w.T + t - x[None]
            target = np.linalg.norm(away - np.round(away), axis=-1).argmin(1)
            parts[3] += [len(parts[0]) - 1] * len(atoms)
            parts[4] += (first + np.arange(len(atoms))).tolist()
            parts[5] += (first + target).tolist()
        first += len(atoms)
    tensors = [torch.tensor(np.array(p)) for p in parts]
    return Symmetry(tensors[0], tensors[1].double(), tensors[2].double(), *tensors[3:])


def random_motion(crystals: Crystals, size: float, seed: int = 0) -> Tangent:
    kwargs = {"generator": torch.Generator().manual_seed(seed), "dtype": torch.float64}
    strain = size * torch.randn(len(crystals), 3, 3, **kwargs)
    return Tangent(size * torch.randn(len(crystals.numbers), 3, **kwargs), (strain + strain.mT) / 2)


def group(atoms: Atoms, symprec: float = 1e-5) -> int:
    return spglib.get_spacegroup(cell_of(atoms), symprec=symprec).split("(")[1][:-1]


def test_total_motion_leads_where_its_parts_lead() -> None:
    crystals = crystals_from_atoms([rutile(), quartz()])
    parts = [random_motion(crystals, 0.05, seed) for seed in range(3)]
    there = crystals
    for part in parts:
        there = there.move(part)
    at_once = crystals.move(total_motion(parts))
    torch.testing.assert_close(metric_tensor(at_once.cell), metric_tensor(there.cell))
    assert at_once.displacement_to(there).abs().max() < 1e-12


def test_size_is_in_angstrom() -> None:
    crystals = crystals_from_atoms([rutile(), quartz()])
    motion = random_motion(crystals, 0.01)
    farthest, strain = size_of(crystals, motion)
    step = motion.displacement[:6].numpy() @ crystals.cell[0].numpy()
    assert np.isclose(float(farthest[0]), np.linalg.norm(step, axis=1).max())
    assert np.isclose(float(strain[1]), np.linalg.norm(motion.strain[1].numpy(), ord=2))


def test_projected_motions_keep_the_space_group_and_others_do_not() -> None:
    structures = [rutile(), quartz()]
    crystals, symmetry = crystals_from_atoms(structures), symmetry_of(structures)
    motion = random_motion(crystals, 0.02)
    kept = symmetry.project(crystals, motion)
    assert [group(a) for a in atoms_from_crystals(crystals.move(kept))] == ["136", "152"]
    assert [group(a) for a in atoms_from_crystals(crystals.move(motion))] == ["1", "1"]
    again = symmetry.project(crystals, kept)
    torch.testing.assert_close(again.strain, kept.strain)
    torch.testing.assert_close(again.displacement, kept.displacement)
    assert kept.displacement.abs().max() > 1e-4 and kept.strain.abs().max() > 1e-3


def test_symmetrised_crystals_have_their_operations_exactly() -> None:
    structures = [rutile(), quartz()]
    symmetry, crystals = symmetry_of(structures), crystals_from_atoms(structures)
    rough = crystals.move(random_motion(crystals, 1e-3))
    exact = symmetry.symmetrised(rough)
    assert [group(a) for a in atoms_from_crystals(rough)] == ["1", "1"]
    assert [group(a) for a in atoms_from_crystals(exact)] == ["136", "152"]
    assert rough.displacement_to(exact).abs().max() < 5e-3


def test_selected_operations_are_those_of_the_selected_crystals() -> None:
    structures = [rutile(), quartz(), rutile()]
    crystals, symmetry = crystals_from_atoms(structures), symmetry_of(structures)
    chosen = torch.tensor([2, 1])
    motion = random_motion(crystals[chosen], 0.02)
    part = symmetry.select(crystals, chosen).project(crystals[chosen], motion)
    own = symmetry_of([structures[2], structures[1]]).project(crystals[chosen], motion)
    torch.testing.assert_close(part.strain, own.strain)
    torch.testing.assert_close(part.displacement, own.displacement)


def test_fixed_atoms_stay_with_respect_to_the_cell_and_others_move_as_before() -> None:
    crystals = crystals_from_atoms([rutile(), quartz()])
    motion = random_motion(crystals, 0.02)
    fixed = torch.zeros(len(crystals.numbers), dtype=torch.bool)
    fixed[[0, 1]] = True
    held = Freedom(fixed=fixed).project(crystals, motion)
    assert (held.displacement[:2] == 0).all()
    torch.testing.assert_close(held.displacement[6:], motion.displacement[6:])
    shift = held.displacement[2:6] - motion.displacement[2:6]
    torch.testing.assert_close(shift, -motion.displacement[:2].mean(0).expand(4, 3))
    selected = Freedom(fixed=fixed).select(crystals, torch.tensor([1, 0]))
    assert selected.fixed is not None and selected.fixed.nonzero()[:, 0].tolist() == [9, 10]


@pytest.mark.parametrize(("cell", "positions"), [(True, False), (False, True)])
def test_what_is_not_free_stays(cell: bool, positions: bool) -> None:
    crystals = crystals_from_atoms([rutile()])
    motion = Freedom(cell, positions).project(crystals, random_motion(crystals, 0.02))
    assert bool((motion.strain != 0).any()) == cell and bool((motion.displacement != 0).any()) == positions
