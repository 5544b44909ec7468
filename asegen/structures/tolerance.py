"""The tolerance within which a space group is looked for, refused where it has no meaning; without spglib."""

from __future__ import annotations

from asegen.errors import InputError

LARGEST = 1.0
"""Å, the largest tolerance that is taken: beyond, atoms that are neighbours count as one."""


def check_symprec(symprec: float) -> None:
    """Refuses a tolerance without meaning.

    Args:
        symprec: Å.

    Raises:
        InputError: it isn't above 0 and at most `LARGEST`.
    """
    if not 0 < symprec <= LARGEST:
        wrong = f"symprec = {symprec:g}: a tolerance in Å, above 0 and at most {LARGEST:g}, is needed"
        raise InputError(wrong, "symprec")
