"""Soft neighbours against ASE, line graphs against listed triplets, gated convolutions against their formulas."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from torch.nn import functional

from asegen.models.alignn.gated_convolution import AngleGatedConvolution, EdgeGatedConvolution
from asegen.models.alignn.line_graph import line_graph
from asegen.models.alignn.soft_neighbors import (
    REACH,
    SHELL,
    SoftEdges,
    fading,
    kth_distance,
    nearest_of,
    soft_neighbors,
)
from asegen.nn.gaussians import Gaussians
from asegen.structures.atoms import crystals_from_atoms


def several() -> list[Atoms]:
    rng = np.random.default_rng(0)
    odd = Atoms(
        "SiO2Al", scaled_positions=rng.random((4, 3)), cell=np.eye(3) * 4 + rng.normal(size=(3, 3)) / 3, pbc=True
    )
    return [bulk("Cu"), bulk("Si"), odd, bulk("NaCl", "rocksalt", a=5.64), bulk("Fe")]


@pytest.mark.parametrize("k", [1, 4, 12])
def test_an_atom_reaches_a_fifth_beyond_its_kth_neighbour(k: int) -> None:
    structures = several()
    crystals = crystals_from_atoms(structures)
    soft = soft_neighbors(crystals, k)
    start = 0
    for atoms in structures:
        i, d = neighbor_list("id", atoms, 14.0)
        for atom in range(len(atoms)):
            near = torch.from_numpy(np.sort(d[i == atom]))
            kth = kth_distance(near, torch.zeros(len(near), dtype=torch.int64), 1, k)
            expected = near[near <= REACH * kth]
            mine = soft.distance[soft.edges.i == start + atom]
            torch.testing.assert_close(mine, expected, atol=1e-9, rtol=0)
            weights = soft.weight[soft.edges.i == start + atom]
            torch.testing.assert_close(weights, fading(expected, kth.expand_as(expected)))
        start += len(atoms)


def test_weights_fade_smoothly_and_equivalent_neighbours_count_alike() -> None:
    kth = torch.full((100_001,), 2.0, dtype=torch.float64)
    d = torch.linspace(1, REACH * 2, 100_001, dtype=torch.float64)
    w = fading(d, kth)
    assert w[0] == 1 and abs(float(w[-1])) < 1e-12 and bool((w.diff() <= 1e-12).all())
    assert float(w.diff().diff().abs().max()) < 1e-7  # no kink
    soft = soft_neighbors(crystals_from_atoms([bulk("NaCl", "rocksalt", a=5.64)]), 4)
    assert len(soft) == 12 and bool((soft.weight == soft.weight[0]).all())


def test_nearest_of_is_what_a_smaller_k_gives() -> None:
    crystals = crystals_from_atoms(several())
    soft = soft_neighbors(crystals, 12)
    kept, weight = nearest_of(soft, len(crystals.numbers), 5)
    small = soft_neighbors(crystals, 5)
    torch.testing.assert_close(soft.vector[kept], small.vector)
    torch.testing.assert_close(weight, small.weight)


def kth_of(distances: torch.Tensor, k: int) -> torch.Tensor:
    order = distances.sort()[0]
    return kth_distance(order, torch.zeros(len(order), dtype=torch.int64), 1, k)[0]


def test_the_kth_distance_is_that_of_its_shell_and_near_to_the_kth_anywhere() -> None:
    shells = torch.tensor([2.0] * 6 + [2.83] * 12 + [3.46] * 8, dtype=torch.float64)
    for k in range(1, 24):
        assert float(kth_of(shells, k)) == pytest.approx(float(shells[k - 1]), abs=1e-12)
    rng = np.random.default_rng(0)
    for _ in range(50):
        near = torch.from_numpy(np.sort(rng.uniform(2.0, 2.5, 40)))
        assert abs(float(kth_of(near, 12) / near[11]) - 1) < 3 * SHELL


def test_the_kth_distance_is_smooth_where_neighbours_change_places() -> None:
    """Twice differentiable as atoms pass each other; at a shell of equals each has an equal part in the gradient."""
    shell = torch.full((12,), 2.0, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(kth_of(shell, 8), shell)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 1 / 12))
    rng = np.random.default_rng(1)
    start = torch.from_numpy(rng.uniform(2.0, 2.3, 20))
    way = torch.from_numpy(rng.normal(size=20))
    torch.autograd.gradcheck(lambda x: kth_of(x, 9), start.requires_grad_(), eps=1e-6, atol=1e-6)
    steps = torch.linspace(-0.1, 0.1, 4001).double()[:, None]
    ordered = (start.detach() + steps * way).sort(1)[0]
    path = kth_distance(ordered.flatten(), torch.arange(4001).repeat_interleave(20), 4001, 9)
    slope = path.diff() / (0.2 / 4000)
    assert float(slope.diff().abs().max()) < 0.1  # the kth distance itself jumps by about 1 here


def triplets(i: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Every ordered pair of different edges with the same receiver."""
    same = (i[:, None] == i) & ~torch.eye(len(i), dtype=torch.bool)
    return same.nonzero().unbind(1)


def bonds_and_angles(k: int) -> tuple[SoftEdges, int]:
    crystals = crystals_from_atoms(several())
    return soft_neighbors(crystals, k), len(crystals.numbers)


def test_line_graph_lists_the_graph_s_triplets() -> None:
    soft, n = bonds_and_angles(4)
    graph = line_graph(soft, n, 4)
    edge_a, edge_b = triplets(soft.edges.i[graph.bond])
    u = functional.normalize(soft.vector[graph.bond], dim=-1)
    cosine = (u[edge_a] * u[edge_b]).sum(-1)
    dense = [(c * (p > 0), p) for c, p in zip(graph.cosine, graph.pair_weight, strict=True)]
    ours = torch.cat([c[torch.eye(c.shape[1]).expand_as(c) == 0] for c, _ in dense])
    theirs = cosine * (graph.weight[edge_b] > 0)
    torch.testing.assert_close(ours.sort()[0], theirs.sort()[0])
    assert sum(block.n_edges for block in graph.blocks) == len(graph.bond)


@pytest.mark.parametrize("updates", [True, False])
def test_angle_convolution_is_the_edge_convolution_over_listed_angles(updates: bool) -> None:
    torch.manual_seed(0)
    soft, n = bonds_and_angles(4)
    graph = line_graph(soft, n, 4)
    edge_a, edge_b = triplets(soft.edges.i[graph.bond])
    width = 6
    on_angles = AngleGatedConvolution(width, updates).double()
    on_edges = EdgeGatedConvolution(width, updates).double()
    on_edges.load_state_dict(on_angles.state_dict())
    bonds = torch.randn(len(graph.bond), width).double()
    basis = Gaussians(-1, 1, width).double()
    z = [basis(c) for c in graph.cosine]
    u = functional.normalize(soft.vector[graph.bond], dim=-1)
    flat = basis((u[edge_a] * u[edge_b]).sum(-1))
    found, new_z = on_angles(bonds, z, graph)
    expected, new_flat = on_edges(bonds, flat, edge_a, edge_b, graph.weight[edge_b])
    torch.testing.assert_close(found, bonds + graph.weight[:, None] * (expected - bonds))
    total = sum(float(t[torch.eye(t.shape[1]).expand(t.shape[:3]) == 0].detach().sum()) for t in new_z)
    assert total == pytest.approx(float(new_flat.detach().sum()))


def test_edge_convolution_is_its_formula() -> None:
    torch.manual_seed(0)
    layer = EdgeGatedConvolution(3).double()
    h, e = torch.randn(4, 3).double(), torch.randn(6, 3).double()
    i, j = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([1, 2, 0, 3, 1, 0])
    weight = torch.rand(6).double()
    new_h, new_e = layer(h, e, i, j, weight)
    a, u, b, v = layer.nodes.weight.split(3)
    bias = dict(zip("auvb", (layer.nodes.bias.split(3)[k] for k in (0, 1, 3, 2)), strict=True))
    for atom in range(4):
        top = bottom = torch.zeros(3).double()
        for k in (i == atom).nonzero()[:, 0]:
            m = a @ h[atom] + bias["a"] + b @ h[j[k]] + bias["b"] + layer.edge_gate.weight @ e[k]
            gate = weight[k] * torch.sigmoid(m)
            top, bottom = top + gate * (v @ h[j[k]] + bias["v"]), bottom + gate
            torch.testing.assert_close(new_e[k], e[k] + functional.silu(layer.edge_norm(m)))
        inner = layer.node_norm(u @ h[atom] + bias["u"] + top / (bottom + 1e-6))
        torch.testing.assert_close(new_h[atom], h[atom] + functional.silu(inner))


def test_gaussians() -> None:
    basis = Gaussians(0, 6, 20, 0.6)
    x = torch.tensor([0.3, 2.0])
    centres = np.linspace(0, 6, 20)
    expected = np.exp(-((x.numpy()[:, None] - centres) ** 2) / 0.6**2)
    np.testing.assert_allclose(basis(x).numpy(), expected, rtol=1e-5, atol=1e-9)
    own = Gaussians(-1, 1, 41)  # ALIGNN's: the spacing is the squared width
    assert float(own(torch.tensor(0.05))[20]) == pytest.approx(np.exp(-0.05), rel=1e-4)
