"""What was computed once is there for other metrics and for the next run, however the first one ended."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from asegen.metrics import evaluate, remembered
from asegen.metrics.cache import Row, RowCache, content_key
from asegen.metrics.inputs import Inputs
from asegen.metrics.remembered import remembered_map
from asegen.parallel.timed_map import Failed

SALT = bulk("NaCl", "rocksalt", a=5.64)
ITEMS = {f"key {k}": k for k in range(6)}


def square(item: int) -> Row:
    if item == 4:
        raise ValueError("four")
    return np.array([item**2], np.float32)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The items that were computed, without worker processes."""
    seen: list[Any] = []

    def here(function: Callable, items: Sequence, jobs: int, seconds: float) -> Iterator:
        for item in items:
            seen.append(item)
            try:
                yield function(item)
            except ValueError as error:
                yield Failed(str(error))

    monkeypatch.setattr(remembered, "timed_map", here)
    return seen


def test_rows_are_kept_and_failures_are_tried_again(tmp_path: Path, computed: list[Any]) -> None:
    first = remembered_map(square, ITEMS, Inputs((), cache=tmp_path), "", 1)
    assert first["key 4"] == Failed("four") and first["key 5"] == [25]
    assert computed == list(range(6))
    again = remembered_map(square, {**ITEMS, "key 6": 6}, Inputs((), cache=tmp_path), "", 1)
    assert {k: v for k, v in again.items() if k != "key 6"} == first and computed[6:] == [4, 6]


def test_one_run_asks_once_without_a_cache(computed: list[Any]) -> None:
    inputs = Inputs(())
    for _ in range(2):
        remembered_map(square, ITEMS, inputs, "", 1)
    assert computed == list(range(6))


def test_an_interrupted_run_keeps_what_it_has(tmp_path: Path, computed: list[Any]) -> None:
    def interrupt(task: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remembered_map(square, ITEMS, Inputs((), report=interrupt, cache=tmp_path), "", 1)
    assert list(RowCache(tmp_path).read(list(ITEMS))) == ["key 0", "key 1"]
    remembered_map(square, ITEMS, Inputs((), cache=tmp_path), "", 1)
    assert computed == [0, 1, 2, 2, 3, 4, 5]


def test_the_next_evaluation_computes_nothing(tmp_path: Path, computed: list[Any]) -> None:
    pytest.importorskip("matminer")
    names = ["composition", "coverage", "fd-crystalnn", "match", "metre", "discovery"]
    crystals = [SALT, bulk("Cu")]
    first = evaluate(crystals, crystals, crystals, metrics=names, cache=tmp_path)
    # 2 compositions, 2 fingerprints, 2 distances for both match and METRe, 2 pairs for novelty
    assert len(computed) == 8
    again = evaluate(crystals, crystals, crystals, metrics=names, cache=tmp_path)
    assert again.as_dict() == first.as_dict() and len(computed) == 8


def test_keys_tell_crystals_and_their_order_apart() -> None:
    moved = SALT.copy()
    moved.positions[0, 0] += 1e-15
    keys = [("a", SALT), ("b", SALT), ("a", moved), ("a", SALT, moved), ("a", moved, SALT)]
    assert len({content_key(method, *crystals) for method, *crystals in keys}) == 5  # type: ignore[misc]
    assert content_key("a", SALT) == content_key("a", Atoms(SALT))


def test_worker_processes_start_without_torch() -> None:
    code = (
        "import sys, asegen.metrics.coverage, asegen.metrics.matching, asegen.metrics.validity, asegen.ingest.prepare\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
