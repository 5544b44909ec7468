"""The symmetric multigraph: sites as nodes, and edges to images of sites within a cutoff.

One node stands for all equivalent atoms. An edge (u, h, v) leads from the first atom of site u to the image of site v
under an operation h; images that coincide are one edge. What an edge of v knows is turned by h before it meets the
edge to v (R_h r_2), without which the graph would depend on which of the equivalent atoms is called the first. Every
edge has the one that leads back. The graph of P1 is the crystal's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.geometry.images import Images, atoms_on_lattice, images_within
from asegen.geometry.ragged import first_rows, owners, rows_of

_SHORTEST = 0.15
"""Å. Two images nearer than this are taken for the same atom, as noise may have it (the published rule)."""
_SHELL = 1e-4
"""Å. What is farther than the last of the nearest by less than this is as near: symmetry has many equal distances."""
_SLACK = 1e-9
"""Relative. Distances that are equal but for rounding lie on one side of the cutoff."""
_LIMIT = 2**23
"""Images that are looked at together; about 3 GiB."""
_EXPECTED = 1.5
"""The first sphere around an atom holds so many times the neighbours that are wanted, on average."""
_GROWTH = 1.3


@dataclass(frozen=True, eq=False)
class SymmetricEdges:
    """Edges between sites, in the order of the receiver, with their vectors.

    Attributes:
        receiver: (n_edges,), int64, site u.
        sender: (n_edges,), int64, site v.
        vector: (n_edges, 3), Å, from u's first atom to the image of v; differentiable in the free numbers.
        rotation: (n_edges, 3, 3), Cartesian, R_h of the operation that leads from v's first atom to the image.
        equivalent: (n_edges,), bool: both ends are atoms of one site, by more than a lattice translation.
        reverse: (n_edges,), int64, the edge (v, h⁻¹, u) with the vector −R_h⁻¹ r, which leads back.
    """

    receiver: Tensor
    sender: Tensor
    vector: Tensor
    rotation: Tensor
    equivalent: Tensor
    reverse: Tensor

    def __len__(self) -> int:
        """Number of edges."""
        return self.receiver.shape[0]


@dataclass(frozen=True, eq=False)
class SymmetricTriplets:
    """Pairs of an edge to an image of v and an edge of v, turned as that image is.

    Attributes:
        first: (n_triplets,), int64, index of the edge (u, h, v).
        second: (n_triplets,), int64, index of an edge (v, g, w).
        angle: (n_triplets,), in [0, π], between the way back along the first and the turned second at the image of v.
    """

    first: Tensor
    second: Tensor
    angle: Tensor


def symmetric_edges(orbits: Orbits, numbers: Numbers, cutoff: float, nearest: int = 0) -> SymmetricEdges:
    """Images of sites within a cutoff of each site's first atom, and with each edge its reverse.

    Args:
        orbits: a batch.
        numbers: its free numbers.
        cutoff: Å.
        nearest: of each site only so many of the nearest (the paper: 80), what is as near as the last of them, and the
            reverse edges of others' nearest; 0 takes all.

    Raises:
        InputError: a cell is singular, anything isn't finite, or memory doesn't suffice.
    """
    crystals = orbits.crystals(numbers)
    first = first_rows(orbits.n_images)
    with torch.no_grad():
        receiver, atom, shift = _images_around(orbits, crystals, first, cutoff, nearest)
        receiver, atom, shift, reverse = _with_reverse(orbits, crystals, first, receiver, atom, shift)
    x = crystals.scaled_positions
    scaled = x.index_select(0, atom) - x.index_select(0, first[receiver]) + shift.to(x)
    vector = (scaled[:, None] @ crystals.cell.index_select(0, orbits.site_crystal[receiver]))[:, 0]
    sender = orbits.site[atom]
    equivalent = (receiver == sender) & (first[receiver] != atom)
    return SymmetricEdges(receiver, sender, vector, _cartesian(orbits, crystals)[atom], equivalent, reverse)


def _images_around(
    orbits: Orbits, crystals: Crystals, first: Tensor, cutoff: float, nearest: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Receiver, atom and lattice translation (n, 3) of the images that are neighbours of the sites' first atoms."""
    atoms = atoms_on_lattice(crystals.cell, crystals.scaled_positions, crystals.n_atoms)
    furthest = cutoff * (1 + _SLACK)
    radius = torch.full((len(orbits),), furthest, dtype=torch.float64, device=first.device)
    if nearest:
        room = crystals.volume.double() / crystals.n_atoms
        radius = ((_EXPECTED * nearest * room * 3 / (4 * math.pi)) ** (1 / 3)).clamp(_SHORTEST, furthest)
    # Where a site sees too few of them, its whole crystal is looked at again, farther.
    pending = torch.ones_like(orbits.group, dtype=torch.bool)
    parts = []
    while bool(pending.any()):
        sites = pending[orbits.site_crystal].nonzero()[:, 0]
        crystal = orbits.site_crystal[sites]
        found = images_within(atoms, first[sites], radius[crystal], _LIMIT)
        found = found.select((found.distance > _SHORTEST).nonzero()[:, 0])
        last = torch.full_like(radius[orbits.site_crystal], math.inf)
        last[sites] = _distance_of_last(found, len(sites), nearest) + _SHELL
        short = (last[sites] > radius[crystal]) & (radius[crystal] < furthest)
        again = torch.zeros_like(pending).index_put((crystal[short],), torch.tensor(True, device=short.device))
        receiver = sites[found.centre]
        near = found.distance <= torch.maximum(last[receiver], last[orbits.site[found.j]])
        done = (near & ~again[crystal][found.centre]).nonzero()[:, 0]
        parts.append((receiver[done], found.select(done)))
        radius, pending = (_GROWTH * radius).clamp_max(furthest), again
    receiver = torch.cat([site for site, _ in parts])
    transform = atoms.transform[orbits.site_crystal[receiver]]
    reduced = torch.cat([torch.stack(found.shift, 1) for _, found in parts])
    shift = (reduced[:, None] @ transform)[:, 0].round().long()
    return receiver, torch.cat([found.j for _, found in parts]), shift


def _distance_of_last(images: Images, n_centres: int, nearest: int) -> Tensor:
    """(n_centres,), Å: how far the last of the nearest is; infinite where there are fewer, or all are wanted."""
    last = images.distance.new_full((n_centres,), math.inf)
    if not nearest:
        return last
    # Bits of positive floats are in the order of the floats, and sorted several times faster.
    by_distance = torch.argsort(images.distance.view(torch.int64), stable=True)
    order = by_distance[torch.argsort(images.centre[by_distance], stable=True)]
    count = torch.bincount(images.centre, minlength=n_centres)
    start = first_rows(count)
    full = count >= nearest
    last[full] = images.distance[order[start[full] + nearest - 1]]
    return last


def _with_reverse(
    orbits: Orbits, crystals: Crystals, first: Tensor, receiver: Tensor, atom: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Edges in the order of the receiver, and the index of each one's reverse."""
    x = crystals.scaled_positions.double()
    # The operation of the edge takes v's first atom to the image: turned back, u's first atom is an image of u.
    way = x[atom] + shift - x[first[receiver]]
    back = torch.linalg.inv(orbits.rotation.double()).round()[atom]
    sender = orbits.site[atom]
    place = x[first[sender]] - (back @ way[:, :, None])[:, :, 0]
    image, translation = _image_at(orbits, x, receiver, place)
    reach = int(torch.cat([shift, translation]).abs().max()) if len(shift) else 0
    key, order = torch.sort(_keys(receiver, atom, shift, len(x), reach))
    backward = _keys(sender, image, translation, len(x), reach)[order]
    reverse = torch.searchsorted(key, backward).clamp_max(max(len(key) - 1, 0))
    closed = key[reverse] == backward
    if not bool(closed.all()):  # rounding, at the last distance that counts
        kept = order[closed]
        return _with_reverse(orbits, crystals, first, receiver[kept], atom[kept], shift[kept])
    return receiver[order], atom[order], shift[order], reverse


def _image_at(orbits: Orbits, x: Tensor, site: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """The atom of a site, and its translation (n, 3), int64, that is nearest to a place in fractional coordinates."""
    row = owners(orbits.n_images[site])
    candidate = rows_of(orbits.n_images, site)
    off = place[row] - x[candidate]
    miss = (off - off.round()).abs().amax(-1)
    least = torch.full_like(place[:, 0], math.inf).scatter_reduce(0, row, miss, "amin")
    best = torch.where(miss == least[row], candidate, len(x))
    atom = torch.full_like(site, len(x)).scatter_reduce(0, row, best, "amin")
    return atom, (place - x[atom]).round().long()


def _keys(receiver: Tensor, atom: Tensor, shift: Tensor, n_atoms: int, reach: int) -> Tensor:
    """(n,), int64: equal for equal edges, in the order of the receiver; translations from −reach to reach."""
    key = receiver * n_atoms + atom
    for column in shift.unbind(1):
        key = key * (2 * reach + 1) + column + reach
    return key


def _cartesian(orbits: Orbits, crystals: Crystals) -> Tensor:
    """(n_atoms_total, 3, 3): each atom's operation as a rotation of Cartesian columns."""
    columns, inverse = crystals.cell.mT, torch.linalg.inv(crystals.cell.mT)
    return columns[crystals.batch] @ orbits.rotation.to(columns) @ inverse[crystals.batch]


def symmetric_triplets(edges: SymmetricEdges) -> SymmetricTriplets:
    """Every edge with every edge of its sender, but the one that leads back to where it began.

    Args:
        edges: in the order of the receiver.
    """
    n_sites = int(edges.receiver.max()) + 1 if len(edges) else 0
    degree = torch.bincount(edges.receiver, minlength=n_sites)
    first = owners(degree[edges.sender])
    second = rows_of(degree, edges.sender)
    kept = second != edges.reverse[first]
    first, second = first[kept], second[kept]
    back = -edges.vector[first]
    onward = torch.einsum("tab,tb->ta", edges.rotation[first], edges.vector[second])
    # atan2 keeps its precision near 0 and π, where the cosine's inverse has none.
    sine = torch.linalg.vector_norm(torch.linalg.cross(back, onward), dim=-1)
    return SymmetricTriplets(first, second, torch.atan2(sine, (back * onward).sum(-1)))
