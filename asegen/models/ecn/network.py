"""ECN, equivariant crystal networks: Kaba and Ravanbakhsh, NeurIPS 2022."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import Edges
from asegen.errors import InputError
from asegen.models.ecn.edge_orbits import N_CELLS, orbit_row
from asegen.models.ecn.messages import CellEdges, CollapsedMessages
from asegen.nn.bonds import property_graph
from asegen.nn.element_features import ElementFeatures
from asegen.nn.gaussians import Gaussians
from asegen.nn.initial import widen
from asegen.nn.readouts import Heads, crystal_mean

_GAUSSIANS, _LAST, _WIDTH = 20, 6.0, 0.6  # number, Å, Å
_ATOM, _BOND, _PATHS, _SUM, _IDENTITY_SUM = 10.0, 2.0, 3.0, 6.0, 2.0  # what `scaled` multiplies and divides by


@dataclass(frozen=True, eq=False)
class _Supercell:
    """Edges of the unit cell with their copies.

    Attributes:
        edges: all of them, self-edges included.
        identity: (n_identity,), int64, those whose ends are the same atom of the unit cell.
        vector: (n_edges, 3), from receiver to sender, Å.
    """

    edges: CellEdges
    identity: Tensor
    identity_edges: CellEdges
    vector: Tensor


class ECN(nn.Module):
    """Messages in a 2 × 2 × 2 supercell whose parameters a lattice's symmetry shares.

    Every edge of the unit cell stands for its eight copies, from the receiver in cell c to the sender in cell
    c xor (shift mod 2). As published (`cells = "published"`) the result depends on the lattice's basis, which numbers
    the cells, and on which of its images each atom is given at, which decides its cell. With `cells = "free"` atoms
    aren't told their cell, and a pair of different atoms has no colour, only a pair of an atom and its image has. The
    eight copies are equal then, and one is computed; with the group S_8 the result is invariant to the basis and to
    translations. Invariant to rotations and to the order of atoms in any case. Cells have to be primitive, for a
    shift's parity to mean anything.

    As published, a network that has just been made gives all crystals the same number to within 0.0001 to 0.01 of the
    target's spread, or messages explode, by width and depth: hundreds of steps pass before anything is learned. With
    `scaled`, constants keep atoms and sums near one, and weights are drawn with the variance 1/fan_in, so that crystals
    differ from the first step on. The functions that can be learned are the same.

    Args:
        group: one of `asegen.models.ecn.edge_orbits.GROUPS`; the paper's two are "P-triclinic" and "S_8".
        encoding: of elements, see `asegen.nn.element_features`.
        cells: "published" or "free".
        moving: the variant that is equivariant to Euclidean motions (appendix A.5): atoms move as messages say, and
            messages know the current squared distance.
        graph: "bonds" (published for the Materials Project) or "radius" (published for Perov-5).
        cutoff: Å, of the graph "radius".
        width: of atoms and messages (published: 100).
        layers: published: 6.
        scaled: see above (published: False).
        outputs: numbers per crystal.
        heads: how many heads give them (published: 1).
        per_site: numbers per atom instead, such as moments: the mean over an atom's copies in the supercell.

    Raises:
        InputError: an unknown group or encoding.

    Attributes:
        needs_primitive: True; what predicts with it reduces cells first.
    """

    needs_primitive = True

    def __init__(
        self,
        group: str = "S_8",
        encoding: str = "atomic_number",
        cells: str = "published",
        moving: bool = False,
        graph: str = "bonds",
        cutoff: float = 5.0,
        width: int = 100,
        layers: int = 6,
        scaled: bool = False,
        outputs: int = 1,
        heads: int = 1,
        per_site: bool = False,
    ) -> None:
        super().__init__()
        if cells not in ("published", "free"):
            raise InputError(f"cells = {cells!r} is not one of published, free")
        self.graph, self.cutoff, self.per_site = graph, cutoff, per_site
        self.n_cells = 1 if cells == "free" else N_CELLS
        self.row: Tensor
        self.register_buffer("row", torch.tensor(orbit_row(group)), persistent=False)
        self.elements = ElementFeatures(encoding)
        self.atom_scale, self.bond_scale = (_ATOM, _BOND) if scaled else (1.0, 1.0)
        self.atoms = nn.Linear(self.elements.size + (N_CELLS if cells == "published" else 0), width)
        self.gaussians = Gaussians(0, _LAST, _GAUSSIANS, _WIDTH)
        self.bonds = nn.Linear(_GAUSSIANS, _GAUSSIANS)
        self.layers = nn.ModuleList(
            [
                _MovingLayer(width, _GAUSSIANS, group, scaled, pushes=k < layers)
                if moving
                else _Layer(width, _GAUSSIANS, group, scaled)
                for k in range(1, layers + 1)
            ]
        )
        self.site = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.heads = Heads([width, width], outputs, heads, nn.SiLU())
        if scaled:
            widen(1.0, self.bonds, self.layers, self.site, self.heads)

    def embed(self, crystals: Crystals) -> Tensor:
        """(n_crystals, width): the mean over atoms that the heads read."""
        return crystal_mean(self._sites(crystals), crystals)

    def _sites(self, crystals: Crystals) -> Tensor:
        """(n_atoms_total, width)."""
        cells = self._supercell(crystals)
        x = self._nodes(crystals)
        displacement = cells.vector.new_zeros(*x.shape[:2], 3)
        for layer in self.layers:
            x, displacement = layer(x, displacement, cells)
        return self.site(x).mean(1)

    def forward(self, crystals: Crystals) -> Tensor:
        """(n_crystals, heads, outputs); with `per_site` (n_atoms_total, heads, outputs)."""
        return self.heads(self._sites(crystals) if self.per_site else self.embed(crystals))

    def _nodes(self, crystals: Crystals) -> Tensor:
        """(n_atoms_total, n_cells, width)."""
        features = self.elements(crystals.numbers, crystals.batch, len(crystals))[:, None]
        if self.n_cells > 1:
            places = torch.eye(N_CELLS, device=features.device).expand(len(features), -1, -1)
            features = torch.cat([features.expand(-1, N_CELLS, -1), places], -1)
        return self.atom_scale * self.atoms(features.to(self.atoms.weight.dtype))

    def _supercell(self, crystals: Crystals) -> _Supercell:
        edges = _with_self_edges(property_graph(crystals, self.graph, self.cutoff), len(crystals.numbers))
        x, y, z = edges.shift.remainder(2).unbind(-1)
        parity = 4 * y + 2 * x + z
        colour, n_colours = self.row[parity], int(self.row.max()) + 2
        if self.n_cells == 1:
            colour = torch.where(edges.i == edges.j, colour, n_colours - 1)
        order = torch.argsort(colour, stable=True)
        edges, parity, colour = Edges(edges.i[order], edges.j[order], edges.shift[order]), parity[order], colour[order]
        vector = edges.vectors(crystals)
        features = self.bond_scale * self.bonds(self.gaussians(torch.linalg.vector_norm(vector, dim=-1)))[:, None]
        cell = torch.arange(self.n_cells, device=parity.device)
        if self.n_cells > 1:
            cell = cell ^ parity[:, None]
        sender = edges.j[:, None] * self.n_cells + cell
        same = (edges.i == edges.j).nonzero()[:, 0]
        counts, same_counts = (torch.bincount(c, minlength=n_colours).tolist() for c in (colour, colour[same]))
        identity = CellEdges(edges.i[same], sender[same], features[same], same_counts)
        return _Supercell(CellEdges(edges.i, sender, features, counts), same, identity, vector)


def _with_self_edges(edges: Edges, n_atoms: int) -> Edges:
    atom = torch.arange(n_atoms, device=edges.i.device)
    return Edges(
        torch.cat([edges.i, atom]),
        torch.cat([edges.j, atom]),
        torch.cat([edges.shift, edges.shift.new_zeros(n_atoms, 3)]),
    )


class _Gate(nn.Module):
    """`σ(a · m + b) m`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.openness = nn.Linear(width, 1)

    def forward(self, m: Tensor) -> Tensor:
        return torch.sigmoid(self.openness(m)) * m


class _Layer(nn.Module):
    """Messages on all edges, more messages on those between an atom and its images, and an update of the atoms."""

    def __init__(self, width: int, edge_width: int, group: str, scaled: bool) -> None:
        super().__init__()
        paths, self.sum, self.identity_sum = (_PATHS, _SUM, _IDENTITY_SUM) if scaled else (1.0, 1.0, 1.0)
        self.on_all, self.on_identity = (CollapsedMessages(width, edge_width, group, paths) for _ in range(2))
        self.gate_all, self.gate_identity = _Gate(width), _Gate(width)
        self.update = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, x: Tensor, displacement: Tensor, cells: _Supercell) -> tuple[Tensor, Tensor]:
        """One layer.

        Args:
            x: (n_atoms_total, n_cells, width).
            displacement: (n_atoms_total, n_cells, 3), Å; comes back as it is.
            cells: the edges.

        Returns:
            New atoms and displacements, of the same shapes.
        """
        return self._exchange(x, cells)[0], displacement

    def _exchange(self, x: Tensor, cells: _Supercell) -> tuple[Tensor, Tensor]:
        """New atoms, and the messages on all edges."""
        every, identity = self.on_all(x, cells.edges), self.on_identity(x, cells.identity_edges)
        every_in, identity_in = self.gate_all(every) / self.sum, self.gate_identity(identity) / self.identity_sum
        received = torch.zeros_like(x).index_add(0, cells.edges.receiver, every_in)
        received = received.index_add(0, cells.identity_edges.receiver, identity_in)
        return x + self.update(torch.cat([received, x], -1)), every


class _MovingLayer(_Layer):
    """The same with atoms that move, `r_i ← r_i + Σ_j (r_i − r_j) φ(m_ij)`, and messages that know `|r_i − r_j|²`."""

    def __init__(self, width: int, edge_width: int, group: str, scaled: bool, pushes: bool) -> None:
        super().__init__(width, edge_width + 1, group, scaled)
        self.push: nn.Sequential | None = None
        if pushes:  # nobody sees where atoms are after the last layer
            last = nn.Linear(width, self.on_all.orbits + 1, bias=False)
            nn.init.zeros_(last.weight)  # atoms start where they are: sums over dozens of neighbours soon explode
            self.push = nn.Sequential(nn.Linear(width, width), nn.SiLU(), last)

    def forward(self, x: Tensor, displacement: Tensor, cells: _Supercell) -> tuple[Tensor, Tensor]:
        """One layer; see `_Layer.forward`."""
        i, j = cells.edges.receiver, cells.edges.sender
        vector = cells.vector[:, None] + displacement.flatten(0, 1)[j] - displacement[i]
        seen = [cells.edges.features.expand(-1, x.shape[1], -1), vector.square().sum(-1, keepdim=True)]
        features = torch.cat(seen, -1)
        edges = replace(cells.edges, features=features)
        identity = replace(cells.identity_edges, features=features[cells.identity])
        x, every = self._exchange(x, replace(cells, edges=edges, identity_edges=identity))
        if self.push is None:
            return x, displacement
        colour = torch.repeat_interleave(torch.tensor(cells.edges.counts, device=i.device))
        push = self.push(every).gather(-1, colour[:, None, None].expand(-1, x.shape[1], 1))
        return x, displacement.index_add(0, i, -vector * push)
