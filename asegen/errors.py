"""Errors that a user meets as one clear line, and reasons why one structure among many is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a structure is refused, or what was done with it failed.

    Attributes:
        kind: a few words that can be counted, such as "overlapping atoms".
        detail: one line that says more of this case.
    """

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"

    @classmethod
    def read(cls, text: str) -> Reason:
        """The reason that was written as text, `kind: detail`."""
        kind, _, detail = text.partition(": ")
        return cls(kind, detail)


class AsegenError(Exception):
    """Any error whose message is meant for the user."""


class InputError(AsegenError):
    """What was asked for can't be done: a bad file, formula, option or device.

    Args:
        message: one line that calls parameters by their names in Python, such as "n = 0: at least 1 is needed".
        parameters: those names in it for which the command line puts its flags: "-n 0: at least 1 is needed".
    """

    def __init__(self, message: str = "", *parameters: str) -> None:
        super().__init__(message)
        self.parameters = parameters


class CheckpointError(AsegenError):
    """Weights that are missing, corrupt, foreign or of another format."""
