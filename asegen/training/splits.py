"""A split of the data as the loop holds it: crystals and targets as tensors, batches by index."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.data.labels import Labels
from asegen.data.shards import CrystalDataset
from asegen.errors import InputError
from asegen.training.recipe import DataOptions


class Split(NamedTuple):
    """What is trained on, on one device.

    Attributes:
        crystals: in float32.
        targets: (n_crystals or n_atoms_total, n_targets), float32, in the recipe's order; n_targets may be 0.
        per_site: whether the targets are of atoms.
        symmetry: of the crystals, if the task asks for it.
    """

    crystals: Crystals
    targets: Tensor
    per_site: bool = False
    symmetry: SymmetricBatch | None = None

    def to(self, device: torch.device) -> Split:
        """The same on a device; a GPU's work isn't waited for."""
        c = self.crystals
        crystals = Crystals(*(_sent(part, device) for part in (c.cell, c.scaled_positions, c.numbers, c.n_atoms)))
        crystals.__dict__["largest"] = c.largest  # counted here, where nothing has to be waited for
        symmetry = self.symmetry
        if symmetry is not None:
            fields = {name: _sent(part, device) for name, part in symmetry.tensors().items()}
            symmetry = SymmetricBatch.of_tensors(fields)
        return Split(crystals, _sent(self.targets, device), self.per_site, symmetry)

    def take(self, index: Tensor) -> Split:
        """The chosen crystals with their targets; `index` may be on any device."""
        index = index.to(self.targets.device)
        targets = self.targets[self.crystals.atoms_of(index) if self.per_site else index]
        return Split(self.crystals[index], targets, self.per_site, self.symmetry and self.symmetry.select(index))

    @property
    def labels(self) -> tuple[Tensor | Orbits | Numbers, ...]:
        """What a task is given beyond the crystals: the targets, where there are any, or the symmetry."""
        return (self.targets,) if self.targets.shape[1] else self.symmetry or ()


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on a device; to a GPU by way of pinned memory, from which it is fetched while the program goes on."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def fitting_split(
    dataset: CrystalDataset,
    options: DataOptions,
    split: str,
    labels: Labels = "targets",
    note: Callable[[str], None] = lambda line: None,
) -> Split:
    """The crystals of a split that are small enough and have all targets.

    Args:
        dataset: the split.
        options: which crystals, which targets.
        split: its name, for errors.
        labels: what the task learns from. A crystal has a target of atoms if one of its atoms has.
        note: told how many crystals are left out, where any are, and why.

    Raises:
        InputError: there is no such column, no such crystal, or no symmetry.
    """
    per_site, symmetric = labels == "site targets", labels == "symmetry"
    if symmetric and dataset.symmetry is None:
        raise InputError(f"split {split!r} has no symmetry: make it with `asegen ingest --symmetry`")
    known, other = dataset.targets, dataset.site_targets
    if per_site:
        known, other = other, known
    for name in options.targets:
        if name not in known:
            each = ("atom", "crystal") if per_site else ("crystal", "atom")
            where = f" per {each[0]}, but one per {each[1]}, for another task" if name in other else ""
            listed = ", ".join(sorted(known)) or "none"
            raise InputError(f"split {split!r} has no column {name!r}{where}; it has: {listed}")
    columns = [known[name] for name in options.targets]
    rows = len(dataset.crystals.numbers) if per_site else len(dataset)
    targets = torch.stack(columns, 1) if columns else torch.zeros(rows, 0)
    is_small, has_targets = dataset.crystals.n_atoms <= options.max_atoms, _has_targets(targets, dataset, per_site)
    keep = is_small & has_targets
    if not keep.all():
        why = {
            f"of more than {options.max_atoms} atoms": is_small,
            f"without {', '.join(options.targets)}": has_targets,
        }
        counts = [f"{int((~of).sum())} {what}" for what, of in why.items() if not of.all()]
        note(f"{split}: {int((~keep).sum())} of {len(keep)} crystals are left out: {', '.join(counts)}")
    if not keep.any():
        wanted = f" and {', '.join(options.targets)}" if options.targets else ""
        raise InputError(f"split {split!r} has no crystal of at most {options.max_atoms} atoms{wanted}")
    chosen = Split(dataset.crystals, targets, per_site, dataset.symmetry if symmetric else None).take(keep)
    return chosen._replace(crystals=chosen.crystals.to(dtype=torch.float32), targets=chosen.targets.float())


def _has_targets(targets: Tensor, dataset: CrystalDataset, per_site: bool) -> Tensor:
    """(n_crystals,), bool."""
    if not per_site:
        return torch.isfinite(targets).all(1)
    found = torch.zeros(len(dataset), targets.shape[1], dtype=targets.dtype)
    return (found.index_add(0, dataset.crystals.batch, torch.isfinite(targets).to(targets.dtype)) > 0).all(1)
