"""EMPNN as published: equivariant message passing that deforms the lattice (Klipfel et al., AAAI 2023; STRL 2022).

Atoms know each other through invariant messages; weights of vector fields, computed from them per edge and triplet,
make an action on the lattice, and the edges of an atom move it. After each of several steps the same edges are measured
again. A crystal's symmetries are respected: rotation and reflection, translation, permutation, supercell, and the
choice of the cell. `LatticeRegressor` is the paper's baseline that predicts six lattice parameters instead.

Where the published code broke this, the code follows the paper: rows of a cell are lattice vectors everywhere, limits
act on singular values, equally near neighbours are all taken, and left-handed cells are cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals, Tangent
from asegen.elements import ATOMIC_NUMBERS
from asegen.errors import InputError
from asegen.geometry.lattice import symmetric_exp
from asegen.models.empnn.lattice_fields import FieldSet, check_rule, field_set, limit_action, strain_of
from asegen.models.empnn.layers import (
    EdgeGeometry,
    EdgeWeights,
    MessageLayer,
    TrainableGaussians,
    TripletWeights,
    edge_geometry,
)
from asegen.models.empnn.pairs import Pairs, edge_pairs
from asegen.models.empnn.shells import shell_graph
from asegen.nn.readouts import group_mean, without_mean

_LARGEST_ACTION = 0.5  # of a step, dimensionless; as in the published code, but of singular values
MOVES = ("lattice", "positions", "both")


def check_moves(moves: str) -> None:
    """Raises unless `moves` is one of `MOVES`.

    Raises:
        InputError: it isn't.
    """
    if moves not in MOVES:
        raise InputError(f"moves = {moves!r} is not one of {', '.join(MOVES)}")


class _LatticeAction(nn.Module):
    """`A = mean over edges of Σ w λ + mean over triplets of Σ w λ`, limited, as a strain."""

    def __init__(self, width: int, fields: FieldSet, rule: str) -> None:
        super().__init__()
        self.fields, self.rule = fields, rule
        self.edge_weights = EdgeWeights(width, len(fields.edges)) if fields.edges else None
        self.triplet_weights = TripletWeights(width, len(fields.triplets)) if fields.triplets else None

    def forward(self, h: Tensor, crystals: Crystals, geometry: EdgeGeometry, pairs: Pairs | None) -> Tensor:
        crystal = crystals.batch[geometry.edges.i]
        action = torch.zeros_like(crystals.cell)
        u, r = geometry.direction, geometry.distance
        if self.edge_weights is not None:
            action = action + group_mean(
                self.fields.on_edges(self.edge_weights(h, geometry), u, r), crystal, len(crystals)
            )
        if self.triplet_weights is not None and pairs is not None:
            a, b = pairs.a, pairs.b
            weights = self.triplet_weights(h, geometry, pairs)
            summed = self.fields.on_triplets(weights, u[a], r[a], u[b], r[b])
            action = action + group_mean(summed, crystal[a], len(crystals))
        return strain_of(limit_action(action, _LARGEST_ACTION), self.rule, self.fields.is_symmetric)


class _PositionAction(nn.Module):
    """`g_i = mean_j w_ij e_ij` over the edges of i, fractional, less its mean over the crystal (STRL 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weights = EdgeWeights(width, 1)

    def forward(self, h: Tensor, crystals: Crystals, geometry: EdgeGeometry) -> Tensor:
        displacement = geometry.mean(self.weights(h, geometry) * geometry.scaled_vector)
        return without_mean(displacement, crystals)  # a common translation changes no crystal


class _Step(nn.Module):
    """Messages, then an action."""

    def __init__(self, width: int, messages: int, fields: FieldSet, rule: str, moves: str) -> None:
        super().__init__()
        self.messages = nn.ModuleList([MessageLayer(width) for _ in range(messages)])
        self.lattice = _LatticeAction(width, fields, rule) if moves != "positions" else None
        self.positions = _PositionAction(width) if moves != "lattice" else None

    def forward(
        self, h: Tensor, crystals: Crystals, geometry: EdgeGeometry, pairs: Pairs | None
    ) -> tuple[Tensor, Tangent]:
        for layer in self.messages:
            h = layer(h, geometry)
        strain, displacement = torch.zeros_like(crystals.cell), torch.zeros_like(crystals.scaled_positions)
        if self.lattice is not None:
            strain = self.lattice(h, crystals, geometry, pairs)
        if self.positions is not None:
            displacement = self.positions(h, crystals, geometry)
        return h, Tangent(displacement, strain)


class EMPNN(nn.Module):
    """The published network.

    Args:
        fields: a row of the paper's Table 2, a key of `asegen.models.empnn.lattice_fields.FIELD_SETS`.
        moves: "lattice" (AAAI 2023), "positions", or "both" (STRL 2022).
        rule: "exact" exponential of an action, or "first-order", I + A, as published.
        width: size of the features of atoms.
        messages: message layers before the first step; every step adds one.
        steps: actions; published: 4 for denoising, 8 for reconstruction.
        neighbors: nearest neighbours of each atom; all that are equally far are taken.
        partners: while training, estimate the means over triplets from that many partners of every edge, drawn anew in
            every call, in place of all (some 16), which costs a fraction; 0 takes all, as published.

    Raises:
        InputError: `fields`, `moves` or `rule` is unknown.
    """

    def __init__(
        self,
        fields: str = "ketbra-both",
        moves: str = "lattice",
        rule: str = "exact",
        width: int = 128,
        messages: int = 8,
        steps: int = 4,
        neighbors: int = 16,
        partners: int = 0,
    ) -> None:
        super().__init__()
        check_moves(moves)
        check_rule(rule)
        chosen = field_set(fields)
        self.neighbors, self.partners = neighbors, partners
        self.has_triplets = moves != "positions" and bool(chosen.triplets)
        self.atoms = nn.Embedding(ATOMIC_NUMBERS, width)
        self.basis = TrainableGaussians()
        counts = [messages + 1] + [1] * (steps - 1)
        self.steps = nn.ModuleList([_Step(width, count, chosen, rule, moves) for count in counts])

    def forward(self, crystals: Crystals) -> list[Tangent]:
        """How the crystals should move, step after step.

        Args:
            crystals: crystals to be denoised.

        Returns:
            One tangent per step, to be followed in order (`Crystals.move`).

        Raises:
            InputError: a cell is singular, or anything isn't finite.
        """
        mixed = torch.is_autocast_enabled(crystals.device.type)
        with torch.autocast(crystals.device.type, enabled=False):  # in bfloat16 a position has two digits
            return self._tangents(crystals, mixed)

    def _tangents(self, crystals: Crystals, mixed: bool) -> list[Tangent]:
        edges, pairs = shell_graph(crystals, self.neighbors), None
        if self.has_triplets:
            partners = self.partners if self.training else 0
            edges, pairs = edge_pairs(edges, len(crystals.numbers), partners, mixed)
        x, cell = crystals.scaled_positions, crystals.cell
        scaled_vector = x[edges.j] + edges.shift.to(x.dtype) - x[edges.i]
        h = self.atoms(crystals.numbers)
        tangents: list[Tangent] = []
        for step in self.steps:
            geometry = edge_geometry(crystals, edges, scaled_vector, cell, self.basis, mixed)
            h, tangent = step(h, crystals, geometry, pairs)
            tangents.append(tangent)
            cell = cell @ symmetric_exp(tangent.strain)
            d = tangent.displacement
            scaled_vector = scaled_vector + d.index_select(0, edges.j) - d.index_select(0, edges.i)
        return tangents


class LatticeRegressor(nn.Module):
    """The paper's feed-forward baseline: messages, the mean over atoms, a perceptron, six lattice parameters.

    Args:
        width: size of the features of atoms.
        messages: message layers.
        layers: hidden layers of the perceptron.
        neighbors: nearest neighbours of each atom; all that are equally far are taken.
    """

    def __init__(self, width: int = 128, messages: int = 8, layers: int = 4, neighbors: int = 16) -> None:
        super().__init__()
        self.neighbors = neighbors
        self.atoms = nn.Embedding(ATOMIC_NUMBERS, width)
        self.basis = TrainableGaussians()
        self.messages = nn.ModuleList([MessageLayer(width) for _ in range(messages)])
        self.head = nn.Sequential(
            *(part for _ in range(layers) for part in (nn.Linear(width, width), nn.ReLU())), nn.Linear(width, 6)
        )

    def forward(self, crystals: Crystals) -> Tensor:
        """(n_crystals, 6): z-scored a, b, c, α, β, γ.

        Args:
            crystals: crystals whose lattices are to be predicted.

        Raises:
            InputError: a cell is singular, or anything isn't finite.
        """
        with torch.autocast(crystals.device.type, enabled=False):
            edges = shell_graph(crystals, self.neighbors)
            x = crystals.scaled_positions
            scaled_vector = x[edges.j] + edges.shift.to(x.dtype) - x[edges.i]
            geometry = edge_geometry(crystals, edges, scaled_vector, crystals.cell, self.basis)
            h = self.atoms(crystals.numbers)
            for layer in self.messages:
                h = layer(h, geometry)
            return self.head(group_mean(h, crystals.batch, len(crystals)))
