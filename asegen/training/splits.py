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
        targets: (n_crystals or n_atoms_total, n_targets), float32, in the recipe's order; n_targets may be 0.
        per_site: whether the targets are of atoms.
    """

    crystals: Crystals
    targets: Tensor
    per_site: bool = False

    def to(self, device: torch.device) -> Split:
        """The same on a device."""
        return Split(self.crystals.to(device), self.targets.to(device), self.per_site)

    def take(self, index: Tensor) -> Split:
        """The chosen crystals with their targets; `index` may be on any device."""
        index = index.to(self.targets.device)
        targets = self.targets[self.crystals.atoms_of(index) if self.per_site else index]
        return Split(self.crystals[index], targets, self.per_site)

    @property
    def labels(self) -> tuple[Tensor, ...]:
        """What a process is given beyond the crystals: the targets, where there are any."""
        return (self.targets,) if self.targets.shape[1] else ()


def fitting_split(dataset: CrystalDataset, options: DataOptions, split: str, per_site: bool = False) -> Split:
    """The crystals of a split that are small enough and have all targets.

    Args:
        dataset: the split.
        options: which crystals, which targets.
        split: its name, for errors.
        per_site: take the targets of atoms; a crystal has a target if one of its atoms has.

    Raises:
        InputError: there is no such column, or no such crystal.
    """
    known, other = dataset.targets, dataset.site_targets
    if per_site:
        known, other = other, known
    for name in options.targets:
        if name not in known:
            where = f"; it has one per {'crystal' if per_site else 'atom'}, another task's" if name in other else ""
            each = "atom" if per_site else "crystal"
            listed = ", ".join(sorted(known)) or "none"
            raise InputError(f"split {split!r} has no column {name!r} per {each}{where}; it has: {listed}")
    columns = [known[name] for name in options.targets]
    rows = len(dataset.crystals.numbers) if per_site else len(dataset)
    targets = torch.stack(columns, 1) if columns else torch.zeros(rows, 0)
    keep = (dataset.crystals.n_atoms <= options.max_atoms) & _has_targets(targets, dataset, per_site)
    if not keep.any():
        wanted = f" and {', '.join(options.targets)}" if options.targets else ""
        raise InputError(f"split {split!r} has no crystal of at most {options.max_atoms} atoms{wanted}")
    chosen = Split(dataset.crystals, targets, per_site).take(keep)
    return Split(chosen.crystals.to(dtype=torch.float32), chosen.targets.float(), per_site)


def _has_targets(targets: Tensor, dataset: CrystalDataset, per_site: bool) -> Tensor:
    """(n_crystals,), bool."""
    if not per_site:
        return torch.isfinite(targets).all(1)
    found = torch.zeros(len(dataset), targets.shape[1], dtype=targets.dtype)
    return (found.index_add(0, dataset.crystals.batch, torch.isfinite(targets).to(targets.dtype)) > 0).all(1)
