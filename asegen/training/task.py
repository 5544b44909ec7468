"""What the training loop asks of a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.data.labels import Labels


class Task(Protocol):
    """Something that a network can learn from crystals: statistics of the data, and a loss.

    The constructor's arguments are the statistics and the options that a recipe gives under `[task]`. What is drawn,
    moved or predicted with the trained network is no part of this protocol: generators have `sample`, see
    `asegen.diffusion.process`, tasks of properties `predict`.

    Attributes:
        labels: what `statistics` and `loss` are given beyond the crystals: nothing; `targets` (n_crystals, n_targets)
            or, of atoms, (n_atoms_total, n_targets); or `Orbits` and `Numbers`.
    """

    labels: ClassVar[Labels]

    def __init__(self, **options: Any) -> None: ...

    @staticmethod
    def statistics(crystals: Crystals, *labels: Any) -> dict[str, Any]:
        """Arguments of the constructor that follow from the training data, JSON-serialisable.

        Args:
            crystals: all training crystals.
            labels: see above.

        Raises:
            InputError: the data doesn't suit the task.
        """

    def loss(
        self, model: Callable[..., Any], crystals: Crystals, generator: torch.Generator, *labels: Any
    ) -> dict[str, Tensor]:
        """Scalar losses of one batch; the entry `"loss"` is minimised, the others are reported.

        Args:
            model: the network, called as the task documents.
            crystals: a batch of training crystals.
            generator: source of all randomness but the network's drop-out, on the crystals' device.
            labels: see above.
        """
