"""MEGNet: Chen et al., Chem. Mater. 31 (2019) 3564, as Kaba and Ravanbakhsh (NeurIPS 2022) ran it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import Set2Set

from asegen.crystals.crystals import Crystals
from asegen.nn.bonds import property_graph
from asegen.nn.element_features import ElementFeatures
from asegen.nn.gaussians import Gaussians
from asegen.nn.initial import widen
from asegen.nn.readouts import Heads, crystal_mean, group_mean

_GAUSSIANS, _LAST, _WIDTH = 100, 6.0, 0.5  # number, Å, Å
_ATOM = 10.0  # what `scaled` multiplies atoms by
_EMBEDDING, _STATE, _HIDDEN, _BLOCK = 36, 2, 64, 32
_BLOCKS, _STEPS = 3, 3


def _perceptron(*widths: int) -> nn.Sequential:
    return nn.Sequential(*[nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)])


class MEGNet(nn.Module):
    """Blocks that update bonds, atoms and a state of the crystal in turn; Set2Set pools atoms and bonds.

    Invariant to rotation, translation, the order of atoms and the choice of the cell, and to supercells: means and
    Set2Set's weighted means are alike. torch_geometric has no MEGNet; its Set2Set (Vinyals et al. 2016) is used.

    Args:
        encoding: of elements, see `asegen.nn.element_features`.
        graph: "bonds" or "radius", see `asegen.nn.bonds.property_graph`.
        cutoff: Å, of the graph "radius".
        scaled: atoms enter near one in size, and weights keep sizes through ReLU (He et al. 2015). Without it
            (published) a new network gives all crystals the same number to within 0.0001 of the target's spread, and
            stands still for hundreds of steps.
        outputs: numbers per crystal.
        heads: how many heads give them (published: 1).
        per_site: numbers per atom instead, such as moments; they come from the atom's vector and the state.

    Raises:
        InputError: an unknown encoding.
    """

    def __init__(
        self,
        encoding: str = "atomic_number",
        graph: str = "bonds",
        cutoff: float = 5.0,
        scaled: bool = False,
        outputs: int = 1,
        heads: int = 1,
        per_site: bool = False,
    ) -> None:
        super().__init__()
        self.graph, self.cutoff, self.per_site = graph, cutoff, per_site
        self.atom_scale = _ATOM if scaled else 1.0
        self.elements = ElementFeatures(encoding)
        self.atoms = nn.Linear(self.elements.size, _EMBEDDING)
        self.bonds = nn.Sequential(Gaussians(0, _LAST, _GAUSSIANS, _WIDTH), nn.Linear(_GAUSSIANS, _EMBEDDING))
        first = _Block(_EMBEDDING, _EMBEDDING, _STATE)
        self.blocks = nn.ModuleList([first, *[_Block(_BLOCK, _BLOCK, _BLOCK) for _ in range(_BLOCKS - 1)]])
        self.pool_atoms, self.pool_bonds = Set2Set(_BLOCK, _STEPS), Set2Set(_BLOCK, _STEPS)
        self.heads = Heads([(2 if per_site else 5) * _BLOCK, 32, 16], outputs, heads, nn.ReLU())
        if scaled:
            widen(2.0, self.bonds, self.blocks, self.heads)

    def embed(self, crystals: Crystals) -> Tensor:
        """(n_crystals, 160): atoms and bonds, pooled, and the state; what the heads read."""
        x, e, u, of_bond = self._blocks(crystals)
        atoms = self.pool_atoms(x, crystals.batch, dim_size=len(crystals))
        return torch.cat([atoms, self.pool_bonds(e, of_bond, dim_size=len(crystals)), u], -1)

    def _sites(self, crystals: Crystals) -> Tensor:
        """(n_atoms_total, 64)."""
        x, _, u, _ = self._blocks(crystals)
        return torch.cat([x, u.index_select(0, crystals.batch)], -1)

    def _blocks(self, crystals: Crystals) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Atoms, bonds and states after all blocks, and each bond's crystal."""
        edges = property_graph(crystals, self.graph, self.cutoff)
        of_bond = crystals.batch.index_select(0, edges.i)
        x = self.atom_scale * self.atoms(self.elements(crystals.numbers, crystals.batch, len(crystals)))
        e = self.bonds(edges.distances(crystals))
        u = x.new_zeros(len(crystals), _STATE)
        for block in self.blocks:
            x, e, u = block(x, e, u, edges.i, edges.j, of_bond, crystals)
        return x, e, u, of_bond

    def forward(self, crystals: Crystals) -> Tensor:
        """(n_crystals, heads, outputs); with `per_site` (n_atoms_total, heads, outputs)."""
        return self.heads(self._sites(crystals) if self.per_site else self.embed(crystals))


class _Block(nn.Module):
    """A perceptron on each of atoms, bonds and state, then their updates (Eqs. 1 to 3); what came in is added."""

    def __init__(self, atom: int, bond: int, state: int) -> None:
        super().__init__()
        self.before_atoms, self.before_bonds, self.before_state = (
            _perceptron(n, _HIDDEN, _BLOCK) for n in (atom, bond, state)
        )
        self.update_bonds = _perceptron(4 * _BLOCK, _HIDDEN, _HIDDEN, _BLOCK)
        self.update_atoms = _perceptron(3 * _BLOCK, _HIDDEN, _HIDDEN, _BLOCK)
        self.update_state = _perceptron(3 * _BLOCK, _HIDDEN, _HIDDEN, _BLOCK)
        self.is_first = atom != _BLOCK

    def forward(
        self, x: Tensor, e: Tensor, u: Tensor, i: Tensor, j: Tensor, of_bond: Tensor, crystals: Crystals
    ) -> tuple[Tensor, Tensor, Tensor]:
        before = (x, e, u)
        x, e, u = self.before_atoms(x), self.before_bonds(e), self.before_state(u)
        if self.is_first:  # what comes in is of another width
            before = (x, e, u)
        e = self.update_bonds(
            torch.cat([x.index_select(0, i), x.index_select(0, j), e, u.index_select(0, of_bond)], -1)
        )
        x = self.update_atoms(torch.cat([group_mean(e, i, len(x)), x, u.index_select(0, crystals.batch)], -1))
        u = self.update_state(torch.cat([group_mean(e, of_bond, len(u)), crystal_mean(x, crystals), u], -1))
        return before[0] + x, before[1] + e, before[2] + u
