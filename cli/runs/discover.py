"""What `asegen discover` does once its arguments are read: progress, the run, the table, the funnel and the picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from rich.markup import escape
from rich.table import Table

from asegen.cli.progress import ProgressBar
from asegen.cli.runs.summary import doubtful_line, is_doubtful, mark, space_group
from asegen.cli.terminal import message_console, output_console, print_table, results_table
from asegen.criteria.criterion import Criterion, read_criteria
from asegen.criteria.judging import PROBABILITY
from asegen.discovery.discoverer import Discoverer, Discovery, Progress
from asegen.discovery.places import state_of, table_of
from asegen.errors import InputError

ROWS, PICTURES = 20, 24
_DISPENSABLE = ("nearest known", "novelty", "space group")
"""Columns that a narrow terminal goes without, those first that say least."""
_EXHAUSTED = (
    "known crystals lead to no other composition of this kind (--elements, --system, --new and others allow more)"
)
_PREDICTED = (
    "e_hull: predicted, eV/atom; errors are about 0.05, so what is below 0 counts as 0 (--potential computes it)"
)


def run_discovery(args: argparse.Namespace) -> None:
    """Discovers as the command line asks.

    Args:
        args: of the command line.

    Raises:
        InputError: anything that can't be done.
    """
    discoverer = Discoverer(
        elements=args.elements,
        exclude=args.exclude,
        system=args.system,
        max_elements=args.max_elements,
        max_atoms=args.max_atoms,
        spacegroups=args.spacegroups,
        targets=args.target,
        e_hull=args.e_hull,
        new=args.new,
        potential=args.potential,
        relax_steps=args.relax_steps,
        proposal=args.proposal,
        candidates=args.candidates,
        most_alike=args.most_alike,
        device=args.device,
    )
    found = _run(discoverer, args)
    out = Path(args.output)
    if found.was_complete:
        message_console().print(f"{out} is complete: nothing was done")
    _show(found, out, args.n if args.shard is None else None, read_criteria(args.target))
    if not found.structures:
        _refuse_nothing(found, args, out)
    if args.plot is not None and found.structures:
        from asegen.cli.runs.contact_sheet import draw_contact_sheet  # loads matplotlib, for a second

        draw_contact_sheet(_spread(found.structures), args.plot)


def _run(discoverer: Discoverer, args: argparse.Namespace) -> Discovery:
    with ProgressBar("crystals found") as bar:

        def report(progress: Progress) -> None:
            bar.report(f"crystals found, {progress.proposals} compositions tried", progress.kept, progress.wanted)

        try:
            return discoverer.run(
                args.output,
                args.n,
                args.seed,
                proposals=args.proposals,
                shard=args.shard,
                resume=args.resume,
                overwrite=args.overwrite,
                report=report,
            )
        except BaseException as stop:
            state = state_of(Path(args.output))
            if not isinstance(stop, Exception) and state.exists():
                bar.print(f"{state} holds what is done; the same command with --resume goes on")
            raise


def _refuse_nothing(found: Discovery, args: argparse.Namespace, out: Path) -> None:
    """Ends a run without crystals as an error; one part of a run may have none.

    Raises:
        InputError: no composition gave a crystal.
    """
    tried = sum(count for _, count in found.funnel)
    why = f"; {_EXHAUSTED}" if not tried else ""
    if found.nearest:
        why = f"; nearest to {' and '.join(map(str, read_criteria(args.target)))}: {found.nearest}"
    wrong = InputError(f"none of {tried} compositions gave a crystal: {table_of(out)} says why{why}")
    if args.shard is None:
        raise wrong
    message_console().print(f"note: {wrong}")


def _show(found: Discovery, out: Path, wanted: int | None, criteria: Sequence[Criterion]) -> None:
    console = output_console()
    if found.structures:
        best = sorted(found.structures, key=lambda atoms: -atoms.info.get(PROBABILITY, 0.0))  # stable without targets
        print_table(console, _table(best[:ROWS], criteria), _DISPENSABLE)
        if not any("calculator" in atoms.info for atoms in best):
            console.print(_PREDICTED, soft_wrap=True)
        if doubtful := sum(is_doubtful(atoms.info) for atoms in best):
            console.print(doubtful_line(doubtful), markup=False, soft_wrap=True)
    if len(found.structures) > ROWS:
        console.print(f"… and {len(found.structures) - ROWS} more")
    funnel = results_table("what became of the compositions", "number", numbers=("number",))
    for fate, count in found.funnel:
        if count:
            funnel.add_row(fate, str(count))
    funnel.add_row("in all", str(sum(count for _, count in found.funnel)))
    print_table(console, funnel)
    if not found.structures:
        return
    noun = "crystal" if len(found.structures) == 1 else "crystals"
    line = f"{len(found.structures)} {noun} in {out}; {table_of(out)} has every proposal"
    console.print(line, markup=False, soft_wrap=True)
    if wanted is not None and len(found.structures) < wanted:
        fewer = wanted - len(found.structures)
        why = _EXHAUSTED if found.was_exhausted else "the proposals ran out (--proposals allows more)"
        message_console().print(f"note: {fewer} fewer than asked for: {why}")


def _table(structures: Sequence[Atoms], criteria: Sequence[Criterion]) -> Table:
    energy = "e_hull" if any("e_hull" in atoms.info for atoms in structures) else "e_hull_predicted"
    names = [c.quantity.name for c in criteria]
    values = [*names, "on target"] if criteria else []
    numbers = ("#", "e_hull", *values)
    table = results_table("#", "formula", "space group", "e_hull", *values, "novelty", "nearest known", numbers=numbers)
    for atoms in structures:
        info, group = atoms.info, space_group(atoms)
        cells = [str(info["sample_index"]), str(info["formula"]), f"{group[0]} ({group[1]})" if group else ""]
        cells.append(f"{info[energy]:.3f}{mark(info)}" if energy in info else "")
        found = [info.get(f"{name}_predicted", info.get(name)) for name in names]
        cells += ["" if value is None else f"{value:.4g}" for value in found]
        cells += [f"{info[PROBABILITY]:.2f}"] if criteria else []
        cells += [str(info.get("novelty", "")), str(info.get("prototype", ""))]
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _spread(structures: Sequence[Atoms]) -> list[Atoms]:
    """Up to `PICTURES` of them, evenly spread."""
    step = max(1, -(-len(structures) // PICTURES))
    return list(structures[::step])
