"""The symmetric multigraph against the whole crystal's graph, which knows no symmetry."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from asegen.crystals.crystals import Crystals
from asegen.crystals.graph import Edges
from asegen.crystals.site_graph import SymmetricEdges, symmetric_edges, symmetric_triplets
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.geometry.neighbors import neighbors_within
from asegen.geometry.torus import shortest
from asegen.symmetry.analysis import Site, SymmetricCrystal
from asegen.symmetry.batches import orbits_of

CUTOFF = 4.2
Make = Callable[..., SymmetricCrystal]


def strontium_titanate() -> SymmetricCrystal:
    sites = (Site("b", 38, (0, 0, 0)), Site("a", 22, (0, 0, 0)), Site("d", 8, (0, 0, 0)))
    return SymmetricCrystal(221, 3.905 * np.eye(3), sites)


def whole_graph(crystals: Crystals, cutoff: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All pairs of atoms that are not taken for one."""
    near = neighbors_within(crystals.cell, crystals.scaled_positions, crystals.n_atoms, cutoff)
    found = Edges(near.i, near.j, near.shift)
    vector = found.vectors(crystals)
    kept = torch.linalg.vector_norm(vector, dim=-1) > 0.15
    return found.i[kept], found.j[kept], vector[kept]


def rows(*columns: torch.Tensor) -> list[tuple[float, ...]]:
    return sorted(tuple(round(float(value), 4) for value in row) for row in zip(*columns, strict=True))


def test_strontium_sees_its_twelve_distinct_neighbours() -> None:
    orbits, numbers = orbits_of([strontium_titanate()])
    edges = symmetric_edges(orbits, numbers, 3.0)
    of_strontium = edges.receiver == 0
    assert int(of_strontium.sum()) == 12 and edges.sender[of_strontium].tolist() == [2] * 12
    assert int((edges.receiver == 1).sum()) == 6  # the octahedron
    np.testing.assert_allclose(torch.linalg.vector_norm(edges.vector[of_strontium], dim=1), 3.905 / 2**0.5, atol=1e-9)


def test_each_site_sees_what_its_atoms_see(random_crystal: Make) -> None:
    for number in (1, 2, 14, 38, 62, 141, 166, 194, 205, 216, 225, 227):
        orbits, numbers = orbits_of([random_crystal(number, 7)])
        edges = symmetric_edges(orbits, numbers, CUTOFF)
        crystals = orbits.crystals(numbers)
        i, j, vector = whole_graph(crystals, CUTOFF)
        distance, length = (torch.linalg.vector_norm(v, dim=-1) for v in (vector, edges.vector))
        of_sites = [
            rows(edges.sender[own], length[own]) for own in edges.receiver == torch.arange(len(numbers.u))[:, None]
        ]
        for atom in range(len(crystals.numbers)):
            own = i == atom
            assert of_sites[orbits.site[atom]] == rows(orbits.site[j[own]], distance[own]), (number, atom)


@pytest.mark.parametrize("number", [1, 2, 19, 62, 160, 176, 198, 221])
def test_angles_are_those_of_the_whole_crystal(random_crystal: Make, number: int) -> None:
    orbits, numbers = orbits_of([random_crystal(number, 7)])
    cutoff = 7.0 if number < 3 else 3.6
    found = summary(symmetric_edges(orbits, numbers, cutoff))
    i, j, vectors = (part.numpy() for part in whole_graph(orbits.crystals(numbers), cutoff))
    site, length = orbits.site.numpy(), np.linalg.norm(vectors, axis=1)
    expected = []
    for atom in (torch.cumsum(orbits.n_images, 0) - orbits.n_images).tolist():
        for a in np.flatnonzero(i == atom):
            for b in np.flatnonzero(i == j[a]):
                if np.linalg.norm(vectors[a] + vectors[b]) > 1e-3:
                    cosine = -vectors[a] @ vectors[b] / length[a] / length[b]
                    key = length[a] + 10 * length[b] + 100 * cosine
                    expected.append((site[atom], site[j[a]], site[j[b]], key))
    assert len(found) == len(expected) > 10
    close(found, np.array(expected))


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    """The same rows of three sites and a number, in whatever order."""
    for sites in np.unique(ours[:, :3], axis=0):
        parts = [np.sort(table[(table[:, :3] == sites).all(1), 3]) for table in (ours, theirs)]
        np.testing.assert_allclose(*parts, atol=1e-3)


def other_representatives(orbits: Orbits, numbers: Numbers) -> Orbits:
    """The same crystals with each site's last atom as its first."""
    order = torch.arange(len(orbits.site))
    first = torch.cumsum(orbits.n_images, 0) - orbits.n_images
    last = first + orbits.n_images - 1
    order[first], order[last] = last, first
    w, x = orbits.rotation, orbits.translation
    inverse = torch.linalg.inv(w[last])[orbits.site]
    rotation = (w @ inverse)[order]
    translation = (x - torch.einsum("nab,nb->na", w @ inverse, x[last][orbits.site]))[order]
    matrix = w[last] @ orbits.matrix
    shift = torch.einsum("sab,sb->sa", w[last], orbits.shift) + x[last]
    return dataclasses.replace(orbits, matrix=matrix, shift=shift, rotation=rotation, translation=translation)


def summary(edges: SymmetricEdges) -> np.ndarray:
    """(n_triplets, 4): the three sites, and one number of both lengths and the angle."""
    triplets = symmetric_triplets(edges)
    length = torch.linalg.vector_norm(edges.vector, dim=-1)
    columns = [edges.receiver[triplets.first], edges.sender[triplets.first], edges.sender[triplets.second]]
    key = length[triplets.first] + 10 * length[triplets.second] + 100 * torch.cos(triplets.angle)
    return torch.stack([*(column.double() for column in columns), key], 1).numpy()


@pytest.mark.parametrize("number", [14, 62, 166, 198, 216])
def test_the_choice_of_the_first_atom_changes_nothing(random_crystal: Make, number: int) -> None:
    orbits, numbers = orbits_of([random_crystal(number, 5)])
    other = other_representatives(orbits, numbers)
    before, after = (o.crystals(numbers) for o in (orbits, other))
    off = shortest(before.scaled_positions[:, None] - after.scaled_positions).abs().amax(-1)
    assert (off < 1e-9).any(0).all() and (off[0, 0] > 1e-3 or orbits.n_images[0] == 1)
    ours, theirs = (summary(symmetric_edges(o, numbers, 3.4)) for o in (orbits, other))
    assert len(ours) == len(theirs) > 10
    close(ours, theirs)


def test_a_batch_is_the_sum_of_its_crystals(random_crystal: Make) -> None:
    crystals = [random_crystal(number, 1) for number in (62, 225, 1)]
    together = symmetric_edges(*orbits_of(crystals), CUTOFF)
    alone = [symmetric_edges(*orbits_of([crystal]), CUTOFF) for crystal in crystals]
    torch.testing.assert_close(together.vector, torch.cat([edges.vector for edges in alone]))
    assert len(symmetric_triplets(together).first) == sum(len(symmetric_triplets(edges).first) for edges in alone)


@pytest.mark.parametrize("nearest", [0, 15])
def test_every_edge_has_the_one_that_leads_back(random_crystal: Make, nearest: int) -> None:
    for number in (1, 2, 14, 62, 166, 194, 198, 225):
        edges = symmetric_edges(*orbits_of([random_crystal(number, 7)]), CUTOFF, nearest)
        back = torch.einsum("eba,eb->ea", edges.rotation, -edges.vector)
        assert torch.allclose(edges.vector[edges.reverse], back, rtol=1e-7, atol=1e-7), number
        assert torch.equal(edges.receiver[edges.reverse], edges.sender), number
        assert torch.equal(edges.sender[edges.reverse], edges.receiver), number
        assert torch.equal(edges.receiver, edges.receiver.sort().values), number


@pytest.mark.parametrize("number", [1, 62, 166, 225])
def test_the_nearest_are_there_with_what_is_as_near(random_crystal: Make, number: int) -> None:
    orbits, numbers = orbits_of([random_crystal(number, 7), random_crystal(number, 8)])
    cutoff = 12.0 if number == 1 else 7.0
    everything = symmetric_edges(orbits, numbers, cutoff)
    distance = torch.linalg.vector_norm(everything.vector, dim=-1)
    last = torch.stack(
        [distance[everything.receiver == site].sort().values[9] + 1e-3 for site in range(len(orbits.numbers))]
    )
    wanted = distance <= torch.maximum(last[everything.receiver], last[everything.sender])
    few = symmetric_edges(orbits, numbers, cutoff, nearest=10)
    assert len(few) == int(wanted.sum()) < len(everything)
    torch.testing.assert_close(few.vector.norm(dim=-1).sort().values, distance[wanted].sort().values)


def test_the_twelve_nearest_of_strontium_are_its_oxygens() -> None:
    orbits, numbers = orbits_of([strontium_titanate()])
    edges = symmetric_edges(orbits, numbers, 3.0, nearest=5)
    assert int((edges.receiver == 0).sum()) == 12  # all twelve are as near as the fifth
