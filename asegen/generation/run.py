"""Runs: planned and checked, drawn batch by batch, in memory or into a file, and resumed to the same result.

A `Job` is a run that was planned and checked; it is drawn in memory (`Job.iterate`) or into a file (`run`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from ase import Atoms

from asegen import __version__
from asegen.errors import InputError
from asegen.generation.drawing import Drawer
from asegen.generation.outputs import PartialOutput
from asegen.generation.plan import Sample, check_settings, parse_shard, plan_hash, sample_seed, take_shard
from asegen.generation.request import Request
from asegen.generation.source import with_cells
from asegen.structures.formats import CIF, FOLDER, check_room, output_format


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        structures: samples that are done.
        atoms: of those; time grows with them rather than with structures.
        all_structures: of the run.
        all_atoms: of the run.
        largest_cell: atoms, of all cells of the run.
        part: the growing file.
    """

    structures: int
    atoms: int
    all_structures: int
    all_atoms: int
    largest_cell: int
    part: Path


class Finished(NamedTuple):
    """What became of a run.

    Attributes:
        path: the output; not written if no structure is left for it.
        was_complete: nothing was drawn, because a run that was to be resumed had nothing left to do.
        left_out: structures that aren't in the output, so and because its format can't hold them; `info` says why.
        missing: indices of samples that aren't in the output.
    """

    path: Path
    was_complete: bool
    left_out: list[Atoms]
    missing: list[int]


@dataclass(frozen=True)
class Job:
    """A run that was planned and checked.

    Attributes:
        drawer: how samples become structures.
        batches: of the plan, or of its shard.
        seed: the run's.
        steps: of the sampler; the source's default without it.
        valid_only: draw again what fails the validity gate, and leave out of a file what still does.
    """

    drawer: Drawer
    batches: Sequence[Sequence[Sample]]
    seed: int
    steps: int | None
    valid_only: bool

    def iterate(self, start: int = 0) -> Iterator[list[Atoms]]:
        """Batches of structures, as they are drawn; `start` is the first batch."""
        from asegen.generation.finishing import note_group  # loads spglib, which a refusal doesn't need, and
        from asegen.structures.writing import structure_name  # ASE's formats

        for batch in self.batches[start:]:
            drawn = self.drawer.draw(batch, self.seed, self.steps, self.valid_only)
            for atoms in drawn:
                if not self.drawer.source.keeps_spacegroup:  # which knows the group that it was made in
                    note_group(atoms)
                atoms.info["name"] = structure_name(atoms)
            yield drawn

    @cached_property
    def settings(self) -> dict[str, object]:
        """What, beside the plan, decides the result."""
        identity = self.drawer.source.identity
        return self.drawer.settings() | {
            "asegen": __version__,
            "model": [identity.name, identity.version],
            "steps": self.steps or identity.default_steps,
            "seed": self.seed,
            "valid_only": self.valid_only,
        }

    @cached_property
    def largest_cell(self) -> int:
        """Atoms of the largest cell; 0 where the run is a shard without batches."""
        return max((sample.n_atoms for batch in self.batches for sample in batch), default=0)

    @cached_property
    def _done_after(self) -> list[tuple[int, int]]:
        """(n_batches + 1,): structures and atoms after so many batches."""
        structures = accumulate((len(batch) for batch in self.batches), initial=0)
        atoms = accumulate((sum(sample.n_atoms for sample in batch) for batch in self.batches), initial=0)
        return list(zip(structures, atoms, strict=True))

    def progress(self, batches: int, part: Path) -> Progress:
        """How far the run is after so many batches."""
        return Progress(*self._done_after[batches], *self._done_after[-1], self.largest_cell, part)

    def has_made(self, sample: Sample, info: Mapping[str, object]) -> bool:
        """Whether a structure in a file is what this run draws for a sample."""
        settings = self.settings
        if [str(info["model"]), str(info["model_version"])] != settings["model"] or info["steps"] != settings["steps"]:
            return False
        if any(info.get(name) != settings.get(name) for name in ("ranked_by", "pool", "targets")):
            return False
        drawn_as, attempt = self.drawer.drawn_as(sample, info), int(str(info["attempt"]))
        return info["sample_seed"] == sample_seed(self.seed, drawn_as, attempt)


def plan_job(
    drawer: Drawer,
    request: Request,
    n: int = 1,
    seed: int = 0,
    steps: int | None = None,
    valid_only: bool = False,
    force: bool = False,
    shard: str | None = None,
) -> Job:
    """Plans a run and refuses what can't be drawn.

    Args:
        drawer: how samples become structures.
        request: what is asked for.
        n: structures of each composition; with a ranking, the best of its candidates.
        seed: of the run.
        steps: of the sampler.
        valid_only: see `Job`.
        force: allow elements that the source doesn't know.
        shard: "K/N": the K-th of N parts; one without anything to draw, where there are more parts than units.

    Raises:
        InputError: it can't be done; names what can't.
    """
    n, seed, steps, _ = check_settings(n, seed, steps)
    if request.host is not None and not drawer.source.holds_given:
        raise InputError(f'{drawer.source.identity.name} would move the host: Generator("host") holds it', "host")
    targets = with_cells(drawer.source, drawer.source.compose(request.targets()))
    batches = drawer.batches(targets, n)
    drawer.check([sample.target for batch in batches for sample in batch], force)  # all shards refuse the same
    enough = len(batches) >= parse_shard(shard)[1]  # to be shared out whole, as one run draws them
    own = take_shard(batches, shard) if enough else drawer.batches(targets, n, shard)
    return Job(drawer, own, seed, steps, valid_only)


def run(
    job: Job,
    output: str,
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    found: Callable[[Atoms], None] = lambda atoms: None,
) -> Finished:
    """Draws a job into a file, so that whatever kills it, a resumed one goes on to the same result.

    Args:
        job: the run.
        output: its name decides the format: .extxyz, .cif, .traj, .db, or a folder of POSCARs.
        resume: go on with what is there, if it is this run's.
        overwrite: replace what is there once the run is done.
        report: told how far the run is before the first batch and after each.
        found: given every structure of the finished output, in the plan's order.

    Raises:
        InputError: the output is there already, is another run's, or can't be written.
    """
    batches = [list(batch) for batch in job.batches]
    number = sum(map(len, batches))
    check_room(output_format(output), number, output)
    settings = job.settings | {"what was asked for": plan_hash(batches)}
    with closing(PartialOutput(output, settings, resume, overwrite)) as partial:
        left_out = [] if partial.complete else _draw_into(partial, job, report)
    if not partial.has_output:
        return Finished(
            partial.out, partial.complete, left_out, [sample.index for batch in batches for sample in batch]
        )
    missing = _read_again(partial, job, found)
    if missing and not (job.drawer.may_lack or job.valid_only or partial.format in (CIF, FOLDER)):
        raise InputError(
            f"{partial.out} is finished and holds {number - len(missing)} of {number} structures that are asked for: "
            "draw them with overwrite",
            "overwrite",
        )
    return Finished(partial.out, partial.complete, left_out, missing)


def _draw_into(partial: PartialOutput, job: Job, report: Callable[[Progress], None]) -> list[Atoms]:
    report(job.progress(partial.batches_done, partial.part))
    for structures in job.iterate(partial.batches_done):
        partial.append(structures)
        report(job.progress(partial.batches_done, partial.part))
    return partial.finish(job.valid_only)


def _read_again(partial: PartialOutput, job: Job, found: Callable[[Atoms], None]) -> list[int]:
    """Hands on what is on disk now; which samples aren't there."""
    wanted = {sample.index: sample for batch in job.batches for sample in batch}
    for atoms in partial.read():
        sample = wanted.pop(int(atoms.info.get("sample_index", -1)), None)
        if sample is None or not job.has_made(sample, atoms.info):
            raise InputError(
                f"{partial.out} was written with other arguments: repeat those, or use overwrite", "overwrite"
            )
        found(atoms)
    return list(wanted)
