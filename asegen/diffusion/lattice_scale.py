"""Cells as six z-scored numbers: what a network sees of a lattice, and predicts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.geometry.constants import Constant
from asegen.geometry.lattice import cell_to_log_coordinates, log_coordinates_to_cell


class LatticeScale:
    """The coordinates of `½ log(L Lᵀ)`, with `ln(n)/√3` taken from the volume's, z-scored over training cells.

    Args:
        mean: six means of the log-coordinates, the volume's per atom.
        std: their six standard deviations.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self._mean = Constant(mean)
        self._std = Constant(std)

    @staticmethod
    def statistics(crystals: Crystals) -> dict[str, list[float]]:
        """Means and standard deviations over crystals, as `lattice_mean` and `lattice_std`."""
        k = cell_to_log_coordinates(crystals.cell.double())
        k[:, 5] -= torch.log(crystals.n_atoms.double()) / math.sqrt(3)
        return {"lattice_mean": k.mean(0).tolist(), "lattice_std": k.std(0).clamp_min(1e-3).tolist()}

    def coordinates(self, crystals: Crystals) -> Tensor:
        """(n_crystals, 6): z-scored log-coordinates of the cells."""
        k = cell_to_log_coordinates(crystals.cell) - self._centre(crystals.n_atoms, crystals.cell)
        return k / self._std.to(k)

    def cell(self, coordinates: Tensor, n_atoms: Tensor) -> Tensor:
        """(n_crystals, 3, 3), Å: the inverse of `coordinates`, in the canonical orientation."""
        k = coordinates * self._std.to(coordinates) + self._centre(n_atoms, coordinates)
        return log_coordinates_to_cell(k)

    def _centre(self, n_atoms: Tensor, like: Tensor) -> Tensor:
        centre = self._mean.to(like).repeat(len(n_atoms), 1)
        centre[:, 5] += torch.log(n_atoms.to(like)) / math.sqrt(3)
        return centre
