"""A trained relaxer, ready to move crystals: what training made, as relaxation uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from asegen.arguments import check_model
from asegen.crystals.crystals import Crystals, Tangent
from asegen.relaxation.motion import Freedom
from asegen.relaxation.relax import Limits, Relaxed, propose, relax
from asegen.trained.loading import load_trained, pick_device
from asegen.trained.weights import DEFAULT_RELAXER, find_weights
from asegen.training.registry import RELAXERS


class Relaxer:
    """Moves crystals with a trained network.

    Attributes:
        name: the model's name.
        version: what distinguishes trainings of one recipe: its number of steps.
        elements: atomic numbers that occur in the training data.
    """

    def __init__(self, header: dict[str, Any], model: nn.Module, device: torch.device) -> None:
        self.name: str = header["name"]
        self.version = str(header["steps"])
        self.elements = frozenset(header["elements"])
        self._model, self._device = model, device

    def __repr__(self) -> str:
        """Name and version."""
        return f"<Relaxer: {self.name} {self.version}>"

    def propose(self, crystals: Crystals, freedom: Freedom) -> Tangent:
        """The free part of the network's motion.

        Args:
            crystals: on the CPU, float64.
            freedom: what may move, on the CPU.

        Returns:
            On the CPU, float64.

        Raises:
            InputError: a cell is singular, or anything isn't finite.
        """
        return propose(self._move, crystals, freedom)

    def relax(
        self,
        crystals: Crystals,
        limits: Limits,
        freedom: Freedom | None = None,
        report: Callable[[int], None] = lambda finished: None,
    ) -> Relaxed:
        """Relaxes any number of crystals; see `asegen.relaxation.relax`.

        Args:
            crystals: on the CPU, float64.
            limits: when to stop.
            freedom: what may move, on the CPU; everything without it.
            report: called with the number of crystals that have stopped since the last call.
        """
        return relax(self._move, crystals, limits, freedom, report=report)

    def _move(self, crystals: Crystals) -> list[Tangent]:
        # Geometry stays on the CPU in float64; the network alone, which takes nearly all the time, is on the device.
        tangents = self._model(crystals.to(self._device))
        return [Tangent(t.displacement.cpu(), t.strain.cpu()) for t in tangents]


def load_relaxer(name_or_path: str | Path | None = None, device: str = "auto") -> Relaxer:
    """Loads trained weights.

    Args:
        name_or_path: a shipped model's name or a file; the default relaxer without it.
        device: "auto", "cpu", "cuda", "cuda:1" …

    Raises:
        InputError: no such model or device, or a model that moves no crystals.
        CheckpointError: a file is corrupt, foreign, or doesn't fit its network.
    """
    check_model("model", name_or_path)
    path = find_weights(DEFAULT_RELAXER if name_or_path is None else name_or_path, *RELAXERS)
    header, model, _, place = load_trained(path, pick_device(device), *RELAXERS, needs=("elements",))
    return Relaxer(header, model, place)
