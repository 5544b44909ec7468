"""A split of the data as the loop holds it: crystals and targets as tensors, batches by index."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from asegen.crystal import Crystals
from asegen.data.shards import CrystalDataset
from asegen.errors import InputError
from asegen.training.recipe import DataOptions


class Split(NamedTuple):
    """What is trained on, on one device.

    Attributes:
        crystals: in float32.
        targets: (n_crystals, n_targets), float32, in the recipe's order; n_targets may be 0.
    """

    crystals: Crystals
    targets: Tensor

    def to(self, device: torch.device) -> Split:
        """The same on a device."""
        return Split(self.crystals.to(device), self.targets.to(device))

    def take(self, index: Tensor) -> Split:
        """The chosen crystals with their targets; `index` may be on any device."""
        index = index.to(self.targets.device)
        return Split(self.crystals[index], self.targets[index])

    @property
    def labels(self) -> tuple[Tensor, ...]:
        """What a process is given beyond the crystals: the targets, where there are any."""
        return (self.targets,) if self.targets.shape[1] else ()


def fitting_split(dataset: CrystalDataset, options: DataOptions, split: str) -> Split:
    """The crystals of a split that are small enough and have all targets.

    Raises:
        InputError: there is no such column, or no such crystal.
    """
    for name in options.targets:
        if name not in dataset.targets:
            known = ", ".join(sorted(dataset.targets)) or "none"
            raise InputError(f"split {split!r} has no column {name!r}; it has: {known}")
    columns = [dataset.targets[name] for name in options.targets]
    targets = torch.stack(columns, 1) if columns else torch.zeros(len(dataset), 0)
    keep = (dataset.crystals.n_atoms <= options.max_atoms) & torch.isfinite(targets).all(1)
    if not keep.any():
        wanted = f" and {', '.join(options.targets)}" if options.targets else ""
        raise InputError(f"split {split!r} has no crystal of at most {options.max_atoms} atoms{wanted}")
    return Split(dataset.crystals[keep].to(dtype=torch.float32), targets[keep].float())
