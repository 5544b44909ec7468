"""Structures in the formats that people open: extxyz, CIF, ASE's trajectory and database, a folder of POSCARs.

Every format carries a structure's whole `info`: extxyz and trajectories as ASE does, a database in each row's `data`
(and what it can search in key-value pairs), CIF and POSCAR as JSON in a comment that every reader skips.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.db import connect
from ase.io import iread, write
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict
from ase.io.trajectory import Trajectory

from asegen.errors import InputError

EXTXYZ, CIF, TRAJECTORY, DATABASE, FOLDER = "extxyz", "cif", "traj", "db", "folder"
_SUFFIXES = {".extxyz": EXTXYZ, ".xyz": EXTXYZ, ".cif": CIF, ".traj": TRAJECTORY, ".db": DATABASE, "": FOLDER}
_CIF_COMMENT = re.compile(r"^# asegen (\{.*\})$", re.MULTILINE)


def output_format(name: str) -> str:
    """The format that a path asks for by its suffix; one without a suffix, or with a slash at its end, is a folder.

    Raises:
        InputError: another suffix, or no name at all.
    """
    suffix = "" if name.endswith("/") else Path(name).suffix
    if suffix not in _SUFFIXES:
        raise InputError(f"{name}: unknown format {suffix!r}; use .extxyz, .cif, .traj, .db, or a folder's name")
    if Path(name).name in ("", ".."):
        raise InputError(f"{name!r} names no file or folder to write")
    return _SUFFIXES[suffix]


def holds(kind: str, atoms: Atoms) -> bool:
    """Whether a format can hold a structure: CIF and POSCAR need a finite cell that has a volume."""
    if kind not in (CIF, FOLDER):
        return True
    finite = np.isfinite(atoms.cell.array).all() and np.isfinite(atoms.positions).all()
    return bool(finite) and atoms.cell.rank == 3 and atoms.cell.volume > 0


def poscar_name(atoms: Atoms) -> str:
    """The file's name in a folder of POSCARs; they sort in the plan's order."""
    return f"POSCAR-{atoms.info['sample_index']:06d}-{atoms.info['formula']}"


def extxyz_text(structures: Iterable[Atoms]) -> str:
    """Frames of extxyz whose info ASE reads back as it was, text like "6000" as a whole number."""
    text = io.StringIO()
    for atoms in structures:
        plain = atoms.copy()
        plain.info = {key: _safe_in_extxyz(value) for key, value in atoms.info.items()}
        write(text, plain, format="extxyz")
    return text.getvalue()


def _safe_in_extxyz(value: object) -> object:
    # ASE reads the formulas F, NaN and InF as false, not-a-number and infinity; its own way out is JSON.
    if isinstance(value, str) and not _is_read_as_it_is(value):
        return "_JSON " + json.dumps(value).replace("\\", "\\\\")
    return value


def _is_read_as_it_is(text: str) -> bool:
    try:
        value = key_val_str_to_dict(key_val_dict_to_str({"k": text})).get("k")
    except ValueError:
        return False
    return str(value) == text and isinstance(value, str | np.integer)


def write_structures(structures: Iterable[Atoms], place: Path, kind: str) -> None:
    """Writes structures one after the other; memory for one at a time.

    Args:
        structures: with the `info` that `Generator` gives.
        place: a path that doesn't exist.
        kind: one of the formats of this module.

    Raises:
        OSError: the path can't be written, or the disk is full.
    """
    if kind == FOLDER:
        place.mkdir()
        for atoms in structures:
            (place / poscar_name(atoms)).write_text(_poscar_text(atoms), encoding="utf-8")
    elif kind == DATABASE:
        with connect(place, append=False) as database:
            for atoms in structures:
                database.write(atoms, key_value_pairs=_searchable(atoms), data=_plain_info(atoms))
    elif kind == TRAJECTORY:
        with Trajectory(place, "w") as trajectory:
            for atoms in structures:
                trajectory.write(atoms)
    else:
        text = extxyz_text if kind == EXTXYZ else _cif_text
        with place.open("w", encoding="utf-8") as file:
            for atoms in structures:
                file.write(text([atoms]))


def _cif_text(structures: Iterable[Atoms]) -> str:
    blocks = []
    for atoms in structures:
        block = io.BytesIO()
        write(block, atoms, format="cif")
        head = (
            f"data_{atoms.info['sample_index']:06d}_{atoms.info['formula']}\n# asegen {json.dumps(_plain_info(atoms))}"
        )
        blocks.append(block.getvalue().decode().replace("data_image0", head, 1) + "\n")
    return "".join(blocks)


def _poscar_text(atoms: Atoms) -> str:
    text = io.StringIO()
    write(text, atoms, format="vasp", direct=True, sort=True)
    _, rest = text.getvalue().split("\n", 1)  # the first line is free
    return f"{json.dumps(_plain_info(atoms))}\n{rest}"


def _plain_info(atoms: Atoms) -> dict[str, object]:
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in atoms.info.items()}


def _searchable(atoms: Atoms) -> dict[str, object]:
    """The info that ase.db takes as key-value pairs: it keeps the formula itself, and refuses text like "007"."""
    found = {}
    for key, value in _plain_info(atoms).items():
        if isinstance(value, str) and value.isdecimal() and str(int(value)) == value:
            value = int(value)
        if key != "formula" and not (isinstance(value, str) and _looks_like_a_number_or_truth(value)):
            found[key] = value
    return found


def _looks_like_a_number_or_truth(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("True", "False")
    return True


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
}
