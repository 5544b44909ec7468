"""Blocks of GemsNet: GemNet-T (Gasteiger et al., NeurIPS 2021) without scaling factors, heads for atoms and lattice.

Features of a pair or triplet that are linear in features of an atom or edge are formed per atom or edge and only then
spread: `W [h_s, h_t, m] = W_s h_s + W_t h_t + W_m m`. The mathematics is the published network's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asegen.models.gemsnet.dense import HALF, Dense, residuals, scaled_silu
from asegen.models.gemsnet.geometry import Geometry
from asegen.models.gemsnet.triplet_perceptron import TripletPerceptron
from asegen.nn.stars import Stars


def _gather(values: Tensor, index: Tensor) -> Tensor:
    return torch.index_select(values, 0, index)


class EdgeEmbedding(nn.Module):
    """`σ'(W [h_s, h_t, m])` for every edge from s to t.

    Args:
        atom: size of h.
        edge: size of m.
        out: size of the result.
    """

    def __init__(self, atom: int, edge: int, out: int) -> None:
        super().__init__()
        self.atom = atom
        self.dense = Dense(2 * atom + edge, out)

    def forward(self, h: Tensor, m: Tensor, stars: Stars) -> Tensor:
        """(n_atoms_total, atom), (n_edges, edge) to (n_edges, out)."""
        sender, receiver, own = self.dense.weight.split([self.atom, self.atom, m.shape[1]], dim=1)
        of_sender, of_receiver = functional.linear(h, sender), functional.linear(h, receiver)
        return scaled_silu(_gather(of_sender, stars.j) + _gather(of_receiver, stars.i) + functional.linear(m, own))


class TripletInteraction(nn.Module):
    """Messages of the edges b that end where edge a ends, with their angle to a; read by a and by a's reverse.

    Args:
        edge: size of an edge's message.
        radial: size of its radial features.
        circular: size of the circular basis.
        harmonics: degrees of the angular basis.
        down: size of the messages that are summed.
        up: size after the bilinear layer.
    """

    def __init__(self, edge: int, radial: int, circular: int, harmonics: int, down: int, up: int) -> None:
        super().__init__()
        self.message, self.radial = Dense(edge, edge, activated=True), Dense(radial, edge)
        self.down = Dense(edge, down, activated=True)
        self.bilinear = Dense(down * circular, up)
        self.forward_up, self.reverse_up = Dense(up, edge, activated=True), Dense(up, edge, activated=True)

    def forward(self, m: Tensor, radial: Tensor, circular: Tensor, geometry: Geometry) -> Tensor:
        """(n_edges, edge) to the same.

        Args:
            m: (n_edges, edge), messages.
            radial: (n_edges, radial).
            circular: (n_edges, harmonics, circular), radial part of the circular basis.
            geometry: angles.
        """
        small = self.down(self.message(m) * self.radial(radial))
        sums = []
        for y, messages, basis in zip(
            geometry.harmonics, geometry.stars.split(small), geometry.stars.split(circular), strict=True
        ):
            n, k, degrees, _ = y.shape
            x = (y.view(n, k * degrees, k) @ messages).view(n * k, degrees, -1)
            sums.append(self.bilinear((basis.flatten(0, 1).mT @ x).flatten(1)))
        x = torch.cat(sums)
        return (self.forward_up(x) + _gather(self.reverse_up(x), geometry.stars.reverse)) * HALF


class AtomUpdate(nn.Module):
    """`f(Σ_s m_st ⊙ W rbf_st)` at every atom t: a dense layer and residual layers.

    Args:
        edge: size of an edge's message.
        radial: size of its radial features.
        atom: size of the result.
        depth: residual layers.
    """

    def __init__(self, edge: int, radial: int, atom: int, depth: int) -> None:
        super().__init__()
        self.radial = Dense(radial, edge)
        self.dense, self.residuals = Dense(edge, atom, activated=True), residuals(atom, depth)

    def forward(self, m: Tensor, radial: Tensor, stars: Stars, n_atoms: int) -> Tensor:
        """(n_edges, edge), (n_edges, radial) to (n_atoms, atom)."""
        gated = m * self.radial(radial)
        summed = gated.new_zeros(n_atoms, gated.shape[1]).index_add(0, stars.i, gated)
        return self.residuals(self.dense(summed))


class Interaction(nn.Module):
    """One round: triplets to edges, edges to atoms, atoms to edges.

    Args:
        atom: size of an atom's features.
        edge: size of an edge's message.
        radial: size of its radial features.
        circular: size of the circular basis.
        harmonics: degrees of the angular basis.
    """

    def __init__(self, atom: int, edge: int, radial: int, circular: int, harmonics: int) -> None:
        super().__init__()
        self.skip = Dense(edge, edge, activated=True)
        self.triplets = TripletInteraction(edge, radial, circular, harmonics, down=32, up=64)
        self.before_skip, self.after_skip = residuals(edge, 1), residuals(edge, 2)
        self.atom_update = AtomUpdate(edge, radial, atom, depth=3)
        self.edge_update, self.edge_residuals = EdgeEmbedding(atom, edge, edge), residuals(edge, 1)

    def forward(
        self, h: Tensor, m: Tensor, triplet: Tensor, atom: Tensor, circular: Tensor, geometry: Geometry
    ) -> tuple[Tensor, Tensor]:
        """New features of atoms and edges.

        Args:
            h: (n_atoms_total, atom).
            m: (n_edges, edge).
            triplet: (n_edges, radial), radial features for the triplets.
            atom: (n_edges, radial), radial features for the atoms.
            circular: (n_edges, harmonics, circular).
            geometry: edges and angles.
        """
        x = (self.skip(m) + self.triplets(m, triplet, circular, geometry)) * HALF
        m = self.after_skip((m + self.before_skip(x)) * HALF)
        h = (h + self.atom_update(m, atom, geometry.stars, len(h))) * HALF
        return h, (m + self.edge_residuals(self.edge_update(h, m, geometry.stars))) * HALF


class EdgeScalar(nn.Module):
    """The scalar F_st of every edge, along which atom t moves.

    Args:
        edge: size of an edge's message.
        radial: size of its radial features.
    """

    def __init__(self, edge: int, radial: int) -> None:
        super().__init__()
        self.dense, self.residuals = Dense(edge, edge, activated=True), residuals(edge, 3)
        self.radial, self.out = Dense(radial, edge), Dense(edge, 1)

    def forward(self, m: Tensor, radial: Tensor) -> Tensor:
        """(n_edges, edge), (n_edges, radial) to (n_edges,)."""
        return self.out(self.residuals(self.dense(m)) * self.radial(radial)).squeeze(-1)


class TripletWeights(nn.Module):
    """Weights of a triplet's three vector fields: MLP of [m_b, m_a, rbf_b, rbf_a, cbf_ab] for edges a and b.

    Args:
        edge: size of an edge's message.
        radial: size of its radial features.
        circular: size of the circular basis.
        hidden: size of both hidden layers.
        out: number of fields.
    """

    def __init__(self, edge: int, radial: int, circular: int, hidden: int = 64, out: int = 3) -> None:
        super().__init__()
        self.sizes = [edge, edge, radial, radial, circular]
        self.first = Dense(sum(self.sizes), hidden)
        self.second, self.out = Dense(hidden, hidden), Dense(hidden, out)

    def forward(self, m: Tensor, radial: Tensor, circular: Tensor, geometry: Geometry) -> Tensor:
        """(n_triplets with the diagonals, out): per block (n, k, k, out), edges a and b at [·, a, b].

        Args:
            m: (n_edges, edge).
            radial: (n_edges, radial).
            circular: (n_edges, harmonics, circular).
            geometry: angles.
        """
        of_b, of_a, radial_b, radial_a, angle = self.first.weight.split(self.sizes, dim=1)
        b = functional.linear(m, of_b) + functional.linear(radial, radial_b)
        a = functional.linear(m, of_a) + functional.linear(radial, radial_a)
        weights = angle, self.second.weight, self.out.weight
        return TripletPerceptron.apply(circular, a, b, *weights, geometry.stars.blocks, geometry.harmonics)
