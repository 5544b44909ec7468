"""How many generated crystals are stable by a potential, against the Materials Project's hull, and new besides."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from asegen.calculators.verification import Verifier
from asegen.metrics.cache import Row, content_key
from asegen.metrics.discovery import novel_structures, unique_structures
from asegen.metrics.errors import mean_with_error, with_errors
from asegen.metrics.inputs import Figures, Inputs
from asegen.metrics.remembered import remembered_map
from asegen.parallel.timed_map import Failed

STEPS = 200
"""Of a relaxation, at most."""
METASTABLE = 0.1
"""eV/atom above the hull."""
TIME_LIMIT = 1800.0
"""Seconds of processor time for one relaxation."""


class Relaxed(NamedTuple):
    """What a potential made of a structure.

    Attributes:
        atoms: the relaxed structure.
        e_hull: eV/atom above the hull.
        rmsd: Å, root mean square displacement of the atoms.
        converged: whether the relaxation did.
    """

    atoms: Atoms
    e_hull: float
    rmsd: float
    converged: bool


def stability(inputs: Inputs) -> Figures:
    """Shares of the generated structures that, relaxed, are stable, and unique and novel besides."""
    n, found = len(inputs.generated), relaxed(inputs)
    known = [one for one in found if one is not None]
    structures = [one.atoms for one in known]
    sought = unique_structures(structures, inputs)[0] & novel_structures(structures, inputs)
    stable = {k for k, one in enumerate(known) if one.e_hull <= 0}
    metastable = {k for k, one in enumerate(known) if one.e_hull <= METASTABLE}
    shares = {
        "stable": len(stable) / n,
        "metastable": len(metastable) / n,
        "sun": len(stable & sought) / n,
        "msun": len(metastable & sought) / n,
        "converged": sum(one.converged for one in known) / n,
    }
    values = with_errors(shares, n)
    values |= mean_with_error("e_hull", [one.e_hull for one in known])
    values |= mean_with_error("rmsd", [one.rmsd for one in known if one.converged])
    counts = {"structures": n, "valid": len(found), "without_energy": len(found) - len(known), "sought": len(sought)}
    verifier = _verifier(inputs.potential)
    using = {
        "relaxed_by": verifier.name,
        "hull": "Materials Project, MP2020, inside the package; known compositions against known crystals",
    }
    using |= {"energy_error": f"{verifier.error:.3f} eV/atom", "alike_by": str(inputs.protocol)}
    using["novel_against"] = "train" if inputs.train else "known crystals and compositions inside the package"
    return Figures(values, counts, (), using)


def relaxed(inputs: Inputs) -> list[Relaxed | None]:
    """What a potential makes of each structure that passes the gate; None where there is no energy."""
    structures = inputs.valid_generated
    method = f"relaxed {_verifier(inputs.potential).identity}"
    keys = [content_key(method, atoms) for atoms in structures]
    items = {key: (inputs.potential, atoms) for key, atoms in zip(keys, structures, strict=True)}
    rows = remembered_map(_row, items, inputs, "relaxations", TIME_LIMIT)
    return [_relaxed(rows[key], atoms) for key, atoms in zip(keys, structures, strict=True)]


def _relaxed(row: Row | Failed, before: Atoms) -> Relaxed | None:
    """What a row says: energy, displacement, whether it converged, the cell, and fractional positions."""
    if isinstance(row, Failed) or len(row) == 0:
        return None
    cell, scaled = row[3:12].astype(float).reshape(3, 3), row[12:].astype(float).reshape(-1, 3)
    after = Atoms(before.numbers, cell=cell, scaled_positions=scaled, pbc=True)
    return Relaxed(after, float(row[0]), float(row[1]), bool(row[2]))


def _row(item: tuple[str, Atoms]) -> Row:
    potential, atoms = item
    found = _verifier(potential).verify(atoms)
    if found.reason:
        return np.zeros(0, np.float32)
    after = found.atoms
    figures = [found.e_hull, displacement(atoms, after), after.info["potential_converged"]]
    return np.array([*figures, *after.cell.array.ravel(), *after.get_scaled_positions().ravel()], np.float32)


def displacement(before: Atoms, after: Atoms) -> float:
    """Root mean square displacement of atoms in Å, in the cell after it, without what moves all of them.

    Args:
        before: a crystal.
        after: the same atoms in the same order, in a cell that may differ.
    """
    moved = after.get_scaled_positions(wrap=False) - before.get_scaled_positions(wrap=False)
    vectors, _ = find_mic((moved - np.round(moved)) @ after.cell.array, after.cell)
    centred = vectors - vectors.mean(0)
    return float(np.sqrt((centred**2).sum(1).mean()))


@cache
def _verifier(potential: str) -> Verifier:
    return Verifier(potential, STEPS)
