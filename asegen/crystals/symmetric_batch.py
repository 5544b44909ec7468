"""Known crystals by symmetry: orbits and the numbers that are free in them, as data sets and files hold them."""

from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

import torch
from torch import Tensor

from asegen.crystals.wyckoff import Numbers, Orbits


class SymmetricBatch(NamedTuple):
    """Known crystals by symmetry."""

    orbits: Orbits
    numbers: Numbers

    def select(self, index: Tensor) -> SymmetricBatch:
        """Some of the crystals; int64 indices or a mask, on any device."""
        index = index.to(self.orbits.group.device)
        return SymmetricBatch(self.orbits[index], self.orbits.select(self.numbers, index))

    def to(self, device: torch.device | str) -> SymmetricBatch:
        """The same on a device."""
        return SymmetricBatch(self.orbits.to(device), Numbers(*(part.to(device) for part in self.numbers)))

    def tensors(self) -> dict[str, Tensor]:
        """All fields by name, as files hold them."""
        found = {field.name: getattr(self.orbits, field.name) for field in fields(self.orbits)}
        return {name: t.cpu().contiguous() for name, t in (found | self.numbers._asdict()).items()}

    @staticmethod
    def of_tensors(tensors: dict[str, Tensor]) -> SymmetricBatch:
        """The inverse of `tensors`.

        Raises:
            KeyError: a field is missing.
        """
        orbits = Orbits(*(tensors[field.name] for field in fields(Orbits)))
        return SymmetricBatch(orbits, Numbers(tensors["u"], tensors["lattice"]))
