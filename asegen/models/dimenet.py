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

from asegen.nn.bases import zonal_harmonics
from asegen.nn.dimenet_bases import RadialBessel, SphericalBessel
from asegen.nn.spherical_harmonics import spherical_harmonics
from asegen.nn.symmetric_multigraph import SymmetricEdges, symmetric_triplets

_ELEMENTS = 119
_LEVEL_WIDTH = 20


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
        self.cutoff, self.degrees, self.triplets = cutoff, degrees, triplets
        self.radial, self.spherical = RadialBessel(radial, cutoff), SphericalBessel(degrees, radial, cutoff)
        self.element = nn.Embedding(_ELEMENTS, hidden)
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
        radial, spherical = self.radial(distance), self.spherical.radial(distance)
        kind = self.element(numbers)
        same = nn.functional.one_hot(edges.equivalent.long(), 2).to(radial)
        parts = [kind[edges.receiver], kind[edges.sender], nn.functional.silu(self.of_radial(radial))]
        parts += [_level_features(level, radial)[edges.receiver], same]
        message = nn.functional.silu(self.embed(torch.cat(parts, -1)))
        found = self.outputs[0](message, radial)
        angles = self._angles(edges)
        for interaction, output in zip(self.interactions, list(self.outputs)[1:], strict=True):
            message = interaction(message, radial, spherical, angles)
            found = found + output(message, radial)
        return found[:, 0], found[:, 1]

    def _angles(self, edges: SymmetricEdges) -> _Moments | _Triplets:
        dtype = self.embed.weight.dtype
        if self.triplets:
            found = symmetric_triplets(edges)
            harmonics = zonal_harmonics(torch.cos(found.angle).to(dtype), self.degrees)
            return _Triplets(found.first, found.second, torch.stack(harmonics, -1))
        direction = nn.functional.normalize(edges.vector.detach(), dim=-1)
        return _Moments(edges, spherical_harmonics(direction.to(dtype), self.degrees))


class _Triplets:
    """Sums over triplets, one by one.

    Args:
        first: (n_triplets,), the edge at which a triplet's term arrives.
        second: (n_triplets,), the edge that sends it.
        harmonics: (n_triplets, degrees), of the angle.
    """

    def __init__(self, first: Tensor, second: Tensor, harmonics: Tensor) -> None:
        self.first, self.second, self.harmonics = first, second, harmonics

    def sum(self, terms: Tensor) -> Tensor:
        """`Σ_t Y_l0(angle_t) terms_l` over the triplets of each edge.

        Args:
            terms: (n_edges, degrees, width), of the sending edge.

        Returns:
            (n_edges, width).
        """
        each = (terms[self.second] * self.harmonics[:, :, None].to(terms)).sum(1)
        return torch.zeros_like(terms[:, 0]).index_add(0, self.first, each)


class _Moments:
    """The same sums from moments `Σ_e S_lm(r_e) terms_l` of each site's edges.

    What arrives at an edge (u, h, v) are the moments of v in the direction back to u. Seen from v that is the direction
    of the reverse edge; and of the sum only the reverse edge itself is left out.

    Args:
        edges: in the order of the receiver.
        harmonics: (n_edges, degrees²), `spherical_harmonics` of their directions.
    """

    def __init__(self, edges: SymmetricEdges, harmonics: Tensor) -> None:
        self.reverse, self.degrees = edges.reverse, math.isqrt(harmonics.shape[1])
        degree = torch.bincount(edges.receiver)
        rank = torch.arange(len(edges), device=degree.device) - (torch.cumsum(degree, 0) - degree)[edges.receiver]
        self.shape = len(degree), int(degree.max()) if len(degree) else 0
        self.place = edges.receiver * self.shape[1] + rank
        # Sites with fewer edges are filled up with their neighbours' edges, whose harmonics here are zero.
        self.edge = torch.zeros(self.shape[0] * self.shape[1], dtype=torch.int64, device=degree.device)
        self.edge[self.place] = torch.arange(len(edges), device=degree.device)
        self.harmonics = harmonics.new_zeros(len(self.edge), self.degrees**2)
        self.harmonics[self.place] = harmonics
        self.harmonics = self.harmonics.view(*self.shape, self.degrees**2)

    def sum(self, terms: Tensor) -> Tensor:
        """See `_Triplets.sum`."""
        filled = terms.index_select(0, self.edge).view(*self.shape, *terms.shape[1:]).unbind(2)
        turned = self.harmonics.mT
        ranges = [slice(degree**2, (degree + 1) ** 2) for degree in range(self.degrees)]
        moments = torch.cat([turned[:, part] @ values for part, values in zip(ranges, filled, strict=True)], 1)
        everything = (self.harmonics @ moments).flatten(0, 1).index_select(0, self.place)
        forward = torch.tensor([math.sqrt((2 * k + 1) / (4 * math.pi)) for k in range(self.degrees)])
        itself = torch.einsum("elk,l->ek", terms, forward.to(terms))
        return (everything - itself).index_select(0, self.reverse)


class _Interaction(InteractionPPBlock):
    """torch_geometric's block; the basis of a triplet comes in its parts of distance and angle."""

    def forward(self, message: Tensor, radial: Tensor, spherical: Tensor, angles: _Moments | _Triplets) -> Tensor:
        """New messages.

        Args:
            message: (n_edges, hidden).
            radial: (n_edges, radial).
            spherical: (n_edges, degrees, radial), of the distance.
            angles: of the triplets.
        """
        onward = self.act(self.lin_kj(message)) * self.lin_rbf2(self.lin_rbf1(radial))
        onward = self.act(self.lin_down(onward))
        basis = self.lin_sbf1.weight.view(len(self.lin_sbf1.weight), *spherical.shape[1:])
        weights = self.lin_sbf2(torch.einsum("eln,bln->elb", spherical, basis))
        h = self.act(self.lin_ji(message)) + self.act(self.lin_up(angles.sum(weights * onward[:, None])))
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
