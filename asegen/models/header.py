"""The JSON header of a file of weights, read and checked without torch.

It says what is needed to build the network and its task again (classes and hyperparameters), and the format's version,
data, metrics, licence. The task stands under `"process"`.

A file may come from anywhere: what a header of a network holds is checked here once, by a schema, so that nothing else
has to expect a list where a table is meant, or a width of a billion.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from asegen.elements import ATOMIC_NUMBERS
from asegen.errors import CheckpointError

FORMAT_VERSION = 1
MAX_SIZE = 4096
"""Of a whole number among a network's hyperparameters."""
MAX_CUTOFF = 20.0  # Å
_WIDTHS = ("width", "hidden")  # other sizes may be 0, which leaves a part out
_KEY = "asegen"
_LONGEST = 200
_MOST_STEPS = 10**12
_MOST_ATOMS = 10**6
_LARGEST = 1e9
_MOST_NUMBERS = 100_000
_DEEPEST = 3
_MOST_NESTED = 100
"""Brackets within brackets: a library may have raised Python's own limit, beyond which the stack ends."""


def read_header(path: Path) -> dict[str, Any]:
    """The header of any file of tensors that asegen wrote.

    Raises:
        CheckpointError: there is no file, or it isn't a safetensors file, not asegen's, or of an unknown format.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY)
        if text is None:
            raise CheckpointError(f"{path} is a safetensors file that asegen did not write")
        if _is_nested(text):
            raise CheckpointError(f"{path} has a header with more than {_MOST_NESTED} brackets within brackets")
        header = json.loads(text)
    except FileNotFoundError:
        raise CheckpointError(f"no weights at {path}") from None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise unreadable(path, error) from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path} has a header that is no table")
    if not _is_whole(header.get("format"), 0, _MOST_STEPS) or header["format"] != FORMAT_VERSION:
        found = str(header.get("format"))[:_LONGEST]
        raise CheckpointError(f"{path} has format {found}, this version reads {FORMAT_VERSION}")
    return header


def _is_nested(text: str) -> bool:
    depth = 0
    for bracket in re.finditer(r"[][{}]", text):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > _MOST_NESTED:
            return True
    return False


def read_model_header(path: Path, *needed: str) -> dict[str, Any]:
    """The header of a network's weights.

    Args:
        path: the file.
        needed: entries that have to be there beside those that every network has.

    Raises:
        CheckpointError: as in `read_header`, or an entry is missing or odd.
    """
    header = read_header(path)
    check_model_header(header, path, *needed)
    return header


def check_model_header(header: Mapping[str, Any], path: Path, *needed: str) -> None:
    """Checks what a header says of a network.

    Args:
        header: of a file.
        path: the file, for the message.
        needed: as in `read_model_header`.

    Raises:
        CheckpointError: an entry is missing or odd; one line that names it.
    """
    for name in (*_ALWAYS, *needed):
        if name not in header:
            raise CheckpointError(f"{path} does not hold weights of this version: its header lacks {name!r}")
    for name, rule in _SCHEMA.items():
        if name in header and not rule.holds(header[name]):
            raise CheckpointError(f"{path} has a bad header: {name!r} has to be {rule.words}")


def unreadable(path: Path, error: Exception) -> CheckpointError:
    """The error for a file that safetensors can't read."""
    reason = " ".join(str(error).split())[:_LONGEST]
    return CheckpointError(f"{path} is not a readable safetensors file ({reason})")


def metadata(header: Mapping[str, Any]) -> dict[str, str]:
    """A header as safetensors keeps it."""
    return {_KEY: json.dumps({"format": FORMAT_VERSION, **header})}


# -- the schema --------------------------------------------------------------------------------------------------------


class _Rule(NamedTuple):
    """What an entry has to be, as a test and in words."""

    holds: Callable[[Any], bool]
    words: str


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= _LONGEST


def _are_elements(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) < ATOMIC_NUMBERS
        and all(_is_whole(z, 1, ATOMIC_NUMBERS - 1) for z in value)
        and len(set(value)) == len(value)
    )


def _are_figures(value: Any) -> bool:
    # NaN is what a metric without an answer is.
    return isinstance(value, dict) and all(_is_number(one) for one in value.values())


def _is_recipe(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("data"), dict):
        return False
    targets = value["data"].get("targets", [])
    return isinstance(targets, list) and all(map(_is_line, targets)) and len(set(targets)) == len(targets)


def _is_model(value: Any) -> bool:
    return _is_class(value) and all(_is_size(name, one) for name, one in value.items())


def _is_size(name: str, value: Any) -> bool:
    if name.endswith("cutoff"):
        return _is_number(value) and 0 < value <= MAX_CUTOFF
    if isinstance(value, list | dict) or value is None:
        return False
    return not _is_number(value) or (1 if name in _WIDTHS else 0) <= value <= MAX_SIZE


def _is_process(value: Any) -> bool:
    return _is_class(value) and all(_is_argument(name, one) for name, one in value.items())


def _is_argument(name: str, value: Any) -> bool:
    """Whether an argument of a task is plausible: of the shape that its name tells, deviations not negative."""
    if name.endswith("cutoff"):
        return _is_number(value) and 0 < value <= MAX_CUTOFF
    if name in _LENGTHS:
        return (
            isinstance(value, list)
            and len(value) > 0
            and _ends_with(value, _LENGTHS[name])
            and not (name.endswith(("_std", "scale")) and min(_flat(value)) < 0)
        )
    if name in ("default_steps", "candidates"):
        return _is_whole(value, 1, _MOST_NUMBERS)
    return True


_LENGTHS = {
    "elements": (ATOMIC_NUMBERS,),
    "scale": (),
    "lattice_mean": (6,),
    "lattice_std": (6,),
    "parameter_mean": (6,),
    "parameter_std": (6,),
    "bravais_mean": (14, 6),
    "bravais_std": (14, 6),
}
"""Of lists among a task's arguments: the last dimensions."""


def _ends_with(value: list[Any], lengths: tuple[int, ...]) -> bool:
    shape: list[int] = []
    level: list[Any] = [value]
    while level and all(isinstance(one, list) for one in level):
        sizes = {len(one) for one in level}
        if len(sizes) != 1:
            return False
        shape.append(sizes.pop())
        level = [inner for one in level for inner in one]
    return all(map(_is_number, level)) and (not lengths or tuple(shape[-len(lengths) :]) == lengths)


def _is_class(value: Any) -> bool:
    """Whether a table names a class and has plain values, finite numbers among them."""
    if not isinstance(value, dict) or not _is_line(value.get("class")) or not all(map(_is_line, value)):
        return False
    flat = _flat(list(value.values()))
    return len(flat) < _MOST_NUMBERS and all(map(_is_plain, flat))


def _is_plain(value: Any) -> bool:
    if _is_number(value):
        return math.isfinite(value) and abs(value) <= _LARGEST
    return value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) <= _LONGEST)


def _flat(value: list[Any], depth: int = _DEEPEST + 1) -> list[Any]:
    """What stands in nested lists; lists that lie deeper remain."""
    found = []
    for one in value:
        found += _flat(one, depth - 1) if isinstance(one, list) and depth > 1 else [one]
    return found


_ALWAYS = ("name", "steps", "model", "process")
_SCHEMA = {
    "name": _Rule(_is_line, f"a line of up to {_LONGEST} characters"),
    "steps": _Rule(lambda value: _is_whole(value, 0, _MOST_STEPS), "a number of steps"),
    "elements": _Rule(_are_elements, f"a list of different atomic numbers, 1 to {ATOMIC_NUMBERS - 1}"),
    "max_atoms": _Rule(lambda value: _is_whole(value, 1, _MOST_ATOMS), f"a number of atoms, 1 to {_MOST_ATOMS}"),
    "model": _Rule(_is_model, f"a table with a class and plain arguments, sizes up to {MAX_SIZE}"),
    "process": _Rule(_is_process, "a table with a class and plain arguments, statistics of the right shapes"),
    "recipe": _Rule(_is_recipe, "a recipe, whose data may name different targets"),
    "metrics": _Rule(_are_figures, "a table of numbers"),
    "test": _Rule(_are_figures, "a table of numbers"),
}
