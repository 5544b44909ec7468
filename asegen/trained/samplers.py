"""A trained network and its task, ready to draw crystals: what training made, as generation uses it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.crystals.wyckoff import Orbits
from asegen.diffusion.flow import TorusFlow
from asegen.diffusion.inpainting import Given, Inpainting
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.process import GenerativeProcess
from asegen.diffusion.symmetric_flow import SymmetricFlow
from asegen.models.header import read_model_header
from asegen.trained.loading import Trained, load_trained, pick_device
from asegen.trained.weights import JUDGE, find_weights
from asegen.training.registry import GENERATORS, SCORES, SYMMETRIC_GENERATORS

DEFAULT_MODEL = "torusflow-mp"
DEFAULT_SYMMETRIC_MODEL = "symmetric-mp"


class Sampler:
    """What samplers of crystals have in common.

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
        """Takes the parts as `load_generator` finds them; arguments as above."""
        header = trained.header
        self.name: str = header["name"]
        self.version = version
        self.elements = frozenset(header["elements"])
        self.max_atoms: int = header["max_atoms"]
        self.default_steps: int = trained.task.default_steps
        self._model, self._task, self._device = trained.network, trained.task, trained.device

    def __repr__(self) -> str:
        """Name and version of the model."""
        return f"<{type(self).__name__}: {self.name} {self.version}>"


class StructureSampler(Sampler):
    """Draws crystals of given compositions; arguments and attributes are `Sampler`'s."""

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
            process: GenerativeProcess = self._task
            return process.sample(self._model, numbers, n_atoms, noise, steps).to(device="cpu")

    @property
    def restarts(self) -> bool:
        """Whether the model can begin at a given crystal, or with parts of one."""
        return isinstance(self._task, TorusFlow)

    def inpaint(
        self,
        crystals: Crystals,
        atoms: Tensor,
        lattice: Tensor,
        seeds: Tensor,
        steps: int | None = None,
        search: bool = True,
    ) -> Crystals:
        """The atoms of crystals that aren't given, see `asegen.diffusion.inpainting`; only where the model `restarts`.

        Args:
            crystals: in reduced cells; where the atoms are that aren't given doesn't matter.
            atoms: (n_atoms_total,), bool, the given ones.
            lattice: (6,), bool, given coordinates of the lattices, see `asegen.diffusion.inpainting.Given`.
            seeds: (n_crystals,), int64; each result depends on its own alone.
            steps: network evaluations of a first trajectory; the default without it.
            search: choose the best of several trajectories and improve it; otherwise each is one trajectory, polished.

        Returns:
            Crystals on the CPU, in float32.
        """
        given = Given(crystals.to(self._device, torch.float32), atoms.to(self._device), lattice.to(self._device))
        noise = SampleNoise(seeds.to(self._device), given.crystals.n_atoms)
        process = Inpainting(self._task) if search else Inpainting(self._task, candidates=1, refinements=())
        return process.sample(self._model, given, noise, steps).to(device="cpu")

    def restart(self, crystals: Crystals, seeds: Tensor, time: float, steps: int | None = None) -> Crystals:
        """One crystal near each given one, see `TorusFlow.restart`; only where the model `restarts`.

        Args:
            crystals: in reduced cells.
            seeds: (n_crystals,), int64; each result depends on its own alone.
            time: in [0, 1), how much is kept of the given ones.
            steps: network evaluations of a whole trajectory; `default_steps` without it.

        Returns:
            Crystals on the CPU, in float32.
        """
        crystals, seeds = crystals.to(self._device, torch.float32), seeds.to(self._device)
        noise = SampleNoise(seeds, crystals.n_atoms)
        return self._task.restart(self._model, crystals, noise, time, steps).to(device="cpu")


class SymmetricSampler(Sampler):
    """Draws crystals of given groups and sites; arguments and attributes as `Sampler`'s.

    Args:
        trained: weights of a `SymmetricFlow`, or of a `TorusFlow`, whose velocities are projected.
        version: as above.
        bravais_mean: see `SymmetricFlow`; used with a `TorusFlow` only.
        bravais_std: likewise.

    Attributes:
        candidates: trajectories per sample, of which the best is kept.
    """

    def __init__(
        self,
        trained: Trained,
        version: str,
        bravais_mean: Sequence[Sequence[float]],
        bravais_std: Sequence[Sequence[float]],
    ) -> None:
        super().__init__(trained, version)
        if isinstance(trained.task, TorusFlow):
            self._task = SymmetricFlow.around(trained.task, bravais_mean, bravais_std)
        self.candidates: int = self._task.flow.candidates

    def sample(
        self, orbits: Orbits, seeds: Tensor, candidates: int, prior: Tensor, steps: int | None = None
    ) -> tuple[Tensor, SymmetricBatch]:
        """One crystal per sample; each depends on its own seed alone (up to rounding between batch shapes).

        Args:
            orbits: `candidates` batches of n_samples crystals, one after the other.
            seeds: (n_samples,), int64.
            candidates: per sample.
            prior: (n_crystals of `orbits`,), added to the judgement of each.
            steps: network evaluations; `default_steps` without it.

        Returns:
            (n_samples,), int64, the index of each sample's crystal in `orbits`, and the crystals, float64, on the CPU.
        """
        orbits, seeds, prior = orbits.to(self._device), seeds.to(self._device), prior.to(self._device)
        chosen, numbers = self._task.sample(self._model, orbits, seeds, candidates, prior, steps)
        return chosen.cpu(), SymmetricBatch(orbits[chosen], numbers).to("cpu")


class ScoreSampler(Sampler):
    """Draws crystals with the published score model; arguments and attributes as `Sampler`'s."""

    @property
    def general(self) -> bool:
        """Whether sites have to be in general position, and what they make shows at the end."""
        general: bool = self._task.general
        return general

    def sample(
        self, orbits: Orbits, seeds: Tensor, steps: int | None = None, repulsion: float = 0.0
    ) -> tuple[SymmetricBatch, Tensor]:
        """One crystal per sample; each depends on its own seed alone (up to rounding between batch shapes).

        Args:
            orbits: of each sample.
            seeds: (n_samples,), int64.
            steps: Langevin iterations at each noise level; `default_steps` without it.
            repulsion: of sites that overlap, see `SymmetricScore.sample`.

        Returns:
            The crystals, float64, on the CPU, and (n_samples,), bool: those that failed, see `SymmetricScore.sample`.

        Raises:
            InputError: a monoclinic or triclinic crystal.
        """
        orbits, seeds = orbits.to(self._device), seeds.to(self._device)
        numbers, failed = self._task.sample(self._model, orbits, seeds, steps, repulsion)
        return SymmetricBatch(orbits, numbers).to("cpu"), failed.cpu()


def is_score_model(name_or_path: str | None) -> bool:
    """Whether weights are the published score model's.

    Raises:
        InputError: no such model.
        CheckpointError: the file can't be read.
    """
    if name_or_path is None:
        return False
    header = read_model_header(find_weights(name_or_path, *SYMMETRIC_GENERATORS, *SCORES))
    return header["process"]["class"] in SCORES


def load_score_generator(name_or_path: str, device: str) -> ScoreSampler:
    """Loads weights of the published score model, see `load_generator`.

    Args:
        name_or_path: as there.
        device: as there.

    Raises:
        InputError: no such model or device, or weights of another task.
        CheckpointError: the file is corrupt, foreign, or doesn't fit its network.
    """
    return ScoreSampler(*_load(name_or_path, device, True, SCORES))


def load_symmetric_generator(
    name_or_path: str | None,
    device: str,
    search: bool,
    bravais_mean: Sequence[Sequence[float]],
    bravais_std: Sequence[Sequence[float]],
) -> SymmetricSampler:
    """Loads weights that draw crystals with a space group, see `load_generator`.

    Args:
        name_or_path: as there.
        device: as there.
        search: as there.
        bravais_mean: of the lattices of known crystals, see `SymmetricFlow`.
        bravais_std: their standard deviations.

    Raises:
        InputError: no such model or device, or weights that know no symmetry.
        CheckpointError: a file is corrupt, foreign, or doesn't fit its network.
    """
    trained, version = _load(name_or_path or DEFAULT_SYMMETRIC_MODEL, device, search, SYMMETRIC_GENERATORS)
    return SymmetricSampler(trained, version, bravais_mean, bravais_std)


def load_generator(name_or_path: str | None = None, device: str = "auto", search: bool = True) -> StructureSampler:
    """Loads trained weights, and the judge beside them if there is one.

    Args:
        name_or_path: a shipped model's name or a file; the default model without it.
        device: see `asegen.trained.loading.pick_device`.
        search: for each sample, choose the best of several trajectories and improve it, where the task knows how;
            otherwise each is one trajectory, as it comes.

    Raises:
        InputError: no such model or device, or weights that generate nothing.
        CheckpointError: a file is corrupt, foreign, or doesn't fit its network.
    """
    return StructureSampler(*_load(name_or_path or DEFAULT_MODEL, device, search, GENERATORS))


def _load(name_or_path: str, device: str, search: bool, tasks: Sequence[str]) -> tuple[Trained, str]:
    """Weights with their judge, and their version."""
    path, place = find_weights(name_or_path, *tasks), pick_device(device)
    trained = load_trained(path, place, *tasks, needs=("elements", "max_atoms"))
    files = [path]
    flow = trained.task.flow if isinstance(trained.task, SymmetricFlow) else trained.task
    if isinstance(flow, TorusFlow):
        beside = _judge_beside(path)
        if isinstance(trained.task, SymmetricFlow) and trained.task.judge_of and not beside.is_file():
            beside = _judge_beside(find_weights(trained.task.judge_of))
        if not search:
            flow.end_search()
        elif beside.is_file():
            flow.judge = _load_judge(beside, place)
            files.append(beside)
    checksum = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
    version = f"{trained.header['steps']}-{checksum}"
    return trained, version if search else f"{version}-quick"


def _judge_beside(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".safetensors") + f"{JUDGE}.safetensors")


def _load_judge(path: Path, device: torch.device) -> Callable[[Crystals], Tensor]:
    _, model, judge, _ = load_trained(path, device, "Judge")
    return partial(judge.score, model)
