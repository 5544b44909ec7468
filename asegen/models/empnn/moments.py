"""Moments of an atom's surroundings: angles and fields at the cost of edges.

A weighted sum over triplets whose weights factorise, `Σ_jk a_ij b_ik f(u_ij · u_ik)` with f a polynomial, is a
contraction of moments `Σ_j a_ij`, `Σ_j a_ij u_ij`, `Σ_j a_ij u_ij u_ijᵀ` (Shapeev, Multiscale Model. Simul. 14 (2016)
1153). The same moments span the vector fields of EMPNN: `Σ a u uᵀ` on the edges, products of two moments on the
triplets. So no triplet is ever formed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from asegen.crystals.crystals import Crystals
from asegen.models.empnn.shells import Neighborhoods
from asegen.nn.gaussians import gaussian
from asegen.nn.vector_fields import unit

_NEAREST, _FARTHEST = 0.15, 12.0  # Å, ends of the grid of ln r
# Order of the six components xx, yy, zz, xy, xz, yz in a symmetric matrix.
_SYMMETRIC = (0, 3, 4, 3, 1, 5, 4, 5, 2)
N_INVARIANTS = 6


@cache
def _symmetric(device: torch.device) -> Tensor:
    return torch.tensor(_SYMMETRIC, device=device)


class LogGaussians(nn.Module):
    """Gaussians of ln r on a regular grid, their standard deviation its spacing; a strain shifts ln r everywhere alike.

    Args:
        size: how many, from 0.15 Å to 12 Å.
    """

    centres: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        ends = math.log(_NEAREST), math.log(_FARTHEST)
        self.spacing = (ends[1] - ends[0]) / (size - 1)
        self.register_buffer("centres", torch.linspace(*ends, size), persistent=False)

    def forward(self, distance: Tensor) -> Tensor:
        """(..., size) at distances (...), Å; nearer than the grid is like its first point."""
        x = torch.log(distance.clamp_min(_NEAREST))[..., None]
        return gaussian(0.5 * ((x - self.centres) / self.spacing).square())


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What the layers read of each atom's k neighbours, computed once per step.

    Attributes:
        j: (n_atoms_total, k), int64.
        radial: (n_atoms_total, k, size).
        directions: (n_atoms_total, 10, k): weight · (1; u; uxx, uyy, uzz, uxy, uxz, uyz)/√k.
    """

    j: Tensor
    radial: Tensor
    directions: Tensor


def surroundings_of(crystals: Crystals, near: Neighborhoods, basis: nn.Module) -> Surroundings:
    """Measures neighbourhoods.

    Args:
        crystals: their crystals; cells are read, positions aren't.
        near: the neighbours.
        basis: radial basis.
    """
    vector = near.scaled_vector @ crystals.cell[crystals.batch]
    u = unit(vector)
    x, y, z = u.unbind(-1)
    components = torch.stack([torch.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z], dim=1)
    weight = near.weight / math.sqrt(near.j.shape[1])
    return Surroundings(near.j, basis(torch.linalg.vector_norm(vector, dim=-1)), components * weight[:, None, :])


@dataclass(frozen=True, eq=False)
class Moments:
    """Two sets of vectors p, q and symmetric matrices P, Q per atom, with their product.

    Attributes:
        scalars: (n_atoms_total, width).
        p: (n_atoms_total, 3, channels), q alike.
        q: see p.
        P: (n_atoms_total, 3, 3, channels), Q and PQ (not symmetric) alike.
        Q: see P.
        PQ: see P.
    """

    scalars: Tensor
    p: Tensor
    q: Tensor
    P: Tensor
    Q: Tensor
    PQ: Tensor

    def invariants(self) -> Tensor:
        """(n_atoms_total, 6 · channels): p·q, P:Q, tr P, det-like tr PPQ, pᵀPq, |p|²: what rotations don't change."""
        trace = self.P.diagonal(dim1=1, dim2=2).sum(-1)
        return torch.cat(
            [
                (self.p * self.q).sum(1),
                (self.P * self.Q).sum((1, 2)),
                trace,
                (self.P * self.PQ).sum((1, 2)),
                (self.p[:, :, None] * self.P * self.q[:, None]).sum((1, 2)),
                self.p.square().sum(1),
            ],
            dim=-1,
        )

    def strain(self, gates: Tensor) -> Tensor:
        """`Σ_c g P + g' ½(p qᵀ + q pᵀ) + g'' ½(PQ + QP)`, symmetric.

        Args:
            gates: (n_atoms_total, 3, channels).

        Returns:
            (n_atoms_total, 3, 3).
        """
        pairs = self.p[:, :, None] * self.q[:, None] * gates[:, 1, None, None]
        field = (self.P * gates[:, 0, None, None] + pairs + self.PQ * gates[:, 2, None, None]).sum(-1)
        return (field + field.mT) / 2

    def displacement(self, gates: Tensor) -> Tensor:
        """`Σ_c g p + g' P q`.

        Args:
            gates: (n_atoms_total, 2, channels).

        Returns:
            (n_atoms_total, 3), Cartesian.
        """
        turned = (self.P * self.q[:, None]).sum(2)
        return (self.p * gates[:, 0, None] + turned * gates[:, 1, None]).sum(-1)


class MomentLayer(nn.Module):
    """Messages from atoms to atoms, and the moments of what they carry.

    A message is `SiLU(W [h_i, h_j, rbf]) ∘ W' rbf`; the product lets a pair of elements choose its own distances.

    Args:
        width: size of the features of atoms.
        channels: number of vectors and matrices in each of the two sets.
        radial: size of the radial basis.
    """

    def __init__(self, width: int, channels: int, radial: int) -> None:
        super().__init__()
        self.channels = channels
        self.norm = nn.LayerNorm(width)
        self.receiver, self.sender = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.shift, self.factor = (nn.Linear(radial, width, bias=False) for _ in range(2))
        self.vectors = nn.Linear(width, 2 * channels, bias=False)
        self.matrices = nn.Linear(width, 2 * channels, bias=False)
        self.read = nn.LayerNorm(width + N_INVARIANTS * channels)
        self.update = nn.Sequential(
            nn.Linear(2 * width + N_INVARIANTS * channels, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    def forward(self, h: Tensor, around: Surroundings) -> tuple[Tensor, Moments]:
        """New features of atoms, and the moments that led to them.

        Args:
            h: (n_atoms_total, width).
            around: neighbours.

        Returns:
            (n_atoms_total, width), and the moments.
        """
        x = self.norm(h)
        sent = self.sender(x).index_select(0, around.j.flatten()).view(*around.j.shape, -1)
        message = functional.silu(self.receiver(x)[:, None, :] + sent + self.shift(around.radial))
        message = message * self.factor(around.radial)
        moments = self._moments(around.directions @ message)
        seen = self.read(torch.cat([moments.scalars, moments.invariants()], dim=-1))
        return h + self.update(torch.cat([x, seen], dim=-1)), moments

    def _moments(self, summed: Tensor) -> Moments:
        """From (n_atoms_total, 10, width)."""
        p, q = self.vectors(summed[:, 1:4]).chunk(2, dim=-1)
        matrices = self.matrices(summed[:, 4:]).index_select(1, _symmetric(summed.device))
        first, second = matrices.view(len(summed), 3, 3, 2 * self.channels).chunk(2, dim=-1)
        product = (first[:, :, :, None] * second[:, None]).sum(2)
        return Moments(summed[:, 0], p, q, first, second, product)
