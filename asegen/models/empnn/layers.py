"""EMPNN's layers (Klipfel et al., AAAI 2023): messages along edges, weights of the vector fields.

Every perceptron that reads concatenated features is one weight matrix, as published, but its columns are applied to the
parts where they live: to atoms and edges before edges and triplets are formed. The numbers are the same; the work per
edge and per triplet is a sum.

Weights start so that elements are still known after a dozen layers: torch's defaults shrink what a hidden layer says
sixfold in variance, and halve the features of atoms in every GRU cell. The paper doesn't say how it starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import Edges
from asegen.models.empnn.pairs import PairPerceptron, Pairs
from asegen.nn.gaussians import gaussian
from asegen.nn.vector_fields import unit

_SHARPNESS = 10.0  # 1/Å²
_SPACING = 0.1  # Å
_KEEPING = 2.0  # of the GRU's update gate at the start: an atom keeps sigmoid(2) = 0.88 of its features
N_RADIAL = 100


class TrainableGaussians(nn.Module):
    """`exp(−10 (μ_k − r)²)`, μ = 0, 0.1 … 9.9 Å at the start, trained."""

    def __init__(self) -> None:
        super().__init__()
        self.centres = nn.Parameter(_SPACING * torch.arange(N_RADIAL, dtype=torch.get_default_dtype()))

    def forward(self, distance: Tensor) -> Tensor:
        """(n, 100) at distances (n,), Å."""
        return gaussian(_SHARPNESS * (self.centres - distance[:, None]).square())


@dataclass(frozen=True, eq=False)
class EdgeGeometry:
    """What the layers read of the edges, computed once per step.

    Attributes:
        edges: the edges.
        degree: (n_atoms_total, 1), edges of each atom, at least 1.
        scaled_vector: (n_edges, 3), receiver to sender, fractional.
        direction: (n_edges, 3), unit vectors.
        distance: (n_edges,), Å.
        radial: (n_edges, 100), in bfloat16 where what is large is to be computed so.
    """

    edges: Edges
    degree: Tensor
    scaled_vector: Tensor
    direction: Tensor
    distance: Tensor
    radial: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """(n_atoms_total, width): mean of (n_edges, width) over the edges of each atom, 0 without edges."""
        total = values.new_zeros(len(self.degree), values.shape[1]).index_add(0, self.edges.i, values)
        return total / self.degree


def edge_geometry(
    crystals: Crystals, edges: Edges, scaled_vector: Tensor, cell: Tensor, basis: nn.Module, mixed: bool = False
) -> EdgeGeometry:
    """Lengths, directions and radial features of edges.

    Args:
        crystals: the crystals of the edges; their positions and cells aren't read.
        edges: n_edges edges.
        scaled_vector: (n_edges, 3), fractional.
        cell: (n_crystals, 3, 3), Å.
        basis: radial basis.
        mixed: give the layers radial features in bfloat16; they compute in it what is large.
    """
    vector = torch.einsum("ea,eab->eb", scaled_vector, cell[crystals.batch[edges.i]])
    distance = torch.linalg.vector_norm(vector, dim=-1)
    degree = torch.bincount(edges.i, minlength=len(crystals.numbers)).clamp_min(1)
    radial = basis(distance).to(torch.bfloat16 if mixed else distance.dtype)
    return EdgeGeometry(edges, degree[:, None].to(cell.dtype), scaled_vector, unit(vector), distance, radial)


def _applied(weight: Tensor, x: Tensor) -> Tensor:
    """(n, out): a matrix (out, in) applied to (n, in) in the precision of x."""
    return x @ weight.T.to(x.dtype)


def _hidden(inputs: int, outputs: int) -> nn.Linear:
    """A layer without bias in front of an activation, with weights as He et al. (2015) draw them."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return layer


class MessageLayer(nn.Module):
    """`m_i = mean_j W₂ SiLU(W₁ [h_j, h_i, rbf(r_ij)])`, then a GRU cell with input m and state h. No bias in the W.

    Args:
        width: size of the features of atoms.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.first = _hidden(2 * width + N_RADIAL, width)
        self.second = _hidden(width, width)
        self.update = nn.GRUCell(width, width)
        with torch.no_grad():
            self.update.bias_ih[width : 2 * width] += _KEEPING

    def forward(self, h: Tensor, geometry: EdgeGeometry) -> Tensor:
        """New features of atoms.

        Args:
            h: (n_atoms_total, width).
            geometry: the edges.

        Returns:
            (n_atoms_total, width).
        """
        sender, receiver, radial = self.first.weight.split([self.width, self.width, N_RADIAL], dim=1)
        edges = geometry.edges
        hidden = (
            (h @ sender.T).index_select(0, edges.j)
            + (h @ receiver.T).index_select(0, edges.i)
            + _applied(radial, geometry.radial)
        )
        # W₂ is linear: it acts on the mean as well as on every message.
        return self.update(self.second(geometry.mean(functional.silu(hidden))), h)


class EdgeWeights(nn.Module):
    """Weights of edge fields: `[h_i, h_j, rbf] → 2 width → 2 width → n`, SiLU, bias in the last layer alone.

    Args:
        width: size of the features of atoms.
        outputs: number of weights per edge.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.width = width
        self.first = _hidden(2 * width + N_RADIAL, 2 * width)
        self.second = _hidden(2 * width, 2 * width)
        self.last = nn.Linear(2 * width, outputs)

    def forward(self, h: Tensor, geometry: EdgeGeometry) -> Tensor:
        """(n_edges, outputs) of features (n_atoms_total, width)."""
        receiver, sender, radial = self.first.weight.split([self.width, self.width, N_RADIAL], dim=1)
        edges = geometry.edges
        hidden = (
            (h @ receiver.T).index_select(0, edges.i)
            + (h @ sender.T).index_select(0, edges.j)
            + _applied(radial, geometry.radial)
        )
        hidden = _applied(self.second.weight, functional.silu(hidden).to(geometry.radial.dtype))
        return self.last(functional.silu(hidden).to(h.dtype))


class TripletWeights(nn.Module):
    """Weights of triplet fields: `[h_i, h_j, h_k, rbf(r_ij), rbf(r_ik), cos θ, sin θ] → 2 width → 2 width → n`.

    SiLU between, bias in the last layer alone.

    Args:
        width: size of the features of atoms.
        outputs: number of weights per triplet.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.width = width
        self.first = _hidden(3 * width + 2 * N_RADIAL + 2, 2 * width)
        self.second = _hidden(2 * width, 2 * width)
        self.last = nn.Linear(2 * width, outputs)

    def forward(self, h: Tensor, geometry: EdgeGeometry, pairs: Pairs) -> Tensor:
        """(n_pairs, outputs).

        Args:
            h: (n_atoms_total, width).
            geometry: the edges.
            pairs: their pairs.
        """
        width = self.width
        centre, one, other, radial_a, radial_b, angle = self.first.weight.split(
            [width, width, width, N_RADIAL, N_RADIAL, 2], dim=1
        )
        edges = geometry.edges
        of_a = (h @ centre.T).index_select(0, edges.i) + (h @ one.T).index_select(0, edges.j)
        of_a = of_a + _applied(radial_a, geometry.radial)
        of_b = (h @ other.T).index_select(0, edges.j) + _applied(radial_b, geometry.radial)
        u, v = geometry.direction.index_select(0, pairs.a), geometry.direction.index_select(0, pairs.b)
        sine = torch.linalg.vector_norm(torch.linalg.cross(u, v), dim=-1)
        turn = torch.stack([(u * v).sum(-1), sine], dim=-1)
        weights: Tensor = PairPerceptron.apply(of_a, of_b, turn, angle, self.second.weight, self.last.weight, pairs)
        return weights + self.last.bias
