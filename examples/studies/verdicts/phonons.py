"""Verdicts of phonons on crystals whose dynamic stability is known."""

from __future__ import annotations

import argparse

from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from asegen.potentials.engine import find_engine
from asegen.screening.stages.finite_displacements import Settings, phonons
from asegen.screening.stages.phonon_results import STABLE, SUMMARY, UNSTABLE, read_phonons


def known_crystals() -> list[tuple[str, str, Atoms]]:
    """Name, what is known of its dynamic stability at 0 K (PBE), and crystal; near their lattice constants."""
    return [
        ("Si", STABLE, bulk("Si", "diamond", 5.47)),
        ("C", STABLE, bulk("C", "diamond", 3.57)),
        ("Al", STABLE, bulk("Al", "fcc", 4.04)),
        ("Cu", STABLE, bulk("Cu", "fcc", 3.63)),
        ("GaAs", STABLE, bulk("GaAs", "zincblende", 5.75)),
        ("NaCl", STABLE, bulk("NaCl", "rocksalt", 5.69)),
        ("MgO", STABLE, bulk("MgO", "rocksalt", 4.24)),
        ("LiF", STABLE, bulk("LiF", "rocksalt", 4.07)),
        ("CsCl", STABLE, bulk("CsCl", "cesiumchloride", 4.2)),
        ("CaF2", STABLE, bulk("CaF2", "fluorite", 5.5)),
        ("Ge", STABLE, bulk("Ge", "diamond", 5.76)),
        ("Ag", STABLE, bulk("Ag", "fcc", 4.15)),
        ("W", STABLE, bulk("W", "bcc", 3.17)),
        ("ZnS", STABLE, bulk("ZnS", "zincblende", 5.45)),
        ("InP", STABLE, bulk("InP", "zincblende", 5.97)),
        ("KBr", STABLE, bulk("KBr", "rocksalt", 6.7)),
        ("NaF", STABLE, bulk("NaF", "rocksalt", 4.7)),
        ("CaO", STABLE, bulk("CaO", "rocksalt", 4.84)),
        ("MgS", STABLE, bulk("MgS", "rocksalt", 5.23)),
        ("TiN", STABLE, bulk("TiN", "rocksalt", 4.25)),
        ("SrTiO3, cubic", UNSTABLE, perovskite("Sr", "Ti", 3.94)),
        ("BaTiO3, cubic", UNSTABLE, perovskite("Ba", "Ti", 4.03)),
        ("KNbO3, cubic", UNSTABLE, perovskite("K", "Nb", 4.03)),
        ("Ti, bcc", UNSTABLE, bulk("Ti", "bcc", 3.25)),
        ("ZrO2, cubic", UNSTABLE, bulk("ZrO2", "fluorite", 5.12)),
        ("HfO2, cubic", UNSTABLE, bulk("HfO2", "fluorite", 5.07)),
        ("PbTiO3, cubic", UNSTABLE, perovskite("Pb", "Ti", 3.97)),
        ("NaNbO3, cubic", UNSTABLE, perovskite("Na", "Nb", 3.98)),
        ("CaTiO3, cubic", UNSTABLE, perovskite("Ca", "Ti", 3.89)),
        ("Zr, bcc", UNSTABLE, bulk("Zr", "bcc", 3.57)),
    ]


def perovskite(large: str, small: str, a: float) -> Atoms:
    """A cubic oxide ABO3; lattice constant in Å."""
    sites = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)]
    return crystal([large, small, "O"], sites, spacegroup=221, cellpar=[a, a, a, 90, 90, 90])


def phonons_table(args: argparse.Namespace) -> None:
    """Verdicts of potentials on crystals whose stability is known; what was done is read from the folder."""
    right: dict[str, list[bool]] = {name: [] for name in args.calculator}
    for label, known, atoms in known_crystals():
        said = []
        for name in args.calculator:
            folder = args.workdir / f"phonons-{args.height:g}" / name / label.replace(", ", "-")
            if not (folder / SUMMARY).is_file():
                phonons(atoms, find_engine(name).calculator(), folder, Settings(height=args.height, mesh=30.0))
            found = read_phonons(folder)
            lowest = "" if found.lowest is None else f" {found.lowest:6.2f} THz"
            said.append(f"{name}: {found.verdict or found.reason}{lowest} ({found.n_atoms} atoms)")
            right[name].append(found.verdict == known)
        print(f"  {label:<14} {known:<9} {'; '.join(said)}", flush=True)
    for name, hits in right.items():
        print(f"{name}: {sum(hits)} of {len(hits)} verdicts right")
