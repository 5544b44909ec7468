"""Structures in the formats that people open: extxyz, CIF, ASE's trajectory and database, POSCARs.

Every format carries a structure's whole `info`: extxyz and trajectories as ASE does, a database in each row's `data`
(and what it can search in key-value pairs), CIF and POSCAR as JSON in a comment that every reader skips. What none of
them can hold, such as a function, is left out, and its name stands under `LEFT_OUT`.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.db import connect
from ase.db.core import check
from ase.io import write
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict
from ase.io.trajectory import Trajectory

from asegen.structures.formats import CIF, DATABASE, EXTXYZ, FOLDER, POSCAR, TRAJECTORY, check_room

LEFT_OUT = "left_out"
"""Key of `Atoms.info` for the names of what couldn't be written."""
_NAME_CHARACTERS = re.compile(r"[^\w.()+-]")
_LONGEST_LABEL = 50  # characters: names of files have 255 bytes at most
_ODD = re.compile(r"[^\w .:-]+")
_OF_EXTXYZ = ("Properties", "Lattice", "pbc")
_ZERO = 1e-6  # fractional: what rounding in single precision leaves of 0
_ZERO_LENGTH = 1e-9  # Å: what cosines of right angles leave of 0
_SYMPREC, _EXACT = 0.01, 1e-4  # Å


class Output(NamedTuple):
    """A structure with what its `info` doesn't say of how it is written.

    Attributes:
        atoms: the structure, with any `info`.
        label: what stands beside its place in the name of its POSCAR in a folder, or of its block in a CIF; without it,
            `sample_index` and `formula` of `info` make that name.
        keeps_order: a POSCAR lists the atoms in their order, an element as often as it comes again; without it, the
            atoms of an element stand together.
    """

    atoms: Atoms
    label: str | None = None
    keeps_order: bool = False


def holds(kind: str, atoms: Atoms) -> bool:
    """Whether a format can hold a structure: CIF and POSCARs need a finite cell that has a volume."""
    if kind not in (CIF, FOLDER, POSCAR):
        return True
    finite = np.isfinite(atoms.cell.array).all() and np.isfinite(atoms.positions).all()
    return bool(finite) and atoms.cell.rank == 3 and atoms.cell.volume > 0


def structure_name(atoms: Atoms, index: int = 0) -> str:
    """The name of one structure of a run, such as "000003-SrTiO3"; its POSCAR in a folder is called after it."""
    return _name(Output(atoms), index, "-")


def _name(output: Output, index: int, joint: str) -> str:
    """A name for one of many: its place, by which they sort, and what it is."""
    if output.label is not None:
        return f"{index:06d}{joint}{_NAME_CHARACTERS.sub('', output.label)[:_LONGEST_LABEL]}"
    info = output.atoms.info
    place, formula = info.get("sample_index", index), info.get("formula", output.atoms.get_chemical_formula())
    number = f"{place:06d}" if isinstance(place, int | np.integer) else f"{index:06d}"
    return f"{number}{joint}{_NAME_CHARACTERS.sub('', str(formula))}"


def extxyz_text(structures: Iterable[Atoms]) -> str:
    """Frames of extxyz whose info ASE reads back as it was, text like "6000" as a whole number."""
    text = io.StringIO()
    for atoms in structures:
        plain = _writable(atoms)
        plain.info, left_out = _extxyz_info(plain.info)
        if left_out:
            names = [str(plain.info.get(LEFT_OUT, "")), *(_ODD.sub("_", key.strip()) for key in left_out)]
            plain.info[LEFT_OUT] = ", ".join(filter(None, names))
        write(text, plain, format="extxyz")
    return text.getvalue()


def _extxyz_info(info: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What ASE reads back as it was, if need be as JSON; and the keys that it can't read."""
    kept = {key: value if _is_read(key, value) else _as_json(value) for key, value in info.items()}
    left_out = [key for key, value in kept.items() if not _is_key(key) or _back(key, value) is None]
    return {key: value for key, value in kept.items() if key not in left_out}, left_out


def _is_key(key: str) -> bool:
    return key not in _OF_EXTXYZ and len(key.splitlines()) == 1


def _as_json(value: Any) -> str:
    # ASE reads the formulas F, NaN and InF as false, not-a-number and infinity; its own way out is JSON.
    return "_JSON " + json.dumps(value, default=_plain_or_error).replace("\\", "\\\\")


def _back(key: str, value: Any) -> tuple[Any] | None:
    """What ASE reads where it wrote a value; None where it can't."""
    try:
        found = key_val_str_to_dict(key_val_dict_to_str({key: value}))
        return (found[key],) if len(found) == 1 else None
    except (ValueError, KeyError):
        return None


def _is_read(key: str, value: Any) -> bool:
    """Whether ASE reads a value back as it is, text like "6000" as a whole number."""
    if isinstance(value, bool | float | np.generic) or (isinstance(value, int) and abs(value) < 2**63):
        return True
    if isinstance(value, np.ndarray):
        return value.size > 0
    back = _back(key, value)
    if back is None:
        return False
    if isinstance(value, list):
        return len(value) > 0 and np.shape(back[0]) == np.shape(value) and bool(np.all(np.array(value) == back[0]))
    if not isinstance(value, str) or len(value.splitlines()) > 1:  # a line break ends the frame's second line
        return False
    return str(back[0]) == value and isinstance(back[0], str | np.integer)


def write_structures(structures: Iterable[Atoms | Output], place: Path, kind: str) -> None:
    """Writes structures one after the other; memory for one at a time.

    A CIF lists the operations of the space group where the crystal has exactly the one whose number `info` holds as
    `spacegroup`, as `asegen symmetrize` and `asegen generate` leave it. All others are in P1.

    Args:
        structures: Atoms stand for `Output(atoms)`.
        place: a path that doesn't exist.
        kind: one of the formats of this module.

    Raises:
        InputError: several structures for one POSCAR.
        OSError: the path can't be written, or the disk is full.
    """
    numbered = enumerate(map(_as_output, structures))
    if kind == FOLDER:
        place.mkdir()
        for index, output in numbered:
            name = f"POSCAR-{_name(output, index, '-')}"
            (place / name).write_text(_poscar_text(output), encoding="utf-8")
    elif kind == DATABASE:
        with connect(place, type="db", append=False) as database:
            for _, output in numbered:
                atoms = output.atoms
                info = {k: v.item() if isinstance(v, np.generic) else v for k, v in atoms.info.items()}
                database.write(atoms, key_value_pairs=_searchable(info), data=info)
    elif kind == TRAJECTORY:
        with Trajectory(place, "w") as trajectory:
            for _, output in numbered:
                trajectory.write(output.atoms)
    else:
        _write_text(numbered, place, kind)


def _as_output(given: Atoms | Output) -> Output:
    output = given if isinstance(given, Output) else Output(given)
    return output._replace(atoms=_writable(output.atoms))


def _write_text(numbered: Iterator[tuple[int, Output]], place: Path, kind: str) -> None:
    with place.open("w", encoding="utf-8") as file:
        for index, output in numbered:
            check_room(kind, index + 1, str(place))
            if kind == EXTXYZ:
                file.write(extxyz_text([output.atoms]))
            else:
                file.write(_cif_text(output, index) if kind == CIF else _poscar_text(output))


def _writable(atoms: Atoms) -> Atoms:
    """A copy without what no format can hold; the names of that are in its info."""
    plain = atoms.copy()
    plain.calc = atoms.calc
    plain.info = {
        str(key): _kept(value) for key, value in atoms.info.items() if value is None or _plain(value) is not None
    }
    arrays = [str(name) for name, array in atoms.arrays.items() if array.dtype.kind not in "biufU" or array.ndim > 2]
    for name in arrays:
        del plain.arrays[name]
    if left_out := [*(str(key) for key in atoms.info if str(key) not in plain.info), *arrays]:
        plain.info[LEFT_OUT] = ", ".join(_ODD.sub("_", key.strip()) for key in left_out)
    return plain


def _kept(value: Any) -> Any:
    is_array = isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    return value if is_array or isinstance(value, np.generic) else _plain(value)


def _plain(value: Any) -> Any:
    """A value as numbers, text, lists and dictionaries; None for what isn't made of those."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    try:
        return json.loads(json.dumps(value, default=_plain_or_error))
    except (TypeError, ValueError, RecursionError):
        return None


def _json(info: Mapping[str, Any]) -> str:
    return json.dumps(info, default=_plain_or_error)


def _plain_or_error(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()  # a number of one
    raise TypeError(f"{type(value).__name__} is no plain value")


def _cif_text(output: Output, index: int) -> str:
    atoms = output.atoms
    head = f"data_{_name(output, index, '_')}\n# asegen {_json(atoms.info)}"
    body = _symmetric_cif(atoms) if atoms.info.get("spacegroup", 1) != 1 else None
    if body is None:
        block = io.BytesIO()
        write(block, Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc), format="cif")
        body = block.getvalue().decode()
    return re.sub("^data_.*$", lambda _: head, body, count=1, flags=re.MULTILINE) + "\n"


def _symmetric_cif(atoms: Atoms) -> str | None:
    """The same cell by its space group's operations; None where it doesn't have the group that `info` names.

    What `asegen symmetrize` has refined is held against `_SYMPREC`, all else against `_EXACT`.
    """
    from pymatgen.core import Structure  # loads for a second
    from pymatgen.io.cif import CifWriter

    structure = Structure(atoms.cell.array, list(atoms.symbols), atoms.get_scaled_positions())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            symprec = _SYMPREC if "symprec" in atoms.info else _EXACT
            writer = CifWriter(structure, symprec=symprec, significant_figures=12, refine_struct=False)
    except Exception:  # spglib finds none, or pymatgen loses an atom
        return None
    (block,) = writer.cif_file.data.values()
    same = block["_symmetry_Int_Tables_number"] == atoms.info["spacegroup"]
    return str(writer) if same else None


def _poscar_text(output: Output) -> str:
    atoms, text = output.atoms, io.StringIO()
    cell = np.where(np.abs(atoms.cell.array) < _ZERO_LENGTH, 0.0, atoms.cell.array)
    positions = atoms.get_scaled_positions(wrap=False)
    clean = Atoms(
        atoms.numbers, cell=cell, scaled_positions=np.where(np.abs(positions) < _ZERO, 0.0, positions), pbc=atoms.pbc
    )
    clean.set_constraint(atoms.constraints)
    if not output.keeps_order:
        species = list(dict.fromkeys(clean.symbols))  # in the order in which they come, as a POTCAR has them
        clean = clean[sorted(range(len(clean)), key=lambda k: species.index(clean.symbols[k]))]
    write(text, clean, format="vasp", direct=True)
    _, rest = text.getvalue().split("\n", 1)  # the first line is free
    return f"{_json(atoms.info)}\n{rest.replace('-0.0000000000000000', ' 0.0000000000000000')}"


def _searchable(info: Mapping[str, Any]) -> dict[str, Any]:
    """The info that ase.db takes as key-value pairs, whole numbers in text as numbers."""
    found = {}
    for key, value in info.items():
        if isinstance(value, str) and value.isdecimal() and str(int(value)) == value:
            value = int(value)
        if _is_searchable(key, value):
            found[key] = value
    return found


def _is_searchable(key: str, value: Any) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of keys that are formulas
            check({key: value})
    except (ValueError, UserWarning):
        return False
    return not isinstance(value, int) or abs(value) < 2**63
