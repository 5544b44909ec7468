"""Which atoms are bonded: all within a radius, or those that share a Voronoi face and whose radii let them be."""

from __future__ import annotations

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import Edges
from asegen.elements import COVALENT_RADIUS
from asegen.errors import InputError
from asegen.geometry.neighbors import Neighbors, neighbors_within
from asegen.geometry.ragged import first_rows

GRAPHS = ("bonds", "radius")

_SLACK = 0.5  # Å beyond the sum of the radii
_TESSELLATION = 6.0  # Å; farther atoms cut no face
_SMALLEST_FACE = 1e-3  # Å²; smaller ones are where four or more cells meet in a line
_DISK = 0.1  # Å, radius
_NEAREST = 24  # neighbours that are asked whether they cut the disk
_EVERYTHING = 9.0  # Å, beyond every corner
_CORNERS = 32  # of a face while it is cut; real faces have at most about a dozen


def property_graph(crystals: Crystals, graph: str, cutoff: float) -> Edges:
    """The graph of ECN, CGCNN and MEGNet.

    Args:
        crystals: a batch of crystals.
        graph: "bonds", see `bonded_graph`, or "radius", every image within `cutoff`.
        cutoff: Å, for "radius".

    Raises:
        InputError: an unknown graph, a singular cell, or anything that isn't finite.
    """
    if graph == "bonds":
        return bonded_graph(crystals)
    if graph == "radius":
        found = neighbors_within(crystals.cell, crystals.scaled_positions, crystals.n_atoms, cutoff)
        return Edges(found.i, found.j, found.shift)
    raise InputError(f"graph = {graph!r} is not one of {', '.join(GRAPHS)}")


@torch.no_grad()
def bonded_graph(crystals: Crystals) -> Edges:
    """Pairs that share a Voronoi face and are at most 0.5 Å farther apart than the sum of their covalent radii.

    The rule of Isayev et al., Nat. Commun. 8 (2017) 15679, with the slack that the published ECN takes. A pair shares a
    face where the plane midway between them, cut by the planes midway to all other neighbours, leaves an area of more
    than 1e-3 Å². No loop runs over crystals or atoms.

    Args:
        crystals: a batch of crystals.

    Returns:
        Edges in the order of (i, distance), each with its reverse; an atom may have none.

    Raises:
        InputError: a cell is singular, or anything isn't finite.
    """
    cell, x = crystals.cell.double(), crystals.scaled_positions.double()
    near = neighbors_within(cell, x, crystals.n_atoms, _TESSELLATION)
    radius = torch.tensor(COVALENT_RADIUS, dtype=cell.dtype, device=cell.device)
    radius = radius[crystals.numbers.clamp(max=len(radius) - 1)]
    candidate = (near.distance <= radius[near.i] + radius[near.j] + _SLACK).nonzero()[:, 0]
    bonded = candidate[_shares_face(near, candidate, len(x))]
    return Edges(near.i[bonded], near.j[bonded], near.shift[bonded])


def _shares_face(near: Neighbors, pair: Tensor, n_atoms: int) -> Tensor:
    """(n_pairs,), bool.

    Args:
        near: all neighbours, in the order of (i, distance).
        pair: (n_pairs,), int64, which of them to judge.
        n_atoms: of the whole batch.
    """
    degree = torch.bincount(near.i, minlength=n_atoms)
    first = first_rows(degree)
    place = torch.arange(len(near.i), device=pair.device) - first[near.i]
    others = near.vector.new_zeros(n_atoms, int(degree.max()) if len(near.i) else 0, 3)
    others[near.i, place] = near.vector
    u, i = near.vector[pair], near.i[pair]
    # Most faces hold a disk around the line to j. An atom that cuts the disk is hardly farther than j.
    _, side = _half_planes(u, others[i, :_NEAREST])
    beyond = torch.full_like(degree, torch.inf, dtype=u.dtype)
    many = degree > _NEAREST
    beyond[many] = near.distance[first[many] + _NEAREST]
    shares = (side > _DISK).all(-1) & (beyond[i] > near.distance[pair] + 2 * _DISK)
    doubtful = (~shares).nonzero()[:, 0]
    shares[doubtful] = _area_left(*_half_planes(u[doubtful], others[i[doubtful]])) > _SMALLEST_FACE
    return shares


def _half_planes(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """What other atoms leave of the plane midway to j, whose origin is on the line to j.

    Args:
        u: (n, 3), to atoms j, Å.
        v: (n, n_others, 3), to other atoms; j itself and 0 leave everything.

    Returns:
        Unit normals (n, n_others, 2) and distances (n, n_others), Å: points p with `normal · p <= distance` are left.
    """
    offset = (v.square().sum(-1) - (v @ u[:, :, None])[..., 0]) / 2
    slope = v @ _plane(u).mT
    length = torch.linalg.vector_norm(slope, dim=-1)
    parallel = torch.where(offset < -1e-9, -_EVERYTHING, _EVERYTHING)
    side = torch.where(length > 1e-9, offset / length.clamp_min(1e-9), parallel)
    return slope / length.clamp_min(1e-9)[..., None], side


def _plane(normal: Tensor) -> Tensor:
    """(n, 2, 3): orthonormal vectors perpendicular to (n, 3)."""
    n = torch.nn.functional.normalize(normal, dim=-1)
    least = torch.nn.functional.one_hot(n.abs().argmin(-1), 3).to(n.dtype)
    a = torch.nn.functional.normalize(torch.linalg.cross(n, least), dim=-1)
    return torch.stack([a, torch.linalg.cross(n, a)], 1)


def _area_left(slope: Tensor, offset: Tensor) -> Tensor:
    """Area of a square of the tessellation's size that half-planes leave.

    Args:
        slope: (n, n_planes, 2), unit normals.
        offset: (n, n_planes), a point p is left where `slope · p <= offset`, Å.

    Returns:
        (n,), Å².
    """
    offset, order = offset.sort(dim=-1)
    slope = slope.gather(1, order[..., None].expand_as(slope))
    square = torch.tensor([[1.0, 1], [-1, 1], [-1, -1], [1, -1]], dtype=slope.dtype, device=slope.device)
    corners = slope.new_zeros(len(slope), _CORNERS, 2)
    corners[:, :4] = _TESSELLATION * square
    count = torch.full((len(slope),), 4, device=slope.device)
    for k in range(offset.shape[1]):
        # Planes come in the order of distance: none cuts any more once the nearest is beyond every corner.
        if bool((offset[:, k] > torch.linalg.vector_norm(corners, dim=-1).amax(-1)).all()):
            break
        corners, count = _cut(corners, count, slope[:, k], offset[:, k])
    x, y = corners.unbind(-1)
    following = _following(corners, count)
    return (x * following[..., 1] - y * following[..., 0]).sum(-1).abs() / 2


def _following(corners: Tensor, count: Tensor) -> Tensor:
    """(n, _CORNERS, 2): each corner's next one around the polygon; corners beyond the count are 0 and stay so."""
    following = corners.roll(-1, 1)
    place = torch.arange(_CORNERS, device=corners.device)
    last = place == (count - 1)[:, None]
    return torch.where(last[..., None], corners[:, :1], following) * (place < count[:, None])[..., None]


def _cut(corners: Tensor, count: Tensor, slope: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """One half-plane of each convex polygon (Sutherland and Hodgman 1974): kept corners, and where edges cross."""
    following = _following(corners, count)
    there = torch.arange(_CORNERS, device=corners.device) < count[:, None]
    a = (corners * slope[:, None]).sum(-1) - offset[:, None]
    b = (following * slope[:, None]).sum(-1) - offset[:, None]
    kept, crosses = there & (a <= 0), there & ((a <= 0) != (b <= 0))
    share = a / torch.where(crosses, a - b, torch.ones_like(a))
    crossing = corners + share[..., None] * (following - corners)
    # A corner that is kept comes before the crossing of the edge that starts there.
    mask = torch.stack([kept, crosses], -1).flatten(1)
    points = torch.stack([corners, crossing], 2).flatten(1, 2)
    new_count = mask.sum(-1).clamp(max=_CORNERS)
    place = torch.where(mask, mask.cumsum(-1) - 1, _CORNERS).clamp(max=_CORNERS)
    new = corners.new_zeros(len(corners), _CORNERS + 1, 2)
    new.scatter_(1, place[..., None].expand_as(points), points)
    return new[:, :_CORNERS], new_count
