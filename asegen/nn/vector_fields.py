"""Closed forms of gradients of lengths and angles with respect to a deformation of space (EMPNN's vector fields).

A deformation `g` sends every edge vector v (a row) to `v g`. Derivatives are taken at the identity, so each field is a
3×3 matrix in Cartesian axes; all are symmetric, because rotations change neither lengths nor angles. They turn with the
crystal: for edges `v Q` the field is `Qᵀ λ Q`.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SHORTEST = 1e-8  # of an edge, in the unit of its vector; keeps directions and their gradients finite


def unit(vector: Tensor) -> Tensor:
    """(..., 3): the direction of (..., 3); zero for the zero vector."""
    length = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    return vector / length.clamp_min(_SHORTEST)


def outer(u: Tensor, v: Tensor) -> Tensor:
    """(..., 3, 3): `u vᵀ` of (..., 3) and (..., 3)."""
    return u[..., :, None] * v[..., None, :]


def length_field(direction: Tensor, length: Tensor) -> Tensor:
    """Gradient of an edge's length: `r u uᵀ`.

    Args:
        direction: (..., 3), unit vectors u.
        length: (...), r, Å.

    Returns:
        (..., 3, 3), Å.
    """
    return length[..., None, None] * outer(direction, direction)


def angle_field(u: Tensor, v: Tensor) -> Tensor:
    """Gradient of the angle θ between two edges: `sin θ (d dᵀ − s sᵀ)`, s ∝ u + v, d ∝ u − v.

    With |u + v| |u − v| = 2 sin θ no angle has to be formed. For collinear edges, where θ has a kink, the field
    vanishes and its derivatives stay finite.

    Args:
        u: (..., 3), unit vectors.
        v: (..., 3), unit vectors, broadcastable with `u`.

    Returns:
        (..., 3, 3), dimensionless (radians per unit strain).
    """
    plus, minus = u + v, u - v
    smallest = torch.finfo(u.dtype).tiny
    long = torch.linalg.vector_norm(plus, dim=-1)[..., None, None]
    short = torch.linalg.vector_norm(minus, dim=-1)[..., None, None]
    opening = outer(minus, minus) * (long / (2 * short.clamp_min(smallest)))
    closing = outer(plus, plus) * (short / (2 * long.clamp_min(smallest)))
    return opening - closing
