"""Structures as `asegen.structures.writing` wrote them, with all of their `info`."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from ase import Atoms
from ase.db import connect
from ase.io import iread

from asegen.errors import InputError
from asegen.structures.formats import CIF, DATABASE, EXTXYZ, FOLDER, POSCAR, TRAJECTORY

_CIF_COMMENT = re.compile(r"^# asegen (\{.*\})$", re.MULTILINE)


def read_back(place: Path, kind: str) -> Iterator[Atoms]:
    """The structures that `write_structures` wrote, with their info, in order.

    Raises:
        InputError: something else is there.
    """
    try:
        yield from _READERS[kind](place)
    except Exception as error:  # every reader of ASE fails in its own way
        raise InputError(f"{place} is not what asegen writes ({type(error).__name__})") from None


def _read_by_ase(place: Path) -> Iterator[Atoms]:
    if place.stat().st_size:
        yield from iread(place, ":", do_not_split_by_at_sign=True)


def _read_cif(place: Path) -> Iterator[Atoms]:
    text = place.read_text(encoding="utf-8")
    infos = _CIF_COMMENT.findall(text)
    if text and not infos:
        raise ValueError("a CIF of another origin")
    frames = iread(io.StringIO(text), ":", format="cif") if infos else iter([])
    for atoms, info in zip(frames, infos, strict=True):
        atoms.info = json.loads(info)
        yield atoms


def _read_database(place: Path) -> Iterator[Atoms]:
    with connect(place) as database:
        for row in database.select():
            atoms = row.toatoms()
            atoms.info = dict(row.data)
            yield atoms


def _read_folder(place: Path) -> Iterator[Atoms]:
    for file in sorted(place.iterdir()):
        yield from _read_poscar(file)


def _read_poscar(file: Path) -> Iterator[Atoms]:
    if not file.stat().st_size:
        return
    with file.open(encoding="utf-8") as lines:
        info = json.loads(lines.readline())
    for atoms in iread(file, format="vasp"):
        atoms.info = info
        yield atoms


_READERS = {
    EXTXYZ: _read_by_ase,
    TRAJECTORY: _read_by_ase,
    CIF: _read_cif,
    DATABASE: _read_database,
    FOLDER: _read_folder,
    POSCAR: _read_poscar,
}
