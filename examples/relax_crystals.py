"""Rough crystals pulled to sensible cells and positions: one step by step as with an optimiser of ASE, then a list."""

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixSymmetry

from asegen.calculators import LearnedRelaxer, relax_structures


def rough(name: str, prototype: str, a: float, seed: int) -> Atoms:
    """A crystal with a wrong lattice constant, strained, its atoms off their places."""
    atoms = bulk(name, prototype, a=a)
    atoms.rattle(0.1, seed=seed)
    strain = np.eye(3) + 0.04 * np.random.default_rng(seed).normal(size=(3, 3))
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    return atoms


nacl = rough("NaCl", "rocksalt", 5.2, seed=0)
with LearnedRelaxer(nacl, logfile="-", cell=True) as relaxer:
    relaxer.run(fmax=0.05, steps=20)
print(f"NaCl: a = {(4 * nacl.cell.volume) ** (1 / 3):.3f} Å (measured: 5.640), {relaxer.status}")

mgo = bulk("MgO", "rocksalt", a=4.6)
mgo.set_constraint(FixSymmetry(mgo))
LearnedRelaxer(mgo, logfile=None, cell=True).run()
print(f"MgO: a = {(4 * mgo.cell.volume) ** (1 / 3):.3f} Å (measured: 4.212), symmetry kept")

kinds = [("NaCl", "rocksalt", 5.6), ("GaAs", "zincblende", 5.6), ("CsCl", "cesiumchloride", 4.1), ("Cu", "fcc", 3.6)]
for record in relax_structures([rough(*kind, seed=k) for k, kind in enumerate(kinds)]):
    atoms = record.atoms
    print(f"{atoms.symbols}: {record.status} after {record.steps} steps, {atoms.cell.volume / len(atoms):.2f} Å³/atom")
