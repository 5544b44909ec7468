"""POSCAR and CONTCAR: each line is checked before ASE reads it, which invents what is missing or raises anything."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence

import ase.io
from ase import Atoms
from ase.data import atomic_numbers

from asegen.structures.errors import StructureError
from asegen.structures.fields import HEAVY_HYDROGEN, HEAVY_HYDROGEN_NOTE, MAX_ATOMS, NOTE, is_number, plain_exponents

_FIRST_ATOM = 8  # line of the first coordinates, without selective dynamics


def poscar_atoms(text: str) -> Atoms:
    """The crystal of a POSCAR that names its elements.

    Args:
        text: POSCAR or CONTCAR. One of VASP 4, without a line of elements, has to name them in its first line.

    Raises:
        StructureError: a line isn't what it should be; the message says which.
    """
    lines = _with_symbols(text.splitlines())
    if len(lines) < _FIRST_ATOM:
        raise StructureError("unreadable: a POSCAR has at least 8 lines")
    symbols, heavy = _symbols(lines[5])
    counts = _counts(lines[6], len(symbols))
    n_atoms = sum(counts)
    if n_atoms > MAX_ATOMS:
        raise StructureError(f"too large: {n_atoms} atoms, more than {MAX_ATOMS}")
    numbers = [plain_exponents(line) for line in lines]
    _check_cell(numbers[1:5])
    selective = lines[7].strip()[:1].lower() == "s"
    first = _FIRST_ATOM + selective
    _check_positions(lines, numbers[first : first + n_atoms], n_atoms, selective)
    head = [" ".join(symbols), *numbers[1:5], " ".join(symbols), " ".join(map(str, counts)), *lines[7:first]]
    atoms = _read("\n".join([*head, *numbers[first:]]) + "\n")
    if heavy:
        atoms.info[NOTE] = HEAVY_HYDROGEN_NOTE
    return atoms


def _with_symbols(lines: list[str]) -> list[str]:
    """With a sixth line of elements, which VASP 4 left out: the first line, where it has one for each number."""
    if len(lines) <= _FIRST_ATOM - 3:
        return lines
    names, counts = lines[0].split(), lines[_FIRST_ATOM - 3].split()
    if len(names) != len(counts) or not all(count.isdecimal() for count in counts):
        return lines
    if not all(atomic_numbers.get(name, 0) > 0 for name in names):
        return lines
    return [*lines[:5], lines[0], *lines[5:]]


def _symbols(line: str) -> tuple[list[str], bool]:
    """Symbols without what VASP puts behind them (Mg_pv, Mg/0b2d…), and whether heavy hydrogen is among them."""
    if not re.match(r"\s*[A-Za-z]", line):
        raise StructureError("unknown element: the POSCAR names no elements (sixth line; VASP 4: first)")
    symbols = [re.split(r"[_/.]", word)[0] for word in line.split("!")[0].split()]
    for symbol in symbols:
        if symbol not in HEAVY_HYDROGEN and atomic_numbers.get(symbol, 0) == 0:
            raise StructureError(f"unknown element: {symbol[:40]!r} is no element")
    plain = ["H" if symbol in HEAVY_HYDROGEN else symbol for symbol in symbols]
    return plain, plain != symbols


def _counts(line: str, n_symbols: int) -> list[int]:
    words = line.split("!")[0].split()
    if not words or not all(word.isdecimal() and len(word) < 16 for word in words):
        raise StructureError("unreadable: the seventh line of the POSCAR should hold numbers of atoms")
    if len(words) != n_symbols:
        raise StructureError(f"unreadable: the POSCAR names {n_symbols} elements and {len(words)} numbers of atoms")
    return [int(word) for word in words]


def _check_cell(lines: Sequence[str]) -> None:
    if not lines[0].split() or not all(map(is_number, lines[0].split())):
        raise StructureError("unreadable: the second line of the POSCAR should hold the scale")
    for number, line in enumerate(lines[1:], 3):
        if len(line.split()) < 3 or not all(map(is_number, line.split()[:3])):
            raise StructureError(f"unreadable: line {number} of the POSCAR should hold three numbers")


def _check_positions(lines: Sequence[str], atoms: Sequence[str], n_atoms: int, selective: bool) -> None:
    mode = lines[7 + selective].strip() if len(lines) > 7 + selective else ""
    if mode[:1].lower() not in ("d", "c", "k"):
        raise StructureError(f"unreadable: {mode[:40]!r} where the POSCAR should say Direct or Cartesian")
    for number, line in enumerate(atoms):
        words = line.split()
        if not words:
            raise StructureError(f"unreadable: a POSCAR of {n_atoms} atoms lists {number}")
        if len(words) < 3 or not all(map(is_number, words[:3])):
            raise StructureError(f"unreadable: {line.strip()[:40]!r} where the POSCAR should hold a position")
        if selective and len(words) < 6:
            raise StructureError("unreadable: selective dynamics without flags")
    if len(atoms) < n_atoms:
        raise StructureError(f"unreadable: a POSCAR of {n_atoms} atoms lists {len(atoms)}")


def _read(text: str) -> Atoms:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (atoms,) = ase.io.iread(io.StringIO(text), ":", format="vasp")
    except Exception:  # malformed text raises anything
        raise StructureError("unreadable: what follows the positions of the POSCAR") from None
    return atoms
