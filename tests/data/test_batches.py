"""Batches by padded size: every crystal once, within the budget, reproducible."""

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asegen.data.batches import batches_by_atoms
from asegen.errors import InputError


@given(
    sizes=st.lists(st.integers(1, 40), max_size=80),
    budget=st.integers(40, 200),
    seed=st.none() | st.integers(0, 2**31),
)
def test_every_crystal_once_and_within_the_budget(sizes, budget, seed):
    n_atoms = torch.tensor(sizes, dtype=torch.int64)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    batches = batches_by_atoms(n_atoms, budget, generator)
    assert sorted(i for batch in batches for i in batch.tolist()) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) > 0 and batch.dtype == torch.int64
        assert int(n_atoms[batch].max()) * len(batch) <= budget


def sizes(n: int) -> torch.Tensor:
    return torch.randint(1, 52, (n,), generator=torch.Generator().manual_seed(3))


def test_the_generator_decides():
    before = torch.get_rng_state()
    runs = [batches_by_atoms(sizes(500), 400, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert [b.tolist() for b in runs[0]] != [b.tolist() for b in runs[2]]


def test_without_a_generator_small_crystals_come_first():
    n_atoms = sizes(500)
    order = torch.cat(batches_by_atoms(n_atoms, 400))
    assert torch.equal(order, torch.argsort(n_atoms, stable=True))


def test_order_of_batches_is_shuffled():
    n_atoms = sizes(2000)
    means = [n_atoms[b].double().mean().item() for b in batches_by_atoms(n_atoms, 400, torch.Generator())]
    assert means != sorted(means)


def test_little_padding_and_quick():
    n_atoms = sizes(20_000)
    start = time.process_time()
    batches = batches_by_atoms(n_atoms, 2000, torch.Generator().manual_seed(0))
    assert time.process_time() - start < 1.0
    padded = sum(int(n_atoms[b].max()) * len(b) for b in batches)
    assert padded < 1.05 * int(n_atoms.sum())


def test_a_crystal_beyond_the_budget():
    with pytest.raises(InputError, match="51 atoms"):
        batches_by_atoms(torch.tensor([3, 51]), 50)
