"""What candidates are measured against: the elements by the same calculator, and a user's competing phases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from pymatgen.core import Composition

from asegen.errors import InputError
from asegen.parallel.files import write_text
from asegen.potentials.elements import element_crystal, relaxed_energy
from asegen.potentials.engine import MP2020, Engine
from asegen.screening.stages.phases import COMPETING, ELEMENT, Phase
from asegen.structures.errors import StructureError
from asegen.structures.formats import TABLE, file_format
from asegen.structures.reading import read_entries, read_entry
from asegen.structures.tables import number, read_table, row_id
from asegen.structures.validity import check_atoms

_PROCEDURE = "elements 2: BFGS to 0.02 eV/Å, 1000 steps"  # changes whenever the energies would
_FORMULA_COLUMNS = ("formula", "composition", "formula_pretty")


@dataclass(frozen=True)
class Reference:
    """An energy to measure against, or why there is none; one of the two.

    Attributes:
        id: of the phase; the element's symbol for an element.
        phase: what goes into the hull.
        reason: one line.
    """

    id: str
    phase: Phase | None
    reason: str = ""


@dataclass(frozen=True)
class Table:
    """A user's competing phases.

    Attributes:
        phases: those that came with energies.
        structures: id and crystal of those without, for `computed`.
        problems: one line for each that can be neither.
    """

    phases: tuple[Phase, ...]
    structures: tuple[tuple[str, Atoms], ...]
    problems: tuple[str, ...]


def element_reference(symbol: str, engine: Engine, cache: Path) -> Reference:
    """An element's energy by the same calculator as the candidates', relaxed, and kept on disk.

    Args:
        symbol: of the element.
        engine: the calculator.
        cache: folder, made if it is missing; shared by any number of processes and calculators.

    Raises:
        InputError: the folder can't be written to.
    """
    atoms = element_crystal(symbol)
    if atoms is None:
        return Reference(symbol, None, f"no crystal of {symbol} is known here: give an energy of it as a reference")
    energy, reason = kept_energy(symbol, atoms, engine, cache)
    if energy is None:
        return Reference(symbol, None, f"{symbol}: {reason}")
    return Reference(symbol, Phase(f"{symbol} (element)", symbol, energy, engine.energy_scale, ELEMENT))


def kept_energy(name: str, atoms: Atoms, engine: Engine, cache: Path) -> tuple[float | None, str]:
    """A crystal's energy by a calculator, relaxed, from disk where it is; or why there is none, which isn't kept.

    Args:
        name: of the crystal, different for different ones.
        atoms: passes the validity gate.
        engine: the calculator.
        cache: folder, made if it is missing; shared by any number of processes and calculators.

    Raises:
        InputError: the folder can't be written to.
    """
    file = cache / hashlib.sha256(f"{engine.identity}; {_PROCEDURE}".encode()).hexdigest()[:16] / f"{name}.json"
    energy, reason = _cached(file), ""
    if energy is None:
        energy, reason = relaxed_energy(atoms, engine)
        if energy is not None:
            _write(file, {"calculator": engine.identity, "procedure": _PROCEDURE, "crystal": name, "energy": energy})
    return energy, reason


def computed(id: str, atoms: Atoms, engine: Engine) -> Reference:
    """A competing phase from a crystal that came without an energy: relaxed by the same calculator.

    Args:
        id: of the phase.
        atoms: passes the validity gate.
        engine: the calculator.
    """
    energy, reason = relaxed_energy(atoms, engine)
    if energy is None:
        return Reference(id, None, f"{id}: {reason}")
    return Reference(id, Phase(id, atoms.get_chemical_formula("metal"), energy, engine.energy_scale, COMPETING))


def read_reference(path: Path, energy_scale: str | None = None) -> Table:
    """Reads competing phases.

    Columns of a table, entries of an extxyz's info or keys of an ase.db: `energy_per_atom`, or `energy` in total, both
    in eV; `energy_scale`; and for a table without a column `cif` a `formula` or `composition`.

    Args:
        path: a CSV table of compositions, or any file of structures.
        energy_scale: of energies that don't name theirs.

    Raises:
        InputError: the file can't be read, or holds energies without a scale.
    """
    phases: list[Phase] = []
    structures: list[tuple[str, Atoms]] = []
    problems: list[str] = []
    for id, atoms, formula, values in _rows(path, problems):
        energy = _energy(values, len(atoms) if atoms is not None else Composition(formula).num_atoms)
        if energy is None:
            problems.append(f"{path}, {id}: its energy is no number")
        elif isfinite(energy):
            scale = str(values.get("energy_scale") or energy_scale or "")
            if not scale:
                raise InputError(f"{path}, {id}: an energy without a scale: add `energy_scale`, such as {MP2020!r}")
            phases.append(Phase(id, formula, energy, scale, COMPETING))
        elif atoms is not None:
            structures.append((id, atoms))
        else:
            problems.append(f"{path}, {id}: neither an energy nor a structure")
    return Table(tuple(phases), tuple(structures), tuple(problems))


def _cached(file: Path) -> float | None:
    try:
        energy = float(json.loads(file.read_text())["energy"])
    except (OSError, ValueError, KeyError, TypeError):  # not there, or not whole: it is computed again
        return None
    return energy if isfinite(energy) else None


def _write(file: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all, whoever else writes the same."""
    try:
        write_text(file, json.dumps(content))
    except OSError as error:
        raise InputError(f"cache = {file.parent}: it cannot hold a cache ({error.strerror})") from None


def _rows(path: Path, problems: list[str]) -> Iterator[tuple[str, Atoms | None, str, Mapping[str, object]]]:
    """Id, structure if there is one, formula and values of every row that can be read."""
    if file_format(path) == TABLE and "cif" not in next(read_table(path), {}):
        for k, row in enumerate(read_table(path)):
            id = row_id(row, k)
            formula = next((row[column] for column in _FORMULA_COLUMNS if row.get(column)), "")
            if _is_formula(formula):
                yield id, None, formula, row
            else:
                problems.append(f"{path}, {id}: {formula!r} is no formula")
        return
    for entry in read_entries(path):
        try:
            id, atoms, values = read_entry(entry)
        except StructureError as error:
            problems.append(f"{path}, {entry.id}: {error}")
            continue
        if (reason := check_atoms(atoms)) is None:
            yield id, atoms, atoms.get_chemical_formula("metal"), values
        else:
            problems.append(f"{path}, {id}: {reason}")


def _is_formula(text: str) -> bool:
    try:
        composition = Composition(text)
    except ValueError:
        return False
    symbols = {str(element) for element in composition}
    return bool(symbols) and symbols <= set(atomic_numbers) and composition.num_atoms > 0


def _energy(values: Mapping[str, object], n_atoms: float) -> float | None:
    """In eV per atom; NaN where there is none, None where it is no number."""
    per_atom = number(values.get("energy_per_atom"))
    if per_atom is None or np.isinf(per_atom):
        return None
    if not isnan(per_atom):
        return per_atom
    total = number(values.get("energy"))
    return None if total is None or np.isinf(total) else total / n_atoms
