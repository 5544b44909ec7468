"""Where commands print: results on stdout, messages on stderr."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
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
_LONGEST_WORD = 30
"""Characters; what is longer, such as a path, is cut where a column may be folded."""


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
    """A table for `print_table`: where the terminal is narrow, text is folded between words, and numbers stay whole.

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


def print_table(console: AnyConsole, table: Table, dispensable: Sequence[str] = ()) -> None:
    """Prints a table of `results_table` with whole words and numbers.

    Args:
        console: where it is printed.
        table: the table.
        dispensable: heads of columns that a terminal too narrow for all goes without, those first that say least; a
            head of several lines by its words.
    """
    heads = [_head(column) for column in table.columns]
    print_fitting(console, partial(_without, table), [name for name in dispensable if name in heads], folds=True)


def print_fitting(
    console: AnyConsole, table_without: Callable[[Collection[str]], Table], dispensable: Sequence[str], *, folds: bool
) -> None:
    """Prints a table without what a narrow terminal has no room for, and says what that is.

    Args:
        console: where it is printed.
        table_without: the table without some of the dispensable columns.
        dispensable: names of columns, those first that say least.
        folds: see `print_whole`.
    """
    left_out, waiting = list[str](), list(dispensable)
    table = table_without(left_out)
    while console.is_terminal and needed_width(console, table) > console.width and waiting:
        left_out.append(waiting.pop(0))
        table = table_without(left_out)
    print_whole(console, table, folds=folds)
    if left_out:
        line = f"without {', '.join(left_out)}, for which this terminal is too narrow"
        console.print(line, markup=False, soft_wrap=True)


def print_whole(console: AnyConsole, table: Table, *, folds: bool = False) -> None:
    """Prints a table whose numbers and words have to stay whole, wider than the console where that is too narrow.

    Args:
        console: where it is printed.
        table: its columns that are not to be folded have `no_wrap`; the widths of its columns are set.
        folds: whether text is folded where there is no terminal, too; else each row is a line there, for grep and its
            like.
    """
    width = console.width
    console.width = max(width, needed_width(console, table, unfolded=not (folds or console.is_terminal)))
    _set_widths(console, table)
    console.print(table)  # it takes no width beyond the console's
    console.width = width


def needed_width(console: AnyConsole, table: Table, *, unfolded: bool = False) -> int:
    """Characters of a table whose numbers and words stay whole.

    Args:
        console: where it is printed.
        table: its columns that are not to be folded have `no_wrap`.
        unfolded: whether text stays on one line as well.
    """
    return sum(_needed(console, column, unfolded) + _BETWEEN for column in table.columns)


def _needed(console: AnyConsole, column: Column, unfolded: bool) -> int:
    """Characters of a column: of its longest cell, or of its longest word where it may be folded."""
    options = console.options.update(max_width=_WIDEST)
    cells = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
    if column.no_wrap or unfolded:
        widest = max(cell.maximum for cell in cells)
    else:
        widest = min(max(cell.minimum for cell in cells), _LONGEST_WORD)
    return max(min(widest, column.max_width or widest), column.min_width or 0)


def _set_widths(console: AnyConsole, table: Table) -> None:
    """Columns as narrow as the console asks for; rich by itself makes them narrower than their words."""
    least = [_needed(console, column, False) for column in table.columns]
    widths = [_needed(console, column, True) for column in table.columns]
    excess = sum(widths) + _BETWEEN * len(widths) - console.width
    while excess > 0 and (foldable := [k for k, width in enumerate(widths) if width > least[k]]):
        widths[max(foldable, key=widths.__getitem__)] -= 1
        excess -= 1
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width


def _without(table: Table, left_out: Collection[str]) -> Table:
    """The same table without some columns, by their heads."""
    kept = [column for column in table.columns if _head(column) not in left_out]
    fewer = Table(*(column.copy() for column in kept), box=table.box, pad_edge=table.pad_edge)
    for cells in zip(*(column.cells for column in kept), strict=True):
        fewer.add_row(*cells)
    return fewer


def _head(column: Column) -> str:
    return str(column.header).replace("/\n", "/").replace("\n", " ")


def message_console() -> Console:
    """stderr, for notes, failures and progress; long lines are the terminal's to wrap."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
