"""Nearest neighbours that treat equally near ones alike, so that a graph has every symmetry of its crystal.

In a crystal many neighbours are at exactly the same distance; a graph of k nearest that takes some of them and leaves
others depends on the order of atoms, on the choice of the cell, and on rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import Edges
from asegen.geometry.neighbors import nearest_neighbors

_SAME_DISTANCE = 1e-3  # relative; far above float32's rounding, far below what tells two shells apart


def shell_graph(crystals: Crystals, k: int) -> Edges:
    """Each atom's k nearest images, with all that are as near as the kth, up to 2 k.

    Args:
        crystals: a batch of crystals.
        k: neighbours of each atom, at least.

    Returns:
        Edges in the order of (i, distance).

    Raises:
        InputError: a cell is singular, anything isn't finite, k isn't positive, or memory doesn't suffice.
    """
    found = nearest_neighbors(crystals.cell, crystals.scaled_positions, crystals.n_atoms, 2 * k)
    distance = found.distance.view(-1, 2 * k)
    kept = (distance <= distance[:, k - 1 : k] * (1 + _SAME_DISTANCE)).flatten()
    return Edges(found.i[kept], found.j[kept], found.shift[kept])


@dataclass(frozen=True, eq=False)
class Neighborhoods:
    """Each atom's k nearest images side by side, with weights that fade towards the (k + 1)th.

    Attributes:
        j: (n_atoms_total, k), int64, the neighbours.
        scaled_vector: (n_atoms_total, k, 3), from the atom to the neighbour, fractional.
        weight: (n_atoms_total, k), from 1 (near) to 0 (as far as the (k + 1)th neighbour); no gradient.
    """

    j: Tensor
    scaled_vector: Tensor
    weight: Tensor

    def moved(self, displacement: Tensor) -> Neighborhoods:
        """The same neighbours after every atom moved.

        Args:
            displacement: (n_atoms_total, 3), fractional.
        """
        there = displacement.index_select(0, self.j.flatten()).view_as(self.scaled_vector)
        return Neighborhoods(self.j, self.scaled_vector + there - displacement[:, None, :], self.weight)


def neighborhoods_of(crystals: Crystals, k: int) -> Neighborhoods:
    """Each atom's k nearest images, weighted by a function of x = distance/(distance of the (k + 1)th) that ends at 1.

    The weight is GemNet's envelope, `1 − 21 x⁵ + 35 x⁶ − 15 x⁷`. Whoever is as far as the (k + 1)th has weight 0, so
    it doesn't matter which of several at that distance are listed, and weights change continuously as atoms move.

    Args:
        crystals: a batch of crystals.
        k: neighbours of each atom.

    Raises:
        InputError: a cell is singular, anything isn't finite, k isn't positive, or memory doesn't suffice.
    """
    found = nearest_neighbors(crystals.cell, crystals.scaled_positions, crystals.n_atoms, k + 1)
    distance = found.distance.view(-1, k + 1)
    x = distance[:, :k] / distance[:, k:].clamp_min(torch.finfo(distance.dtype).tiny)
    j = found.j.view(-1, k + 1)[:, :k]
    shift = found.shift.view(-1, k + 1, 3)[:, :k].to(crystals.dtype)
    positions = crystals.scaled_positions
    there = positions.index_select(0, j.flatten()).view(*j.shape, 3)
    weight = 1 - x**5 * (21 - 35 * x + 15 * x**2)
    return Neighborhoods(j, there + shift - positions[:, None, :], weight.clamp_min(0))
