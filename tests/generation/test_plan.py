"""Plans: shards are a partition, seeds belong to samples."""

from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asegen.errors import InputError
from asegen.generation.drawing import Plain
from asegen.generation.plan import (
    MAX_SAMPLES,
    Sample,
    check_settings,
    cut_batches,
    make_plan,
    plan_hash,
    sample_seed,
    take_shard,
)
from asegen.generation.request import Request


def plan_of(n: int = 5) -> list[Sample]:
    return make_plan(Request(["NaCl", "SrTiO3", "Cu"], multiples=(1, 2)).targets(), n)


@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 7))
def test_shards_share_the_samples_out(n: int, batch: int, count: int) -> None:
    drawer = Plain(Mock(), batch, Mock())
    targets = Request(["NaCl", "SrTiO3", "Cu"], multiples=(1, 2)).targets()
    shards = [[s for b in drawer.batches(targets, n, f"{k}/{count}") for s in b] for k in range(1, count + 1)]
    assert sorted(s.index for shard in shards for s in shard) == list(range(6 * n))
    sizes, atoms = [len(shard) for shard in shards], [sum(s.n_atoms for s in shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    assert max(atoms) - min(atoms) <= 10  # of the largest cell
    assert drawer.batches(targets, n, "1/1") == drawer.batches(targets, n) == cut_batches(plan_of(n), batch)


@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 7))
def test_shards_partition_the_batches(n: int, batch: int, count: int) -> None:
    batches = cut_batches(plan_of(n), batch)
    shards = [take_shard(batches, f"{k}/{count}") for k in range(1, count + 1)]
    assert sorted((b for shard in shards for b in shard), key=lambda b: batches.index(b)) == batches
    assert sorted(s.index for b in batches for s in b) == list(range(6 * n))
    assert all(len(b) <= batch for b in batches)


def test_seeds_differ_and_do_not_depend_on_the_plan() -> None:
    plan = plan_of()
    seeds = {sample_seed(s, sample, attempt) for s in (0, 1) for sample in plan for attempt in (0, 1)}
    assert len(seeds) == 4 * len(plan)
    assert all(0 <= seed < 2**63 for seed in seeds)
    alone = make_plan(Request("SrTiO3").targets(), 3)
    inside = [s for s in plan if s.target.formula == "SrTiO3"]
    assert [sample_seed(7, s) for s in alone] == [sample_seed(7, s) for s in inside[:3]]


def test_another_plan_has_another_hash() -> None:
    known = plan_hash(cut_batches(plan_of(), 4))
    assert known == plan_hash(cut_batches(plan_of(), 4))
    assert known != plan_hash(cut_batches(plan_of(), 5)) and known != plan_hash(cut_batches(plan_of()[1:], 4))


@pytest.mark.parametrize("shard", ["3/2", "0/2", "1", "a/b", "1/0", "-1/2"])
def test_bad_shards(shard: str) -> None:
    with pytest.raises(InputError, match="shard = "):
        take_shard([[]], shard)


@pytest.mark.parametrize(("formula", "size"), [("C20", 64), ("C64", 32), ("C362", 1), ("C363", 1), ("C1000", 1)])
def test_batches_of_large_cells_hold_few_of_them(formula: str, size: int) -> None:
    batches = cut_batches(make_plan(Request(formula).targets(), 64), 64)
    assert {len(batch) for batch in batches} == {size}


def test_the_largest_come_first_else_in_order() -> None:
    plan = plan_of()
    cut = [s for batch in cut_batches(plan, 4) for s in batch]
    keys = [(-s.n_atoms, s.index) for s in cut]
    assert keys == sorted(keys)


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(InputError):
        make_plan(Request("Cu").targets(), 0)
    with pytest.raises(InputError):
        make_plan([], 1)
    with pytest.raises(InputError, match="1000000"):
        make_plan(Request("Cu").targets(), MAX_SAMPLES + 1)
    with pytest.raises(InputError):
        cut_batches(plan_of(), 0)


@pytest.mark.parametrize("wrong", [{"n": 2.0}, {"n": "2"}, {"seed": None}, {"steps": 1.5}, {"batch_size": "64"}])
def test_what_is_no_whole_number_is_refused_by_name(wrong: dict) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} = .*: a whole number is needed"):
        check_settings(**{"n": 1, **wrong})


def test_numbers_of_numpy_are_whole_numbers() -> None:
    check_settings(np.int64(3), np.uint32(1))
