"""CGCNN: Xie and Grossman, Phys. Rev. Lett. 120 (2018) 145301, as Kaba and Ravanbakhsh (NeurIPS 2022) ran it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals
from asegen.nn.bonds import property_graph
from asegen.nn.element_features import ElementFeatures
from asegen.nn.gaussians import Gaussians
from asegen.nn.readouts import Heads, crystal_mean

_GAUSSIANS, _LAST, _WIDTH, _BOND = 10, 6.0, 0.6, 20  # number, Å, Å, features of a bond


class CGCNN(nn.Module):
    """Gated convolutions over the unit cell's graph.

    Invariant to rotation, translation, the order of atoms and the choice of the cell; the mean over atoms makes it the
    same for a supercell.

    Args:
        encoding: of elements, see `asegen.nn.element_features`.
        graph: "bonds" or "radius", see `asegen.nn.bonds.property_graph`.
        cutoff: Å, of the graph "radius".
        width: of atoms (here as in ECN's paper: 100).
        layers: convolutions (2).
        outputs: numbers per crystal.
        heads: how many heads give them (published: 1).
        per_site: numbers per atom instead, such as moments.

    Raises:
        InputError: an unknown encoding.
    """

    def __init__(
        self,
        encoding: str = "atomic_number",
        graph: str = "bonds",
        cutoff: float = 5.0,
        width: int = 100,
        layers: int = 2,
        outputs: int = 1,
        heads: int = 1,
        per_site: bool = False,
    ) -> None:
        super().__init__()
        self.graph, self.cutoff, self.per_site = graph, cutoff, per_site
        self.elements = ElementFeatures(encoding)
        self.atoms = nn.Linear(self.elements.size, width)
        self.bonds = nn.Sequential(Gaussians(0, _LAST, _GAUSSIANS, _WIDTH), nn.Linear(_GAUSSIANS, _BOND))
        self.layers = nn.ModuleList([_Convolution(width) for _ in range(layers)])
        self.heads = Heads([width, width], outputs, heads, nn.ReLU())

    def embed(self, crystals: Crystals) -> Tensor:
        """(n_crystals, width): the mean over atoms that the heads read."""
        return crystal_mean(self._sites(crystals), crystals)

    def _sites(self, crystals: Crystals) -> Tensor:
        """(n_atoms_total, width)."""
        edges = property_graph(crystals, self.graph, self.cutoff)
        bonds = self.bonds(edges.distances(crystals))
        x = self.atoms(self.elements(crystals.numbers, crystals.batch, len(crystals)))
        for layer in self.layers:
            x = layer(x, bonds, edges.i, edges.j)
        return x

    def forward(self, crystals: Crystals) -> Tensor:
        """(n_crystals, heads, outputs); with `per_site` (n_atoms_total, heads, outputs)."""
        return self.heads(self._sites(crystals) if self.per_site else self.embed(crystals))


class _Convolution(nn.Module):
    """`x_i ← x_i + Σ_j σ(F z) ⊙ ReLU(S z)`, z = [x_i ‖ x_j ‖ e] (Eq. 5; ReLU for softplus)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.receiver = nn.Linear(width, 2 * width)
        self.sender = nn.Linear(width, 2 * width, bias=False)
        self.bond = nn.Linear(_BOND, 2 * width, bias=False)

    def forward(self, x: Tensor, bonds: Tensor, i: Tensor, j: Tensor) -> Tensor:
        z = self.receiver(x).index_select(0, i) + self.sender(x).index_select(0, j) + self.bond(bonds)
        gate, value = z.chunk(2, -1)
        return x.index_add(0, i, torch.sigmoid(gate) * torch.relu(value))
