"""Trained weights by name or path, built into their network and their process: where every use of a model begins."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from asegen.errors import CheckpointError, InputError
from asegen.models.checkpoint import load_weights, read_header, read_tensors
from asegen.training.registry import MODELS, PROCESSES

JUDGE = ".judge"
"""Weights of a `Judge` that lie beside a generator's, `NAME.judge.safetensors`, are a part of it."""
CATALOGUE = ".wyckoff"
"""`NAME.wyckoff.safetensors` is a catalogue of known crystals, see `asegen.prototypes.catalogue`."""


class Trained(NamedTuple):
    """Weights as they are used: the file's header, the network (in evaluation mode), its process, the device."""

    header: dict[str, Any]
    network: nn.Module
    process: Any
    device: torch.device


def shipped_weights(*processes: str) -> list[str]:
    """Names of the weights inside the package, of some classes of processes or of all."""
    folder = resources.files("asegen") / "weights"
    names = sorted(e.name.removesuffix(".safetensors") for e in folder.iterdir() if e.name.endswith(".safetensors"))
    names = [name for name in names if not name.endswith((JUDGE, CATALOGUE))]
    return [name for name in names if not processes or read_header(_place(name))["process"]["class"] in processes]


def shipped_catalogue() -> Path:
    """The catalogue of known crystals inside the package: mp/train."""
    return _place(f"mp{CATALOGUE}")


def find_weights(name_or_path: str, *processes: str) -> Path:
    """The file of shipped weights by name, or a path as it is.

    Args:
        name_or_path: what is looked for.
        processes: classes of processes of which the error names the shipped weights; all without them.

    Raises:
        InputError: neither.
    """
    if name_or_path in shipped_weights():
        return _place(name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(shipped_weights(*processes)) or "none"
        raise InputError(f"no model {name_or_path!r}; shipped: {known}; or a path of weights")
    return path


def load_trained(path: Path, device: torch.device, *processes: str) -> Trained:
    """Builds what a file of weights holds.

    Args:
        path: the file.
        device: where the network goes.
        processes: the classes of processes that will do; any without them.

    Raises:
        InputError: the weights are of another process.
        CheckpointError: the file is corrupt, foreign, or doesn't fit its network.
    """
    header, tensors = read_tensors(path)
    try:
        kind = header["process"]["class"]
        if processes and kind not in processes:
            raise InputError(f"{path} holds weights for {kind}, not for {' or '.join(processes)}")
        network, process = _build(header["model"], MODELS), _build(header["process"], PROCESSES)
        load_weights(network, tensors, str(path))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} does not hold weights of this version ({error!r})") from None
    return Trained(header, network.to(device).eval(), process, device)


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


def _place(name: str) -> Path:
    return Path(str(resources.files("asegen") / "weights" / f"{name}.safetensors"))


def _build(table: dict[str, Any], known: dict[str, Any]) -> Any:
    return known[table["class"]](**{key: value for key, value in table.items() if key != "class"})
