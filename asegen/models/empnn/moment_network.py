"""The default relaxer: EMPNN's actions from moments, without triplets.

What EMPNN does (Klipfel et al., AAAI 2023), an action on the lattice from vector fields that invariant messages weigh,
is kept, and so are its symmetries: rotation and reflection, translation, permutation, supercell, choice of the cell.
Instead of 240 triplets per atom there are moments of its neighbourhood (`moments`); the same moments move the atom; the
messages know angles too; and neighbours fade out smoothly, so that the motion is a continuous function of the crystal.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals, Tangent
from asegen.elements import ATOMIC_NUMBERS
from asegen.models.empnn.lattice_fields import limit_action
from asegen.models.empnn.moments import LogGaussians, MomentLayer, Moments, surroundings_of
from asegen.models.empnn.network import check_moves
from asegen.models.empnn.shells import Neighborhoods, neighborhoods_of
from asegen.nn.readouts import without_mean

_LARGEST_STRAIN = 0.5  # of a step
_LARGEST_DISPLACEMENT = 1.0  # of a step, Å
_STRAIN_GATES, _DISPLACEMENT_GATES = 3, 2


class _Step(nn.Module):
    """Messages, then a motion read from the last layer's moments."""

    def __init__(self, width: int, channels: int, radial: int, layers: int, moves: str) -> None:
        super().__init__()
        self.channels, self.moves = channels, moves
        self.layers = nn.ModuleList([MomentLayer(width, channels, radial) for _ in range(layers)])
        n_gates = (_STRAIN_GATES * (moves != "positions") + _DISPLACEMENT_GATES * (moves != "lattice")) * channels
        self.gates = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, n_gates))

    def forward(self, h: Tensor, crystals: Crystals, near: Neighborhoods, basis: nn.Module) -> tuple[Tensor, Tangent]:
        around = surroundings_of(crystals, near, basis)
        for layer in self.layers:
            h, moments = layer(h, around)
        gates = self.gates(h).view(len(h), -1, self.channels)
        strain, displacement = torch.zeros_like(crystals.cell), torch.zeros_like(crystals.scaled_positions)
        if self.moves != "positions":
            strain = _strain(crystals, moments, gates[:, :_STRAIN_GATES])
        if self.moves != "lattice":
            displacement = _displacement(crystals, moments, gates[:, -_DISPLACEMENT_GATES:])
        return h, Tangent(displacement, strain)


def _strain(crystals: Crystals, moments: Moments, gates: Tensor) -> Tensor:
    """(n_crystals, 3, 3): mean over the atoms, limited."""
    total = torch.zeros_like(crystals.cell).index_add(0, crystals.batch, moments.strain(gates))
    return limit_action(total / crystals.n_atoms[:, None, None].to(total.dtype), _LARGEST_STRAIN)


def _displacement(crystals: Crystals, moments: Moments, gates: Tensor) -> Tensor:
    """(n_atoms_total, 3), fractional: limited in Å, without a common translation."""
    d = moments.displacement(gates)
    d = d * torch.rsqrt(1 + (d / _LARGEST_DISPLACEMENT).square().sum(-1, keepdim=True))
    inverse = torch.linalg.inv(crystals.cell)[crystals.batch]
    return without_mean(torch.einsum("na,nab->nb", d, inverse), crystals)


class MomentEMPNN(nn.Module):
    """Moves lattice and positions in steps.

    Args:
        moves: "lattice", "positions", or "both".
        width: size of the features of atoms.
        channels: number of vectors and matrices per atom in each of two sets.
        layers: message layers of each step, except the first.
        first_layers: message layers of the first step.
        steps: motions.
        neighbors: nearest neighbours of each atom.
        radial: size of the radial basis.
        new_neighbors: find the neighbours again before every step, for crystals that start far from their goal.

    Raises:
        InputError: `moves` is unknown.
    """

    def __init__(
        self,
        moves: str = "both",
        width: int = 128,
        channels: int = 32,
        layers: int = 1,
        first_layers: int = 3,
        steps: int = 4,
        neighbors: int = 20,
        radial: int = 48,
        new_neighbors: bool = False,
    ) -> None:
        super().__init__()
        check_moves(moves)
        self.neighbors, self.new_neighbors = neighbors, new_neighbors
        self.atoms = nn.Embedding(ATOMIC_NUMBERS, width)
        self.basis = LogGaussians(radial)
        counts = [first_layers] + [layers] * (steps - 1)
        self.steps = nn.ModuleList([_Step(width, channels, radial, count, moves) for count in counts])

    def forward(self, crystals: Crystals) -> list[Tangent]:
        """How the crystals should move, step after step.

        Args:
            crystals: crystals to be relaxed.

        Returns:
            One tangent per step, to be followed in order (`Crystals.move`).

        Raises:
            InputError: a cell is singular, or anything isn't finite.
        """
        with torch.autocast(crystals.device.type, enabled=False):  # in bfloat16 a direction has two digits
            return self._tangents(crystals)

    def _tangents(self, crystals: Crystals) -> list[Tangent]:
        near = neighborhoods_of(crystals, self.neighbors)
        h = self.atoms(crystals.numbers)
        tangents: list[Tangent] = []
        for step in self.steps:
            if tangents and self.new_neighbors:
                near = neighborhoods_of(crystals, self.neighbors)
            h, tangent = step(h, crystals, near, self.basis)
            tangents.append(tangent)
            crystals, near = crystals.move(tangent), near.moved(tangent.displacement)
        return tangents
