"""The default network: invariances, batch = single, distances against ASE."""

import numpy as np
import torch
from ase import Atoms
from ase.data import covalent_radii
from hypothesis import given
from hypothesis import strategies as st

from asegen.crystals.crystals import Crystals
from asegen.models.transformer import CrystalTransformer, _periodic_table

COUNTS = (4, 1, 6)


def make(seed: int, dropout: float = 0.0) -> tuple[CrystalTransformer, Crystals, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    model = CrystalTransformer(width=32, layers=2, heads=4, dropout=dropout)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    cell = 4 * torch.eye(3) + torch.randn(3, 3, 3) * 0.3
    crystals = Crystals(cell, torch.rand(sum(COUNTS), 3), torch.randint(1, 90, (sum(COUNTS),)), torch.tensor(COUNTS))
    return model.double(), crystals.to(dtype=torch.float64), torch.randn(3, 6).double(), torch.rand(3).double()


@given(st.integers(0, 100))
def test_invariances(seed: int) -> None:
    model, crystals, lattice, time = make(seed)
    velocity, lattice_velocity = model(crystals, lattice, time)
    q, _ = torch.linalg.qr(torch.randn(3, 3).double())
    turned = model(crystals.replace(cell=crystals.cell @ q), lattice, time)
    translated = crystals.replace(
        scaled_positions=crystals.scaled_positions + torch.rand(3, 3).double()[crystals.batch]
    )
    for other in (turned, model(translated, lattice, time)):
        torch.testing.assert_close(other[0], velocity, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(other[1], lattice_velocity, atol=1e-6, rtol=1e-5)
    mean = torch.zeros(3, 3).double().index_add(0, crystals.batch, velocity)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-6, rtol=0)


def test_permutation_and_batch() -> None:
    model, crystals, lattice, time = make(1)
    velocity, lattice_velocity = model(crystals, lattice, time)
    order = torch.tensor([2, 0, 3, 1, 4, 10, 9, 8, 7, 6, 5])
    permuted = Crystals(crystals.cell, crystals.scaled_positions[order], crystals.numbers[order], crystals.n_atoms)
    torch.testing.assert_close(model(permuted, lattice, time)[0], velocity[order], atol=1e-6, rtol=1e-5)
    single = [model(crystals[k], lattice[k : k + 1], time[k : k + 1]) for k in range(3)]
    torch.testing.assert_close(torch.cat([s[0] for s in single]), velocity, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(torch.cat([s[1] for s in single]), lattice_velocity, atol=1e-6, rtol=1e-5)


def test_dropout_keeps_the_symmetries_and_ends_with_training() -> None:
    model, crystals, lattice, time = make(3, dropout=0.5)
    order = torch.tensor([2, 0, 3, 1, 4, 10, 9, 8, 7, 6, 5])
    permuted = Crystals(crystals.cell, crystals.scaled_positions[order], crystals.numbers[order], crystals.n_atoms)
    trained = []
    for case in (crystals, permuted):
        torch.manual_seed(7)
        trained.append(model(case, lattice, time)[0])
    torch.testing.assert_close(trained[1], trained[0][order], atol=1e-6, rtol=1e-5)
    whole = model.eval()(crystals, lattice, time)[0]
    assert not torch.allclose(whole, trained[0], atol=1e-3)
    torch.testing.assert_close(model(crystals, lattice, time)[0], whole, atol=0, rtol=0)


def test_distances_are_ase_s_minimum_images() -> None:
    model, crystals, _, _ = make(2)
    one = crystals[2]
    atoms = Atoms(
        one.numbers.numpy(), cell=one.cell[0].numpy(), scaled_positions=one.scaled_positions.numpy(), pbc=True
    )
    delta = one.scaled_positions[None, None] - one.scaled_positions[None, :, None]
    found = model._shortest_distance(delta - delta.round(), one.cell)[0].numpy()
    np.testing.assert_allclose(found, atoms.get_all_distances(mic=True), atol=1e-5)


def test_every_parameter_gets_a_gradient() -> None:
    model, crystals, lattice, time = make(3)
    velocity, lattice_velocity = model(crystals, lattice, time)
    (velocity.square().sum() + lattice_velocity.square().sum()).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())


def test_periodic_table_places_known_elements() -> None:
    period, group = _periodic_table()
    for symbols, column in (([1, 3, 11, 55], 0), ([9, 17, 35, 53, 85], 30), ([2, 10, 18, 54], 31), ([22, 40, 72], 17)):
        assert {int(group[z]) for z in symbols} == {column}
    assert period[[1, 3, 11, 19, 37, 55, 87]].tolist() == list(range(7))
    assert len(covalent_radii) >= len(period) - 1
