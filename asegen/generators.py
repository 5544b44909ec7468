"""A trained network and its process, ready to draw crystals: what training made, as generation uses it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from asegen.crystal import Crystals
from asegen.diffusion.flow import TorusFlow
from asegen.diffusion.noise import SampleNoise
from asegen.trained import JUDGE, Trained, find_weights, load_trained, pick_device
from asegen.training.registry import GENERATORS

DEFAULT_MODEL = "torusflow-mp"


class StructureSampler:
    """Draws crystals of given compositions.

    Args:
        trained: a generator's weights.
        version: see below.

    Attributes:
        name: the model's name.
        version: what distinguishes models of one name: the number of training steps and a checksum of the weights and
            their judge's, with "-quick" where there is no search.
        elements: atomic numbers that occur in the training data.
        max_atoms: atoms of the largest training crystal.
        default_steps: steps of the sampler when the caller names none.
    """

    def __init__(self, trained: Trained, version: str) -> None:
        header = trained.header
        self.name: str = header["name"]
        self.version = version
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


def load_generator(name_or_path: str | None = None, device: str = "auto", search: bool = True) -> StructureSampler:
    """Loads trained weights, and the judge beside them if there is one.

    Args:
        name_or_path: a shipped model's name or a file; the default model without it.
        device: see `asegen.trained.pick_device`.
        search: for each sample, choose the best of several trajectories and improve it, where the process knows how;
            otherwise each is one trajectory, as it comes.

    Raises:
        InputError: no such model or device, or weights that generate nothing.
        CheckpointError: a file is corrupt, foreign, or doesn't fit its network.
    """
    path, place = find_weights(name_or_path or DEFAULT_MODEL, *GENERATORS), pick_device(device)
    trained = load_trained(path, place, *GENERATORS)
    beside = path.with_name(path.name.removesuffix(".safetensors") + f"{JUDGE}.safetensors")
    files = [path]
    if isinstance(trained.process, TorusFlow):
        if not search:
            trained.process.end_search()
        elif beside.is_file():
            trained.process.judge = _load_judge(beside, place)
            files.append(beside)
    checksum = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
    version = f"{trained.header['steps']}-{checksum}"
    return StructureSampler(trained, version if search else f"{version}-quick")


def _load_judge(path: Path, device: torch.device) -> Callable[[Crystals], Tensor]:
    _, model, judge, _ = load_trained(path, device, "Judge")
    return lambda crystals: judge.score(model, crystals)
