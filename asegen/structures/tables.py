"""Tables as CSV text: rows, their identifiers, and the numbers in them."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from asegen.errors import InputError
from asegen.parallel.cells import from_cell
from asegen.structures.errors import first_line
from asegen.structures.fields import MAX_TEXT
from asegen.structures.streams import MAX_BLANK_LINES, bounded_lines, open_text

ID_COLUMNS = ("material_id", "id")
"""Names of columns with an identifier, the first that is there counts."""

_DIGITS = 19  # with which a whole number may leave 64 bits
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MISSING = {"", "nan", "na", "n/a", "none", "null"}


def read_table(path: Path, max_unpacked: int | None = None) -> Iterator[dict[str, str]]:
    """The rows of a CSV table (also as .gz), column -> text; what a short row lacks is empty.

    Args:
        path: the file.
        max_unpacked: bytes that a compressed file may unpack to, see `asegen.structures.streams.open_text`.

    Raises:
        InputError: the file is no table in UTF-8, or is cut off.
    """
    yield from rows(open_text(path, max_unpacked), path)


def rows(file: TextIOWrapper, path: Path) -> Iterator[dict[str, str]]:
    """The rows of an open table, as `read_table` gives them; closes it.

    Args:
        file: at its start.
        path: its name, for errors.

    Raises:
        InputError: the file is no table in UTF-8, or is cut off.
    """
    csv.field_size_limit(MAX_TEXT)
    with file:
        reader = csv.DictReader(bounded_lines(file, path), restval="", strict=True)
        blank = 0
        try:
            for row in reader:
                blank = 0 if any(row.values()) else blank + 1
                if blank > MAX_BLANK_LINES:
                    raise InputError(f"{path} has more than {MAX_BLANK_LINES:,} empty rows")
                yield {key: from_cell(value) for key, value in row.items() if key is not None}
        except (csv.Error, EOFError, OSError) as error:
            raise InputError(f"cannot read {path} at line {reader.line_num + 1}: {first_line(error)}") from None


def row_id(row: Mapping[str, str], number: int) -> str:
    """`material_id` or `id` where the table has one, else the row's number."""
    return next((row[name] for name in ID_COLUMNS if row.get(name)), str(number))


def typed(text: str) -> int | float | str:
    """A cell as a number where the whole of it is one; else as it is.

    Text stays what a number would change: with leading zeros, such as 007, or too large for 64 bits. So does what
    stands for no number: empty cells, nan, inf.

    Args:
        text: of a column that holds no identifiers.
    """
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < _DIGITS else text
    if _FLOAT.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    return text


def number(value: object) -> float | None:
    """A value as a float: NaN for what tables write where they have nothing, None for what is no number."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | float | np.integer | np.floating):
        return float(value)
    if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
        return math.nan
    if not isinstance(value, str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
