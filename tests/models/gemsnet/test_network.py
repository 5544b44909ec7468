"""GemsNet: equivariance, batch = single, finite gradients, nothing that is never trained, published sizes."""

import math

import pytest
import torch

from asegen.crystals.crystals import Crystals
from asegen.models.gemsnet.network import GemsNet, GemsNetEncoderDecoder, GemsNetParameters, time_features

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
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, f"{name} is never trained"


@pytest.mark.parametrize("kind", [GemsNetParameters, GemsNetEncoderDecoder])
def test_the_others_are_invariant(kind: type) -> None:
    """Invariant to rotations, translations and the order of atoms."""
    crystals, model, time = make(4), small(kind), torch.tensor([7, 80])
    displacement, lattice = model(crystals, time)
    q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    order = torch.tensor([2, 0, 1, 4, 3])
    moved = Crystals(
        crystals.cell @ q, (crystals.scaled_positions[order] + 0.37) % 1, crystals.numbers[order], crystals.n_atoms
    )
    found, found_lattice = model(moved, time)
    torch.testing.assert_close(found, displacement[order], atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(found_lattice, lattice, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("kind", [GemsNetParameters, GemsNetEncoderDecoder])
def test_time_is_seen(kind: type) -> None:
    crystals, model = make(5), small(kind)
    early, late = (model(crystals, torch.full((2,), t))[1] for t in (1, 100))
    assert (early - late).abs().amax(dim=tuple(range(1, early.dim()))).min() > 1e-6


def test_time_features_are_the_published_ones() -> None:
    time, width = torch.tensor([1, 37, 100]), 128
    found = time_features(time, width, torch.zeros(1, dtype=torch.float64))
    for row, t in zip(found.tolist(), time.tolist(), strict=True):
        phases = [t / 100 ** (2 * k / width) for k in range(width // 2)]
        assert row == pytest.approx([math.cos(p) for p in phases] + [math.sin(p) for p in phases], abs=1e-9)


def test_a_lone_atom_has_neighbours_enough() -> None:
    crystals = Crystals(
        3 * torch.eye(3).double()[None], torch.zeros(1, 3).double(), torch.tensor([29]), torch.tensor([1])
    )
    displacement, action = small(GemsNet)(crystals)
    torch.testing.assert_close(displacement, torch.zeros(1, 3).double(), atol=1e-9, rtol=0)  # by inversion symmetry
    assert torch.isfinite(action).all()


def published_sizes() -> dict[str, int]:
    """Weights of one trunk and of the heads, from the published widths (no layer has a bias but the last of one)."""
    residual = 2 * 128 * 128
    triplets = 128 * 128 + 16 * 128 + 128 * 32 + 32 * 16 * 64 + 2 * 64 * 128
    update = 16 * 128 + 128 * 128 + 3 * residual
    interaction = 128 * 128 + triplets + 3 * residual + update + 384 * 128 + residual
    trunk = 384 * 128 + 3 * 128 * 16 + 128 * 7 * 16 + 3 * interaction
    scalar = update + 128
    weights = 304 * 64 + 64 * 64 + 64 * 3
    return {"atoms": 119 * 128, "trunk": trunk, "scalars": 4 * scalar, "weights": 4 * weights, "updates": 4 * update}


def test_sizes_follow_from_the_published_widths() -> None:
    size = published_sizes()
    acting = size["atoms"] + size["trunk"] + size["scalars"] + size["weights"]
    expected = {
        GemsNet: acting,
        GemsNetParameters: acting - size["weights"] + size["updates"] + 128 * 128 + 128 * 6 + 6,
        GemsNetEncoderDecoder: acting + size["trunk"] + size["updates"],
    }
    for kind, count in expected.items():
        assert sum(p.numel() for p in kind().parameters()) == count, kind
