"""Neighbours against brute force in float64, ASE and pymatgen, and their invariances."""

from collections import Counter

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.neighborlist import primitive_neighbor_list
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Structure

from asegen.errors import InputError
from asegen.geometry.neighbors import Neighbors, nearest_neighbors, neighbors_within
from asegen.geometry.niggli import minkowski_reduce

SEEDS = st.integers(0, 2**31 - 1)
Crystal = tuple[np.ndarray, np.ndarray]


def ordinary(rng: np.random.Generator, n: int) -> Crystal:
    cell = 4 * np.eye(3) + rng.normal(size=(3, 3))
    return cell * np.cbrt(12 * n / abs(np.linalg.det(cell))), rng.random((n, 3))


def unimodular(rng: np.random.Generator, steps: int = 4) -> np.ndarray:
    m = np.eye(3, dtype=np.int64)
    for _ in range(steps):
        i, j = rng.choice(3, 2, replace=False)
        m[i] += rng.integers(-2, 3) * m[j]
    return m


def rotation(rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(3, 3)))[0]


def strange_crystals(rng: np.random.Generator) -> list[Crystal]:
    """One crystal of each kind that breaks neighbour searches."""
    cell, x = ordinary(rng, 5)
    return [
        (cell, x),
        (cell * [[-1], [1], [1]], x),  # left-handed, or right-handed if the first was not
        (unimodular(rng, steps=3) @ cell, x),  # skewed
        (cell, x + rng.integers(-3, 4, size=x.shape)),  # atoms outside the cell
        (cell, np.concatenate([x, x[:1], x[:1]])),  # atoms at the same place
        (np.eye(3) * 0.5 + 0.05 * rng.normal(size=(3, 3)), rng.random((1, 3))),  # tiny
        (np.diag([0.8, 1.1, 70]) @ rotation(rng), rng.random((3, 3))),  # needle
        (np.diag([0.9, 60, 70]) @ rotation(rng), rng.random((2, 3))),  # needles far apart
        (np.diag([3.0, 3.3, 90]) @ rotation(rng), rng.random((6, 3)) * [1, 1, 0.1]),  # a slab in vacuum
        (np.diag([80, 90, 100]) @ rotation(rng), rng.random((4, 3)) * 0.04),  # a molecule in a huge cell
    ]


def batch(crystals: list[Crystal], dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    cells = torch.tensor(np.array([c for c, _ in crystals]), dtype=dtype)
    positions = torch.tensor(np.concatenate([x for _, x in crystals]), dtype=dtype)
    return cells, positions, torch.tensor([len(x) for _, x in crystals])


def unbatch(cells: torch.Tensor, positions: torch.Tensor, n_atoms: torch.Tensor) -> list[Crystal]:
    """The numbers themselves in float64: what float32 inputs stand for."""
    parts = positions.double().numpy()
    return list(zip(cells.double().numpy(), np.split(parts, np.cumsum(n_atoms.numpy())[:-1]), strict=True))


def brute_force(crystal: Crystal, cutoff: float) -> list[tuple[int, float, int, tuple[int, ...]]]:
    """(i, distance, j, shift) of all pairs, from every image of a box that surely contains them."""
    cell, x = crystal
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = np.ceil(cutoff / heights + 0.5).astype(int)
    box = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), -1).reshape(-1, 3)
    pairs = []
    for i in range(len(x)):
        for j in range(len(x)):
            shifts = box - np.round(x[j] - x[i]).astype(int)
            distances = np.linalg.norm((x[j] - x[i] + shifts) @ cell, axis=1)
            keep = (distances <= cutoff) & ((i != j) | shifts.any(1))
            pairs += [(i, d, j, tuple(s)) for d, s in zip(distances[keep].tolist(), shifts[keep].tolist(), strict=True)]
    return pairs


def identities(found: Neighbors, first: int = 0, n: int | None = None) -> Counter[tuple[int, ...]]:
    inside = (found.i >= first) & (found.i < first + (n if n is not None else len(found.i)))
    rows = torch.cat([found.i[:, None] - first, found.j[:, None] - first, found.shift], 1)[inside]
    return Counter(map(tuple, rows.tolist()))


def assert_consistent(found: Neighbors, cells: torch.Tensor, positions: torch.Tensor, n_atoms: torch.Tensor) -> None:
    """Fields agree with the definition of an edge; the order is by i, then distance; no pair appears twice."""
    crystal = torch.repeat_interleave(n_atoms)
    assert torch.equal(crystal[found.i], crystal[found.j])
    x = positions.double()
    vector = torch.einsum("ea,eab->eb", x[found.j] + found.shift - x[found.i], cells.double()[crystal[found.i]])
    tolerance = 1e-9 if cells.dtype == torch.float64 else 1e-4
    torch.testing.assert_close(found.vector.double(), vector, rtol=1e-6, atol=tolerance)
    torch.testing.assert_close(found.distance, torch.linalg.vector_norm(found.vector, dim=1))
    assert found.vector.dtype == found.distance.dtype == cells.dtype
    assert bool((found.i[1:] >= found.i[:-1]).all())
    assert bool(((found.distance[1:] >= found.distance[:-1]) | (found.i[1:] > found.i[:-1])).all())
    assert not identities(found) or max(identities(found).values()) == 1


@given(SEEDS, st.sampled_from([torch.float32, torch.float64]))
def test_within_a_cutoff_is_brute_force(seed: int, dtype: torch.dtype) -> None:
    inputs = batch(strange_crystals(np.random.default_rng(seed)), dtype)
    found = neighbors_within(*inputs, 3.0)
    assert_consistent(found, *inputs)
    first = 0
    for crystal in unbatch(*inputs):
        n = len(crystal[1])
        expected = Counter((i, j, *s) for i, _, j, s in brute_force(crystal, 3.0))
        assert identities(found, first, n) == expected
        first += n


@given(SEEDS, st.sampled_from([1, 12, 32]), st.sampled_from([torch.float32, torch.float64]))
def test_nearest_is_brute_force(seed: int, k: int, dtype: torch.dtype) -> None:
    inputs = batch(strange_crystals(np.random.default_rng(seed)), dtype)
    found = nearest_neighbors(*inputs, k)
    assert_consistent(found, *inputs)
    assert torch.equal(found.i, torch.arange(len(inputs[1])).repeat_interleave(k))
    distances = found.distance.double().view(-1, k)
    first = 0
    for crystal in unbatch(*inputs):
        n = len(crystal[1])
        ours = distances[first : first + n]
        pairs = brute_force(crystal, float(ours.max()) * 1.0001)
        for atom in range(n):
            expected = sorted(d for i, d, _, _ in pairs if i == atom)[:k]
            np.testing.assert_allclose(ours[atom], expected, rtol=1e-6, atol=1e-9)
        first += n


@given(SEEDS)
def test_agrees_with_ase_and_pymatgen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crystals = [ordinary(rng, n) for n in (1, 4, 9)] + [(np.diag([0.9, 8, 30]) @ rotation(rng), rng.random((3, 3)))]
    found = neighbors_within(*batch(crystals), 5.0)
    first = 0
    for cell, x in crystals:
        i, j, shift = primitive_neighbor_list("ijS", [True] * 3, cell, x @ cell, 5.0)
        ours = identities(found, first, len(x))
        assert ours == Counter(map(tuple, np.column_stack([i, j, shift]).tolist()))
        i, j, shift, _ = Structure(cell, ["H"] * len(x), x).get_neighbor_list(5.0)
        assert ours == Counter(map(tuple, np.column_stack([i, j, shift]).astype(int).tolist()))
        first += len(x)


def test_shells_of_known_crystals() -> None:
    crystals = [bulk("Cu", "fcc", a=3.6), bulk("Fe", "bcc", a=2.9), bulk("NaCl", "rocksalt", a=5.6)]
    inputs = batch([(a.cell.array, a.get_scaled_positions()) for a in crystals])
    distances = nearest_neighbors(*inputs, 18).distance.view(-1, 18)
    shells = [
        [3.6 / 2**0.5] * 12 + [3.6] * 6,
        [2.9 * 0.75**0.5] * 8 + [2.9] * 6 + [2.9 * 2**0.5] * 4,
        *[[2.8] * 6 + [2.8 * 2**0.5] * 12] * 2,
    ]
    torch.testing.assert_close(distances, torch.tensor(shells, dtype=torch.float64))


@pytest.mark.parametrize("skew", [np.eye(3), [[1, 0, 0], [7, 1, 0], [-3, 5, 1]], [[0, 0, 1], [1, 0, 4], [0, 1, 0]]])
def test_ties_are_settled_by_j_then_shift(skew: list[list[float]]) -> None:
    # Every number is exact in binary but for square roots, whose last digit depends on the processor.
    cell, inverse = np.array(skew) @ (2.0 * np.eye(3)), np.linalg.inv(skew).round()
    x = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]]) @ inverse
    transform = minkowski_reduce(torch.tensor(cell)[None])[1][0].numpy()
    to_reduced = np.linalg.inv(transform).round().astype(int)
    for k in (1, 5, 20, 33):
        found = nearest_neighbors(*batch([(cell, x)]), k)
        pairs = brute_force((cell, x), float(found.distance.max()) + 1e-9)
        pairs = [(i, round(d, 9), j, s) for i, d, j, s in pairs]
        pairs.sort(key=lambda p: (p[0], p[1], p[2], tuple((np.array(p[3]) @ to_reduced)[::-1])))
        expected = [p for atom in range(3) for p in [q for q in pairs if q[0] == atom][:k]]
        ours = zip(found.i.tolist(), found.distance.tolist(), found.j.tolist(), found.shift.tolist(), strict=True)
        assert [(i, round(d, 9), j, tuple(s)) for i, d, j, s in ours] == expected


@pytest.mark.parametrize("shear", [1e2, 1e4, 1e6])
def test_extreme_skew_changes_no_distance(shear: float) -> None:
    cell, x = np.array([[0.5, 0, 0], [0.1, 0.7, 0], [0.2, 0.3, 500]]), np.array([[0, 0, 0], [0.25, 0.5, 0.003]])
    skew, inverse = (
        np.array([[1, 0, 0], [shear, 1, 0], [0, 3, 1]]),
        np.array([[1, 0, 0], [-shear, 1, 0], [3 * shear, -3, 1]]),
    )
    plain, skewed = (nearest_neighbors(*batch([c]), 40) for c in ((cell, x), (skew @ cell, x @ inverse)))
    torch.testing.assert_close(skewed.distance, plain.distance, rtol=1e-7, atol=1e-7)
    vector = (torch.tensor(x @ inverse)[skewed.j] - torch.tensor(x @ inverse)[skewed.i] + skewed.shift) @ torch.tensor(
        skew @ cell
    )
    torch.testing.assert_close(vector, skewed.vector, rtol=0, atol=1e-4)


def sorted_distances(inputs: tuple[torch.Tensor, ...], k: int = 20) -> torch.Tensor:
    return nearest_neighbors(*inputs, k).distance.view(-1, k)


@given(SEEDS)
def test_rotation_translation_and_cell_choice_change_no_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cell, x = ordinary(rng, 4)
    m = unimodular(rng)
    crystals = [
        (cell, x),
        (cell @ rotation(rng), x),
        (cell, x + rng.normal(size=3) * 10),
        (m @ cell, x @ np.linalg.inv(m)),
    ]
    distances = sorted_distances(batch(crystals)).view(4, 4, 20)
    torch.testing.assert_close(distances, distances[:1].expand_as(distances), rtol=1e-9, atol=1e-9)
    levels = distances[0].flatten().sort()[0]
    gap = int(levels.diff().argmax())  # a cutoff that rounding can't cross
    found = neighbors_within(*batch(crystals), float(levels[gap : gap + 2].mean()))
    assert len(set(torch.bincount(torch.div(found.i, 4, rounding_mode="floor")).tolist())) == 1


@given(SEEDS)
def test_permutation_permutes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cell, x = ordinary(rng, 6)
    order = rng.permutation(6)
    expected = identities(neighbors_within(*batch([(cell, x)]), 4.0))
    permuted = neighbors_within(*batch([(cell, x[order])]), 4.0)
    assert Counter((order[i], order[j], *s) for i, j, *s in identities(permuted).elements()) == expected


@given(SEEDS, st.tuples(*[st.integers(1, 3)] * 3))
def test_supercell_repeats(seed: int, repeats: tuple[int, int, int]) -> None:
    cell, x = ordinary(np.random.default_rng(seed), 3)
    images = np.stack(np.meshgrid(*[np.arange(r) for r in repeats], indexing="ij"), -1).reshape(-1, 1, 3)
    supercell = (np.diag(repeats) @ cell, ((x + images) / repeats).reshape(-1, 3))
    expected = sorted_distances(batch([(cell, x)])).repeat(len(images), 1)
    torch.testing.assert_close(sorted_distances(batch([supercell])), expected, rtol=1e-9, atol=1e-9)


@given(SEEDS)
def test_every_pair_has_its_reverse_at_the_same_distance(seed: int) -> None:
    found = neighbors_within(*batch(strange_crystals(np.random.default_rng(seed)), torch.float32), 2.5)
    rows = zip(found.i.tolist(), found.j.tolist(), found.shift.tolist(), found.distance.tolist(), strict=True)
    distances = {(i, j, *s): d for i, j, s, d in rows}
    assert all(distances[j, i, -a, -b, -c] == d for (i, j, a, b, c), d in distances.items())


def assert_equal(one: Neighbors, other: Neighbors) -> None:
    for name in ("i", "j", "shift", "vector", "distance"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


@given(SEEDS)
def test_a_crystal_does_not_depend_on_its_batch(seed: int) -> None:
    crystals = strange_crystals(np.random.default_rng(seed))
    whole = nearest_neighbors(*batch(crystals), 12)
    parts, first = [], 0
    for crystal in crystals:
        one = nearest_neighbors(*batch([crystal]), 12)
        parts.append(Neighbors(one.i + first, one.j + first, one.shift, one.vector, one.distance))
        first += len(crystal[1])
    fields = ("i", "j", "shift", "vector", "distance")
    assert_equal(whole, Neighbors(*(torch.cat([getattr(p, f) for p in parts]) for f in fields)))


def test_bad_input_is_refused() -> None:
    cells, positions, n_atoms = batch([ordinary(np.random.default_rng(0), 3)])
    for cutoff in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="cutoff"):
            neighbors_within(cells, positions, n_atoms, cutoff)
    with pytest.raises(InputError, match="number of neighbours"):
        nearest_neighbors(cells, positions, n_atoms, 0)
    for number in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="atom 1 "):
            nearest_neighbors(cells, positions.index_fill(0, torch.tensor([1]), number), n_atoms, 4)
        with pytest.raises(InputError, match="cell 0 "):
            nearest_neighbors(cells * number, positions, n_atoms, 4)
    with pytest.raises(InputError, match="cell 0 "):
        neighbors_within(cells * 0, positions, n_atoms, 4.0)


def test_empty_batches_and_crystals_without_atoms() -> None:
    nothing = torch.zeros(0, 3, 3), torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    assert len(nearest_neighbors(*nothing, 3).i) == len(neighbors_within(*nothing, 3.0).i) == 0
    cells, positions, _ = batch([ordinary(np.random.default_rng(0), 3)] * 2)
    found = nearest_neighbors(cells, positions[:3], torch.tensor([0, 3]), 4)
    assert_equal(found, nearest_neighbors(cells[1:], positions[:3], torch.tensor([3]), 4))
