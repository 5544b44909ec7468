"""Noise that belongs to a sample: the k-th sample's numbers don't depend on the batch it is drawn in.

Each number is a hash of (sample's seed, step, stream, atom, component), so that nothing is drawn in sequence: a batch
is filled at once, on any device, and a sample can be drawn again alone. The hash is SplitMix64's finaliser (Steele,
Lea and Flood, OOPSLA 2014) applied once per part of the key; normal numbers come from pairs of uniform ones (Box and
Muller).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from asegen.geometry.ragged import first_rows, owners

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def _shift_right(x: Tensor, bits: int) -> Tensor:
    # int64 shifts carry the sign: the copies of it are masked away.
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift_right(x, 30)) * _MIX_1
    x = (x ^ _shift_right(x, 27)) * _MIX_2
    return x ^ _shift_right(x, 31)


def _absorb(state: Tensor, part: Tensor | int) -> Tensor:
    return _mix((state ^ part) + _GOLDEN)


class SampleNoise:
    """Uniform and normal numbers for the atoms and cells of a batch of samples.

    Args:
        seeds: (n_crystals,), int64, one seed per sample.
        n_atoms: (n_crystals,), int64, atoms of each sample.
        dtype: floating-point type of the numbers.
    """

    def __init__(self, seeds: Tensor, n_atoms: Tensor, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype
        self._crystal = _absorb(torch.zeros_like(seeds), seeds)
        total = int(n_atoms.sum())
        crystal = owners(n_atoms, total)
        within = torch.arange(total, device=seeds.device) - first_rows(n_atoms)[crystal]
        # Atom keys start at 1: key 0 is the cell's.
        self._atom = _absorb(self._crystal[crystal], within + 1)
        self._cell = _absorb(self._crystal, torch.zeros_like(seeds))

    def __len__(self) -> int:
        """Number of samples."""
        return self._cell.shape[0]

    def atom_uniform(self, step: int, width: int = 3) -> Tensor:
        """(n_atoms_total, width), uniform in [0, 1)."""
        return self._uniform(self._atom, step, width)

    def atom_normal(self, step: int, width: int = 3) -> Tensor:
        """(n_atoms_total, width), standard normal."""
        return self._normal(self._atom, step, width)

    def crystal_normal(self, step: int, width: int) -> Tensor:
        """(n_crystals, width), standard normal."""
        return self._normal(self._cell, step, width)

    def _bits(self, key: Tensor, step: int, width: int) -> Tensor:
        component = torch.arange(width, device=key.device)
        return _absorb(_absorb(key, step)[:, None], component)

    def _uniform(self, key: Tensor, step: int, width: int) -> Tensor:
        # 24 bits fill float32's mantissa exactly, so the value never rounds up to 1.
        return _shift_right(self._bits(key, step, width), 40).to(self.dtype) * 2.0**-24

    def _normal(self, key: Tensor, step: int, width: int) -> Tensor:
        u = self._uniform(key, step, 2 * width)
        radius = torch.sqrt(-2 * torch.log1p(-u[:, :width]))
        return radius * torch.cos(2 * math.pi * u[:, width:])
