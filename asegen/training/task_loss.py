"""The forward pass of training: a task's loss of a network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.training.task import Task


class TaskLoss(nn.Module):
    """A task's loss as one module, so that a parallel strategy sees one forward pass per step.

    Mixed precision is entered around the network alone: geometry (metric tensors, logarithms) stays in float32.

    Args:
        network: what is trained.
        task: gives the loss.
        mixed: the network computes in bfloat16.
        compiled: by `torch.compile`.
    """

    def __init__(self, network: nn.Module, task: Task, mixed: bool, compiled: bool) -> None:
        super().__init__()
        self.network, self.task, self.mixed = network, task, mixed
        self._call: Any = torch.compile(network, dynamic=True) if compiled else network

    def forward(
        self,
        cell: Tensor,
        scaled_positions: Tensor,
        numbers: Tensor,
        n_atoms: Tensor,
        generator: torch.Generator,
        *labels: Tensor | Orbits | Numbers,
    ) -> dict[str, Tensor]:
        """The losses by name, "loss" being the one that is minimised, of a batch of crystals.

        Args:
            cell: (n_crystals, 3, 3), rows are lattice vectors, Å.
            scaled_positions: (n_atoms_total, 3), fractional.
            numbers: (n_atoms_total,), atomic numbers.
            n_atoms: (n_crystals,).
            generator: the source of noise.
            labels: what the task asks for beside the crystals.
        """

        def model(*args: Any) -> Any:
            with torch.autocast(cell.device.type, torch.bfloat16, enabled=self.mixed):
                return self._call(*args)

        return self.task.loss(model, Crystals(cell, scaled_positions, numbers, n_atoms), generator, *labels)
