"""DimeNet++ with edge outputs on the symmetric multigraph: two scalars per edge, of which scores are made.

After Sultanov, Crivello, Rebafka and Sokolovska (space-group score model) and Gasteiger et al. (DimeNet++, 2020). The
interaction blocks are torch_geometric's; embedding and output are the paper's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch_geometric.nn.models.dimenet import InteractionPPBlock

from asegen.nn.dimenet_bases import RadialBessel, SphericalBessel
from asegen.nn.symmetric_multigraph import SymmetricEdges, SymmetricTriplets

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
    ) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.radial, self.spherical = RadialBessel(radial, cutoff), SphericalBessel(degrees, radial, cutoff)
        self.element = nn.Embedding(_ELEMENTS, hidden)
        self.of_radial = nn.Linear(radial, hidden)
        self.embed = nn.Linear(3 * hidden + _LEVEL_WIDTH + 2, hidden)
        self.interactions = nn.ModuleList(
            InteractionPPBlock(hidden, interaction, basis, degrees, radial, 1, 2, nn.SiLU()) for _ in range(blocks)
        )
        self.outputs = nn.ModuleList(_Output(hidden, output, radial) for _ in range(blocks + 1))

    def forward(
        self, numbers: Tensor, edges: SymmetricEdges, triplets: SymmetricTriplets, level: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Weights of edges.

        Args:
            numbers: (n_sites_total,), int64, atomic numbers.
            edges: within the cutoff.
            triplets: of these edges.
            level: (n_sites_total,), index of the noise level, 0 the largest.

        Returns:
            w_pos and w_lat, (n_edges,) each.
        """
        distance = torch.linalg.vector_norm(edges.vector, dim=-1).to(self.embed.weight.dtype)
        radial = self.radial(distance)
        spherical = self.spherical(distance, triplets.angle.to(distance), triplets.second)
        kind = self.element(numbers)
        same = nn.functional.one_hot(edges.equivalent.long(), 2).to(radial)
        parts = [kind[edges.receiver], kind[edges.sender], nn.functional.silu(self.of_radial(radial))]
        parts += [_level_features(level, radial)[edges.receiver], same]
        message = nn.functional.silu(self.embed(torch.cat(parts, -1)))
        found = self.outputs[0](message, radial)
        for interaction, output in zip(self.interactions, list(self.outputs)[1:], strict=True):
            message = interaction(message, radial, spherical, triplets.second, triplets.first)
            found = found + output(message, radial)
        return found[:, 0], found[:, 1]


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
