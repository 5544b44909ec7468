"""Where commands print: results on stdout, messages on stderr."""

from __future__ import annotations

import sys

from rich.console import Console

_PLAIN_WIDTH = 100
"""Characters, where there is no terminal to fill."""


def output_console() -> Console:
    """stdout, for tables and totals; as wide as the terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)


def message_console() -> Console:
    """stderr, for notes, failures and progress; long lines are the terminal's to wrap."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
