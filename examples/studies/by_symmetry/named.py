"""Crystals asked for by chemical system and space group, screened against the known phases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from ase.data import atomic_numbers
from ase.io import write

from asegen.calculators import open_source
from asegen.errors import InputError
from asegen.generation.compositions import from_numbers
from asegen.generation.source import Source
from asegen.generation.target import Target
from asegen.prototypes.catalogue import Catalogue
from asegen.screening import screen
from asegen.structures.formulas import parse_formula
from by_symmetry.drawing import drawn
from by_symmetry.rediscovery import first_match

EACH = 3
"""Structures of each composition in `named`."""
ON_THE_HULL = 0.01
"""eV/atom: what a known crystal may lie above the hull to be taken as a competing phase."""
HITS = {
    "Li-Mg-P 216": ["LiMgP"],
    "Ta-Mn-O 191": ["TaMnO2", "TaMn2O", "Ta3MnO", "TaMn6O6"],
    "Co-Cr-P 62": ["Co4Cr4P4"],
    "Tl-Cd-S 187": ["TlCdS2", "TlCdS"],
    "Ce-In-Cu 194": ["Ce2In2Cu2", "Ce2In4Cu2"],
    "Mn-Ca-Sn 129": ["Mn2Ca2Sn2"],
    "Ba-Ti-O 123": ["BaTiO3", "BaTi2O5"],
    "Pu-I-O 129": ["Pu2I2O2"],
}
"""Published as found again; the compositions aren't, but for those of crystals that are known."""
TERNARIES = {
    "Cu-K-Si 62": ["Cu8K4Si4"],
    "Fe-Ta-Sn 69": ["Fe2TaSn", "Fe4Ta2Sn2"],
    "Sb-Ta-V 194": ["SbTa2V3", "Sb2Ta4V6"],
    "Al-K-Pd 191": ["Al3KPd6"],
}
"""Published as new."""


def named_table(known: Sequence[Atoms], workdir: Path, names: dict[str, list[str]], calculator: str, jobs: int) -> None:
    """Crystals asked for by system and group, none of that system known: matched, relaxed, above the hull, phonons.

    Competing phases are the known crystals of the same elements near the hull, relaxed in the same way.
    """
    shipped = Catalogue.shipped()
    for name, formulas in names.items():
        symbols, group = name.split()
        elements = {atomic_numbers[symbol] for symbol in symbols.split("-")}
        inside = [atoms for atoms in known if set(atoms.numbers.tolist()) <= elements]
        reals = [a for a in inside if set(a.numbers.tolist()) == elements and a.info["group"] == int(group)]
        folder = workdir / f"named-{symbols}"
        folder.mkdir(exist_ok=True)
        shipped.without(elements).write(folder / "known.safetensors", {"name": name})
        source = open_source("analogy", known=folder / "known.safetensors")
        targets = [target for f in formulas if (target := target_in(f, int(group), source)) is not None]
        candidates = drawn(source, targets, EACH, 1, folder / "drawn")
        for real in reals:
            print(f"{name}: {real.info['material_id']} is sample {first_match(real, candidates)} of {len(candidates)}")
        write(folder / "candidates.extxyz", [plain(atoms, f"{name}, {k}") for k, atoms in enumerate(candidates)])
        phases = [a for a in inside if a.info["above"] <= ON_THE_HULL and all(a is not real for real in reals)]
        competing = folder / "phases.extxyz" if phases else None  # the elements are always there
        if competing:
            write(competing, [plain(atoms, atoms.info["material_id"]) for atoms in phases])
        options = {"relaxer": None, "reference": competing, "best": 1, "jobs": jobs}
        for result in screen(folder / "candidates.extxyz", folder / "screening", calculator, **options):
            if result["e_known"] is not None:
                verdict, lowest = result["phonons"], result["lowest_frequency"]
                asked = f"phonons: {verdict}, {lowest:.2f} THz" if verdict else ""
                crystal, calls = f"{result['formula']} {result['space_group']}", result["force_calls"]
                print(f"{result.name}: {crystal} {result['e_known']:+.3f} eV/atom above the", end="")
                print(f" known hull ({result['decomposes_into']}); {calls} force calls; {asked}", flush=True)


def target_in(formula: str, group: int, source: Source) -> Target | None:
    """A formula of a primitive cell in a group, if it fits."""
    numbers = [atomic_numbers[symbol] for symbol, n in parse_formula(formula).items() for _ in range(n)]
    (cell,) = from_numbers(numbers)
    target = Target(cell, group)
    try:
        source.check([target], force=True)
    except InputError as error:
        print(error)
        return None
    return target


def plain(atoms: Atoms, name: str) -> Atoms:
    """Without anything but the crystal and its name."""
    made = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    made.info["material_id"] = name
    return made
