"""What `asegen symmetrize` does once its arguments are read."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from asegen.cli.progress import ProgressBar
from asegen.cli.terminal import message_console
from asegen.errors import InputError
from asegen.structures.formats import check_room, output_format
from asegen.structures.frames import Frame, made_of, read_frames, write_whole
from asegen.structures.writing import Output
from asegen.symmetry.refine import Refined, refine

_SHOWN = 8  # groups in the last line
_OF_THE_OLD_CELL = "spacegroup_kinds"  # what `ase.spacegroup.crystal` notes


def run_symmetrize(args: argparse.Namespace) -> None:
    """Refines as the command line asks.

    Raises:
        InputError: nothing could be refined, or the output can't be written.
    """
    kind, out = output_format(args.output), Path(args.output)
    lost: Counter[str] = Counter()
    done: list[Output] = []
    groups: Counter[str] = Counter()
    with ProgressBar("refining") as bar:
        for frame in read_frames(args.inputs):
            refined = _refined(frame, args)
            if isinstance(refined, str):
                bar.print(f"{frame}: {refined}")
            else:
                groups[f"{refined.symbol} ({refined.group})"] += 1
                lost.update(_lost(frame, refined))
                done.append(_marked(refined, frame, args.symprec))
                check_room(kind, len(done), args.output)
            bar.advance()
    if not done:
        raise InputError(f"none of {bar.done} structures could be refined; nothing is written")
    write_whole(done, out, kind)
    for name, count in lost.items():
        line = f"note: {name} of {count} left out: the standard cell has other atoms (--cell as-is keeps all)"
        message_console().print(line, soft_wrap=True)
    shown = ", ".join(f"{count} {group}" for group, count in groups.most_common(_SHOWN))
    more = " …" if len(groups) > _SHOWN else ""
    message_console().print(f"{len(done)} of {bar.done} structures in {out}: {shown}{more}")


def _refined(frame: Frame, args: argparse.Namespace) -> Refined | str:
    """The refined structure, or why there is none."""
    if isinstance(frame.atoms, str):
        return frame.atoms
    try:
        return refine(frame.atoms, args.symprec, args.cell)
    except InputError as error:
        return str(error)


def _lost(frame: Frame, refined: Refined) -> list[str]:
    """Names of what the atoms had beside elements and positions, and the refined ones haven't."""
    if isinstance(frame.atoms, str):
        return []
    lost = sorted(frame.atoms.arrays.keys() - refined.atoms.arrays.keys() - {_OF_THE_OLD_CELL})
    return [*lost, "constraints"] if frame.atoms.constraints and not refined.atoms.constraints else lost


def _marked(refined: Refined, frame: Frame, symprec: float) -> Output:
    atoms = refined.atoms
    atoms.info = {**frame.info, **atoms.info}
    atoms.info |= {"spacegroup": refined.group, "spacegroup_symbol": refined.symbol, "wyckoff": refined.wyckoff}
    atoms.info |= {"symprec": symprec, "symmetrize_source": frame.source, "symmetrize_row": frame.row}
    return made_of(frame, atoms)
