"""Crystals of one element to train formation energies on: ground states, 0 by definition, and what lies above them.

    python examples/studies/elemental_crystals.py elements.extxyz --seed 1

Few crystals of the training data are elements, and most of these are high above the ground state. The rows here are

- the ground states as ASE and the literature give them, several times each, slightly strained: 0 eV/atom;
- the same and the simple structures of the element (fcc, bcc, simple cubic, diamond) from compressed to expanded, with
  CHGNet's energy above its energy of the ground state, which no crystal of the training data tells.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols, reference_states
from ase.io import write
from ase.spacegroup import crystal

from asegen.potentials.chgnet import ELEMENTS, energies

COPIES = 8
STRAIN = 0.007
"""Standard deviation of the copies' strains: the energy stays within a few meV/atom."""
RATIOS = (0.65, 0.75, 0.85, 0.93, 1.0, 1.08, 1.2, 1.4, 1.8, 2.5, 3.5)
"""Volumes over those where the energy is about lowest."""
SIMPLE = {"fcc": 1.0, "bcc": 1.0, "sc": 1.15, "diamond": 1.45}
"""Simple structures, and how much emptier than close packing they are."""
OPEN = {"C": 2.2, "Si": 1.45, "Ge": 1.45, "Sn": 1.45, "P": 1.5, "N": 2.0, "I": 1.5, "Se": 1.3, "Te": 1.3}
"""Ground states that are emptier than close packing, and how much."""
SHARE = 0.4
"""Of the structures above the ground states that is used."""
HIGHEST = 4.0
"""eV/atom. Beyond this a crystal is squeezed further than anyone asks for."""


def ground_states() -> dict[str, Atoms]:
    """The ground state of each element of CHGNet's that has a simple one."""
    found = _special()
    for symbol, state in zip(chemical_symbols, reference_states, strict=False):
        simple = state is not None and state["symmetry"] in ("fcc", "bcc", "hcp", "diamond")
        if symbol not in found and symbol in ELEMENTS and (simple or symbol in ("As", "Sb", "Bi", "Hg", "In")):
            found[symbol] = bulk(symbol)
    return found


def _special() -> dict[str, Atoms]:
    """Those that ASE doesn't build, or builds in another structure than that of lowest energy (PBE)."""
    a, b = 1 / 3, 2 / 3
    return {
        "C": crystal("CC", [(0, 0, 0.25), (a, b, 0.25)], spacegroup=194, cellpar=[2.464, 2.464, 6.71, 90, 90, 120]),
        "Sn": bulk("Sn", "diamond", a=6.58),
        "Se": crystal("Se", [(0.2254, 0, a)], spacegroup=152, cellpar=[4.366, 4.366, 4.954, 90, 90, 120]),
        "Te": crystal("Te", [(0.2636, 0, a)], spacegroup=152, cellpar=[4.457, 4.457, 5.929, 90, 90, 120]),
        "P": crystal(
            "P", [(0, 0.1017, 0.0806)], spacegroup=64, cellpar=[3.3133, 10.473, 4.374, 90, 90, 90], primitive_cell=True
        ),
        "Ga": crystal(
            "Ga", [(0, 0.1539, 0.081)], spacegroup=64, cellpar=[4.519, 7.658, 4.526, 90, 90, 90], primitive_cell=True
        ),
        "I": crystal(
            "I", [(0, 0.1543, 0.1174)], spacegroup=64, cellpar=[7.137, 4.687, 9.784, 90, 90, 90], primitive_cell=True
        ),
        "N": crystal("N", [(0.0556,) * 3], spacegroup=205, cellpar=[5.66, 5.66, 5.66, 90, 90, 90]),
        "U": crystal(
            "U", [(0, 0.1025, 0.25)], spacegroup=63, cellpar=[2.854, 5.869, 4.955, 90, 90, 90], primitive_cell=True
        ),
    }


def rows(seed: int) -> Iterator[tuple[str, Atoms, float]]:
    """Name, crystal, eV/atom."""
    rng = np.random.default_rng(seed)
    ground = ground_states()
    for symbol, atoms in ground.items():
        for k in range(COPIES):
            yield f"{symbol}-ground-{k}", _strained(atoms, rng), 0.0
    for symbol, atoms in ground.items():
        yield from _above(symbol, atoms, rng)


def _strained(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    strain = rng.normal(0, STRAIN, (3, 3)) / np.sqrt(2)
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
    return copy


def _above(symbol: str, ground: Atoms, rng: np.random.Generator) -> Iterator[tuple[str, Atoms, float]]:
    made = [(f"ground-{ratio}", _at_volume(ground, ratio * _volume(ground))) for ratio in RATIOS if ratio != 1]
    packed = _volume(ground) / OPEN.get(symbol, 1.0)
    for name, emptiness in SIMPLE.items():
        simple = bulk(symbol, name, a=1.0)
        made += [(f"{name}-{ratio}", _at_volume(simple, ratio * emptiness * packed)) for ratio in RATIOS]
    made = [entry for entry in made if rng.random() < SHARE]
    base, *found = energies([ground, *(atoms for _, atoms in made)])
    for (name, atoms), energy in zip(made, found, strict=True):
        if isinstance(base, float) and isinstance(energy, float) and energy - base < HIGHEST:
            yield f"{symbol}-{name}", atoms, max(energy - base, 0.0)


def _volume(atoms: Atoms) -> float:
    """Å³ per atom."""
    return float(atoms.get_volume() / len(atoms))


def _at_volume(atoms: Atoms, volume: float) -> Atoms:
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array * (volume / _volume(atoms)) ** (1 / 3), scale_atoms=True)
    return copy


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    structures = []
    for name, atoms, energy in rows(args.seed):
        plain = Atoms(atoms.numbers, cell=atoms.cell, scaled_positions=atoms.get_scaled_positions(), pbc=True)
        plain.info = {"material_id": name, "formation_energy_per_atom": round(energy, 5)}
        structures.append(plain)
    write(args.output, structures, format="extxyz")
    print(f"{len(structures)} crystals of {len(ground_states())} elements")


if __name__ == "__main__":
    main()
