"""Weights built into their network and their task: where every use of a model begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

import torch
from torch import nn

from asegen.errors import CheckpointError, InputError
from asegen.models.arguments import arguments_of
from asegen.models.checkpoint import load_weights, read_tensors
from asegen.models.header import check_model_header
from asegen.training.registry import model_class, task_class

_ANY_SIZE = 64
"""That hyperparameters may have which aren't sizes of tensors, such as a number of neighbours."""
_LARGE = 10**8
"""Numbers in as many square matrices as wide as the largest hyperparameter, as the second largest says."""
_NOT_ON_META = ("SymmetricDimeNet",)
"""Networks that compute with numpy while they are made."""


class Trained(NamedTuple):
    """Weights as they are used: the file's header, the network (in evaluation mode), its task, the device."""

    header: dict[str, Any]
    network: nn.Module
    task: Any
    device: torch.device


def load_trained(path: Path, device: torch.device, *tasks: str, needs: Sequence[str] = ()) -> Trained:
    """Builds what a file of weights holds.

    Args:
        path: the file.
        device: where the network goes.
        tasks: the classes of tasks that will do; any without them.
        needs: entries that its header has to have, see `asegen.models.header.check_model_header`.

    Raises:
        InputError: the weights are of another task.
        CheckpointError: the file is corrupt, foreign, or doesn't fit its network.
    """
    header, tensors = read_tensors(path)
    check_model_header(header, path)
    kind = header["process"]["class"]
    if tasks and kind not in tasks:
        raise InputError(f"{path} holds weights for {kind}, not for {' or '.join(tasks)}")
    check_model_header(header, path, *needs)
    task = _build(header["process"], task_class, path)
    _check_shapes(header["model"], tensors, path)
    network = _build(header["model"], model_class, path)
    load_weights(network, tensors, str(path))
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
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise InputError(f"device {name!r} is not available on this machine") from None
    return device


def _check_shapes(table: dict[str, Any], tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Refuses sizes that no tensor has; compares with a network that takes no memory before a large one is made.

    Raises:
        CheckpointError: they don't fit.
    """
    shapes = [size for tensor in tensors.values() for size in tensor.shape]
    most = max([_ANY_SIZE, len(tensors), *shapes])
    sizes = {name: value for name, value in table.items() if isinstance(value, int)}
    for name, value in sizes.items():
        if value > most:
            raise CheckpointError(f"{path} does not fit its network: {name} = {value}, but no tensor has that size")
    width, depth = sorted([1, 1, *sizes.values()])[:-3:-1]
    if width**2 * depth < _LARGE or table["class"] in _NOT_ON_META:
        return
    with torch.device("meta"):
        network = _build(table, model_class, path)
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    wrong = [name for name in {**own, **tensors} if name not in tensors or tensors[name].shape != own.get(name)]
    if wrong:
        raise CheckpointError(f"{path} does not fit its network: {len(wrong)} tensors differ, such as {wrong[0][:100]}")


def _build(table: dict[str, Any], class_of: Callable[[str], Any], path: Path) -> Any:
    """An object of a class that a header names, with its arguments."""
    options = {key: value for key, value in table.items() if key != "class"}
    try:
        kind = class_of(table["class"])
        hints = arguments_of(kind)
        for name, value in options.items():
            if name not in hints or not _fits(value, hints[name]):
                raise CheckpointError(
                    f"{path} does not hold weights of this version: {table['class']} has no {name} = {str(value)[:40]}"
                )
        return kind(**options)
    except KeyError:
        raise CheckpointError(f"{path} does not hold weights of this version: no class {table['class']!r}") from None
    except CheckpointError:
        raise
    except Exception as error:  # constructors fail in their own ways where arguments are odd
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} does not hold weights of this version: {table['class']}: {reason}") from None


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of JSON is what a constructor's annotation says."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(parts) and all(map(_fits, value, parts))
    if origin is Sequence:
        return isinstance(value, list) and all(_fits(one, parts[0]) for one in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
