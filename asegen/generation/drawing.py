"""Drawing the samples of a plan one by one: seeds, attempts, the validity gate, and what `info` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ase import Atoms

from asegen import __version__
from asegen.errors import InputError
from asegen.generation.plan import Sample, cut_batches, make_plan, sample_seed
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

    def batches(self, targets: Sequence[Target], n: int) -> list[list[Sample]]:
        """The plan of `n` structures of every target, in the batches in which they are drawn."""
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

    may_lack = False

    def __init__(self, source: Source, batch_size: int, stability: Stability) -> None:
        self.source, self.batch_size, self._stability = source, batch_size, stability

    def settings(self) -> dict[str, object]:
        """The source's."""
        return self.source.settings()

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """The source's."""
        self.source.check(targets, force)

    def batches(self, targets: Sequence[Target], n: int) -> list[list[Sample]]:
        """The largest cells first, see `cut_batches`.

        Raises:
            InputError: `n` or the batches' size is under 1, or too much is asked for.
        """
        return cut_batches(make_plan(targets, n), self.batch_size)

    def draw(self, batch: Sequence[Sample], seed: int, steps: int | None, valid_only: bool) -> list[Atoms]:
        """As `draw`, with energies."""
        drawn = draw(self.source, batch, seed, steps, valid_only)
        self._stability.judge(drawn)
        return drawn

    def drawn_as(self, sample: Sample, info: Mapping[str, object]) -> Sample:
        """The sample itself."""
        return sample


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
    structures = _proposed(source, batch, seeds, steps)
    for atoms, sample, own_seed in zip(structures, batch, seeds, strict=True):
        known = sample.target.composition
        atoms.info = {
            "formula": atoms.get_chemical_formula("metal") if known is None else known.formula,
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
    return structures


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
