"""Arguments as Python's own numbers and text, or one line that names the parameter which can't be that."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

from asegen.errors import InputError


def listed(given: Any) -> list[Any]:
    """One or several as a list; text is one, although it iterates over its letters.

    Args:
        given: what was handed over, such as a name, a path, a number, or any number of these.
    """
    return [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)


def whole_number(name: str, given: object) -> int:
    """A whole number as Python's own; those of NumPy can't be written as JSON.

    Args:
        name: the parameter's.
        given: what was handed over.

    Raises:
        InputError: a fraction, a truth value, text, or anything else.
    """
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise InputError(f"{name} = {given!r:.60}: a whole number is needed", name)
    return int(given)


def real_number(name: str, given: object) -> float:
    """A number as Python's own, infinity and NaN included.

    Args:
        name: the parameter's.
        given: what was handed over.

    Raises:
        InputError: a truth value, text, or anything else.
    """
    if isinstance(given, bool) or not isinstance(given, Real):
        raise InputError(f"{name} = {given!r:.60}: a number is needed", name)
    return float(given)


def text(name: str, given: object, example: str) -> str:
    """Text.

    Args:
        name: the parameter's.
        given: what was handed over.
        example: what could have been, for the error.

    Raises:
        InputError: a list, a number, None, or anything else.
    """
    if not isinstance(given, str):
        raise InputError(f"{name} = {given!r:.60}: text is needed, such as {example!r}", name)
    return given


def check_path(name: str, given: object, what: str) -> None:
    """Refuses what is no path; whether there is anything is another matter.

    Args:
        name: the parameter's.
        given: what was handed over.
        what: it is the path of, for the error.

    Raises:
        InputError: None, a list, or anything else.
    """
    if not isinstance(given, str | Path):
        raise InputError(f"{name} = {given!r:.60}: the path of {what} is needed", name)


def check_model(name: str, given: object) -> None:
    """Refuses what names no model; whether there is one of that name is another matter.

    Args:
        name: the parameter's.
        given: the name of shipped weights, the path of a file, or None.

    Raises:
        InputError: a truth value, a number, or anything else.
    """
    if given is not None and not isinstance(given, str | PathLike):
        raise InputError(f"{name} = {given!r:.60}: the name of a model, a path of weights, or None is needed", name)
