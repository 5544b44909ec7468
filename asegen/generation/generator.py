"""`Generator`: crystals of given compositions as `ase.Atoms`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import torch
from ase import Atoms
from ase.data import chemical_symbols

from asegen import __version__
from asegen.errors import InputError
from asegen.generation.compositions import Composition, from_formula
from asegen.generation.plan import Sample, cut_batches, make_plan, sample_seed
from asegen.structures.atoms import atoms_from_crystals, check_atoms, shortest_distance
from asegen.trained.samplers import load_generator

MAX_ATTEMPTS = 20
"""How often a structure that fails the validity gate is drawn again with `valid_only`."""


class Source(Protocol):
    """What structures come from: the attributes of `asegen.trained.samplers.Sampler`."""

    name: str
    version: str
    elements: frozenset[int]
    max_atoms: int
    default_steps: int


class Generator:
    """Draws crystals with a trained model.

    Each structure's `info` names formula, model, model_version, asegen_version, seed, sample_index, sample_seed,
    attempt, steps, shortest_distance (Å), valid, and, where they apply, reason (why not valid) and material_id.

    Args:
        model: a shipped model's name or the path of weights; the default model without it.
        device: "auto", "cpu", "cuda", "cuda:1" …
        batch_size: structures drawn at once. Another size may change results by rounding, nothing else does.
        quick: one rough trajectory per structure, without choice among candidates: over ten times faster.

    Raises:
        InputError: no such model or device.
        CheckpointError: weights that can't be read.
    """

    def __init__(
        self, model: str | None = None, device: str = "auto", batch_size: int = 64, quick: bool = False
    ) -> None:
        self._structures = load_generator(model, device, search=not quick)
        self.sampler: Source = self._structures
        self.batch_size = batch_size

    def generate(
        self,
        formulas: str | Composition | Sequence[str | Composition],
        n: int = 1,
        seed: int = 0,
        multiples: Sequence[int] = (1,),
        steps: int | None = None,
        valid_only: bool = False,
        force: bool = False,
    ) -> list[Atoms]:
        """Draws `n` structures of every formula and multiple, in that order.

        Args:
            formulas: one or several, such as "SrTiO3"; or compositions, as the functions of
                `asegen.generation.compositions` give them, whose cells are taken as they are.
            n: structures of each.
            seed: the same seed gives the same structures on the same kind of device.
            multiples: formula units in the cell.
            steps: steps of the sampler; the model's default without it.
            valid_only: draw again what fails the validity gate, until it passes or was drawn `MAX_ATTEMPTS` times; what
                still fails is returned, marked.
            force: allow elements that the model wasn't trained on.

        Returns:
            Periodic Atoms without a calculator.

        Raises:
            InputError: a bad formula, count or number of steps, or an element without training data.
        """
        drawn = self.iterate(formulas, n, seed, multiples, steps, valid_only, force)
        return sorted(drawn, key=lambda atoms: atoms.info["sample_index"])

    def iterate(
        self,
        formulas: str | Composition | Sequence[str | Composition],
        n: int = 1,
        seed: int = 0,
        multiples: Sequence[int] = (1,),
        steps: int | None = None,
        valid_only: bool = False,
        force: bool = False,
    ) -> Iterator[Atoms]:
        """The same structures as `generate`, one by one as they are drawn, for long runs.

        Args:
            formulas: as in `generate`, like all other arguments.
            n: structures of each.
            seed: the run's.
            multiples: formula units in the cell.
            steps: steps of the sampler.
            valid_only: draw again what fails the validity gate.
            force: allow elements that the model wasn't trained on.

        Returns:
            Iterator over Atoms, batch by batch, large cells first; `info["sample_index"]` is the place in the request.

        Raises:
            InputError: as in `generate`, before anything is drawn.
        """
        wanted = [formulas] if isinstance(formulas, str | Composition) else formulas
        compositions: list[Composition] = []
        for item in wanted:
            compositions += [item] if isinstance(item, Composition) else from_formula(item, multiples)
        batches = self.batches(compositions, n)
        self.check([sample.composition for batch in batches for sample in batch], steps, force)
        return (atoms for batch in batches for atoms in self.draw(batch, seed, steps, valid_only))

    def batches(self, compositions: Sequence[Composition], n: int) -> list[list[Sample]]:
        """The plan of `n` structures of every composition, in the batches in which they are drawn.

        Raises:
            InputError: `n` or the batches' size is under 1, or too much is asked for.
        """
        return cut_batches(make_plan(compositions, n), self.batch_size)

    def settings(self) -> dict[str, object]:
        """What decides the structures beside compositions, seeds and the model, for the fingerprint of a run."""
        return {}

    def origin(self, sample: Sample, info: Mapping[str, object]) -> Sample:
        """The sample by which a structure in a run's output was drawn: that of the plan.

        Args:
            sample: of the plan.
            info: of the structure that it became.
        """
        return sample

    def is_sensible(self, sample: Sample) -> bool:
        """Whether a sample is worth drawing as one of several candidates, all of which passed `check` together."""
        return True

    def check(self, compositions: Sequence[Composition], steps: int | None, force: bool) -> None:
        """Refuses early what can't be drawn.

        Raises:
            InputError: an element without training data (named) unless forced, or a number of steps under 1.
        """
        if steps is not None and steps < 1:
            raise InputError(f"--steps {steps}: at least 1 is needed")
        foreign: dict[str, str] = {}
        for composition in compositions:
            for z in set(composition.numbers) - self.sampler.elements:
                foreign.setdefault(chemical_symbols[z], composition.formula)
        if foreign and not force:
            named = ", ".join(f"{symbol} (in {formula})" for symbol, formula in sorted(foreign.items()))
            raise InputError(f"{self.sampler.name} has no training data with {named}; --force draws all the same")

    def draw(
        self, batch: Sequence[Sample], seed: int, steps: int | None = None, valid_only: bool = False
    ) -> list[Atoms]:
        """Draws one batch of a plan.

        Returns:
            Structures in the batch's order, marked with the outcome of the validity gate.
        """
        drawn = self._draw_once(batch, seed, steps, 0)
        for attempt in range(1, MAX_ATTEMPTS if valid_only else 1):
            wrong = [k for k, atoms in enumerate(drawn) if not atoms.info["valid"]]
            if not wrong:
                break
            for k, atoms in zip(wrong, self._draw_once([batch[k] for k in wrong], seed, steps, attempt), strict=True):
                drawn[k] = atoms
        return drawn

    def _draw_once(self, batch: Sequence[Sample], seed: int, steps: int | None, attempt: int) -> list[Atoms]:
        seeds = [sample_seed(seed, sample, attempt) for sample in batch]
        try:
            structures = self.sample(batch, seeds, steps)
        except (MemoryError, RuntimeError) as error:  # torch has no class of its own for a CPU's memory
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                raise
            largest = max(len(sample.composition.numbers) for sample in batch)
            size = f"{len(batch)} structures of up to {largest} atoms"
            raise InputError(f"out of memory with {size} at once: use a smaller --batch") from None
        for atoms, sample, own_seed in zip(structures, batch, seeds, strict=True):
            atoms.info = {
                "formula": sample.composition.formula,
                "model": self.sampler.name,
                "model_version": self.sampler.version,
                "asegen_version": __version__,
                "seed": seed,
                "sample_index": sample.index,
                "sample_seed": own_seed,
                "attempt": attempt,
                "steps": steps or self.sampler.default_steps,
                **judged(atoms),
            }
            if sample.composition.material_id is not None:
                atoms.info["material_id"] = sample.composition.material_id
        return structures

    def sample(self, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample of a batch, with what else is known of it in `info`; `draw` without the gate.

        Args:
            batch: samples of a plan.
            seeds: of each.
            steps: of the sampler; the model's default without it.
        """
        n_atoms = torch.tensor([len(sample.composition.numbers) for sample in batch])
        numbers = torch.tensor([z for sample in batch for z in sample.composition.numbers])
        return atoms_from_crystals(self._structures.sample(numbers, n_atoms, torch.tensor(seeds), steps))


def judged(atoms: Atoms) -> dict[str, object]:
    """A structure's `info` with the verdict of the validity gate: valid, reason, shortest_distance.

    Args:
        atoms: a structure; a reason in its `info`, of whoever made it, counts too.
    """
    found = check_atoms(atoms)
    reason = str(found) if found else atoms.info.get("reason")
    info: dict[str, object] = {**atoms.info, "valid": reason is None}
    if reason is not None:
        info["reason"] = reason
    if found is None or found.kind == "overlapping atoms":  # otherwise the cell may be one that has no distances
        info["shortest_distance"] = round(shortest_distance(atoms), 4)
    return info
