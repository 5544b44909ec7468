"""GemsNet's blocks against the published formulas, edge by edge and triplet by triplet."""

import math

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.models.gemsnet.blocks import (
    AtomUpdate,
    EdgeEmbedding,
    EdgeScalar,
    Interaction,
    TripletInteraction,
    TripletWeights,
)
from asegen.models.gemsnet.dense import scaled_silu
from asegen.models.gemsnet.geometry import Geometry, geometry_of

ATOM, EDGE, RADIAL, CIRCULAR, DEGREES, DOWN, UP = 6, 8, 3, 4, 5, 7, 9


def scene() -> tuple[Crystals, Geometry]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    cell = 4 * torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    crystals = Crystals(cell, x, torch.tensor([1, 2, 3, 4, 5]), torch.tensor([3, 2]))
    return crystals, geometry_of(crystals, 4, DEGREES)


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pairs_of(geometry: Geometry) -> list[tuple[int, int, int, Tensor]]:
    """(place in the order of the blocks, edge a, edge b, Y_l(φ_ab)) of every triplet, by plain loops."""
    found, place = [], 0
    for block, y in zip(geometry.stars.blocks, geometry.harmonics, strict=True):
        for atom in range(block.n_atoms):
            first = block.first + atom * block.degree
            for a in range(block.degree):
                for b in range(block.degree):
                    if a != b:
                        found.append((place, first + a, first + b, y[atom, a, :, b]))
                    place += 1
    return found


def test_edge_embedding_is_a_layer_on_the_concatenation() -> None:
    _, geometry = scene()
    stars = geometry.stars
    h, m = random(5, ATOM), random(len(stars.i), EDGE, seed=2)
    block = EdgeEmbedding(ATOM, EDGE, 11).double()
    expected = scaled_silu(torch.cat([h[stars.j], h[stars.i], m], -1) @ block.dense.weight.T)
    torch.testing.assert_close(block(h, m, stars), expected)


def test_atom_update_sums_gated_messages() -> None:
    _, geometry = scene()
    stars = geometry.stars
    m, radial = random(len(stars.i), EDGE), random(len(stars.i), RADIAL, seed=2)
    block = AtomUpdate(EDGE, RADIAL, ATOM, depth=0).double()
    sums = torch.zeros(5, EDGE, dtype=torch.float64)
    for e in range(len(stars.i)):
        sums[stars.i[e]] += m[e] * (block.radial.weight @ radial[e])
    torch.testing.assert_close(block(m, radial, stars, 5), scaled_silu(sums @ block.dense.weight.T))


def test_edge_scalar_gates_before_the_last_layer() -> None:
    m, radial = random(10, EDGE), random(10, RADIAL, seed=2)
    block = EdgeScalar(EDGE, RADIAL).double()
    inner = block.residuals(scaled_silu(m @ block.dense.weight.T)) * (radial @ block.radial.weight.T)
    torch.testing.assert_close(block(m, radial), inner @ block.out.weight[0])
    assert len(block.residuals) == 3


def test_triplet_interaction_is_gemnets_bilinear_layer() -> None:
    _, geometry = scene()
    n = len(geometry.stars.i)
    m, radial, circular = random(n, EDGE), random(n, RADIAL, seed=2), random(n, DEGREES, CIRCULAR, seed=3)
    block = TripletInteraction(EDGE, RADIAL, CIRCULAR, DEGREES, DOWN, UP).double()
    gated = scaled_silu(m @ block.message.weight.T) * (radial @ block.radial.weight.T)
    small = scaled_silu(gated @ block.down.weight.T)
    summed = torch.zeros(n, DEGREES, DOWN, dtype=torch.float64)  # Σ_b Y_l(φ_ab) m_b
    for _, a, b, y in pairs_of(geometry):
        summed[a] += y[:, None] * small[b]
    bilinear = block.bilinear.weight.view(UP, CIRCULAR, DOWN)
    x = torch.einsum("elc,eld,ucd->eu", circular, summed, bilinear)
    up, reverse = (scaled_silu(x @ layer.weight.T) for layer in (block.forward_up, block.reverse_up))
    expected = (up + reverse[geometry.stars.reverse]) / math.sqrt(2)
    torch.testing.assert_close(block(m, radial, circular, geometry), expected)


def test_triplet_weights_are_a_perceptron_on_the_concatenation() -> None:
    """[m_b, m_a, rbf_b, rbf_a, cbf_ab] → hidden → hidden → 3, cbf_ab = Σ_l Y_l(φ_ab) r_al."""
    _, geometry = scene()
    n = len(geometry.stars.i)
    m, radial, circular = random(n, EDGE), random(n, RADIAL, seed=2), random(n, DEGREES, CIRCULAR, seed=3)
    block = TripletWeights(EDGE, RADIAL, CIRCULAR, hidden=6).double()
    found = block(m, radial, circular, geometry)
    for place, a, b, y in pairs_of(geometry):
        angle = y @ circular[a]
        x = scaled_silu(block.first.weight @ torch.cat([m[b], m[a], radial[b], radial[a], angle]))
        expected = block.out.weight @ scaled_silu(block.second.weight @ x)
        torch.testing.assert_close(found[place], expected)


def test_interaction_has_gemnets_order() -> None:
    _, geometry = scene()
    n = len(geometry.stars.i)
    h, m, circular = random(5, ATOM), random(n, EDGE), random(n, DEGREES, CIRCULAR, seed=3)
    triplet, atom = random(n, RADIAL, seed=2), random(n, RADIAL, seed=4)
    block = Interaction(ATOM, EDGE, RADIAL, CIRCULAR, DEGREES).double()
    root = math.sqrt(0.5)
    x = (scaled_silu(m @ block.skip.weight.T) + block.triplets(m, triplet, circular, geometry)) * root
    middle = block.after_skip((m + block.before_skip(x)) * root)
    atoms = (h + block.atom_update(middle, atom, geometry.stars, 5)) * root
    edges = (middle + block.edge_residuals(block.edge_update(atoms, middle, geometry.stars))) * root
    found = block(h, m, triplet, atom, circular, geometry)
    torch.testing.assert_close(found[0], atoms)
    torch.testing.assert_close(found[1], edges)
    assert [len(r) for r in (block.before_skip, block.after_skip, block.edge_residuals)] == [1, 2, 1]
    assert len(block.atom_update.residuals) == 3
