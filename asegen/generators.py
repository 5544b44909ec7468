"""A trained network and its process, ready to draw crystals: what training made, as generation uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from asegen.crystal import Crystals
from asegen.diffusion.flow import TorusFlow
from asegen.diffusion.noise import SampleNoise
from asegen.errors import InputError
from asegen.trained import JUDGE, Trained, find_weights, load_trained, pick_device
from asegen.training.registry import GENERATORS

DEFAULT_MODEL = "torusflow-mp"


class StructureSampler:
    """Draws crystals of given compositions.

    Args:
        trained: a generator's weights.

    Attributes:
        name: the model's name.
        version: what distinguishes trainings of one recipe: its number of steps.
        elements: atomic numbers that occur in the training data.
        max_atoms: atoms of the largest training crystal.
        default_steps: steps of the sampler when the caller names none.
    """

    def __init__(self, trained: Trained) -> None:
        header = trained.header
        self.name: str = header["name"]
        self.version = str(header["steps"])
        self.elements = frozenset(header["elements"])
        self.max_atoms: int = header["max_atoms"]
        self.default_steps: int = trained.process.default_steps
        self._model, self._process, self._device = trained.network, trained.process, trained.device

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


def load_generator(
    name_or_path: str | None = None, device: str = "auto", candidates: int | None = None
) -> StructureSampler:
    """Loads trained weights, and the judge beside them if there is one.

    Args:
        name_or_path: a shipped model's name or a file; the default model without it.
        device: see `asegen.trained.pick_device`.
        candidates: trajectories that are begun for each sample, of which the best is kept and refined; what the weights
            say without it. 1 means one trajectory, without choice, refinement or polish.

    Raises:
        InputError: no such model or device, weights that generate nothing, or that draw no candidates.
        CheckpointError: a file is corrupt, foreign, or doesn't fit its network.
    """
    path, place = find_weights(name_or_path or DEFAULT_MODEL, *GENERATORS), pick_device(device)
    trained = load_trained(path, place, *GENERATORS)
    if isinstance(trained.process, TorusFlow):
        beside = path.with_name(path.name.removesuffix(".safetensors") + f"{JUDGE}.safetensors")
        trained.process.candidates = candidates or trained.process.candidates
        if candidates == 1:
            trained.process.refinements, trained.process.polish = [], []
        trained.process.judge = _load_judge(beside, place) if beside.is_file() else None
    elif candidates is not None:
        raise InputError(f"{path} holds a {type(trained.process).__name__}, which draws one candidate only")
    return StructureSampler(trained)


def _load_judge(path: Path, device: torch.device) -> Callable[[Crystals], Tensor]:
    _, model, judge, _ = load_trained(path, device, "Judge")
    return lambda crystals: judge.score(model, crystals)
