"""Reduced cells: Minkowski's (shortest lattice vectors) and Niggli's (the one cell that names a lattice), batched.

Both work in float64 on the numbers given, whatever the input's type, and give back the integer matrix that leads from
the old cell to the reduced one, so nothing is lost: `reduced = transform @ cell`, rows are lattice vectors. The matrix
has determinant +1: a left-handed cell stays left-handed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asegen.errors import InputError
from asegen.geometry.constants import Constant

# |det| below this share of |a||b||c| is rounding noise of float64.
_SINGULAR = 1e-13
# Steps that shorten by a smaller share of the length's square wait: cells reduced before, but rounded in files or to
# float32, stay as they are, and no step is undone by rounding.
_GAIN = 1e-4
_MAX_MINKOWSKI_ROUNDS = 200
# Of the shortest vector's square: relative to the volume, as usual, it would exceed a needle's scalar products.
# A cell with noise of about this size can go in circles; then a narrower tolerance takes the noise seriously.
_TOLERANCES = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
_ROUNDS_PER_TOLERANCE = 40
_CORNERS = Constant([[0, 0], [0, 1], [1, 0], [1, 1]])


def check_cells(cell: Tensor) -> None:
    """Raises unless every cell spans space.

    Args:
        cell: (n_crystals, 3, 3), rows are lattice vectors, Å.

    Raises:
        InputError: a cell is not finite, or is singular to float64's precision; the message names the first.
    """
    double = cell.detach().to(torch.float64)
    lengths = torch.linalg.vector_norm(double, dim=-1)
    # Written so that NaN fails; the determinant of unit vectors can't overflow.
    good = torch.linalg.det(double / lengths[..., None]).abs() > _SINGULAR
    if not bool(good.all()):
        first = int((~good).nonzero()[0])
        raise InputError(f"cell {first} of the batch is singular or not finite: {cell[first].tolist()}")


def minkowski_reduce(cell: Tensor) -> tuple[Tensor, Tensor]:
    """Shortest lattice vectors: `|a| <= |b| <= |c|`, and no integer combination of others shortens one.

    Greedy reduction (Semaev, Cryptography and Lattices 2001, 181; Nguyen and Stehlé, ACM Trans. Algorithms 5 (2009)
    46), which is exact in three dimensions. A cell that is reduced to 1e-4 (squares of lengths) comes back unchanged.

    Args:
        cell: (n_crystals, 3, 3), rows are lattice vectors, Å.

    Returns:
        The reduced cells (n_crystals, 3, 3), dtype of `cell`, and `transform` (n_crystals, 3, 3), int64, det +1.

    Raises:
        InputError: a cell is singular or not finite.
    """
    transform = _minkowski_transform(cell)
    return (transform @ cell.to(torch.float64)).to(cell.dtype), transform.to(torch.int64)


def niggli_reduce(cell: Tensor) -> tuple[Tensor, Tensor]:
    """Niggli cells: the reduced cell that is the same for every cell of a lattice, up to rotation.

    Křivý and Gruber, Acta Cryst. A 32 (1976) 297, with the comparisons of Grosse-Kunstleve, Sauter and Adams, Acta
    Cryst. A 60 (2004) 1; the tolerance for scalar products is 1e-5 of the shortest lattice vector's square. It starts
    from the Minkowski cell, so that needle cells take few steps.

    Args:
        cell: (n_crystals, 3, 3), rows are lattice vectors, Å.

    Returns:
        The reduced cells (n_crystals, 3, 3), dtype of `cell`, in the orientation of `cell`, and `transform`
        (n_crystals, 3, 3), int64, det +1, with `reduced = transform @ cell`.

    Raises:
        InputError: a cell is singular or not finite, or the bounded number of steps doesn't lead to an end.
    """
    double = cell.to(torch.float64)
    transform = _minkowski_transform(cell)
    shortest = ((transform[:, :1] @ double) ** 2).sum((1, 2))
    tolerance = torch.zeros_like(shortest)
    unsettled = torch.ones_like(shortest, dtype=torch.bool)
    for relative in _TOLERANCES:
        tolerance = torch.where(unsettled, relative * shortest, tolerance)
        for _ in range(_ROUNDS_PER_TOLERANCE):
            transform, unsettled = _niggli_round(double, transform, tolerance)
            if not bool(unsettled.any()):
                return (transform @ double).to(cell.dtype), transform.to(torch.int64)
    raise InputError(f"cell {int(unsettled.nonzero()[0])} of the batch: no Niggli cell found")


def _minkowski_transform(cell: Tensor) -> Tensor:
    """(n_crystals, 3, 3), float64 integers of determinant +1."""
    check_cells(cell)
    double = cell.to(torch.float64)
    transform = torch.eye(3, dtype=torch.float64, device=cell.device).expand_as(double)
    for _ in range(_MAX_MINKOWSKI_ROUNDS):
        step = _minkowski_round(transform @ double)
        if step is None:
            break
        transform = step @ transform
    return transform


def _minkowski_round(cell: Tensor) -> Tensor | None:
    """Sort by length, shorten b by a, shorten c by a and b; None when nothing changes anywhere."""
    squares = (cell * cell).sum(-1)
    is_sorted = (squares[:, :-1] <= squares[:, 1:] * (1 + _GAIN)).all(-1)
    order = torch.where(is_sorted[:, None], torch.arange(3, device=cell.device), squares.argsort(-1))
    step = torch.nn.functional.one_hot(order, 3).to(cell.dtype)
    step = step * torch.linalg.det(step).round()[:, None, None]  # an odd exchange also inverts: det stays +1
    a, b, c = (step @ cell).unbind(1)

    aa, ab, bb = (a * a).sum(-1), (a * b).sum(-1), (b * b).sum(-1)
    m = torch.round(ab / aa)
    m = torch.where(bb + m * (m * aa - 2 * ab) < bb * (1 - _GAIN), m, torch.zeros_like(m))
    b = b - m[:, None] * a
    ab, bb = ab - m * aa, (b * b).sum(-1)

    # The lattice point of (a, b) nearest to c's projection is a corner of the mesh that holds the projection.
    ac, bc = (a * c).sum(-1), (b * c).sum(-1)
    area = aa * bb - ab * ab
    p, q = torch.floor((ac * bb - bc * ab) / area), torch.floor((bc * aa - ac * ab) / area)
    corners = _CORNERS.to(cell)
    pq = torch.stack([p, q], -1)[:, None] + corners
    shorter = ((c[:, None] - pq[..., :1] * a[:, None] - pq[..., 1:] * b[:, None]) ** 2).sum(-1)
    least, corner = shorter.min(-1)
    pq = pq.gather(1, corner[:, None, None].expand(-1, 1, 2))[:, 0]
    pq = torch.where((least < (c * c).sum(-1) * (1 - _GAIN))[:, None], pq, torch.zeros_like(pq))

    if bool((is_sorted & (m == 0) & (pq == 0).all(-1)).all()):
        return None
    # c' = c - p a - q (b' = b - m a's new row), on the sorted rows.
    new_b = step[:, 1] - m[:, None] * step[:, 0]
    new_c = step[:, 2] - pq[:, :1] * step[:, 0] - pq[:, 1:] * new_b
    return torch.stack([step[:, 0], new_b, new_c], dim=1)


def _niggli_round(cell: Tensor, transform: Tensor, tolerance: Tensor) -> tuple[Tensor, Tensor]:
    """Steps 1 to 8 once for every cell; returns the new transform and which cells went back to step 1."""
    eye = torch.eye(3, dtype=cell.dtype, device=cell.device)
    e = tolerance

    a, b, _, xi, eta, _ = _scalar_products(transform @ cell)
    swap_ab = (a > b + e) | (((a - b).abs() <= e) & (xi.abs() > eta.abs() + e))
    transform = torch.where(swap_ab[:, None, None], -eye[[1, 0, 2]], eye) @ transform

    _, b, c, _, eta, zeta = _scalar_products(transform @ cell)
    swap_bc = (b > c + e) | (((b - c).abs() <= e) & (eta.abs() > zeta.abs() + e))
    transform = torch.where(swap_bc[:, None, None], -eye[[0, 2, 1]], eye) @ transform

    # Cells that went back to step 1 have their signs set too: it changes no length, and step 1 looks at lengths.
    signs = _signs(torch.stack(_scalar_products(transform @ cell)[3:], -1), e)
    transform = signs[:, :, None] * transform

    step, shortened = _shortening(transform @ cell, e)
    shortened = shortened & ~swap_bc
    transform = torch.where(shortened[:, None, None], step, eye) @ transform
    return transform, swap_bc | shortened


def _scalar_products(cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A = aa, B = bb, C = cc, ξ = 2bc, η = 2ac, ζ = 2ab, each (n_crystals,), Å²."""
    a, b, c = cell.unbind(1)
    return (
        (a * a).sum(-1),
        (b * b).sum(-1),
        (c * c).sum(-1),
        2 * (b * c).sum(-1),
        2 * (a * c).sum(-1),
        2 * (a * b).sum(-1),
    )


def _signs(products: Tensor, tolerance: Tensor) -> Tensor:
    """Steps 3 and 4: signs of a, b, c (product +1) that make ξ, η, ζ all positive, or none positive.

    Args:
        products: (n_crystals, 3): ξ, η, ζ, Å².
        tolerance: (n_crystals,), Å².

    Returns:
        (n_crystals, 3), +1 or -1.
    """
    e = tolerance[:, None]
    sign = (products > e).to(products.dtype) - (products < -e).to(products.dtype)
    acute = sign.prod(-1, keepdim=True) > 0
    signs = torch.where(sign == torch.where(acute, -1.0, 1.0), -1.0, 1.0)
    # A vanishing product takes either sign: the last one makes the signs' product +1.
    rank = (sign == 0) * torch.tensor([1, 2, 3], device=products.device)
    last_zero = (rank == rank.amax(-1, keepdim=True)) & (rank > 0)
    odd = signs.prod(-1, keepdim=True) < 0
    return torch.where(last_zero & odd, -signs, signs).to(products.dtype)


def _shortening(cell: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """The first of steps 5 to 8 that applies: its matrix (n_crystals, 3, 3), and whether there is one (n_crystals,)."""
    a, b, _, xi, eta, zeta = _scalar_products(cell)

    def beyond(angle: Tensor, side: Tensor, other: Tensor, last: Tensor) -> Tensor:
        at_plus = ((angle - side).abs() <= e) & (2 * other < last - e)
        at_minus = ((angle + side).abs() <= e) & (last < -e)
        return (angle.abs() > side + e) | at_plus | at_minus

    total = xi + eta + zeta + a + b
    five, six, seven = beyond(xi, b, eta, zeta), beyond(eta, a, xi, zeta), beyond(zeta, a, xi, eta)
    eight = (total < -e) | ((total.abs() <= e) & (2 * (a + eta) + zeta > e))
    six, seven, eight = six & ~five, seven & ~(five | six), eight & ~(five | six | seven)

    step = torch.eye(3, dtype=cell.dtype, device=cell.device).repeat(cell.shape[0], 1, 1)
    step[:, 2, 1] = torch.where(five, -xi.sign(), eight.to(cell.dtype))
    step[:, 2, 0] = torch.where(six, -eta.sign(), eight.to(cell.dtype))
    step[:, 1, 0] = torch.where(seven, -zeta.sign(), torch.zeros_like(a))
    return step, five | six | seven | eight
