"""Where commands print: results on stdout, messages on stderr."""

from __future__ import annotations

import sys
from typing import NoReturn

from rich.console import Console as AnyConsole
from rich.table import Table
from typing_extensions import override

_PLAIN_WIDTH = 100
"""Characters, where there is no terminal to fill."""


class Console(AnyConsole):
    """A console that leaves a closed pipe to `asegen.cli.main`: rich alone would end the process with exit code 1."""

    @override
    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def output_console(plain_width: int = _PLAIN_WIDTH) -> Console:
    """stdout, for tables and totals.

    Args:
        plain_width: characters where there is no terminal to fill.
    """
    return Console(highlight=False, width=None if sys.stdout.isatty() else plain_width)


def message_console() -> Console:
    """stderr, for notes, failures and progress; long lines are the terminal's to wrap."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
