"""Images of a site that are nearly at one place are one atom there: how general positions become special ones."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.geometry.ragged import first_rows, owners, ranges

_ROUNDS = 6
_FIXED = 1e-6
"""Å. A place that the operations of its images move by less is at rest."""
_SAME = 1e-5  # fractional


class Merged(NamedTuple):
    """Orbits whose images are all distinct.

    Attributes:
        orbits: the same sites in the same order, with fewer images, and without freedom: they are where they are.
        displacement: (n_sites_total, 3), fractional, from each site's first atom to where it is now.
    """

    orbits: Orbits
    displacement: Tensor


@torch.no_grad()
def merge_images(orbits: Orbits, numbers: Numbers, distance: float) -> Merged:
    """Puts a site at the mean of the images that are near its first atom, and counts them as one.

    Those images are made by operations that form a group, and the mean is a point that these keep: a special position,
    exact to rounding. Where they form none at first, the mean is taken again around the mean. Then every other image is
    such a mean too.

    Args:
        orbits: a batch; sites in general position, or on any other.
        numbers: its free numbers.
        distance: Å; images nearer than this are one.
    """
    x, cell = orbits.positions(numbers.u).double(), orbits.cell(numbers.lattice).double()
    rotation = orbits.rotation.double()
    first = first_rows(orbits.n_images)
    columns = cell[orbits.site_crystal][orbits.site]
    base, displacement = x - x[first][orbits.site], torch.zeros_like(numbers.u, dtype=torch.float64)
    for _ in range(_ROUNDS):
        off, length = _offsets(rotation, base, displacement[orbits.site], columns)
        near = length < distance
        total = torch.zeros_like(displacement).index_add_(0, orbits.site, off * near[:, None])
        count = torch.zeros_like(displacement[:, 0]).index_add_(0, orbits.site, near.double())
        displacement = displacement + total / count[:, None]
    _, length = _offsets(rotation, base, displacement[orbits.site], columns)
    restless = torch.where(near, length, 0.0)
    at_rest = torch.zeros_like(count).scatter_reduce(0, orbits.site, restless, "amax") < _FIXED
    displacement = torch.where((at_rest & (count > 1))[:, None], displacement, 0.0)
    kept = ~_repeated(orbits, x + (rotation @ displacement[orbits.site][:, :, None])[:, :, 0])
    own = (orbits.matrix.double() @ numbers.u.double()[:, :, None])[:, :, 0] + orbits.shift
    merged = dataclasses.replace(
        orbits,
        matrix=torch.zeros_like(orbits.matrix),
        shift=own + displacement,
        n_images=torch.zeros_like(orbits.n_images).index_add_(0, orbits.site, kept.long()),
        rotation=orbits.rotation[kept],
        translation=orbits.translation[kept],
    )
    return Merged(merged, displacement)


def _offsets(rotation: Tensor, base: Tensor, displacement: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """From a site's place to each of its images, fractional, and its length in Å."""
    off = base + (rotation @ displacement[:, :, None])[:, :, 0] - displacement
    off = off - off.round()
    return off, torch.linalg.vector_norm((off[:, None] @ columns)[:, 0], dim=-1)


def _repeated(orbits: Orbits, x: Tensor) -> Tensor:
    """(n_atoms_total,), bool: an earlier image of the same site is at the same place."""
    count = orbits.n_images[orbits.site]
    start = first_rows(orbits.n_images)[orbits.site]
    rank = torch.arange(len(x), device=x.device) - start
    later, earlier = owners(rank), ranges(start, rank)  # as many rows as there are earlier images
    off = x[later] - x[earlier]
    same = ((off - off.round()).abs().amax(-1) < _SAME).long()
    return torch.zeros_like(count).index_add_(0, later, same) > 0
