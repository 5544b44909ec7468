"""What the readers of all formats share: limits, numbers as Fortran writes them, the key of notes."""

from __future__ import annotations

import re

MAX_TEXT = 20_000_000
"""Characters of one structure, or of one line."""
MAX_ATOMS = 2000
"""Atoms of one cell."""
NOTE = "note"
"""Key of `Atoms.info` for what a reader had to decide."""

_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d)")


def plain_exponents(text: str) -> str:
    """A text with exponents of double precision, 1.5D-3, as 1.5E-3."""
    return _FORTRAN.sub("E", text)


def is_number(text: str) -> bool:
    """Whether a text is a number, NaN and infinity included."""
    try:
        float(text)
    except ValueError:
        return False
    return True
