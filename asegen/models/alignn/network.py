"""ALIGNN, the atomistic line graph network: Choudhary and DeCost, npj Comput. Mater. 7 (2021) 185."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.models.alignn.bond_readout import bond_readout_of, mean_over_angles, mean_over_bonds
from asegen.models.alignn.gated_convolution import AngleGatedConvolution, EdgeGatedConvolution
from asegen.models.alignn.line_graph import LineGraph, line_graph
from asegen.models.alignn.soft_neighbors import soft_neighbors
from asegen.nn.element_features import ElementFeatures
from asegen.nn.gaussians import Gaussians
from asegen.nn.readouts import Heads, crystal_mean


def _layer(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.SiLU())


class GraphState(NamedTuple):
    """Features between two layers.

    Attributes:
        x: (n_atoms_total, width), of atoms.
        y: (n_edges, width), of bonds.
        angles: (n_atoms_total, width), the mean of each atom's angles; empty where nobody reads it.
        i: (n_edges,), int64, receivers.
        j: (n_edges,), int64, senders.
        weight: (n_edges,), of bonds.
    """

    x: Tensor
    y: Tensor
    angles: Tensor
    i: Tensor
    j: Tensor
    weight: Tensor


class ALIGNN(nn.Module):
    """Convolutions over atoms and bonds, alternating with convolutions over bonds and angles.

    As published but for five things: neighbours count with weights that end smoothly (`soft_neighbors`), so that the
    graph has every symmetry of its crystal and energies are continuous; a bond receives from the other bonds
    of its receiving atom; layer norms stand for batch norms; the line graph may reach less far than the crystal
    graph, since it costs most; and with `bond_readout` the readout sees bonds and angles too. Invariant to rotation,
    translation, the order of atoms and the choice of the cell; the mean over atoms makes it the same for a supercell.

    Args:
        width: of atoms, bonds and angles (published: 256).
        alignn_layers: layers with a line graph (published: 4).
        gcn_layers: layers without, after them (published: 4).
        neighbors: of an atom in the crystal graph (published: 12).
        angle_neighbors: of an atom in the line graph (published: as in the crystal graph).
        bond_basis: Gaussians of the distance, 0 to 8 Å.
        angle_basis: Gaussians of the angle's cosine.
        embedding: width between basis and `width` (published: 64).
        encoding: of elements, see `asegen.nn.element_features`.
        head_hidden: width of a hidden layer in each head; 0 for linear heads, as published.
        outputs: numbers per crystal.
        heads: how many heads give them.
        per_site: numbers per atom instead, such as moments.
        bond_readout: heads read the means of bonds and angles too (published: no). Without it an atom sees bonds only
            as gates of a weighted mean over its neighbours, and in an element, whose atoms are all alike, that mean is
            the same whatever the structure.

    Raises:
        InputError: an unknown encoding, or more angle neighbours than neighbours.
    """

    def __init__(
        self,
        width: int = 256,
        alignn_layers: int = 4,
        gcn_layers: int = 4,
        neighbors: int = 12,
        angle_neighbors: int = 12,
        bond_basis: int = 80,
        angle_basis: int = 40,
        embedding: int = 64,
        encoding: str = "properties",
        head_hidden: int = 0,
        outputs: int = 1,
        heads: int = 1,
        per_site: bool = False,
        bond_readout: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= angle_neighbors <= neighbors:
            raise InputError(f"angle_neighbors = {angle_neighbors} is not from 1 to neighbors = {neighbors}")
        self.neighbors, self.angle_neighbors, self.per_site = neighbors, angle_neighbors, per_site
        self.elements = ElementFeatures(encoding)
        self.atoms = _layer(self.elements.size, width)
        self.bonds = nn.Sequential(Gaussians(0, 8, bond_basis), _layer(bond_basis, embedding), _layer(embedding, width))
        self.angles = nn.Sequential(
            Gaussians(-1, 1, angle_basis), _layer(angle_basis, embedding), _layer(embedding, width)
        )
        self.over_bonds = nn.ModuleList(
            [
                EdgeGatedConvolution(width, k < alignn_layers + gcn_layers)
                for k in range(1, alignn_layers + gcn_layers + 1)
            ]
        )
        self.over_angles = nn.ModuleList(
            [AngleGatedConvolution(width, k < alignn_layers) for k in range(1, alignn_layers + 1)]
        )
        self.readout = bond_readout_of(width) if bond_readout else None
        hidden = [head_hidden] if head_hidden else []
        self.heads = Heads([width, *hidden], outputs, heads, nn.SiLU())

    def embed(self, crystals: Crystals) -> Tensor:
        """(n_crystals, width): what the heads read, of means over atoms."""
        return self.read([crystal_mean(part, crystals) for part in self.features(crystals)])

    def features(self, crystals: Crystals) -> list[Tensor]:
        """Of each atom (n_atoms_total, width): its features; with `bond_readout` the means of its bonds and angles."""
        return self.without_angles(self.with_angles(crystals))

    def with_angles(self, crystals: Crystals) -> GraphState:
        """The layers that have a line graph."""
        soft = soft_neighbors(crystals, self.neighbors)
        graph = line_graph(soft, len(crystals.numbers), self.angle_neighbors)
        i, j, weight = soft.edges.i, soft.edges.j, soft.weight
        x = self.atoms(self.elements(crystals.numbers, crystals.batch, len(crystals)))
        y = self.bonds(soft.distance)
        z: Sequence[Tensor] = [self.angles(cosine) for cosine in graph.cosine]
        for k in range(len(self.over_angles)):
            x, y = self.over_bonds[k](x, y, i, j, weight)
            y, z = self._turn(k, y, z, graph)
        angles = x.new_zeros(0) if self.readout is None else mean_over_angles(z, soft, graph, len(x))
        return GraphState(x, y, angles, i, j, weight)

    def without_angles(self, state: GraphState) -> list[Tensor]:
        """The layers after them; see `features`."""
        x, y, angles, i, j, weight = state
        for convolution in self.over_bonds[len(self.over_angles) :]:
            x, y = convolution(x, y, i, j, weight)
        return [x] if self.readout is None else [x, mean_over_bonds(y, weight, i, len(x)), angles]

    def read(self, features: Sequence[Tensor]) -> Tensor:
        """(n, width): what the heads read, of `features` of n atoms, or of their means over n crystals."""
        return features[0] if self.readout is None else features[0] + self.readout(torch.cat([*features], 1))

    def _turn(self, k: int, y: Tensor, z: Sequence[Tensor], graph: LineGraph) -> tuple[Tensor, Sequence[Tensor]]:
        """A convolution over the line graph, whose bonds are some of the edges."""
        bonds, z = self.over_angles[k](y.index_select(0, graph.bond), z, graph)
        return y.index_copy(0, graph.bond, bonds.to(y.dtype)), z

    def forward(self, crystals: Crystals) -> Tensor:
        """(n_crystals, heads, outputs); with `per_site` (n_atoms_total, heads, outputs)."""
        return self.heads(self.read(self.features(crystals)) if self.per_site else self.embed(crystals))
