"""The tolerance within which a space group is looked for, refused where it has no meaning; without spglib."""

from __future__ import annotations

from asegen.arguments import real_number
from asegen.errors import InputError

LARGEST = 1.0
"""Å, the largest tolerance that is taken: beyond, atoms that are neighbours count as one."""


def check_symprec(symprec: float) -> None:
    """Refuses a tolerance without meaning.

    Args:
        symprec: Å, tolerance of the space groups.

    Raises:
        InputError: it is no number above 0 and at most `LARGEST`.
    """
    symprec = real_number("symprec", symprec)
    if not 0 < symprec <= LARGEST:
        wrong = f"symprec = {symprec:g}: a tolerance in Å, above 0 and at most {LARGEST:g}, is needed"
        raise InputError(wrong, "symprec")
