"""DimeNet++ with edge outputs on the symmetric multigraph: two scalars per edge, of which scores are made.

After Sultanov, Crivello, Rebafka and Sokolovska (space-group score model) and Gasteiger et al. (DimeNet++, 2020). The
interaction blocks have torch_geometric's weights; embedding and output are the paper's. A triplet's term is linear in
harmonics of its angle, so its sum over triplets is computed, to rounding, from moments of each site's edges.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch_geometric.nn.models.dimenet import InteractionPPBlock

from asegen.crystals.site_graph import SymmetricEdges, symmetric_triplets
from asegen.elements import ATOMIC_NUMBERS
from asegen.geometry.ragged import first_rows
from asegen.models.dimenet.bases import RadialBessel, SphericalBessel
from asegen.models.dimenet.spherical_harmonics import spherical_harmonics
from asegen.nn.bases import zonal_harmonics

_LEVEL_WIDTH = 20
_BLOCKS = 6
"""Sites are treated in so many parts, by their number of edges: little is filled up, and a part stays in the cache."""


class SymmetricDimeNet(nn.Module):
    """Weights of every edge for the scores of positions and lattice.

    Args:
        hidden: size of messages and of element embeddings.
        output: width inside the output blocks; 128, and 64 in the paper's small network.
        interaction: width of the triplet interactions; 64, and 32.
        basis: width to which bases are reduced; 10, and 8.
        blocks: interaction blocks; there is one output block more.
        degrees: spherical functions.
        radial: radial functions; 10, and 6.
        cutoff: Å; 6, and 5.
        triplets: sum over triplets one by one, as published: the same numbers, many times slower.
    """

    def __init__(
        self,
        hidden: int = 64,
        output: int = 128,
        interaction: int = 64,
        basis: int = 10,
        blocks: int = 4,
        degrees: int = 7,
        radial: int = 10,
        cutoff: float = 6.0,
        triplets: bool = False,
    ) -> None:
        super().__init__()
        self.cutoff, self.triplets = cutoff, triplets
        self.radial, self.spherical = RadialBessel(radial, cutoff), SphericalBessel(degrees, radial, cutoff)
        self.element = nn.Embedding(ATOMIC_NUMBERS, hidden)
        self.of_radial = nn.Linear(radial, hidden)
        self.embed = nn.Linear(3 * hidden + _LEVEL_WIDTH + 2, hidden)
        self.interactions = nn.ModuleList(
            _Interaction(hidden, interaction, basis, degrees, radial, 1, 2, nn.SiLU()) for _ in range(blocks)
        )
        self.outputs = nn.ModuleList(_Output(hidden, output, radial) for _ in range(blocks + 1))

    def forward(self, numbers: Tensor, edges: SymmetricEdges, level: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of edges.

        Args:
            numbers: (n_sites_total,), int64, atomic numbers.
            edges: within the cutoff.
            level: (n_sites_total,), index of the noise level, 0 the largest.

        Returns:
            w_pos and w_lat, (n_edges,) each.
        """
        distance = torch.linalg.vector_norm(edges.vector, dim=-1).to(self.embed.weight.dtype)
        radial = self.radial(distance)
        kind = self.element(numbers)
        same = nn.functional.one_hot(edges.equivalent.long(), 2).to(radial)
        parts = [kind[edges.receiver], kind[edges.sender], nn.functional.silu(self.of_radial(radial))]
        parts += [_level_features(level, radial)[edges.receiver], same]
        message = nn.functional.silu(self.embed(torch.cat(parts, -1)))
        found = self.outputs[0](message, radial)
        spherical = self.spherical.radial(distance).transpose(0, 1)
        angles = _Triplets(edges, spherical) if self.triplets else _Moments(edges, spherical)
        for interaction, output in zip(self.interactions, list(self.outputs)[1:], strict=True):
            message = interaction(message, radial, angles)
            found = found + output(message, radial)
        return found[:, 0], found[:, 1]


class _Triplets:
    """Sums over triplets, one by one.

    Args:
        edges: the graph.
        spherical: (degrees, n_edges, radial), radial functions of the sending edge.
    """

    def __init__(self, edges: SymmetricEdges, spherical: Tensor) -> None:
        found = symmetric_triplets(edges)
        self.first, self.second, self.spherical = found.first, found.second, spherical
        harmonics = zonal_harmonics(torch.cos(found.angle).to(spherical.dtype), len(spherical))
        self.harmonics = torch.stack(harmonics)[:, :, None]

    def sum(self, basis: Tensor, onward: Tensor) -> Tensor:
        """`Σ_t Σ_l Y_l0(angle_t) (W_l R_l(d)) ∘ x` over the triplets of each edge, x and d of the triplet's other edge.

        Args:
            basis: (degrees, radial, width), W.
            onward: (n_edges, width), x.

        Returns:
            (n_edges, width).
        """
        terms = (torch.bmm(self.spherical, basis) * onward).index_select(1, self.second)
        each = (terms * self.harmonics.to(terms)).sum(0)
        return each.new_zeros(onward.shape).index_add(0, self.first, each)


class _Moments:
    """The same sums from moments `Σ_e S_lm(r_e) (W_l R_l(d_e)) ∘ x_e` of each site's edges.

    What arrives at an edge (u, h, v) are the moments of v in the direction back to u. Seen from v that is the direction
    of the reverse edge; and of the sum only the reverse edge itself is left out. Sites with about as many edges are
    treated together, the lesser ones filled up with edges that have no weight.

    Args:
        edges: in the order of the receiver.
        spherical: see `_Triplets`.
    """

    def __init__(self, edges: SymmetricEdges, spherical: Tensor) -> None:
        degrees = len(spherical)
        direction = nn.functional.normalize(edges.vector.detach(), dim=-1).to(spherical.dtype)
        harmonics = spherical_harmonics(direction, degrees)
        degree = torch.bincount(edges.receiver)
        start = first_rows(degree)
        self.blocks = []
        place, filled = torch.zeros_like(edges.receiver), 0
        order = torch.argsort(degree)
        for sites in torch.split(order, max(1, -(-len(order) // _BLOCKS))) if len(order) else ():
            widest = int(degree[sites[-1]])
            rank = torch.arange(widest, device=degree.device)
            real = rank < degree[sites, None]
            edge = torch.where(real, start[sites, None] + rank, 0).flatten()
            real = real.flatten()
            place[edge[real]] = filled + real.nonzero()[:, 0]
            filled += len(edge)
            turned = torch.where(real[:, None], harmonics[edge], 0.0).view(len(sites), widest, degrees**2)
            self.blocks.append((edge, spherical[:, edge], turned))
        self.back = place[edges.reverse]
        scales = [math.sqrt((2 * degree + 1) / (4 * math.pi)) for degree in range(degrees)]
        self.itself = torch.tensor(scales, device=degree.device).to(spherical)[:, None, None]
        self.ranges = [slice(degree**2, (degree + 1) ** 2) for degree in range(degrees)]

    def sum(self, basis: Tensor, onward: Tensor) -> Tensor:
        """See `_Triplets.sum`."""
        parts = [self._arriving(basis, onward, *block) for block in self.blocks]
        return torch.cat([*parts, onward[:0]]).index_select(0, self.back)

    def _arriving(self, basis: Tensor, onward: Tensor, edge: Tensor, spherical: Tensor, harmonics: Tensor) -> Tensor:
        """(n_places, width): of each place, all edges of its site but its own."""
        terms = torch.bmm(spherical, basis) * onward.index_select(0, edge)
        of_sites = terms.view(len(terms), *harmonics.shape[:2], terms.shape[-1]).unbind()
        turned = harmonics.mT
        moments = [turned[:, part] @ values for part, values in zip(self.ranges, of_sites, strict=True)]
        everything = (harmonics @ torch.cat(moments, 1)).flatten(0, 1)
        return everything - (terms * self.itself.to(terms)).sum(0)


class _Interaction(InteractionPPBlock):
    """torch_geometric's block; the basis of a triplet comes in its parts of distance and angle."""

    def forward(self, message: Tensor, radial: Tensor, angles: _Moments | _Triplets) -> Tensor:
        """New messages.

        Args:
            message: (n_edges, hidden).
            radial: (n_edges, radial).
            angles: the triplets.
        """
        onward = self.act(self.lin_kj(message)) * self.lin_rbf2(self.lin_rbf1(radial))
        onward = self.act(self.lin_down(onward))
        basis = (
            (self.lin_sbf2.weight @ self.lin_sbf1.weight).view(onward.shape[1], -1, radial.shape[1]).permute(1, 2, 0)
        )
        h = self.act(self.lin_ji(message)) + self.act(self.lin_up(angles.sum(basis, onward)))
        for layer in self.layers_before_skip:
            h = layer(h)
        h = self.act(self.lin(h)) + message
        for layer in self.layers_after_skip:
            h = layer(h)
        return h


def _level_features(level: Tensor, like: Tensor) -> Tensor:
    """(n, 20): sines and cosines of the noise level."""
    frequency = torch.exp(-math.log(1e4) * torch.arange(_LEVEL_WIDTH // 2, device=level.device) / (_LEVEL_WIDTH // 2))
    angle = (level.to(like)[:, None]) * frequency.to(like)
    return torch.cat([torch.sin(angle), torch.cos(angle)], -1)


class _Output(nn.Module):
    """`m ⊙ W rbf`, up, layer norm, three linear layers with swish, two scalars without bias."""

    def __init__(self, hidden: int, width: int, radial: int) -> None:
        super().__init__()
        self.of_radial = nn.Linear(radial, hidden, bias=False)
        layers: list[nn.Module] = [nn.Linear(hidden, width, bias=False), nn.LayerNorm(width)]
        for _ in range(3):
            layers += [nn.Linear(width, width), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 2, bias=False))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight)
                scale = 2.0 / ((module.in_features + module.out_features) * module.weight.var())
                with torch.no_grad():
                    module.weight *= scale.sqrt()
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, message: Tensor, radial: Tensor) -> Tensor:
        """(n_edges, 2)."""
        return self.layers(message * self.of_radial(radial))
