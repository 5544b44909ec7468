"""`Diffusion`: crystals of given compositions, drawn by a trained model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase import Atoms

from asegen.generation.plan import Sample
from asegen.generation.source import Source, identity_of
from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms
from asegen.structures.validity import niggli_reduce
from asegen.trained.samplers import load_generator


class Diffusion(Source):
    """Draws crystals of given compositions with a trained model.

    Args:
        model: a shipped model's name or the path of weights; the default model without it.
        device: "auto", "cpu", "cuda", "cuda:1" …
        quick: one rough trajectory per structure, without choice among several: over ten times faster.

    Raises:
        InputError: no such model or device.
        CheckpointError: weights that can't be read.
    """

    def __init__(self, model: str | None = None, device: str = "auto", quick: bool = False) -> None:
        self.sampler = load_generator(model, device, search=not quick)
        self.identity = identity_of(self.sampler)

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, see `Source.propose`."""
        n_atoms = torch.tensor([len(sample.target.numbers) for sample in samples])
        numbers = torch.tensor([z for sample in samples for z in sample.target.numbers])
        return atoms_from_crystals(self.sampler.sample(numbers, n_atoms, torch.tensor(seeds), steps))

    @property
    def restarts(self) -> bool:
        """Whether the model can begin at given crystals."""
        return self.sampler.restarts

    def restart(self, structures: Sequence[Atoms], seeds: Sequence[int], time: float, steps: int | None) -> list[Atoms]:
        """One structure near each given one; only where the model `restarts`.

        Args:
            structures: where to begin.
            seeds: one for each.
            time: in [0, 1), how much is kept of them.
            steps: of a whole trajectory; the default without it.
        """
        crystals = crystals_from_atoms([_reduced(atoms) for atoms in structures])
        return atoms_from_crystals(self.sampler.restart(crystals, torch.tensor(seeds), time, steps))


def _reduced(atoms: Atoms) -> Atoms:
    """In the Niggli cell, as in training."""
    cell, positions = niggli_reduce(atoms.cell.array, atoms.get_scaled_positions())
    return Atoms(atoms.numbers, cell=cell, scaled_positions=positions, pbc=True)
