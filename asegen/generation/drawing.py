"""Drawing the samples of a plan one by one: seeds, attempts, the validity gate, and what `info` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ase import Atoms

from asegen import __version__
from asegen.errors import InputError
from asegen.generation.compositions import multiplied
from asegen.generation.plan import Sample, cut_batches, largest_first, make_plan, sample_seed, take_shard
from asegen.generation.plausibility import IMPLAUSIBLE, implausible
from asegen.generation.source import Source
from asegen.generation.stability import Stability
from asegen.generation.target import Target
from asegen.structures.validity import check_atoms, shortest_distance

MAX_ATTEMPTS = 20
"""How often a structure that fails the validity gate is drawn again with `valid_only`."""


class Drawer(Protocol):
    """How the samples of a plan become structures.

    As they come (`Plain`), what lies far above the hull behind the others (`Screened`), or as the best of many
    (`Ranked`).

    Attributes:
        source: where structures come from.
        may_lack: whether there may be fewer structures than samples.
    """

    source: Source
    may_lack: bool

    def settings(self) -> dict[str, object]:
        """What decides the structures beside targets and seeds."""
        ...

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """Refuses early what can't be drawn, see `Source.check`."""
        ...

    def batches(self, targets: Sequence[Target], n: int, shard: str | None = None) -> list[list[Sample]]:
        """The plan of `n` structures of every target, in the batches in which they are drawn.

        A shard, "K/N", is every N-th of what has to stay in one batch, as what is put in order together has.
        """
        ...

    def draw(self, batch: Sequence[Sample], seed: int, steps: int | None, valid_only: bool) -> list[Atoms]:
        """One batch of the plan, in its order."""
        ...

    def drawn_as(self, sample: Sample, info: Mapping[str, object]) -> Sample:
        """The sample by which the source drew a structure that stands for a sample of the plan."""
        ...


class Plain:
    """Draws one structure for each sample.

    Args:
        source: where structures come from.
        batch_size: structures drawn at once.
        stability: predicts their energies.
    """

    def __init__(self, source: Source, batch_size: int, stability: Stability) -> None:
        self.source, self.batch_size, self._stability = source, batch_size, stability
        self.may_lack = source.may_lack

    def settings(self) -> dict[str, object]:
        """The source's."""
        return self.source.settings()

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """The source's."""
        check_all(self.source, targets, force)

    def batches(self, targets: Sequence[Target], n: int, shard: str | None = None) -> list[list[Sample]]:
        """The largest cells first, see `cut_batches`; shards share structures out.

        Raises:
            InputError: `n` or the batches' size is under 1, too much is asked for, or there is no such shard.
        """
        return cut_batches(take_shard(largest_first(make_plan(targets, n)), shard), self.batch_size)

    def draw(self, batch: Sequence[Sample], seed: int, steps: int | None, valid_only: bool) -> list[Atoms]:
        """As `draw`, with energies; what the source lacks is left out."""
        there = [sample for sample in batch if self.source.can_draw(sample)] if self.may_lack else batch
        drawn = draw(self.source, there, seed, steps, valid_only)
        self._stability.judge(drawn)
        return drawn

    def drawn_as(self, sample: Sample, info: Mapping[str, object]) -> Sample:
        """The sample itself."""
        return sample


def check_all(source: Source, targets: Sequence[Target], force: bool) -> None:
    """Refuses early what a source can't draw in any of the cells that it may have.

    Args:
        source: where structures come from.
        targets: all that will be asked for, each as often as it will be.
        force: allow elements that the source doesn't know.

    Raises:
        InputError: it can't be drawn, see `Source.check`.
    """
    source.check(targets if source.chooses_cells else [cell for t in targets for cell in t.whole_cells], force)


def draw(
    source: Source, batch: Sequence[Sample], seed: int, steps: int | None = None, valid_only: bool = False
) -> list[Atoms]:
    """Draws samples at once, and again what fails the validity gate, if that is asked for.

    Args:
        source: where structures come from.
        batch: of a plan.
        seed: of the run.
        steps: of the sampler; the source's default without it.
        valid_only: draw again what fails, up to `MAX_ATTEMPTS` times; so does a source that `always_redraws`.

    Returns:
        Structures in the batch's order, marked with the outcome of the validity gate.

    Raises:
        InputError: memory is too small.
    """
    drawn = _draw_once(source, batch, seed, steps, 0)
    for attempt in range(1, MAX_ATTEMPTS if valid_only or source.always_redraws else 1):
        wrong = [k for k, atoms in enumerate(drawn) if not atoms.info["valid"]]
        if not wrong:
            break
        again = _draw_once(source, [batch[k] for k in wrong], seed, steps, attempt)
        for k, atoms in zip(wrong, again, strict=True):
            drawn[k] = atoms
    return drawn


def _draw_once(source: Source, batch: Sequence[Sample], seed: int, steps: int | None, attempt: int) -> list[Atoms]:
    seeds = [sample_seed(seed, sample, attempt) for sample in batch]
    wanted = batch if source.chooses_cells else [sample.in_cell for sample in batch]
    structures = _proposed(source, wanted, seeds, steps)
    for atoms, sample, own_seed in zip(structures, wanted, seeds, strict=True):
        atoms.info = {
            "formula": _formula(atoms, sample.target),
            "model": source.identity.name,
            "model_version": source.identity.version,
            "asegen_version": __version__,
            "seed": seed,
            "sample_index": sample.index,
            "sample_seed": own_seed,
            "attempt": attempt,
            "steps": steps or source.identity.default_steps,
            **judged(atoms),
        }
        if sample.target.material_id is not None:
            atoms.info["material_id"] = sample.target.material_id
        if atoms.info["valid"] and (why := implausible(atoms)) is not None:
            atoms.info[IMPLAUSIBLE] = why
    return structures


def _formula(atoms: Atoms, target: Target) -> str:
    """Of the cell, elements in the order in which they were asked for."""
    if target.composition is None:
        return str(atoms.get_chemical_formula("metal"))
    if target.cells is None:
        return target.composition.formula
    return multiplied(target.composition, len(atoms) // len(target.numbers)).formula


def _proposed(source: Source, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
    try:
        return source.propose(batch, seeds, steps)
    except (MemoryError, RuntimeError) as error:  # torch has no class of its own for a CPU's memory
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        size = f"{len(batch)} structures of up to {max(sample.n_atoms for sample in batch)} atoms"
        raise InputError(f"out of memory with {size} at once: use a smaller batch_size", "batch_size") from None


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
