"""What `asegen generate` does once its arguments are read: progress, the run, notes, the table and the picture."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ase import Atoms
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from asegen.cli.progress import ProgressBar
from asegen.cli.runs.generate_arguments import DIFFUSION, TEMPLATE, Order
from asegen.cli.runs.summary import Summary
from asegen.cli.terminal import message_console
from asegen.errors import InputError
from asegen.generation.generator import Generator
from asegen.generation.plausibility import IMPLAUSIBLE
from asegen.generation.request import Request
from asegen.generation.run import Finished, Progress
from asegen.generation.screened import Different
from asegen.generation.source import Source
from asegen.generation.sources.registry import SOURCES, open_source
from asegen.parallel.machine import free_cores
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import KNOWN, open_library
from asegen.trained.samplers import is_score_model

_NAMED = 5
_COMPARED = 200  # structures among which copies are looked for: time grows with the square
_SLOW_CELL = 150  # atoms; 320 take some 15 s of processor time a trajectory, and several are drawn
_LOG_SECONDS = 60.0  # between two lines of progress where there is no terminal


def run_generation(args: argparse.Namespace, order: Order) -> None:
    """Generates as the command line asks.

    Args:
        args: how.
        order: what.

    Raises:
        InputError: anything that can't be done, before or while structures are written.
        CheckpointError: weights that can't be read.
    """
    console = message_console()
    generator = Generator(
        _open(args, order, console),
        rank=order.ranking,
        batch_size=args.batch,
        order_by=args.order_by,
        device=args.device,
        targets=args.target,
    )
    tally = _Tally()
    _warn_of_left_out(order.request, console)
    for line in order.request.notes:
        console.print(f"note: {line}")
    with _shown(console, generator.source, args.resume) as report:
        finished = generator.run(
            order.request,
            args.output,
            order.n,
            args.seed,
            steps=args.steps,
            valid_only=args.valid_only,
            force=args.force,
            shard=args.shard,
            resume=args.resume,
            overwrite=args.overwrite,
            report=report,
            found=tally.add,
        )
    _conclude(args, order, finished, tally, console, generator.off_target)
    if not tally.summary.written:
        _refuse_nothing(args, finished, generator.off_target)


def _open(args: argparse.Namespace, order: Order, console: Console) -> Source:
    name = order.source
    if "cell" in SOURCES[name].options and is_score_model(args.model):
        name = "score"
    entry = SOURCES[name]
    return open_source(
        name,
        model=args.model,
        templates=_library(order.templates, console) if "templates" in entry.options else None,
        cell=args.cell,
        known=args.known,
        device=args.device,
        element_map=args.element_map,
        repulsion=args.repulsion,
        quick=args.quick or (order.ranking is not None and entry.quick_if_ranked),
    )


def _library(named: str | None, console: Console) -> TemplateLibrary:
    with ProgressBar("reading templates") as bar:
        library = open_library(
            named or KNOWN, free_cores(), lambda total: bar.report("reading templates", 0, total), bar.advance
        )
    if left_out := sum(library.rejected.values()):
        kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(library.rejected.items()))
        whole = left_out + len(library)
        console.print(f"note: {left_out} of {whole} structures in {named} are no templates: {kinds}")
    return library


class _Tally:
    """What is said of the structures in the output."""

    def __init__(self) -> None:
        self.summary = Summary()
        self.by_model = 0
        self.untemplated: set[str] = set()
        self.copies: list[int] = []
        self.compared = 0
        self._different = Different()

    def add(self, atoms: Atoms) -> None:
        """Takes note of a structure."""
        self.summary.add(atoms)
        self.by_model += atoms.info.get("source") == DIFFUSION
        if not atoms.info.get("has_template", True):
            self.untemplated.add(atoms.info["formula"])
        if atoms.info["valid"] and IMPLAUSIBLE not in atoms.info and self.compared < _COMPARED:
            self.compared += 1
            if self._different.add(atoms) is not None:
                self.copies.append(atoms.info["sample_index"])


def _warn_of_left_out(request: Request, console: Console) -> None:
    """Says of which rows of a file nothing can be asked, before the work."""
    for line in request.left_out[:_NAMED]:
        console.print(f"warning: left out: {line}")
    if (more := len(request.left_out) - _NAMED) > 0:
        console.print(f"warning: {more} more are left out of {request.file}")


def _refuse_nothing(args: argparse.Namespace, finished: Finished, off_target: str) -> None:
    """Ends a run without structures as an error; one part of a run may have none.

    Raises:
        InputError: none was drawn that is as asked for.
    """
    why = "passes the validity gate" if finished.left_out else "was drawn"
    if off_target:
        why = f"meets {off_target}"
    wrong = InputError(f"none of {len(finished.missing)} structures {why}; nothing is written")
    if args.shard is None:
        raise wrong
    if not finished.missing:
        wrong = InputError(f"shard {args.shard}: there are fewer parts to share out; nothing is written")
    message_console().print(f"note: {wrong}")


def _conclude(
    args: argparse.Namespace, order: Order, finished: Finished, tally: _Tally, console: Console, off_target: str
) -> None:
    """Says what became of the run: on stdout what is there, on stderr what isn't."""
    for atoms in finished.left_out:
        index, formula, reason = (atoms.info[key] for key in ("sample_index", "formula", "reason"))
        console.print(f"warning: sample {index} ({formula}) is left out: {reason}")
    if finished.was_complete:
        console.print(f"{finished.path} is complete: nothing was drawn")
    alone = (args.method == TEMPLATE and args.model is None) or args.order
    chosen = order.ranking is not None or args.host is not None
    for index in finished.missing if not chosen and not alone else ():
        tally.summary.leave_out(index)
    if tally.summary.written:
        tally.summary.show(finished.path)
    if fewer := len(finished.missing) if tally.summary.written else 0:
        if off_target:
            console.print(f"note: {fewer} fewer than asked for: off target, {off_target}", soft_wrap=True)
        elif args.order:
            console.print(f"note: {fewer} fewer than asked for: there are no more different orderings")
        elif alone:
            console.print(f"note: {fewer} fewer than asked for: there are no more templates; --model NAME draws others")
        elif chosen:
            console.print(f"note: {fewer} fewer than asked for: the other candidates are the same crystals, or invalid")
    if tally.by_model and args.method == TEMPLATE:
        console.print(f"note: {tally.by_model} had no template (any more): drawn by the model")
    if tally.copies:
        console.print(_copies_line(args, tally), soft_wrap=True)
    if tally.untemplated:
        console.print(f"note: no template for {_some(tally.untemplated)}: models draw all of it")
    if args.plot is not None:
        _draw(args.plot, tally.summary, console)


def _copies_line(args: argparse.Namespace, tally: _Tally) -> str:
    """Which structures are copies of others, and where a space group leaves no more, what does."""
    count, among = len(tally.copies), tally.compared
    of = f"the first {among}" if among == _COMPARED else f"{among}"
    are = "is the same crystal as another one" if count == 1 else "are the same crystals as others"
    samples = ", ".join(map(str, tally.copies[:_NAMED])) + (" …" if count > _NAMED else "")
    fixed = args.spacegroup is not None or args.spacegroups is not None
    more = "; other cells (--multiples) or sites (--sites) of the group may give more" if fixed else ""
    return f"note: {count} of {of} {are} (samples {samples}){more}"


def _draw(place: Path, summary: Summary, console: Console) -> None:
    if not summary.valid:
        console.print(f"{place} not drawn: no structure is valid")
        return
    from asegen.cli.runs.contact_sheet import draw_contact_sheet  # loads matplotlib, for a second

    draw_contact_sheet(summary.pictures(), place)


def _some(formulas: set[str]) -> str:
    first = sorted(formulas)[:_NAMED]
    return ", ".join(first) + (f" and {len(formulas) - len(first)} more" if len(formulas) > len(first) else "")


@contextmanager
def _shown(console: Console, source: Source, resumed: bool) -> Iterator[_Shown]:
    """Shows progress, and says how a run that is stopped goes on."""
    columns = TextColumn("structures"), BarColumn(), TextColumn("{task.fields[status]}"), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        shown = _Shown(console, bar, source)
        try:
            yield shown
        except BaseException as stop:
            if not isinstance(stop, Exception) and shown.part is not None and shown.part.exists():
                how = "the same command" if resumed else "the same command with --resume"
                console.print(f"{shown.part} holds what is done; {how} goes on")
            raise


class _Shown:
    """A bar in a terminal, a line now and then elsewhere.

    Time grows with atoms rather than with structures, so the bar and the time left count atoms.
    """

    def __init__(self, console: Console, bar: Bar, source: Source) -> None:
        self.part: Path | None = None
        self._console, self._bar, self._source = console, bar, source
        self._task = bar.add_task("", visible=False, status="")
        self._structures = self._atoms = 0
        self._start = self._logged = 0.0

    def __call__(self, progress: Progress) -> None:
        """Shows how far the run is."""
        if self.part is None:
            self._begin(progress)
            return
        now = time.monotonic()
        rate = (progress.structures - self._structures) / (now - self._start)
        left = (now - self._start) * (progress.all_atoms - progress.atoms) / (progress.atoms - self._atoms)
        status = f"{progress.structures}/{progress.all_structures}, {rate:.3g}/s, {_duration(left)} left"
        self._bar.update(self._task, completed=progress.atoms, status=status)
        done = progress.structures == progress.all_structures
        if not self._console.is_terminal and (now - self._logged > _LOG_SECONDS or done):
            self._logged = now
            self._console.print(f"structures {status}")

    def _begin(self, progress: Progress) -> None:
        self.part, self._structures, self._atoms = progress.part, progress.structures, progress.atoms
        known = self._source.identity
        if progress.largest_cell > known.max_atoms:
            cells = f"cells of up to {progress.largest_cell} atoms"
            self._console.print(
                f"note: {cells}; {known.name} was trained on at most {known.max_atoms}{_how_long(progress)}"
            )
        status = f"{progress.structures}/{progress.all_structures}"
        self._bar.update(self._task, total=progress.all_atoms, completed=progress.atoms, visible=True, status=status)
        self._start = self._logged = time.monotonic()


def _how_long(progress: Progress) -> str:
    """What else is said of large cells: time grows with the square of their atoms."""
    return ", and one may take minutes" if progress.largest_cell >= _SLOW_CELL else ""


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds / 60), round(seconds / 3600, 1)
    return f"{seconds:.0f} s" if seconds < 100 else f"{minutes} min" if minutes < 100 else f"{hours} h"
