"""The candidates that `asegen screen --generate` draws before it screens them."""

from __future__ import annotations

import shlex
from pathlib import Path

from asegen.cli.main import build_parser
from asegen.cli.runs.generate import run_generation
from asegen.cli.runs.generate_methods import is_ranked
from asegen.errors import InputError
from asegen.generation.rankers import ALIGNN

CANDIDATES = "candidates.extxyz"
"""File of a screening's folder."""


def draw_candidates(arguments: str, workdir: Path) -> Path:
    """Draws candidates into a screening's folder, or goes on with what is there; ranked, unless told otherwise.

    Args:
        arguments: of `asegen generate`, as in a shell, without an output.
        workdir: the screening's folder.

    Returns:
        The file of the candidates.

    Raises:
        InputError: bad arguments, or others than those by which the file was made.
        SystemExit: arguments that don't parse, after one line.
    """
    out = workdir / CANDIDATES
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise InputError(f"--generate: {str(error).lower()}") from None
    args = build_parser()[1]["generate"].parse_args(["--output", str(out), *words])
    if args.output != str(out) or args.overwrite or args.shard:
        raise InputError(f"--generate: the candidates go to {out}, all of them, without -o, --overwrite or --shard")
    args.resume = True
    if not is_ranked(args):
        args.rank = ALIGNN
    run_generation(args)
    return out
