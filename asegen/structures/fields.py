"""What the readers of all formats share: limits, numbers as Fortran writes them, the key of notes, isotopes."""

from __future__ import annotations

import re

MAX_TEXT = 20_000_000
"""Characters of one structure, or of one line."""
MAX_ATOMS = 2000
"""Atoms of one cell."""
NOTE = "reading_note"
"""Key of `Atoms.info` for what a reader had to decide; files have keys such as `note` of their own."""
WITHOUT_MOMENTS = "magnetic moments left out"
"""A note: crystals are compared and relaxed without them."""
UNREADABLE = "reading_error"
"""Key of `Atoms.info` for why there are no atoms, `kind: detail`, in place of a structure that can't be Atoms."""
BOOKKEEPING = frozenset(
    "seed sample_index sample_seed attempt steps candidate log_prior template_distance symprec symmetrize_row "
    "relax_row relax_steps relax_fmax relax_strain valid has_template known_composition novel".split()
)
"""Numbers and truths that the commands write beside a structure of how it came about: no properties of it."""
HEAVY_HYDROGEN = ("D", "T")
"""Symbols that are read as hydrogen."""
HEAVY_HYDROGEN_NOTE = "deuterium or tritium read as hydrogen"

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
