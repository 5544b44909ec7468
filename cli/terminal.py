"""Where commands print: results on stdout, messages on stderr."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NoReturn

from rich import box
from rich.console import Console as AnyConsole
from rich.measure import Measurement
from rich.table import Column, Table
from typing_extensions import override

_PLAIN_WIDTH = 100
"""Characters, where there is no terminal to fill."""
_WIDEST = 10_000
"""Characters that no cell reaches."""
_BETWEEN = 3
"""Characters between two columns, at most."""


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
    is_terminal = sys.stdout.isatty()
    # Elsewhere tables are text, whatever FORCE_COLOR says: notebooks set it, and their pages can't show the codes.
    return Console(
        highlight=False, width=None if is_terminal else plain_width, force_terminal=None if is_terminal else False
    )


def results_table(*columns: str, numbers: Collection[str] = ()) -> Table:
    """A table in which nothing is cut: where the terminal is narrow, words are folded, and numbers stay whole.

    Args:
        columns: their heads, which may be of several lines.
        numbers: those of them that hold numbers.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        is_number = name in numbers
        table.add_column(name, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    return table


def told_apart(rows: Sequence[tuple[str, str, int]]) -> list[str]:
    """Ids for a table; those that several rows have stand with their file and row.

    Args:
        rows: id, file and row of each.
    """
    times = Counter(name for name, _, _ in rows)
    return [name if times[name] == 1 else f"{name} ({file}, {row})" for name, file, row in rows]


def print_whole(console: AnyConsole, table: Table) -> None:
    """Prints a table whose numbers have to stay whole, wider than the console where that is too narrow for them.

    Where there is no terminal nothing is folded, so that each row is a line, for grep and its like.

    Args:
        console: where it is printed.
        table: its columns that are not to be folded have `no_wrap`.
    """
    width = console.width
    console.width = max(width, needed_width(console, table, unfolded=not console.is_terminal))
    console.print(table)  # it takes no width beyond the console's
    console.width = width


def needed_width(console: AnyConsole, table: Table, *, unfolded: bool = False) -> int:
    """Characters of a table whose numbers stay whole.

    Args:
        console: where it is printed.
        table: its columns that are not to be folded have `no_wrap`.
        unfolded: whether words stay on one line as well.
    """
    return sum(_needed(console, column, unfolded) + _BETWEEN for column in table.columns)


def _needed(console: AnyConsole, column: Column, unfolded: bool) -> int:
    """Characters of a column: of its longest cell, or of its longest word where it may be folded."""
    options = console.options.update(max_width=_WIDEST)
    cells = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
    widest = max(cell.maximum if column.no_wrap or unfolded else cell.minimum for cell in cells)
    return max(min(widest, column.max_width or widest), column.min_width or 0)


def message_console() -> Console:
    """stderr, for notes, failures and progress; long lines are the terminal's to wrap."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
