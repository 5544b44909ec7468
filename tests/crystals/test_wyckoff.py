"""Orbits: lattices in their subspaces, atoms as images, projections that are the group's mean."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from asegen.crystals.bravais import BRAVAIS
from asegen.crystals.crystals import Tangent
from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.geometry.lattice import metric_tensor
from asegen.geometry.niggli import niggli_reduce
from asegen.geometry.torus import shortest
from asegen.relaxation.motion import Symmetry
from asegen.symmetry.analysis import SymmetricCrystal, found_group, structure_of
from asegen.symmetry.batches import crystals_of, make_orbits, occupations_of, orbits_of
from asegen.symmetry.groups import space_group
from asegen.symmetry.symbols import LAST_GROUP

Make = Callable[..., SymmetricCrystal]
# Every crystal system and Bravais lattice, and settings with a choice of origin, axes or cell.
SAMPLE = [
    1, 2, 4, 5, 9, 14, 15, 19, 38, 43, 48, 62, 63, 70, 72, 86, 88, 129, 139, 141, 146, 155, 161, 166, 167, 176,
    186, 191, 194, 198, 205, 214, 216, 217, 221, 225, 227, 229, 230,
]  # fmt: skip


def batch_of(random_crystal: Make, groups: list[int]) -> SymmetricBatch:
    return SymmetricBatch(*orbits_of([random_crystal(number, 3) for number in groups]))


def test_crystals_are_those_that_numpy_makes(random_crystal: Make) -> None:
    orbits, numbers = batch_of(random_crystal, SAMPLE)
    crystals = orbits.crystals(numbers)
    for k, number in enumerate(SAMPLE):
        cell, positions, species = structure_of(random_crystal(number, 3))
        one = crystals[k]
        np.testing.assert_allclose(metric_tensor(one.cell[0]).numpy(), cell @ cell.T, atol=1e-9)
        off = one.scaled_positions.numpy() - positions
        np.testing.assert_allclose(off - np.rint(off), 0, atol=1e-9)
        assert (one.numbers.numpy() == species).all()


def test_any_numbers_give_the_group(random_crystal: Make) -> None:
    generator = torch.Generator().manual_seed(0)
    orbits, numbers = batch_of(random_crystal, list(range(1, LAST_GROUP + 1)))
    u = torch.rand(numbers.u.shape, generator=generator).double()
    lattice = numbers.lattice + 0.2 * torch.randn(numbers.lattice.shape, generator=generator)
    crystals = orbits.crystals(Numbers(u, lattice))
    for k in range(len(orbits)):
        one, group = crystals[k], space_group(k + 1)
        structure = one.cell[0].numpy(), one.scaled_positions.numpy(), one.numbers.numpy()
        found = found_group(structure, *group.operations(group.primitive), 1e-5)
        assert found is not None and found.holds, group.number


def test_lattices_of_each_system_are_a_coordinate_subspace(random_crystal: Make) -> None:
    free = {"a": 6, "m": 4, "o": 3, "t": 2, "h": 2, "c": 1}
    orbits, numbers = batch_of(random_crystal, SAMPLE)
    assert [int(n) for n in orbits.allowed.sum(1)] == [free[BRAVAIS[b][0]] for b in orbits.bravais]
    assert set(orbits.bravais.tolist()) == set(range(len(BRAVAIS)))
    cell = orbits.cell(numbers.lattice)
    torch.testing.assert_close(orbits.lattice(cell), torch.where(orbits.allowed, numbers.lattice, 0.0))
    # The projection of any cell is an allowed one, and the nearest: moving along the subspace adds what was moved by.
    other = cell @ torch.linalg.matrix_exp(0.1 * torch.randn(len(cell), 3, 3).double())
    projected = orbits.lattice(other)
    assert (projected[~orbits.allowed] == 0).all()
    torch.testing.assert_close(orbits.lattice(orbits.cell(projected)), projected)


def test_another_basis_describes_the_same_crystals(random_crystal: Make) -> None:
    orbits, numbers = batch_of(random_crystal, SAMPLE)
    transform = niggli_reduce(orbits.cell(numbers.lattice))[1]
    seen = orbits.in_basis(transform)
    before, after = orbits.crystals(numbers), seen.crystals(numbers)
    torch.testing.assert_close(after.cell, transform.double() @ before.cell)
    expected = torch.einsum("na,nab->nb", before.scaled_positions, torch.linalg.inv(transform.double())[before.batch])
    torch.testing.assert_close(
        shortest(after.scaled_positions - expected), torch.zeros_like(expected), atol=1e-9, rtol=0
    )
    torch.testing.assert_close(seen.lattice(after.cell), orbits.lattice(before.cell))


def operations_of(orbits: Orbits, numbers: Numbers) -> Symmetry:
    """The operations of `relaxation.motion`, which knows nothing of orbits."""
    crystals = orbits.crystals(numbers)
    columns: list[list[torch.Tensor]] = [[] for _ in range(6)]
    n_operations = 0
    for k, number in enumerate(orbits.group.tolist()):
        group = space_group(number)
        rotations, translations = map(torch.from_numpy, group.operations(group.primitive))
        x, first = crystals[k].scaled_positions, int(crystals.first_atom[k])
        images = torch.einsum("oab,nb->ona", rotations, x) + translations[:, None]
        target = shortest(images[:, :, None] - x).abs().amax(-1).argmin(-1)
        operation, source = torch.meshgrid(torch.arange(len(rotations)), torch.arange(len(x)), indexing="ij")
        row = torch.full((len(rotations),), k), rotations, translations
        row += operation.flatten() + n_operations, source.flatten() + first, target.flatten() + first
        n_operations += len(rotations)
        for column, part in zip(columns, row, strict=True):
            column.append(part)
    return Symmetry(*(torch.cat(column) for column in columns))


def test_projected_motions_are_the_mean_over_the_group(random_crystal: Make) -> None:
    orbits, numbers = batch_of(random_crystal, [n for n in SAMPLE if n < 216])
    crystals = orbits.crystals(numbers)
    motion = torch.randn(crystals.scaled_positions.shape, generator=torch.Generator().manual_seed(1)).double()
    projected = orbits.project(crystals, motion)
    moved = (orbits.image_matrix @ projected[orbits.site][:, :, None])[:, :, 0]
    mean = operations_of(orbits, numbers).project(crystals, Tangent(motion, torch.zeros_like(crystals.cell)))
    torch.testing.assert_close(moved, mean.displacement, atol=1e-9, rtol=0)
    assert (projected[~orbits.free] == 0).all()
    # What is within the sites' freedom stays as it is.
    torch.testing.assert_close(orbits.project(crystals, moved), projected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_shortest_way_leads_to_the_same_crystal(random_crystal: Make, mirror: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    orbits, goal = batch_of(random_crystal, SAMPLE)
    if mirror:
        orbits = orbits.mirrored(torch.ones(len(orbits), dtype=torch.bool))
    orbits = orbits.in_basis(niggli_reduce(orbits.cell(goal.lattice))[1])
    start = Numbers(torch.rand(goal.u.shape, generator=generator).double(), goal.lattice)
    way = orbits.shortest_motion(start, goal)
    there = orbits.crystals(Numbers(start.u + way, goal.lattice))
    wanted = orbits.crystals(goal)
    off = shortest(there.scaled_positions[:, None] - wanted.scaled_positions[None]).abs().amax(-1)
    same = (off < 1e-5) & (orbits.site[:, None] == orbits.site)
    assert same.any(0).all() and same.any(1).all()  # each site's atoms, in whatever order
    metric = metric_tensor(wanted.cell)[orbits.site_crystal]
    own = orbits.matrix

    def length(step: torch.Tensor) -> torch.Tensor:
        return torch.einsum("sab,sb,scd,sd,sac->s", own, step, own, step, metric)

    straight = shortest(goal.u - start.u) * orbits.free
    assert (length(way) <= length(straight) + 1e-6).all()
    assert (length(way) < length(straight) - 0.1).sum() > len(way) // 4


def test_batches_are_selected_joined_and_kept(random_crystal: Make) -> None:
    batch = batch_of(random_crystal, SAMPLE)
    index = torch.tensor([5, 0, 5, len(SAMPLE) - 1])
    chosen = batch.select(index)
    crystals = batch.orbits.crystals(batch.numbers)[index]
    torch.testing.assert_close(chosen.orbits.crystals(chosen.numbers).positions, crystals.positions)
    parts = [batch.select(torch.tensor([k])) for k in range(len(SAMPLE))]
    joined = Orbits.cat([part.orbits for part in parts])
    for field in dataclasses.fields(Orbits):
        assert torch.equal(getattr(joined, field.name), getattr(batch.orbits, field.name))
    again = SymmetricBatch.of_tensors(batch.tensors())
    assert torch.equal(again.orbits.crystals(again.numbers).cell, batch.orbits.crystals(batch.numbers).cell)
    assert [c.group for c in crystals_of(batch)] == SAMPLE
    rebuilt = orbits_of(crystals_of(batch))[0]
    assert occupations_of(rebuilt) == occupations_of(batch.orbits)


def test_sites_keep_their_order() -> None:
    orbits = make_orbits([(225, [("b", 17), ("a", 11)]), (221, [("d", 8), ("a", 22), ("b", 38)])])
    assert orbits.numbers.tolist() == [17, 11, 8, 22, 38] and orbits.n_atoms.tolist() == [2, 5]
