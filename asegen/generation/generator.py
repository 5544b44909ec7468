"""`Generator`: crystals as `ase.Atoms`, from any source, ranked or not, in memory or into a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, final

from ase import Atoms

from asegen.arguments import check_path
from asegen.criteria.criterion import Wanted as Targets
from asegen.errors import InputError
from asegen.generation.drawing import Drawer, Plain
from asegen.generation.plan import check_settings
from asegen.generation.ranking import ENERGY, Ranking, check_order
from asegen.generation.request import Formulas, Request
from asegen.generation.run import Finished, Job, Progress, plan_job, run
from asegen.generation.screened import Screened
from asegen.generation.source import Source, check_source
from asegen.generation.sources.registry import DEFAULT, find_entry, open_source
from asegen.generation.stability import Stability

if TYPE_CHECKING:
    from asegen.generation.on_target import OnTarget

Wanted = Request | Formulas
"""A request, or formulas for one."""


@final
class Generator:
    """Draws crystals.

    `Generator()` lets known structure types and models take turns, the likeliest type first. `Generator("diffusion")`
    is the model alone, `Generator("analogy")` and `Generator("symmetric")` keep a space group exactly,
    `Generator("hybrid", rank="chgnet")` ranks many candidates by energy.

    Where known structure types and models take turns, what is predicted to lie far above the hull of the known phases
    comes after what doesn't, and further structures are drawn in its place (see `Screened`).

    Each structure's `info` has its name, which is unique in a run, formula, model, model_version, asegen_version, seed,
    sample_index, sample_seed, attempt, steps, shortest_distance (Å), valid, formation_energy_predicted and
    e_hull_predicted (eV/atom, see `Stability`; e_hull_missing says why there are none), and, where they apply, reason
    (why not valid) and material_id; besides what the source and the ranking say, see there.

    Args:
        source: a name of `asegen.generation.sources.registry.SOURCES`, or a source that is open, such as
            `open_source("template", templates="aflow", device="cuda")`.
        rank: order candidates by energy and give the best: the `Ranking`, or its `by`, such as "alignn" or "chgnet".
        batch_size: structures drawn at once. Another size may change results by rounding, nothing else does.
        order_by: with a ranking, "energy" (default): by energy per atom, and by likelihood within the energies' error;
            or "likelihood": by both together, see `Ranked`. Without a ranking, "energy": what is predicted to lie far
            above the hull comes last; or "likelihood": the source's own order, and no further structures are drawn.
            Without a ranking and without it, known structure types are ordered by energy, what a model draws is left
            as it is.
        device: where energies above the hull are predicted, and sources that are given by name compute.
        targets: ranges of properties, such as ["band_gap=1..2"] or {"band_gap": (1, 2)}, see
            `asegen.criteria.criterion.read_criteria`; what doesn't meet them is left out.

    Raises:
        InputError: no such source, model, ranking, order or device.
        CheckpointError: weights that can't be read.
        AsegenError: a calculator's package is missing.
    """

    def __init__(
        self,
        source: str | Source = DEFAULT,
        *,
        rank: str | Ranking | None = None,
        batch_size: int = 64,
        order_by: str | None = None,
        device: str = "auto",
        targets: Targets = (),
    ) -> None:
        """Opens the source; arguments as above."""
        batch_size = check_settings(1, batch_size=batch_size).batch_size
        check_order(order_by)
        _check_rank(rank)
        if isinstance(source, str):
            quick = rank is not None and find_entry(source).quick_if_ranked
            source = open_source(source, device=device, quick=quick)
        check_source(source)
        self._drawer = _drawer(source, rank, batch_size, order_by, device)
        self._on_target = _on_target(self._drawer, targets, device) if targets else None
        if self._on_target is not None:
            self._drawer = self._on_target

    def __repr__(self) -> str:
        """Name and version of what draws."""
        return f"<Generator: {self.source.identity.name} {self.source.identity.version}>"

    @property
    def off_target(self) -> str:
        """What the nearest structure lacks of those left out for their properties; empty where none was."""
        return "" if self._on_target is None else self._on_target.miss

    @property
    def source(self) -> Source:
        """Where structures come from."""
        return self._drawer.source

    def generate(
        self,
        request: Wanted,
        n: int = 1,
        seed: int = 0,
        *,
        steps: int | None = None,
        valid_only: bool = False,
        force: bool = False,
    ) -> list[Atoms]:
        """Draws `n` structures of every composition, in the request's order.

        Args:
            request: formulas, such as "SrTiO3", ["NaCl", "KCl"] or a Composition or Structure of pymatgen, or a
                `Request` for all else: multiples, chemical systems, space groups, files.
            n: structures of each composition; with a ranking, the best of its candidates, of which there may be fewer.
            seed: the same seed gives the same structures on the same kind of device.
            steps: of the sampler; the source's default without it.
            valid_only: draw again what fails the validity gate, until it passes or was drawn `MAX_ATTEMPTS` times; what
                still fails is returned, marked.
            force: allow elements that the source doesn't know.

        Returns:
            Periodic Atoms without a calculator.

        Raises:
            InputError: a bad formula or number, or something that the source can't draw.
        """
        drawn = self.iterate(request, n, seed, steps=steps, valid_only=valid_only, force=force)
        return sorted(drawn, key=lambda atoms: atoms.info["sample_index"])

    def iterate(
        self,
        request: Wanted,
        n: int = 1,
        seed: int = 0,
        *,
        steps: int | None = None,
        valid_only: bool = False,
        force: bool = False,
    ) -> Iterator[Atoms]:
        """The same structures as `generate`, one by one as they are drawn, for long runs.

        Args:
            request: as in `generate`, like all other arguments.
            n: structures of each composition.
            seed: the run's.
            steps: of the sampler.
            valid_only: draw again what fails the validity gate.
            force: allow elements that the source doesn't know.

        Returns:
            Iterator over Atoms, batch by batch, large cells first; `info["sample_index"]` is the place in the request.

        Raises:
            InputError: as in `generate`, before anything is drawn.
        """
        job = self.plan(request, n, seed, steps=steps, valid_only=valid_only, force=force)
        return (atoms for batch in job.iterate() for atoms in batch)

    def run(
        self,
        request: Wanted,
        output: str | Path,
        n: int = 1,
        seed: int = 0,
        *,
        steps: int | None = None,
        valid_only: bool = False,
        force: bool = False,
        shard: str | None = None,
        resume: bool = False,
        overwrite: bool = False,
        report: Callable[[Progress], None] = lambda progress: None,
        found: Callable[[Atoms], None] = lambda atoms: None,
    ) -> Finished:
        """The same structures as `generate`, into a file, so that a killed run can be resumed to the same result.

        Args:
            request: as in `generate`, like all arguments that are named there.
            output: its name decides the format: .extxyz, .cif, .traj, .db, or a folder of POSCARs. Structures are
                written to `output`.part.extxyz as they are drawn.
            n: structures of each composition.
            seed: the run's.
            steps: of the sampler.
            valid_only: draw again what fails the validity gate, and leave out what still does.
            force: allow elements that the source doesn't know.
            shard: "K/N" does the K-th of N parts of the run, for job arrays. They share batches out, or structures
                where there are fewer batches; but what is put in order together stays in one: 32 structures of a
                formula with known structure types, all of it with a ranking. A part may have nothing to draw.
            resume: go on with a killed run.
            overwrite: replace `output` if it exists.
            report: told how far the run is, before the first batch and after each.
            found: given every structure of the finished output, in the request's order.

        Raises:
            InputError: as in `generate`; or the output is there already, is another run's, or can't be written.
        """
        check_path("output", output, "a file or folder")
        job = self.plan(request, n, seed, steps=steps, valid_only=valid_only, force=force, shard=shard)
        return run(job, str(output), resume, overwrite, report, found)

    def plan(
        self,
        request: Wanted,
        n: int = 1,
        seed: int = 0,
        *,
        steps: int | None = None,
        valid_only: bool = False,
        force: bool = False,
        shard: str | None = None,
    ) -> Job:
        """What `generate`, `iterate` and `run` do, planned and checked; arguments as there.

        Raises:
            InputError: as in `generate`.
        """
        wanted = request if isinstance(request, Request) else Request(request)
        return plan_job(self._drawer, wanted, n, seed, steps, valid_only, force, shard)


def _on_target(drawer: Drawer, targets: Targets, device: str) -> OnTarget:
    from asegen.criteria.criterion import read_criteria
    from asegen.criteria.judging import Criteria  # loads networks
    from asegen.generation.on_target import OnTarget

    return OnTarget(drawer, Criteria(read_criteria(targets), device))


def _check_rank(rank: object) -> None:
    if rank is not None and not isinstance(rank, str | Ranking):
        hint = "a Ranking or the name of a potential is needed; a calculator's is module:object"
        raise InputError(f"rank = {rank!r:.60}: {hint}", "rank")


def _drawer(source: Source, rank: str | Ranking | None, batch_size: int, order_by: str | None, device: str) -> Drawer:
    if source.holds_given:
        from asegen.generation.filled import Filled  # likewise

        return Filled(source, Ranking(rank, device=device) if isinstance(rank, str) else rank, batch_size, device)
    if rank is not None:
        from asegen.generation.ranked import Ranked  # loads networks and matchers that others don't need

        ranking = Ranking(rank, device=device) if isinstance(rank, str) else rank
        return Ranked(source, replace(ranking, order_by=order_by or ranking.order_by), batch_size)
    by_energy = order_by == ENERGY or (order_by is None and source.mixes_known_types)
    return (Screened if by_energy else Plain)(source, batch_size, Stability(device))
