"""`asegen`: a table of commands in ASE's idiom.

Bad input is one line on stderr and exit code 2; Ctrl-C ends with 130, SIGTERM with 143; `-T` shows the traceback. Where
stdout is closed, nothing is printed, and a line on stderr says so; a pipe that its reader closes is no error.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

from asegen import __version__
from asegen.errors import AsegenError, InputError

_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory", re.IGNORECASE)
"""In what torch and its devices raise, which is a RuntimeError."""

COMMANDS = {
    "discover": "asegen.cli.discover",
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
    parser = _Parser(
        prog="asegen", description="New inorganic crystals for ASE: drawn, relaxed, predicted, screened, evaluated."
    )
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
    _open_streams()
    parser, parsers, commands = build_parser()
    given = sys.argv[1:] if argv is None else argv
    if any(re.fullmatch(r"\s*|--[\w-]+=", argument) for argument in given):
        parser.error("an argument is empty, as of a variable of the shell that isn't set")
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
        pass  # its reader, such as head, has closed the pipe
    except KeyboardInterrupt:
        parser.exit(130, "asegen: interrupted\n")
    except _Terminated:
        parser.exit(143, "asegen: terminated\n")
    except Exception as error:
        if args.traceback or (message := _message(error, command)) is None:
            raise
        parser.error(" ".join(message.split()) or type(error).__name__)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _message(error: Exception, command: Any) -> str | None:
    """What a user is told of an error; None of one that only the traceback explains."""
    if isinstance(error, AsegenError):
        return _with_flags(error, command)
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return reason if error.filename is None else f"{os.fsdecode(error.filename)}: {reason}"
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object[error.start : error.end][:20]!r} can't be written as {error.encoding}"
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
        return f"out of memory: smaller cells, or fewer at once, need less ({str(error).strip()[:200] or 'no more'})"
    return None


def _with_flags(error: AsegenError, command: Any) -> str:
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


def _open_streams() -> None:
    """Puts the null device where a standard stream is closed, or a file of the run would get its number."""
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:  # in the order of their numbers: each gets its own
        descriptor = os.open(os.devnull, os.O_RDWR)
        setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", encoding="utf-8"))
    if "stdout" in closed:
        sys.stderr.write("asegen: note: stdout is closed, so nothing is printed there\n")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files needn't be text


def _close_output() -> None:
    """Writes out what is buffered; what can't be written must not fail a second time in Python's own flush at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
