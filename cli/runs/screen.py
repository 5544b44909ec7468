"""What `asegen screen` does once its arguments are read."""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from asegen.cli.progress import ProgressBar
from asegen.cli.runs.screen_options import generation_arguments
from asegen.cli.runs.signals import first_signal
from asegen.cli.terminal import Console, message_console, output_console, print_fitting, print_table, results_table
from asegen.errors import InputError
from asegen.hull.table import FAR_BELOW, SO_FAR_BELOW
from asegen.parallel.cluster import cluster, scheduler
from asegen.parallel.workforce import Workforce
from asegen.screening.columns import Column
from asegen.screening.execution import GRACE, Stopped
from asegen.screening.exports import TABLE
from asegen.screening.ledger import StageCount, funnel, provenance
from asegen.screening.options import Options
from asegen.screening.pipeline import run_stages
from asegen.screening.records import OFF_TARGET, OK
from asegen.screening.registry import recipe
from asegen.screening.report import PAGE
from asegen.screening.result import Result, columns
from asegen.screening.run import publish
from asegen.screening.stages.opinions import opinion_lines
from asegen.screening.stages.phonon_results import UNSTABLE
from asegen.screening.stages.verdicts import BELOW, KNOWN_ABOVE, KNOWN_COMPOSITION, counted, lacking_lines
from asegen.screening.workers import memory_of_worker, number_of_jobs

_SHOWN = 20
_NAME = 16  # characters of a line
_DISPENSABLE = ("energy", "name", "status", "second_phonons", "second_e_hull", "space_group")
"""Columns that a narrow terminal goes without, those first that say least; the status only where all are ok."""
_PROBLEMS = 5
_MEANINGS = {
    BELOW: "new, or the potential errs, which puts one known crystal in twenty there",
    KNOWN_COMPOSITION: "a stable compound of the composition exists; it is that one, another form of it, or new: no "
    "known crystal at hand is the same",
    KNOWN_ABOVE: "a stable compound of the composition exists; it isn't among the candidates, or the potential errs",
}
"""What a verdict leaves open."""
_DOUBTFUL = (BELOW, KNOWN_ABOVE)
_OF_UNSTABLE = (
    "CHGNet says so of a quarter of the stable crystals that aren't cubic; before one is dropped, ask another "
    "potential, --second-opinion sevennet"
)
_SYSTEMS = 3  # of how many the compounds without a candidate are named


def run_screening(args: argparse.Namespace, options: Options) -> None:
    """Screens as the command line asks.

    Args:
        args: the command line.
        options: what it asks for, checked.

    Raises:
        InputError: bad files, a folder of another screening, or no candidate is left.
        AsegenError: the calculator's package is missing, the disk is full, or the workers ended.
    """
    stages, jobs = recipe(options), number_of_jobs(args.jobs)
    drawn = [] if args.generate is None else [_drawn(args)]
    with ProgressBar("screening") as bar, stoppable(bar.print) as stop, _workforce(args) as workforce:
        found = run_stages(
            [*args.inputs, *drawn],
            args.workdir,
            stages,
            jobs=jobs,
            memory=memory_of_worker(args.memory, jobs),
            workforce=workforce,
            report=bar.report,
            command=shlex.join(["asegen", *sys.argv[1:]]),
            stop=stop,
            publish=publish,
            say=bar.print,
        )
    without_report = publish(args.workdir)
    console = message_console()
    for line in _problems(args.workdir):
        console.print(f"warning: {line}")
    if without_report is not None:
        console.print(f"no report: {without_report}")
    _show(args.workdir, found, options, "" if without_report else f"; {args.workdir / PAGE} shows the best")
    if not any(result.is_ranked for result in found):
        why = f"{args.workdir / TABLE} says why{_nearest_miss(found, options)}"
        raise InputError(f"none of {len(found)} candidates is left; {why}")


def _nearest_miss(found: Sequence[Result], options: Options) -> str:
    """What came nearest to the properties asked for, where nothing else was wrong with it."""
    missed = [result for result in found if result.status == OFF_TARGET and result["target_distance"] is not None]
    if not missed:
        return ""
    nearest, wanted = min(missed, key=lambda result: result["target_distance"]), " and ".join(options.targets)
    assert nearest.reason is not None  # its status says that there is one
    return f"; nearest to {wanted}: {nearest.id} ({nearest['formula']}) has {nearest.reason.detail}"


def _drawn(args: argparse.Namespace) -> Path:
    """The file of the candidates that are drawn first."""
    from asegen.cli.runs.generate import run_generation  # loads torch and the generators, for seconds

    arguments, order = generation_arguments(args.generate, args.workdir)
    run_generation(arguments, order)
    return Path(arguments.output)


def _workforce(args: argparse.Namespace) -> AbstractContextManager[Workforce | None]:
    # It reports every lost worker as an error, though the work is done again.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if args.scheduler is not None:
        return scheduler(args.scheduler)
    if args.cluster is not None:
        return cluster(args.cluster)
    return nullcontext(None)


@contextmanager
def stoppable(tell: Callable[[str], None]) -> Iterator[threading.Event]:
    """The first SIGINT or SIGTERM lets work in progress end; the second ends at once, see `first_signal`."""
    stop, received = threading.Event(), list[signal.Signals]()

    def ask(number: signal.Signals) -> None:
        received.append(number)
        stop.set()
        tell(f"stopping: work in progress has {GRACE:.0f} s; the same command does the rest")

    try:
        with first_signal(ask):
            yield stop
    except Stopped:
        signal.raise_signal(received[0])
        raise SystemExit(128 + received[0]) from None  # the caller has a handler that returns


def _problems(workdir: Path) -> list[str]:
    """What of the reference phases couldn't be used; the first few lines."""
    known = provenance(workdir)
    lines = [*known.get("competing_problems", []), *known.get("hull_problems", [])]
    more = [f"and {len(lines) - _PROBLEMS} more of the reference phases"] if len(lines) > _PROBLEMS else []
    return [*lines[:_PROBLEMS], *more]


def _hull_lines(workdir: Path, found: Sequence[Result]) -> list[str]:
    """What the energies above the hull say together, and what they don't know."""
    known = provenance(workdir)
    without = Counter(result["e_hull_reason"] for result in found if result.is_ranked and result["e_hull_reason"])
    counts = counted(result["hull_verdict"] for result in found if result.is_ranked)
    lines = [", ".join(f"{count} {word}" for count, word in counts)] if counts else []
    errors = {result["e_hull_error"] for result in found} - {None}
    if lines and errors:
        lines[0] += f" (energies above the hull have a mean error of {max(errors):.3f} eV/atom)"
    lines += [f"{word}: {_MEANINGS[word]}" for _, word in counts if word in _MEANINGS]
    opinions = [result["opinions"] for result in found]
    if not any(opinions) and any(word in _DOUBTFUL for _, word in counts):
        lines.append("another potential knows more of the doubtful ones: --second-opinion sevennet")
    if known.get("hull_note"):
        hint = " (--fit-references fits them, by 752 single points)" if known.get("hull_can_fit") else ""
        lines.append(known["hull_note"] + hint)
    lines += [f"no energy above the hull of {count}: {reason}" for reason, count in without.items()]
    lines += _prediction_lines(found)
    lines += opinion_lines(opinions)
    lacking = known.get("hull_lacking") or {}
    return lines + (lacking_lines(lacking) if len(lacking) <= _SYSTEMS else [])


def _prediction_lines(found: Sequence[Result]) -> list[str]:
    """How many have a predicted energy that is too low to be believed."""
    energies = [result["e_hull_predicted"] for result in found if result.is_ranked]
    doubtful = sum(energy is not None and energy < FAR_BELOW for energy in energies)
    line = f"{doubtful} with a doubtful e_hull_predicted, {SO_FAR_BELOW}: the error is as large there"
    return [line] if doubtful else []


def phonon_lines(found: Sequence[Result], options: Options) -> list[str]:
    """What unstable phonons leave open, where they are CHGNet's alone."""
    has_second = any(result["second_phonons"] for result in found)
    if (options.phonons_by or options.calculator) != "chgnet" or has_second:
        return []
    unstable = sum(result["phonons"] == UNSTABLE for result in found)
    return [f"{unstable} with unstable phonons: {_OF_UNSTABLE}"] if unstable else []


def _show(workdir: Path, found: Sequence[Result], options: Options, page: str) -> None:
    console = output_console()
    print_table(console, _funnel_table(funnel(workdir)))
    ranked = [result for result in found if result.is_ranked]
    if ranked:
        show_ranking(console, ranked[:_SHOWN], columns(workdir))
    for line in [*_hull_lines(workdir, found), *phonon_lines(found, options)]:
        console.print(line, markup=False, soft_wrap=True)
    told = ", ".join(f"{count} {status}" for status, count in Counter(result.status for result in found).items())
    console.print(
        f"{len(found)} structures: {told}; all of them in {workdir / TABLE}{page}", markup=False, soft_wrap=True
    )


def show_ranking(console: Console, ranked: Sequence[Result], declared: Sequence[Column]) -> None:
    """Prints the best candidates, without what a narrow terminal has no room for."""
    tells = any(result.status != OK or result["novel"] is False for result in ranked)
    has = {name for result in ranked for name, value in result.items() if value is not None}
    dispensable = [name for name in _DISPENSABLE if name in has and not (name == "status" and tells)]
    print_fitting(console, partial(ranking_table, ranked, declared), dispensable, folds=False)


def _funnel_table(counts: Sequence[StageCount]) -> Table:
    numbers = ("in", "out", "worker time")
    table = results_table("stage", "in", "out", "stopped", "worker time", numbers=numbers)
    for count in counts:
        stopped = ", ".join(f"{number} {status}" for status, number in count.stopped.items())
        table.add_row(count.stage, str(count.entered), str(count.left), stopped, f"{count.seconds:.1f} s")
    return table


def ranking_table(ranked: Sequence[Result], declared: Sequence[Column], without: Collection[str] = ()) -> Table:
    """The table of the best candidates; columns without a value are left out.

    Args:
        ranked: what it shows, in order.
        declared: the columns of the screening.
        without: names of columns that are left out, too.
    """
    has = {name for result in ranked for name, value in result.items() if value is not None} - set(without)
    shown = [(column, column.table) for column in declared if column.table is not None and column.name in has]
    shown.sort(key=lambda pair: pair[1].place)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("candidate", no_wrap=True)
    named = "name" not in without and any(result.name != result.id for result in ranked)
    if named:
        table.add_column("name", overflow="fold", max_width=_NAME)
    for column, view in shown:
        is_number = column.kind in ("number", "integer")
        table.add_column(
            _in_two_lines(view.label) if is_number else view.label,
            justify="right" if is_number else "left",
            no_wrap=not column.words or column.style == "badge",
            min_width=max(
                len(line) for text in (view.label, *column.words) for line in _in_two_lines(text).split("\n")
            ),
        )
    if "status" not in without:
        table.add_column("status", no_wrap=True)
    for result in ranked:
        cells = [_cell(result[column.name], view.digits) for column, view in shown]
        note = result.status if result["novel"] is not False else f"{result.status}, known: {result['known_as']}"
        names = (result.id, *(["" if result.name == result.id else result.name] if named else []))
        notes = () if "status" in without else (Text(note),)
        table.add_row(str(result.rank), *map(Text, names), *cells, *notes)
    return table


def _in_two_lines(text: str) -> str:
    """A text of several words as two lines, the longer of which is as short as possible."""
    words = text.split()
    halves = [(" ".join(words[:k]), " ".join(words[k:])) for k in range(1, len(words))]
    return "\n".join(min(halves, key=lambda pair: max(map(len, pair)))) if halves else text


def _cell(value: object, digits: int) -> Text:
    """A value as the table of the best candidates shows it; brackets in it are no markup."""
    if value is None:
        return Text()
    return Text(f"{round(value, digits) + 0.0:.{digits}f}" if isinstance(value, float) else str(value))  # no -0.000
