"""Weights built into their network and their task: where every use of a model begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from asegen.errors import CheckpointError, InputError
from asegen.models.checkpoint import load_weights, read_tensors
from asegen.training.registry import model_class, task_class


class Trained(NamedTuple):
    """Weights as they are used: the file's header, the network (in evaluation mode), its task, the device."""

    header: dict[str, Any]
    network: nn.Module
    task: Any
    device: torch.device


def load_trained(path: Path, device: torch.device, *tasks: str) -> Trained:
    """Builds what a file of weights holds.

    Args:
        path: the file.
        device: where the network goes.
        tasks: the classes of tasks that will do; any without them.

    Raises:
        InputError: the weights are of another task.
        CheckpointError: the file is corrupt, foreign, or doesn't fit its network.
    """
    header, tensors = read_tensors(path)
    try:
        kind = header["process"]["class"]
        if tasks and kind not in tasks:
            raise InputError(f"{path} holds weights for {kind}, not for {' or '.join(tasks)}")
        network, task = _build(header["model"], model_class), _build(header["process"], task_class)
        load_weights(network, tensors, str(path))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} does not hold weights of this version ({error!r})") from None
    return Trained(header, network.to(device).eval(), task, device)


def pick_device(name: str) -> torch.device:
    """A torch device from "auto", "cpu", "cuda", "cuda:1", "mps" …; "auto" prefers a GPU.

    Raises:
        InputError: the device isn't there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(f"device {name!r} is not available on this machine") from None
    return device


def _build(table: dict[str, Any], class_of: Callable[[str], Any]) -> Any:
    return class_of(table["class"])(**{key: value for key, value in table.items() if key != "class"})
