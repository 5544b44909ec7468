"""The core types: selection, motion, and their conventions against ASE."""

import numpy as np
import pytest
import scipy.linalg
import torch
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from asegen.crystals.crystals import Crystals, Tangent


def make(seed: int, counts: tuple[int, ...] = (3, 1, 5)) -> Crystals:
    generator = torch.Generator().manual_seed(seed)
    kwargs = {"generator": generator, "dtype": torch.float64}
    cell = 4 * torch.eye(3, dtype=torch.float64) + torch.randn(len(counts), 3, 3, **kwargs) * 0.5
    numbers = torch.randint(1, 90, (sum(counts),), generator=generator)
    return Crystals(cell, torch.rand(sum(counts), 3, **kwargs), numbers, torch.tensor(counts))


def test_positions_and_volume_are_ase_s() -> None:
    crystals = make(0)
    for k in range(len(crystals)):
        one = crystals[k]
        atoms = Atoms(
            one.numbers.numpy(), scaled_positions=one.scaled_positions.numpy(), cell=one.cell[0].numpy(), pbc=True
        )
        np.testing.assert_allclose(one.positions, atoms.positions, atol=1e-12)
        np.testing.assert_allclose(one.volume, atoms.get_volume())


@given(st.integers(0, 1000), st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_selection_is_concatenation_of_single_ones(seed: int, index: list[int]) -> None:
    crystals = make(seed)
    chosen = crystals[torch.tensor(index)]
    joined = Crystals.cat([crystals[k] for k in index])
    for name in ("cell", "scaled_positions", "numbers", "n_atoms", "batch"):
        assert torch.equal(getattr(chosen, name), getattr(joined, name))


def test_selection_by_mask_slice_and_out_of_range() -> None:
    crystals = make(1)
    assert crystals[crystals.n_atoms > 1].n_atoms.tolist() == [3, 5]
    assert crystals[1:].n_atoms.tolist() == [1, 5]
    assert len(crystals[torch.tensor([], dtype=torch.int64)]) == 0
    with pytest.raises(IndexError):
        crystals[3]


def test_atoms_of_chosen_crystals() -> None:
    c = make(0)
    assert c.atoms_of(torch.tensor([2, 0, 2])).tolist() == [4, 5, 6, 7, 8, 0, 1, 2, 4, 5, 6, 7, 8]
    assert c.atoms_of(torch.tensor([False, True, False])).tolist() == [3]
    assert c.atoms_of(slice(1, None)).tolist() == [3, 4, 5, 6, 7, 8]
    assert c.atoms_of(torch.zeros(0, dtype=torch.int64)).tolist() == []
    with pytest.raises(IndexError):
        c.atoms_of(torch.tensor([3]))


def test_move_follows_the_tangent() -> None:
    crystals = make(2)
    strain = torch.randn(3, 3, 3, dtype=torch.float64) * 0.1
    tangent = Tangent(torch.randn(9, 3, dtype=torch.float64), (strain + strain.mT) / 2)
    moved = crystals.move(tangent)
    for k in range(3):
        expected = crystals.cell[k].numpy() @ scipy.linalg.expm(tangent.strain[k].numpy())
        np.testing.assert_allclose(moved.cell[k], expected, atol=1e-10)
    difference = moved.scaled_positions - crystals.scaled_positions - tangent.displacement
    torch.testing.assert_close(difference, difference.round(), rtol=0, atol=1e-12)
    assert bool(((moved.scaled_positions >= 0) & (moved.scaled_positions < 1)).all())


def test_move_commutes_with_rotation() -> None:
    crystals = make(3)
    q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    strain = torch.randn(3, 3, 3, dtype=torch.float64) * 0.1
    strain = (strain + strain.mT) / 2
    step = torch.randn(9, 3, dtype=torch.float64)
    turned = crystals.replace(cell=crystals.cell @ q).move(Tangent(step, q.T @ strain @ q))
    torch.testing.assert_close(turned.cell, crystals.move(Tangent(step, strain)).cell @ q)


def test_displacement_to_undoes_a_short_move() -> None:
    crystals = make(4)
    step = (torch.rand(9, 3, dtype=torch.float64) - 0.5) * 0.9
    moved = crystals.move(Tangent(step, torch.zeros(3, 3, 3, dtype=torch.float64)))
    torch.testing.assert_close(crystals.displacement_to(moved), step)
