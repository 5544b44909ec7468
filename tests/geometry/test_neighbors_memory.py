"""The neighbour search keeps to its memory bound, and gives the same result within it."""

import weakref
from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from asegen.errors import InputError
from asegen.geometry.neighbors import nearest_neighbors, neighbors_within

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def crystals(n_crystals: int, n_atoms: int, volume_per_atom: float) -> Inputs:
    generator = torch.Generator().manual_seed(3)
    cell = 4 * torch.eye(3) + 0.5 * torch.randn(n_crystals, 3, 3, generator=generator)
    cell *= (volume_per_atom * n_atoms / torch.linalg.det(cell))[:, None, None] ** (1 / 3)
    return cell, torch.rand(n_crystals * n_atoms, 3, generator=generator), torch.full((n_crystals,), n_atoms)


class PeakMemory(TorchDispatchMode):
    """Bytes of tensors that are alive at the same time, from the operations themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.views: Counter[int] = Counter()
        self.now = self.peak = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.now += storage.nbytes() * (not self.views[storage.data_ptr()])
                self.views[storage.data_ptr()] += 1
                weakref.finalize(tensor, self.drop, storage.data_ptr(), storage.nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def drop(self, pointer: int, size: int) -> None:
        self.views[pointer] -= 1
        self.now -= size * (not self.views[pointer])


@pytest.mark.parametrize("inputs", [crystals(60, 6, 12.0), crystals(1, 300, 12.0), crystals(1, 1, 0.125)])
@pytest.mark.parametrize(
    "search", [lambda *a, **b: neighbors_within(*a, 5.0, **b), lambda *a, **b: nearest_neighbors(*a, 32, **b)]
)
def test_memory_is_bounded(inputs: Inputs, search: Any) -> None:
    bound = 3 * 2**20
    with PeakMemory() as memory:
        limited = search(*inputs, max_memory=bound)
    assert memory.peak < 2 * bound  # the result and the work
    unlimited = search(*inputs)
    for name in ("i", "j", "shift", "vector", "distance"):
        assert torch.equal(getattr(limited, name), getattr(unlimited, name)), name


def test_the_bound_is_needed() -> None:
    with PeakMemory() as memory:
        neighbors_within(*crystals(1, 300, 12.0), 5.0)
    assert memory.peak > 6 * 2**20


def test_what_cannot_fit_is_refused() -> None:
    tiny = crystals(1, 1, 0.125)
    for cutoff in (50.0, 1e9, 1e300):
        with pytest.raises(InputError, match="memory"):
            neighbors_within(*tiny, cutoff, max_memory=2**20)
    for k in (10**5, 10**18):
        with pytest.raises(InputError, match="memory"):
            nearest_neighbors(*tiny, k, max_memory=2**20)
