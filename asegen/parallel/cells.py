"""Text in cells of CSV tables: in one line, and no formula to a spreadsheet."""

from __future__ import annotations

import re

_FORMULA = ("=", "+", "-", "@", "\t")
"""What a spreadsheet takes for the beginning of a formula, unless the whole is a number."""
_NUMBER = re.compile(r"[+-]([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def csv_cell(value: object) -> object:
    """A value for a cell; `from_cell` takes the apostrophe off again.

    Args:
        value: a number, None, or what is written as text.
    """
    if not isinstance(value, str):
        return value
    line = value.replace("\\", "\\\\") if "\n" in value or "\r" in value else value
    line = line.replace("\r", "\\r").replace("\n", "\\n")
    return f"'{line}" if line.startswith(_FORMULA) and not _NUMBER.fullmatch(line) else line


def from_cell(text: str) -> str:
    """A cell's text without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_FORMULA) else text
