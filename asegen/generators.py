"""A trained network and its process, ready to draw crystals: what training made, as generation uses it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asegen.crystal import Crystals
from asegen.diffusion.flow import TorusFlow
from asegen.diffusion.judge import Judge
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.process import Process
from asegen.errors import CheckpointError, InputError
from asegen.models.checkpoint import load_weights, read_tensors
from asegen.training.registry import MODELS, PROCESSES

DEFAULT_MODEL = "torusflow-mp"
_JUDGE = ".judge"
"""Weights of a `Judge` that lie beside a generator's, `NAME.judge.safetensors`, choose among its candidates."""


def shipped_weights() -> list[str]:
    """Names of the weights inside the package."""
    folder = resources.files("asegen") / "weights"
    names = sorted(e.name.removesuffix(".safetensors") for e in folder.iterdir() if e.name.endswith(".safetensors"))
    return [name for name in names if not name.endswith(_JUDGE)]


def find_weights(name_or_path: str) -> Path:
    """The file of shipped weights by name, or a path as it is.

    Raises:
        InputError: neither.
    """
    if name_or_path in shipped_weights():
        return Path(str(resources.files("asegen") / "weights" / f"{name_or_path}.safetensors"))
    path = Path(name_or_path)
    if not path.is_file():
        raise InputError(f"no model {name_or_path!r}; shipped: {', '.join(shipped_weights())}; or a path of weights")
    return path


class StructureSampler:
    """Draws crystals of given compositions.

    Attributes:
        name: the model's name.
        version: what distinguishes trainings of one recipe: its number of steps.
        elements: atomic numbers that occur in the training data.
        max_atoms: atoms of the largest training crystal.
        default_steps: steps of the sampler when the caller names none.
    """

    def __init__(self, header: dict[str, Any], model: nn.Module, process: Process, device: torch.device) -> None:
        self.name: str = header["name"]
        self.version = str(header["steps"])
        self.elements = frozenset(header["elements"])
        self.max_atoms: int = header["max_atoms"]
        self.default_steps = process.default_steps
        self._model, self._process, self._device = model, process, device

    def sample(self, numbers: Tensor, n_atoms: Tensor, seeds: Tensor, steps: int | None = None) -> Crystals:
        """One crystal per composition; each depends on its own seed alone (up to rounding between batch shapes).

        Args:
            numbers: (n_atoms_total,), int64, atomic numbers.
            n_atoms: (n_crystals,), int64.
            seeds: (n_crystals,), int64.
            steps: network evaluations; `default_steps` without it.

        Returns:
            Crystals on the CPU, in float32.
        """
        numbers, n_atoms, seeds = (t.to(self._device) for t in (numbers, n_atoms, seeds))
        with torch.no_grad():
            noise = SampleNoise(seeds, n_atoms)
            return self._process.sample(self._model, numbers, n_atoms, noise, steps).to(device="cpu")


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


def load_generator(
    name_or_path: str | None = None, device: str = "auto", candidates: int | None = None
) -> StructureSampler:
    """Loads trained weights, and the judge beside them if there is one.

    Args:
        name_or_path: a shipped model's name or a file; the default model without it.
        device: see `pick_device`.
        candidates: how many are drawn for each sample, of which the best is kept; what the weights say without it.

    Raises:
        InputError: no such model or device, or one that draws no candidates.
        CheckpointError: a file is corrupt, foreign, or doesn't fit its network.
    """
    path, place = find_weights(name_or_path or DEFAULT_MODEL), pick_device(device)
    header, model, process = _load(path, place)
    if not hasattr(process, "sample"):
        raise InputError(f"{path} holds a {header['process']['class']}, which generates nothing")
    if candidates is not None:
        if not isinstance(process, TorusFlow):
            raise InputError(f"{path} holds a {header['process']['class']}, which draws one candidate only")
        process.candidates = candidates
    beside = path.with_name(path.name.removesuffix(".safetensors") + f"{_JUDGE}.safetensors")
    if isinstance(process, TorusFlow) and beside.is_file():
        process.judge = _load_judge(beside, place)
    return StructureSampler(header, model, process, place)


def _load_judge(path: Path, device: torch.device) -> Callable[[Crystals], Tensor]:
    _, model, judge = _load(path, device)
    if not isinstance(judge, Judge):
        raise CheckpointError(f"{path} is not a judge")
    return lambda crystals: judge.score(model, crystals)


def _load(path: Path, device: torch.device) -> tuple[dict[str, Any], nn.Module, Any]:
    """Header, network and process of weights."""
    header, tensors = read_tensors(path)
    try:
        model, process = _build(header["model"], MODELS), _build(header["process"], PROCESSES)
        load_weights(model, tensors, str(path))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} does not hold weights of this version ({error!r})") from None
    return header, model.to(device).eval(), process


def _build(table: dict[str, Any], known: dict[str, Any]) -> Any:
    return known[table["class"]](**{key: value for key, value in table.items() if key != "class"})
