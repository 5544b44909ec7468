"""GemsNet's geometry and its action on the lattice against autograd over listed triplets."""

import numpy as np
import torch
from scipy.special import eval_legendre

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import knn_graph
from asegen.models.gemsnet.geometry import Geometry, geometry_of, lattice_action

DEGREES = 4


def crystals_of(seed: int = 0, counts: tuple[int, ...] = (3, 1, 4)) -> Crystals:
    generator = torch.Generator().manual_seed(seed)
    kwargs = {"generator": generator, "dtype": torch.float64}
    cell = 4 * torch.eye(3, dtype=torch.float64) + 0.4 * torch.randn(len(counts), 3, 3, **kwargs)
    numbers = torch.randint(1, 90, (sum(counts),), generator=generator)
    return Crystals(cell, torch.rand(sum(counts), 3, **kwargs), numbers, torch.tensor(counts))


def pairs_of(geometry: Geometry) -> list[tuple[int, int, int]]:
    """(place in the order of the blocks, edge a, edge b) of every triplet, by plain loops."""
    found, place = [], 0
    for block in geometry.stars.blocks:
        for atom in range(block.n_atoms):
            first = block.first + atom * block.degree
            for a in range(block.degree):
                for b in range(block.degree):
                    if a != b:
                        found.append((place, first + a, first + b))
                    place += 1
    return found


def test_edges_are_those_of_the_graph() -> None:
    crystals = crystals_of()
    geometry = geometry_of(crystals, 6, DEGREES)
    vectors = knn_graph(crystals, 6).vectors(crystals)
    lengths = torch.linalg.vector_norm(vectors, dim=-1)
    torch.testing.assert_close(geometry.distance.sort().values, lengths.sort().values)
    torch.testing.assert_close(geometry.direction * geometry.distance[:, None], geometry.stars.vector)


def test_harmonics_of_every_triplet() -> None:
    geometry = geometry_of(crystals_of(), 6, DEGREES)
    for block, y in zip(geometry.stars.blocks, geometry.harmonics, strict=True):
        u = block.view(geometry.direction).numpy()
        cosine = np.einsum("nax,nbx->nab", u, u).clip(-1, 1)
        other = 1 - np.eye(block.degree)
        for degree in range(DEGREES):
            expected = other * np.sqrt((2 * degree + 1) / (4 * np.pi)) * eval_legendre(degree, cosine)
            np.testing.assert_allclose(y[:, :, degree].numpy(), expected, atol=1e-10)


def test_action_is_the_gradient_of_weighted_lengths_and_angles() -> None:
    """Mean over triplets of `w₁ ∂r + w₂ ∂r' + w₃ ∂θ` with respect to a deformation of space, by autograd."""
    crystals = crystals_of()
    geometry = geometry_of(crystals, 6, DEGREES)
    size = sum(block.n_edges * block.degree for block in geometry.stars.blocks)
    weights = torch.randn(size, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    place, a, b = (torch.tensor(column) for column in zip(*pairs_of(geometry), strict=True))
    crystal = crystals.batch[geometry.stars.i[a]]
    deformation = torch.eye(3, dtype=torch.float64).repeat(len(crystals), 1, 1).requires_grad_()
    v = torch.einsum("ta,tab->tb", geometry.stars.vector[a], deformation[crystal])
    w = torch.einsum("ta,tab->tb", geometry.stars.vector[b], deformation[crystal])
    r, s = v.square().sum(-1).sqrt(), w.square().sum(-1).sqrt()
    angle = torch.acos(((v * w).sum(-1) / (r * s)).clamp(-1 + 1e-12, 1 - 1e-12))
    total = (weights[place] * torch.stack([r, s, angle], -1)).sum()
    (gradient,) = torch.autograd.grad(total, deformation)
    expected = gradient / torch.bincount(crystal, minlength=len(crystals))[:, None, None]
    torch.testing.assert_close(lattice_action(crystals, geometry, weights), expected, atol=1e-6, rtol=1e-6)


def test_the_diagonals_weigh_nothing() -> None:
    crystals = crystals_of()
    geometry = geometry_of(crystals, 6, DEGREES)
    size = sum(block.n_edges * block.degree for block in geometry.stars.blocks)
    weights = torch.ones(size, 3, dtype=torch.float64)
    changed = weights.clone()
    off = torch.ones(size, dtype=torch.bool)
    off[[place for place, _, _ in pairs_of(geometry)]] = False
    assert off.any()
    changed[off] = 1e6
    torch.testing.assert_close(
        lattice_action(crystals, geometry, changed), lattice_action(crystals, geometry, weights), atol=0, rtol=0
    )
