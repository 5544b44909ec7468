"""How often each displacement of finite-displacement phonons calls a crystal of the hull stable."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas
from ase import Atoms
from ase.calculators.calculator import Calculator
from pymatgen.core import Structure

from asegen.potentials.engine import find_engine
from asegen.screening.stages.finite_displacements import Settings, phonons
from asegen.screening.stages.phonon_results import STABLE, Phonons

DISPLACEMENTS = (0.01, 0.03, 0.1)
"""Å."""
MOST_ATOMS = 150
"""Of a supercell."""
Verdicts = dict[str, tuple[str, float]]
"""Displacement in Å -> verdict and lowest frequency in THz."""


def displacements_table(args: argparse.Namespace) -> None:
    """Non-cubic crystals of a table on the hull of their source: nearly all of them are stable in truth."""
    settings = Settings(height=args.height, mesh=30.0, confirm=0.0, most_atoms=MOST_ATOMS)
    rows = pandas.read_csv(args.file)
    group = rows["spacegroup"]
    kept = (rows["energy_above_hull"] <= 1e-6) & (rows["n_atoms"] <= args.max_atoms) & group.between(3, 194)
    for name in args.calculator:
        calculator, place = find_engine(name).calculator(), args.workdir / f"displacements-{name}.json"
        done: dict[str, Verdicts] = json.loads(place.read_text()) if place.is_file() else {}
        for _, row in rows[kept].sample(frac=1, random_state=args.seed).iterrows():
            if len(done) >= args.n:
                break
            if row["material_id"] in done:
                continue
            atoms = Structure.from_str(row["cif"], fmt="cif").to_ase_atoms(msonable=False)
            done[row["material_id"]] = found = verdicts(atoms, calculator, settings, args.workdir / "phonons")
            place.write_text(json.dumps(done))
            print(f"  {row['material_id']:<12} {row['formula']:<12} {found}", flush=True)
        summarise(name, [found for found in done.values() if found])


def verdicts(atoms: Atoms, calculator: Calculator, settings: Settings, folder: Path) -> Verdicts:
    """By the first displacement, and where that doesn't say stable by the others; empty where there are no phonons."""
    found: Verdicts = {}
    for displacement in DISPLACEMENTS:
        one: Phonons = phonons(atoms, calculator, folder, replace(settings, displacement=displacement))
        if one.lowest is None:
            return {}
        found[f"{displacement:g}"] = one.verdict, round(one.lowest, 3)
        if one.verdict == STABLE and displacement == DISPLACEMENTS[0]:
            break
    return found


def summarise(name: str, found: list[Verdicts]) -> None:
    """Counts of verdicts for each rule."""
    first = f"{DISPLACEMENTS[0]:g}"
    print(f"{name}, {len(found)} crystals; {first} Å alone: {dict(Counter(one[first][0] for one in found))}")
    for displacement in DISPLACEMENTS[1:]:
        key = f"{displacement:g}"
        counts = Counter(one.get(key, one[first])[0] for one in found)
        print(f"  {key} Å decides where {first} Å doesn't say stable: {dict(counts)}")
