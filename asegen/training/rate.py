"""The learning rate of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from asegen.training.recipe import OptimizerOptions

_REMEMBERED = ("best", "num_bad_epochs", "last_epoch")


class LearningRate:
    """Linear warm-up, constant, linear decay over the last share of the run; lowered where the validation stands still.

    Args:
        options: of the recipe.
    """

    def __init__(self, options: OptimizerOptions) -> None:
        self._options = options
        # torch's scheduler lowers the rate of an optimiser; this one holds the rate and steps nothing.
        self._holder = torch.optim.SGD([torch.zeros((), requires_grad=True)], lr=options.learning_rate)
        self._plateau = None
        if options.plateau_factor < 1:
            self._plateau = ReduceLROnPlateau(
                self._holder, factor=options.plateau_factor, patience=options.plateau_patience, eps=0.0
            )

    def at(self, step: int, progress: float) -> float:
        """The rate of a step.

        Args:
            step: steps done.
            progress: share of the run that is done, 0 to 1.
        """
        warmup, decay = self._options.warmup_steps, self._options.decay_fraction
        rise = min((step + 1) / warmup, 1.0) if warmup else 1.0
        fall = min((1 - progress) / decay, 1.0) if decay else 1.0
        return self._highest * rise * fall

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Takes note of a validation: its `val_mae`, or its `val_loss` where the task reports no error."""
        if self._plateau is not None:
            self._plateau.step(metrics.get("val_mae", metrics["val_loss"]))

    @property
    def is_exhausted(self) -> bool:
        """Whether plateaus have lowered the rate to the recipe's lowest."""
        return self._plateau is not None and self._highest <= self._options.lowest_rate

    @property
    def state(self) -> dict[str, Any]:
        """What a resumed run has to know, JSON-serialisable."""
        known = {} if self._plateau is None else self._plateau.state_dict()
        return {"rate": self._highest, **{name: known[name] for name in _REMEMBERED if name in known}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes back to a state."""
        self._holder.param_groups[0]["lr"] = state["rate"]
        if self._plateau is not None:
            self._plateau.load_state_dict({name: state[name] for name in _REMEMBERED if name in state})

    @property
    def _highest(self) -> float:
        return float(self._holder.param_groups[0]["lr"])
