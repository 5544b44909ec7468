"""What a training run keeps beside its weights: the state from which it resumes, and its table of metrics."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from asegen.parallel.files import replacing

_MOST = 64
"""Validations of a history, evenly spread."""


def training_state(network: nn.Module, average: Mapping[str, Tensor], optimizer: Optimizer) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by name.

    Args:
        network: as it is trained.
        average: its averaged weights, by name.
        optimizer: of its parameters.
    """
    state = {f"network.{k}": v for k, v in network.state_dict().items()}
    state |= {f"average.{k}": v for k, v in average.items()}
    for index, entry in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in entry.items()}
    return state


def restore_training_state(
    tensors: Mapping[str, Tensor], network: nn.Module, optimizer: Optimizer
) -> dict[str, Tensor]:
    """Puts the tensors of `training_state` back into a network and its optimizer.

    Returns:
        The averaged weights.
    """
    network.load_state_dict(_part(tensors, "network."))
    packed = optimizer.state_dict()
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in _part(tensors, "optimizer.").items():
        index, name = key.split(".", 1)
        entries.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": entries, "param_groups": packed["param_groups"]})
    return _part(tensors, "average.")


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def is_same_run(recipe: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether a run by one recipe may go on from a checkpoint of another; steps and precision may differ.

    Args:
        recipe: as written.
        other: as written, and read from JSON.
    """
    return _without_length(json.loads(json.dumps(recipe))) == _without_length(other)


def _without_length(recipe: dict[str, Any]) -> dict[str, Any]:
    return {**recipe, "precision": None, "optimizer": {k: v for k, v in recipe["optimizer"].items() if k != "steps"}}


def write_metrics(path: Path, step: int, metrics: Mapping[str, float]) -> None:
    """Adds a row to a table; rows of steps that a resumed run makes again are replaced."""
    rows: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["step"]) < step]
    rows.append({"step": step, **metrics})
    with replacing(path) as beside, beside.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[-1]))
        writer.writeheader()
        writer.writerows(rows)


def history(path: Path) -> dict[str, list[float]]:
    """The validations of a table that `write_metrics` made, of which at most 64 are kept.

    Returns:
        "step", and the name of each figure of the validation split -> its values, to four digits.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [rows[k] for k in sorted({*np.linspace(0, len(rows) - 1, _MOST).round().astype(int).tolist()})]
    names = [name for name in rows[-1] if name == "step" or name.startswith("val_")]
    return {name: [float(f"{float(row[name] or 'nan'):.4g}") for row in kept] for name in names}
