"""`asegen`: a table of commands in ASE's idiom.

Bad input is one line on stderr and exit code 2; Ctrl-C ends with 130, SIGTERM with 143; `-T` shows the traceback.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from asegen import __version__
from asegen.errors import AsegenError, InputError

COMMANDS = {
    "evaluate": "asegen.cli.evaluate",
    "generate": "asegen.cli.generate",
    "ingest": "asegen.cli.ingest",
    "judge-data": "asegen.cli.judge_data",
    "relax": "asegen.cli.relax",
    "models": "asegen.cli.models",
    "predict": "asegen.cli.predict",
    "screen": "asegen.cli.screen",
    "symmetrize": "asegen.cli.symmetrize",
    "train": "asegen.cli.train",
}


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"asegen: error: {message}\n")


class _Terminated(BaseException):
    """SIGTERM, as an exception, so that files are closed on the way out."""


def _terminate(signum: int, frame: object) -> NoReturn:
    raise _Terminated


def build_parser() -> tuple[_Parser, dict[str, _Parser], dict[str, Any]]:
    """The parser, and per command its parser and its `CLICommand`."""
    parser = _Parser(prog="asegen", description="New crystals for ASE: generate them, train on your own.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("-T", "--traceback", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(title="commands", dest="command", parser_class=_Parser)
    helper = subparsers.add_parser("help", help="help for a command")
    helper.add_argument("topic", nargs="?", choices=sorted(COMMANDS), metavar="command")
    parsers, commands = {}, {}
    for name, module in COMMANDS.items():
        command = import_module(module).CLICommand
        short = (command.__doc__ or "").strip().splitlines()[0]
        parsers[name] = subparsers.add_parser(name, help=short, description=command.__doc__)
        command.add_arguments(parsers[name])
        commands[name] = command
    return parser, parsers, commands


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command.

    Args:
        argv: arguments without the program's name; `sys.argv` without it.

    Raises:
        SystemExit: with code 2 after a bad input, 130 after Ctrl-C, 143 after SIGTERM.
    """
    parser, parsers, commands = build_parser()
    try:
        args = parser.parse_args(argv)
        if args.command in (None, "help"):
            topic = getattr(args, "topic", None)
            (parsers[topic] if topic else parser).print_help()
        else:
            _run(commands[args.command], args, parser, parsers[args.command])
    finally:
        _close_output()


def _run(command: Any, args: argparse.Namespace, parser: _Parser, subparser: _Parser) -> None:
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        command.run(args, subparser)
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # whoever read the output has had enough
    except KeyboardInterrupt:
        parser.exit(130, "asegen: interrupted\n")
    except _Terminated:
        parser.exit(143, "asegen: terminated\n")
    except (AsegenError, OSError, MemoryError) as error:
        if args.traceback:
            raise
        parser.error(" ".join(_with_flags(error, command).split()) or type(error).__name__)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _with_flags(error: BaseException, command: Any) -> str:
    """An error's message with flags for the names of parameters: `--some-name`, or what the command's `FLAGS` says."""
    message, names = str(error), list(error.parameters) if isinstance(error, InputError) else []
    if not names:
        return message
    flags = {name: f"--{name.replace('_', '-')}" for name in names} | getattr(command, "FLAGS", {})

    def flag(found: re.Match[str]) -> str:
        if found[1] not in names:
            return found[0]
        names.remove(found[1])  # later on it is an ordinary word
        return flags[found[1]] + (" " if found[2] else "")

    return re.sub(rf"\b({'|'.join(names)})\b( = )?", flag, message)


def _close_output() -> None:
    """Writes out what is buffered; what can't be written must not fail a second time in Python's own flush at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
