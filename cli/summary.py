"""The table that ends a run of `asegen generate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import spglib
from ase import Atoms
from ase.units import _amu
from rich.console import Console
from rich.table import Table

ROWS = 20
SYMPREC = 0.1  # Å; generated crystals are rough, and published symmetry statistics use this tolerance


def space_group(atoms: Atoms) -> str:
    """International symbol and number at `SYMPREC`; empty for a structure that failed the validity gate."""
    if not atoms.info.get("valid", False):  # spglib must never see what isn't finite
        return ""
    data = spglib.get_symmetry_dataset((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec=SYMPREC)
    return "" if data is None else f"{data.international} ({data.number})"


def density(atoms: Atoms) -> float:
    """g/cm³."""
    return float(atoms.get_masses().sum() * _amu * 1e3 / (atoms.get_volume() * 1e-24))


def print_summary(structures: Sequence[Atoms], out: Path) -> None:
    """Prints the first structures and the totals on stdout."""
    table = Table("sample", "formula", "space group", "density g/cm³", "volume Å³/atom", "nearest Å", "valid")
    for atoms in sorted(structures, key=lambda a: a.info["sample_index"])[:ROWS]:
        info = atoms.info
        nearest = f"{info['shortest_distance']:.2f}" if "shortest_distance" in info else ""
        verdict = "yes" if info["valid"] else str(info.get("reason", "no"))
        numbers = (f"{density(atoms):.2f}", f"{atoms.get_volume() / len(atoms):.1f}") if info["valid"] else ("", "")
        table.add_row(str(info["sample_index"]), info["formula"], space_group(atoms), *numbers, nearest, verdict)
    console = Console(highlight=False)
    console.print(table)
    valid = sum(bool(atoms.info["valid"]) for atoms in structures)
    more = f", {len(structures) - ROWS} of them not listed above" if len(structures) > ROWS else ""
    console.print(
        f"{len(structures)} structures in {out}{more}: {valid} valid, {len(structures) - valid} not", markup=False
    )
