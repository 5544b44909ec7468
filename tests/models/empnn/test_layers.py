"""EMPNN's layers: the split weight matrices are those of concatenated features."""

import torch
from torch.nn import functional

from asegen.crystals.crystals import Crystals
from asegen.models.empnn.layers import EdgeWeights, MessageLayer, TrainableGaussians, TripletWeights, edge_geometry
from asegen.models.empnn.pairs import edge_pairs
from asegen.models.empnn.shells import shell_graph


def case() -> tuple[Crystals, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    cell = 4 * torch.eye(3, dtype=torch.float64)[None] + 0.3 * torch.rand(1, 3, 3, generator=generator).double()
    x = torch.rand(3, 3, generator=generator).double()
    h = torch.randn(3, 8, generator=generator).double()
    return Crystals(cell, x, torch.tensor([3, 8, 26]), torch.tensor([3])), h


def measured() -> tuple:
    crystals, h = case()
    edges, pairs = edge_pairs(shell_graph(crystals, 5), 3)
    x = crystals.scaled_positions
    scaled = x[edges.j] + edges.shift - x[edges.i]
    return (
        edges,
        h,
        edge_geometry(crystals, edges, scaled, crystals.cell, TrainableGaussians().double()),
        crystals,
        pairs,
    )


def test_geometry_is_that_of_the_graph() -> None:
    edges, _, geometry, crystals, _ = measured()
    torch.testing.assert_close(geometry.distance, edges.distances(crystals))
    torch.testing.assert_close(geometry.direction * geometry.distance[:, None], edges.vectors(crystals))
    centres = torch.arange(100, dtype=torch.float64) / 10
    expected = torch.exp(-10 * (centres - geometry.distance[:, None]) ** 2)
    torch.testing.assert_close(geometry.radial, expected, atol=1e-5, rtol=0)  # centres began in float32


def test_messages_are_those_of_concatenated_features() -> None:
    edges, h, geometry, _, _ = measured()
    torch.manual_seed(0)
    layer = MessageLayer(8).double()
    features = torch.cat([h[edges.j], h[edges.i], geometry.radial], -1)
    messages = layer.second(functional.silu(layer.first(features)))
    mean = torch.stack([messages[edges.i == i].mean(0) for i in range(3)])
    torch.testing.assert_close(layer(h, geometry), layer.update(mean, h))


def test_weights_are_those_of_concatenated_features() -> None:
    edges, h, geometry, _, pairs = measured()
    torch.manual_seed(0)
    of_edges, of_triplets = EdgeWeights(8, 2).double(), TripletWeights(8, 3).double()

    def whole(layer: torch.nn.Module, features: torch.Tensor) -> torch.Tensor:
        return layer.last(functional.silu(layer.second(functional.silu(layer.first(features)))))

    features = torch.cat([h[edges.i], h[edges.j], geometry.radial], -1)
    torch.testing.assert_close(of_edges(h, geometry), whole(of_edges, features))
    a, b = pairs.a, pairs.b
    cosine = (geometry.direction[a] * geometry.direction[b]).sum(-1)
    sine = torch.sqrt((1 - cosine**2).clamp_min(0))
    nodes = [h[edges.i[a]], h[edges.j[a]], h[edges.j[b]]]
    angle = torch.stack([cosine, sine], -1)
    features = torch.cat([*nodes, geometry.radial[a], geometry.radial[b], angle], -1)
    torch.testing.assert_close(of_triplets(h, geometry, pairs), whole(of_triplets, features), atol=1e-6, rtol=1e-5)


def test_atoms_still_know_their_elements_after_a_dozen_layers() -> None:
    _, _, geometry, _, _ = measured()
    torch.manual_seed(0)
    start = h = torch.randn(3, 64, dtype=torch.float64)
    for _ in range(12):
        h = MessageLayer(64).double()(h, geometry)
    between = (h - h.mean(0)).square().mean() / (start - start.mean(0)).square().mean()
    assert between > 0.02  # with torch's own initialisation it is below 1e-5
