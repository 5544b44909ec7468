"""Batches of crystals of similar sizes, as indices: the crystals themselves stay where they are, on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from asegen.errors import InputError

_JITTER = 1.0
"""Atoms. Sizes are sorted after this much uniform noise, so that a crystal meets others of nearby sizes."""


def batches_by_atoms(n_atoms: Tensor, budget: int, generator: torch.Generator | None = None) -> list[Tensor]:
    """Splits crystals into batches whose padded size, largest crystal times number of crystals, is within a budget.

    Args:
        n_atoms: (n_crystals,), int64, atoms of each crystal, on any device.
        budget: most atoms in a batch, padding counted.
        generator: shuffles who is with whom and the order of the batches; without one the batches go from small
            crystals to large ones, ties in the order given.

    Returns:
        Batches of int64 indices on `n_atoms.device`; every crystal is in exactly one of them.

    Raises:
        InputError: a crystal alone exceeds the budget.
    """
    if len(n_atoms) == 0:
        return []
    if (largest := int(n_atoms.max())) > budget:
        raise InputError(f"a crystal of {largest} atoms does not fit into batches of {budget}")
    order = torch.argsort(_noisy(n_atoms.cpu(), generator), stable=True)
    batches = torch.split(order.to(n_atoms.device), _lengths(n_atoms.cpu()[order].tolist(), budget))
    if generator is None:
        return list(batches)
    shuffled = torch.randperm(len(batches), generator=generator, device=generator.device).tolist()
    return [batches[i] for i in shuffled]


def _noisy(n_atoms: Tensor, generator: torch.Generator | None) -> Tensor:
    if generator is None:
        return n_atoms
    noise = torch.rand(len(n_atoms), generator=generator, device=generator.device, dtype=torch.float64)
    return n_atoms + _JITTER * noise.cpu()


def _lengths(sizes: list[int], budget: int) -> list[int]:
    """Lengths of consecutive batches, each as long as the budget allows."""
    lengths, length, largest = [], 0, 0
    for size in sizes:
        largest = max(largest, size)
        if largest * (length + 1) > budget:
            lengths.append(length)
            length, largest = 0, size
        length += 1
    return [*lengths, length]
