"""EMPNN's vector fields, the 15 sets of them that the paper compares, and what turns a sum of fields into a strain.

Klipfel et al., AAAI 2023. A field λ is a 3×3 matrix per edge or triplet in Cartesian axes; a network weighs fields by
invariants and acts on the lattice with A = mean over edges of Σ w λ + the same over triplets. Rows are lattice vectors:
the cell becomes `cell @ exp(A)` (the paper's columns: exp(Aᵀ) ρ). Fields turn with the crystal (for edges `v Q` the
field is `Qᵀ λ Q`) and know nothing of the choice of the cell, so neither does the action.

u, v are unit vectors of the two edges of a triplet, r, s their lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.errors import InputError
from asegen.geometry.lattice import matrix_exp, symmetric_exp, symmetric_log
from asegen.nn.vector_fields import angle_field, length_field, outer

EdgeField = Callable[[Tensor, Tensor], Tensor]
TripletField = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

RULES = ("exact", "first-order")


def symmetric_outer(u: Tensor, v: Tensor) -> Tensor:
    """(..., 3, 3): `½ (u vᵀ + v uᵀ)` of (..., 3) and (..., 3)."""
    product = outer(u, v)
    return (product + product.mT) / 2


def area_field(a: Tensor, b: Tensor) -> Tensor:
    """Gradient of the area 𝒜 of the triangle between two edges: `𝒜 (I − n nᵀ)`, n its unit normal.

    With c = a × b it is `½ (|c| I − c cᵀ/|c|)`, which vanishes for collinear edges.

    Args:
        a: (..., 3), Å.
        b: (..., 3), Å.

    Returns:
        (..., 3, 3), Å².
    """
    normal = torch.linalg.cross(a, b)
    length = torch.linalg.vector_norm(normal, dim=-1)[..., None, None]
    eye = torch.eye(3, dtype=a.dtype, device=a.device)
    return (length * eye - outer(normal, normal) / length.clamp_min(torch.finfo(a.dtype).tiny)) / 2


EDGE_FIELDS: Mapping[str, EdgeField] = {
    "uu": lambda u, r: outer(u, u),
    "length": length_field,
}
"""Name → field of (u (n, 3), r (n,) Å) -> (n, 3, 3). `uu` is the gradient of ln r, `length` of r (Å)."""

TRIPLET_FIELDS: Mapping[str, TripletField] = {
    "uu": lambda u, r, v, s: outer(u, u),
    "vv": lambda u, r, v, s: outer(v, v),
    "uv": lambda u, r, v, s: outer(u, v),
    "vu": lambda u, r, v, s: outer(v, u),
    "uv-sym": lambda u, r, v, s: symmetric_outer(u, v),
    "length-u": lambda u, r, v, s: length_field(u, r),
    "length-v": lambda u, r, v, s: length_field(v, s),
    "area": lambda u, r, v, s: area_field(r[..., None] * u, s[..., None] * v),
    "angle": lambda u, r, v, s: angle_field(u, v),
}
"""Name → field of (u (n, 3), r (n,) Å, v (n, 3), s (n,) Å) -> (n, 3, 3)."""


@dataclass(frozen=True)
class FieldSet:
    """The fields of one row of the paper's Table 2.

    Attributes:
        edges: names of `EDGE_FIELDS`, one weight each per edge.
        triplets: names of `TRIPLET_FIELDS`, one weight each per triplet.
        scale: factor of every field.
    """

    edges: tuple[str, ...]
    triplets: tuple[str, ...]
    scale: float = 1.0

    @property
    def is_symmetric(self) -> bool:
        """Whether every field is a symmetric matrix; otherwise the action rotates the crystal too."""
        return not {"uv", "vu"} & set(self.triplets)

    def on_edges(self, weights: Tensor, u: Tensor, r: Tensor) -> Tensor:
        """Weighted sum of the edge fields.

        Args:
            weights: (n_edges, number of edge fields).
            u: (n_edges, 3), unit vectors.
            r: (n_edges,), Å.

        Returns:
            (n_edges, 3, 3).
        """
        return self.scale * _weighted([EDGE_FIELDS[name](u, r) for name in self.edges], weights)

    def on_triplets(self, weights: Tensor, u: Tensor, r: Tensor, v: Tensor, s: Tensor) -> Tensor:
        """Weighted sum of the triplet fields.

        Args:
            weights: (n_triplets, number of triplet fields).
            u: (n_triplets, 3), unit vectors of the first edges.
            r: (n_triplets,), Å.
            v: (n_triplets, 3), unit vectors of the second edges.
            s: (n_triplets,), Å.

        Returns:
            (n_triplets, 3, 3).
        """
        return self.scale * _weighted([TRIPLET_FIELDS[name](u, r, v, s) for name in self.triplets], weights)


def _weighted(fields: Sequence[Tensor], weights: Tensor) -> Tensor:
    total = weights[:, 0, None, None] * fields[0]
    for k, field in enumerate(fields[1:], start=1):
        total = total + weights[:, k, None, None] * field
    return total


def _gradients(prefix: str, scale: float) -> dict[str, FieldSet]:
    lengths = ("length-u", "length-v")
    return {
        f"{prefix}-edges": FieldSet(("length",), (), scale),
        f"{prefix}-triplets": FieldSet((), lengths, scale),
        f"{prefix}-both": FieldSet(("length",), lengths, scale),
        f"{prefix}-area": FieldSet(("length",), (*lengths, "area"), scale),
        f"{prefix}-angle": FieldSet(("length",), (*lengths, "angle"), scale),
    }


# The symmetrised gradients of the paper's third block are exactly twice the gradients, which are symmetric already.
FIELD_SETS: Mapping[str, FieldSet] = {
    "ketbra-edges": FieldSet(("uu",), ()),
    "ketbra-triplets": FieldSet((), ("uu", "vv")),
    "ketbra-both": FieldSet(("uu",), ("uu", "vv")),
    "ketbra-symmetric": FieldSet(("uu",), ("uu", "vv", "uv-sym")),
    "ketbra-cross": FieldSet(("uu",), ("uu", "vv", "uv", "vu")),
    **_gradients("gradient", 1.0),
    **_gradients("gradient-sym", 2.0),
}
"""The paper's Table 2, five rows each of |γ⟩⟨γ'|, ∇ and ∇_sym; area and angle are each added to the row before both."""


def field_set(name: str) -> FieldSet:
    """A row of Table 2 by name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in FIELD_SETS:
        raise InputError(f"fields = {name!r} is not one of {', '.join(FIELD_SETS)}")
    return FIELD_SETS[name]


def limit_action(action: Tensor, largest: float) -> Tensor:
    """`A (I + AᵀA/l²)^(−½)`: singular values σ become `σ/√(1 + σ²/l²) < l`, and A turns with the crystal as before.

    The published code limits the elements of A instead, which depends on the orientation of the axes.

    Args:
        action: (..., 3, 3), symmetric or not.
        largest: l, dimensionless.

    Returns:
        (..., 3, 3); close to `action` where its singular values are small, symmetric where it was.
    """
    eye = torch.eye(3, dtype=action.dtype, device=action.device)
    scaled = action / largest
    return action @ symmetric_exp(-0.5 * symmetric_log(eye + scaled.mT @ scaled))


def strain_of(action: Tensor, rule: str, is_symmetric: bool) -> Tensor:
    """The symmetric strain ε that has the same effect on a crystal as an action A, up to a rotation.

    With M = exp(A) ("exact") or I + A ("first-order", the paper's), `cell @ M` and `cell @ exp(ε)` differ by a rotation
    from the right for ε = ½ log(M Mᵀ), the polar decomposition of M.

    Args:
        action: (..., 3, 3); with "first-order" every singular value must be below 1.
        rule: "exact" or "first-order".
        is_symmetric: whether `action` is symmetric.

    Returns:
        (..., 3, 3), symmetric.
    """
    if rule == "exact" and is_symmetric:
        return (action + action.mT) / 2
    if rule == "exact":
        factor = matrix_exp(action)
    else:
        factor = action + torch.eye(3, dtype=action.dtype, device=action.device)
    return 0.5 * symmetric_log(factor @ factor.mT)


def check_rule(rule: str) -> None:
    """Raises unless the rule is one of `RULES`.

    Raises:
        InputError: it isn't.
    """
    if rule not in RULES:
        raise InputError(f"rule = {rule!r} is not one of {', '.join(RULES)}")
