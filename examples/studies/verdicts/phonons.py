"""Verdicts of phonons on crystals whose dynamic stability is known."""

from __future__ import annotations

import argparse

from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from asegen.potentials.engine import find_engine
from asegen.screening.stages.finite_displacements import Settings, phonons
from asegen.screening.stages.phonon_results import STABLE, SUMMARY, UNSTABLE, read_phonons

STABLE_BY_KIND = {
    "rocksalt": {
        "TiC": 4.33, "ZrC": 4.7, "HfC": 4.64, "NbC": 4.47, "ScN": 4.5, "ZrN": 4.58, "HfN": 4.53, "CaS": 5.7,
        "CaSe": 5.95, "SrO": 5.16, "SrS": 6.05, "LiH": 4.02, "LiCl": 5.15, "LiBr": 5.5, "MgSe": 5.5, "YN": 4.88,
        "CdO": 4.78, "NaBr": 6.0, "KCl": 6.38, "KF": 5.4, "BaS": 6.4,
    },
    "zincblende": {
        "AlP": 5.5, "AlAs": 5.73, "AlSb": 6.2, "GaP": 5.5, "InAs": 6.15, "BN": 3.63, "BP": 4.55, "SiC": 4.38,
        "ZnSe": 5.75, "CdTe": 6.6, "BeS": 4.88,
    },
    "cesiumchloride": {"NiAl": 2.9, "CoAl": 2.86, "CsBr": 4.4, "CaTl": 3.85, "MgAg": 3.31},
    "fluorite": {"SrF2": 5.86, "BaF2": 6.25, "CdF2": 5.46, "ThO2": 5.6},
    "fcc": {
        "Au": 4.17, "Pd": 3.95, "Pt": 3.97, "Ni": 3.5, "Pb": 5.03, "Ca": 5.5, "Rh": 3.83, "Ir": 3.87,
    },
    "bcc": {"V": 3.0, "Nb": 3.31, "Ta": 3.31, "Mo": 3.16, "Na": 4.2, "K": 5.28},
}  # fmt: skip
"""Structure -> crystal -> lattice constant, Å."""
ANTIFLUORITES = (
    ("Mg", "Si", 6.35), ("Mg", "Ge", 6.4), ("Mg", "Sn", 6.8), ("Mg", "Pb", 6.85), ("Li", "O", 4.62), ("Li", "S", 5.7),
    ("Li", "Se", 6.0), ("Na", "O", 5.55), ("Na", "S", 6.55), ("K", "O", 6.45), ("Be", "C", 4.33),
)  # fmt: skip
"""Metal, other element, lattice constant in Å."""
TILTED_PEROVSKITES = (
    ("Sr", "Zr", "O", 4.17), ("La", "Al", "O", 3.81), ("Na", "Mg", "F", 3.95), ("Na", "Ta", "O", 3.97),
    ("Cs", "Pb", "I", 6.39), ("Cs", "Pb", "Br", 6.0), ("Ca", "Zr", "O", 4.14),
)  # fmt: skip
"""A, B, X, lattice constant in Å."""
UNSTABLE_BY_KIND = {
    "bcc": {"Hf": 3.54, "Al": 3.24, "Cu": 2.89, "Mg": 3.57, "Pd": 3.14, "Sc": 3.68},
    "fcc": {"Mo": 4.0, "Nb": 4.22, "Ta": 4.22, "V": 3.82, "W": 4.04, "Si": 3.87},
    "cesiumchloride": {"MgO": 2.65, "NiTi": 3.01},
}
"""Structure -> crystal -> lattice constant, Å."""


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
        *((name, STABLE, atoms) for name, atoms in more_stable().items()),
        *((f"{name}, cubic", UNSTABLE, atoms) for name, atoms in more_unstable().items()),
    ]


def perovskite(large: str, small: str, a: float, anion: str = "O") -> Atoms:
    """Cubic ABX3; lattice constant in Å."""
    sites = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)]
    return crystal([large, small, anion], sites, spacegroup=221, cellpar=[a, a, a, 90, 90, 90])


def antifluorite(metal: str, other: str, a: float) -> Atoms:
    """Cubic M2X; lattice constant in Å."""
    return crystal([other, metal], [(0, 0, 0), (0.25, 0.25, 0.25)], spacegroup=225, cellpar=[a, a, a, 90, 90, 90])


def more_stable() -> dict[str, Atoms]:
    """Cubic crystals that exist and are stable at 0 K, near their lattice constants (Å)."""
    found: dict[str, Atoms] = {}
    for kind, constants in STABLE_BY_KIND.items():
        found |= {name: bulk(name, kind, a) for name, a in constants.items()}
    for metal, other, a in ANTIFLUORITES:
        found[f"{metal}2{other}"] = antifluorite(metal, other, a)
    found["KMgF3"] = perovskite("K", "Mg", 4.02, "F")
    found["BaZrO3"] = perovskite("Ba", "Zr", 4.23)
    found["Cu3Au"] = crystal(["Au", "Cu"], [(0, 0, 0), (0.5, 0.5, 0)], spacegroup=221, cellpar=[3.78] * 3 + [90] * 3)
    return found


def more_unstable() -> dict[str, Atoms]:
    """Cubic crystals that fall into others at 0 K, near their lattice constants (Å)."""
    found = {
        f"{large}{small}{anion}3": perovskite(large, small, a, anion) for large, small, anion, a in TILTED_PEROVSKITES
    }
    for kind, constants in UNSTABLE_BY_KIND.items():
        found |= {f"{name} {kind}": bulk(name, kind, a) for name, a in constants.items()}
    return found


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
            lowest = "" if found.lowest is None else f" {found.lowest:6.2f} THz with {found.displacement:g} Å"
            if found.lowest_of_nearer is not None:
                lowest += f" ({found.lowest_of_nearer:.2f} with less)"
            said.append(f"{name}: {found.verdict or found.reason}{lowest} ({found.n_atoms} atoms)")
            right[name].append(found.verdict == known)
        print(f"  {label:<14} {known:<9} {'; '.join(said)}", flush=True)
    for name, hits in right.items():
        print(f"{name}: {sum(hits)} of {len(hits)} verdicts right")
