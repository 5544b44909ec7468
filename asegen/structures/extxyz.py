"""Frames of extxyz: where one ends, and what in it ASE would misread or call by the name of an exception."""

from __future__ import annotations

import io
import itertools
import re
import sys
import warnings
from collections.abc import Iterator, Sequence

import ase.io
from ase import Atoms
from ase.data import atomic_numbers

from asegen.structures.errors import StructureError
from asegen.structures.fields import HEAVY_HYDROGEN, HEAVY_HYDROGEN_NOTE, MAX_ATOMS, NOTE, is_number, plain_exponents

_PROPERTIES = re.compile(r"Properties=\"?([^\s\"]+)")
_PLAIN = "species:S:1:pos:R:3"
_WIDE = re.compile(r":[SRIL]:\d{4}")


def cut_frames(lines: Iterator[str]) -> Iterator[str | StructureError]:
    """The text of every frame, or what is wrong with it; after damage that hides where the next begins, nothing.

    Args:
        lines: of a file, with their ends.
    """
    ahead: list[str] = []
    rest = itertools.chain.from_iterable(iter(lambda: [ahead.pop()] if ahead else list(itertools.islice(lines, 1)), []))
    for head in rest:
        if not head.strip():
            continue
        frame = _frame(head, rest)
        ahead.extend(itertools.islice(lines, 1))
        if isinstance(frame, str) and ahead and _continues(frame, ahead[0]):
            yield StructureError(f"unreadable: the frame says {head.strip()[:20]} atoms and has more lines")
            return
        yield frame
        if isinstance(frame, StructureError) and not str(frame).startswith("too large"):
            return


def _frame(head: str, lines: Iterator[str]) -> str | StructureError:
    try:
        n_atoms = int(head)
    except ValueError:
        return StructureError(f"unreadable: {head.strip()[:40]!r} where the number of atoms should be")
    if n_atoms < 1:
        return StructureError(f"unreadable: a frame of {n_atoms} atoms")
    kept: list[str] = [head]
    n_lines = 0
    for line in itertools.islice(lines, min(n_atoms, sys.maxsize - 1) + 1):
        n_lines += 1
        if n_lines <= MAX_ATOMS + 1:
            kept.append(line)
    if n_lines < n_atoms + 1 or not _complete(kept):
        return StructureError(f"truncated: the file ends {max(n_lines - 1, 0)} lines into a frame of {n_atoms} atoms")
    if n_atoms > MAX_ATOMS:
        return StructureError(f"too large: {n_atoms} atoms, more than {MAX_ATOMS}")
    if _WIDE.search(kept[1]):  # ASE would make as many columns
        return StructureError("too large: a property of a thousand columns or more")
    return "".join(kept)


def _complete(lines: list[str]) -> bool:
    """Whether the last line is whole: it ends, or has as many fields as an atom needs."""
    needed = len(lines[-2].split()) if len(lines) > 3 else 4
    return lines[-1].endswith("\n") or len(lines[-1].split()) >= needed


def _continues(frame: str, following: str) -> bool:
    """Whether the line after a frame looks like one more atom."""
    fields = following.split()
    return len(fields) > 3 and len(fields) == len(frame.rstrip().rpartition("\n")[2].split()) and "=" not in following


def frame_atoms(frame: str) -> Atoms:
    """The atoms of one frame, with its info and what it holds of each atom.

    Args:
        frame: its text, as `cut_frames` gives it.

    Raises:
        StructureError: it can't be read; the message says which line is to blame.
    """
    frame, note = _plain(frame)
    atoms = _by_ase(frame) or _by_ase(plain_exponents(frame))
    if atoms is None:
        raise StructureError(f"unreadable: {_blame(frame)}")
    if note:
        atoms.info[NOTE] = note
    return atoms


def _by_ase(frame: str) -> Atoms | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (atoms,) = ase.io.iread(io.StringIO(frame), ":", format="extxyz")
    except Exception:  # malformed text raises anything
        return None
    return atoms if len(atoms) else None


def _plain(frame: str) -> tuple[str, str | None]:
    """A frame without what ASE doesn't know or ignores: deuterium is hydrogen; and a note."""
    head, comment, *lines = frame.splitlines()
    places = _places(comment)
    rows = [line.split() for line in lines]
    _check_widths(rows, len(places), _PROPERTIES.search(comment) is not None)
    if "species" not in places:
        return frame, None
    species = places.index("species")
    symbols = {row[species] for row in rows}
    unknown = next((x for x in sorted(symbols - set(HEAVY_HYDROGEN)) if x.capitalize() not in atomic_numbers), None)
    if unknown is not None:
        raise StructureError(f"unknown element: {unknown[:40]!r} is no element")
    if not symbols & set(HEAVY_HYDROGEN):
        return frame, None
    for row in rows:
        row[species] = "H" if row[species] in HEAVY_HYDROGEN else row[species]
    return "\n".join([head, comment, *map(" ".join, rows)]) + "\n", HEAVY_HYDROGEN_NOTE


def _check_widths(rows: Sequence[Sequence[str]], width: int, is_exact: bool) -> None:
    """Raises where a line lacks a field, or has more than `Properties` announces."""
    for number, row in enumerate(rows, 3):
        if len(row) < width or (is_exact and len(row) > width):
            raise StructureError(f"unreadable: line {number} of a frame has {len(row)} fields, not {width}")


def _places(comment: str) -> list[str]:
    """What the field at each place of an atom's line is."""
    found = _PROPERTIES.search(comment)
    parts = (found.group(1) if found else _PLAIN).split(":")
    try:
        return [name for name, n in zip(parts[::3], parts[2::3], strict=True) for _ in range(int(n))]
    except ValueError:
        raise StructureError(f"unreadable: {':'.join(parts)[:60]!r} are no properties") from None


def _blame(frame: str) -> str:
    _, comment, *lines = frame.splitlines()
    places = _places(comment)
    for number, line in enumerate(lines, 3):
        for place, field in zip(places, line.split(), strict=False):
            if place == "pos" and not is_number(field):
                return f"{field[:40]!r} where a coordinate should be (line {number} of a frame)"
    return f"the second line of a frame, {comment[:60]!r}, or what it announces"
