"""GemsNet: equivariance, batch = single, finite gradients."""

import pytest
import torch

from asegen.crystal import Crystals
from asegen.models.gemsnet import GemsNet, GemsNetEncoderDecoder, GemsNetParameters

COUNTS = (3, 2)


def make(seed: int) -> Crystals:
    generator = torch.Generator().manual_seed(seed)
    kwargs = {"generator": generator, "dtype": torch.float64}
    cell = 4 * torch.eye(3, dtype=torch.float64) + 0.4 * torch.randn(2, 3, 3, **kwargs)
    numbers = torch.randint(1, 90, (sum(COUNTS),), generator=generator)
    return Crystals(cell, torch.rand(sum(COUNTS), 3, **kwargs), numbers, torch.tensor(COUNTS))


def small(kind: type) -> torch.nn.Module:
    torch.manual_seed(0)
    return kind(width=16, interactions=1, neighbors=6, gaussians=16).double()


def test_equivariance_under_rotation_translation_and_choice_of_cell() -> None:
    crystals, model = make(1), small(GemsNet)
    displacement, action = model(crystals)
    q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    turned, turned_action = model(crystals.replace(cell=crystals.cell @ q))
    torch.testing.assert_close(turned, displacement, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(turned_action, q.T @ action @ q, atol=1e-8, rtol=1e-6)
    moved, moved_action = model(crystals.replace(scaled_positions=crystals.scaled_positions + 0.37))
    torch.testing.assert_close(moved, displacement, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(moved_action, action, atol=1e-8, rtol=1e-6)
    h = torch.tensor([[1, 1, 0], [0, 1, 0], [0, -1, 1]], dtype=torch.float64)  # unimodular
    inverse = torch.linalg.inv(h)
    other = crystals.replace(cell=h @ crystals.cell, scaled_positions=crystals.scaled_positions @ inverse)
    chosen, chosen_action = model(other)
    torch.testing.assert_close(chosen, displacement @ inverse, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(chosen_action, action, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("kind", [GemsNet, GemsNetParameters, GemsNetEncoderDecoder])
def test_batch_is_single(kind: type) -> None:
    crystals, model = make(2), small(kind)
    time = () if kind is GemsNet else (torch.tensor([7, 80]),)
    displacement, lattice = model(crystals, *time)
    parts = [model(crystals[k], *(t[k : k + 1] for t in time)) for k in range(2)]
    torch.testing.assert_close(torch.cat([p[0] for p in parts]), displacement, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(torch.cat([p[1] for p in parts]), lattice, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("kind", [GemsNet, GemsNetParameters, GemsNetEncoderDecoder])
def test_gradients_are_finite(kind: type) -> None:
    crystals, model = make(3), small(kind)
    displacement, lattice = model(crystals, *(() if kind is GemsNet else (torch.tensor([1, 100]),)))
    (displacement.square().sum() + lattice.square().sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
