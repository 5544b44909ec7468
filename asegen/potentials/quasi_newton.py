"""BFGS that begins with the curvature of a crystal of springs instead of the same curvature in every direction.

Cells of different sizes, shears and shifts of whole layers have curvatures that differ by factors of hundreds. Springs
between neighbours, whose strength falls off exponentially with distance (Lindh et al., Chem. Phys. Lett. 241, 423
(1995); Packwood et al., J. Chem. Phys. 144, 164109 (2016)), tell them apart without a force call. How strong all of
them are is measured by the first step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.filters import FrechetCellFilter
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS
from numpy.typing import NDArray
from typing_extensions import override

Floats = NDArray[np.float64]

_STRENGTH, _LENGTH = 4.0, 2.8
"""eV/Å², of a spring as long as the sum of the covalent radii where that is so many Å."""
_SHORTER = 2.0
"""Bonds of small atoms are stiffer by this power of the sum of their radii (after Badger, J. Chem. Phys. 2, 128, 1934):
else N-H would be as soft as the bonds of metals around it."""
_DECAY = 3.0
"""A spring longer by the sum of the covalent radii is weaker by `exp(-3)`: Packwood's A."""
_TRANSVERSE = 0.2
"""Strength of a spring across its direction, relative to that along it: what holds angles."""
_REACH = 1.6
"""Sums of covalent radii that a spring spans at most."""
_LEAST = 2.0
"""eV/Å², added for each atom."""
_LEAST_MODULUS = 0.2
"""eV/Å³, added for each strain: 32 GPa."""
_LONGEST_STRAIN = 0.05
"""Of one step; ASE's `maxstep` limits the atoms."""
_MOST_SCALED = 3.0
"""The first step makes all springs weaker or stronger by this factor at most."""


class SpringBFGS(BFGS):
    """ASE's BFGS with `spring_hessian` as the first Hessian, scaled once to the curvature along the first step.

    A step is limited by how far atoms move (`maxstep`, Å) and by how much the cell is strained, each by itself: ASE's
    coordinates of the cell grow with the number of atoms, so that one limit for both would hold back large cells.
    """

    @override
    def initialize(self) -> None:
        super().initialize()
        self.H0 = spring_hessian(self.atoms)
        self._is_scaled = False

    @override
    def update(self, pos: Floats, forces: Floats, pos0: Floats | None, forces0: Floats | None) -> None:
        if pos0 is not None and forces0 is not None and not self._is_scaled:
            hessian: Floats = self.H
            hessian *= _scale(hessian, pos - pos0, forces0 - forces)
            self._is_scaled = True
        super().update(pos, forces, pos0, forces0)

    @override
    def determine_step(self, dpos: Floats, steplengths: Floats) -> Floats:
        moves = dpos.reshape(-1, 3)
        share = 1.0
        if isinstance(self.atoms, FrechetCellFilter):
            strain = moves[-3:] / self.atoms.exp_cell_factor
            moves = moves[:-3]
            share = min(share, _LONGEST_STRAIN / max(_largest_strain(strain), 1e-12))
        farthest = float(np.linalg.norm(moves, axis=1).max())
        return dpos * min(share, self.maxstep / max(farthest, 1e-12))


def spring_hessian(target: Any) -> Floats:
    """Second derivatives of a crystal of springs by the coordinates that an optimiser moves, eV/Å².

    Args:
        target: Atoms, or a FrechetCellFilter of them, whose cell is still the one it began with.

    Returns:
        (3 n, 3 n), or (3 n + 9, 3 n + 9) with the cell; symmetric and positive definite.
    """
    if not isinstance(target, FrechetCellFilter):
        first, second, _, strength = _springs(target)
        return _positions(len(target), first, second, strength)
    atoms, factor = target.atoms, target.exp_cell_factor
    first, second, vectors, strength = _springs(atoms)
    # a strain e moves the far end of a spring D by (e + e^T) D / 2: (n_springs, 3, 9)
    along = np.einsum("ac,sb->sacb", np.eye(3), vectors)
    by_strain = (along + along.swapaxes(2, 3)).reshape(-1, 3, 9) / (2 * factor)
    mixed = np.zeros((len(atoms), 3, 9))
    np.subtract.at(mixed, first, strength @ by_strain)
    cell = 0.5 * np.einsum("sai,sab,sbj->ij", by_strain, strength, by_strain)
    cell += np.eye(9) * _LEAST_MODULUS * atoms.get_volume() / factor**2
    across = mixed.reshape(-1, 9)
    return np.block([[_positions(len(atoms), first, second, strength), across], [across.T, cell]])


def _springs(atoms: Atoms) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
    """Both directions of each spring: its ends, its vector (Å) and its second derivatives (3, 3), eV/Å²."""
    radii = covalent_radii[atoms.numbers]
    first, second, vectors = neighbor_list("ijD", atoms, list(_REACH * radii))
    lengths = np.linalg.norm(vectors, axis=1)
    natural = radii[first] + radii[second]
    strength = _STRENGTH * (_LENGTH / natural) ** _SHORTER * np.exp(-_DECAY * (lengths / natural - 1))
    units = vectors / lengths[:, None]
    outer = units[:, :, None] * units[:, None, :] + _TRANSVERSE * np.eye(3)
    return first, second, vectors, strength[:, None, None] * outer


def _positions(n: int, first: NDArray[np.intp], second: NDArray[np.intp], strength: Floats) -> Floats:
    blocks = np.zeros((n, n, 3, 3))
    np.add.at(blocks, (first, first), strength)
    np.subtract.at(blocks, (first, second), strength)
    return blocks.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n) + _LEAST * np.eye(3 * n)


def _largest_strain(strain: Floats) -> float:
    return float(np.abs(np.linalg.eigvalsh((strain + strain.T) / 2)).max())


def _scale(hessian: Floats, step: Floats, change: Floats) -> float:
    """Curvature that was met along a step over that expected; 1 where it says nothing.

    Args:
        hessian: eV/Å².
        step: Å.
        change: of the gradient, eV/Å.
    """
    expected, met = float(step @ hessian @ step), float(step @ change)
    if not (expected > 0 and met > 0):
        return 1.0
    return min(max(met / expected, 1 / _MOST_SCALED), _MOST_SCALED)
