"""The error of one structure among many, and exceptions of other libraries cut to one line."""

from __future__ import annotations


class StructureError(ValueError):
    """One structure cannot be used; the message is one line `kind: detail`."""


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, cut to 120 characters, for messages of one line."""
    return (str(error).splitlines() or [""])[0][:120]
