"""CHGNet and GPAW on the same disturbed crystals: relaxations by them, and CHGNet's energies of what networks make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.errors import Reason
from asegen.geometry.lattice import cell_to_parameters
from asegen.potentials.chgnet import energies as chgnet_energies
from asegen.structures.atoms import atoms_from_crystals
from asegen.training.loop import LAST
from empnn.cells import CALCULATED, Cell
from empnn.networks import disturbed, figures, follow, trained


def is_there(row: str) -> bool:
    """Whether a row can be filled; a calculator that isn't installed is named."""
    if row not in CALCULATED or find_spec(row) is not None:
        return True
    print(f"row {row} is left out: {row} isn't installed")
    return False


def chgnet() -> Calculator:
    """CHGNet (Deng et al., 2023)."""
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu")


def gpaw() -> Calculator:
    """PBE, plane waves to 350 eV, about 1.5 k points per 1/Å, no spin; GPAW_SETUP_PATH names the folder of setups."""
    from gpaw import GPAW

    return GPAW(
        mode={"name": "pw", "ecut": 350, "dedecut": "estimate"},
        xc="PBE",
        kpts={"density": 1.5, "gamma": True},
        occupations={"name": "fermi-dirac", "width": 0.1},
        convergence={"energy": 1e-3, "density": 1e-3, "eigenstates": 1e-5},
        symmetry={"point_group": False},  # disturbed crystals have none; relaxation may come near to one
        txt=None,
    )


MAKE: dict[str, Callable[[], Calculator]] = {"chgnet": chgnet, "gpaw": gpaw}


def measure_calculator(cell: Cell, data: Path) -> dict[str, float]:
    """The errors that a calculator leaves, and the steps that it takes."""
    goal, noisy = disturbed(data, cell)
    keep = torch.arange(min(cell.budget.relaxed, len(goal)))
    if cell.row == "gpaw":
        keep = torch.argsort(cost(noisy), stable=True)[:8]
    goal, noisy = goal[keep], noisy[keep]
    rough = atoms_from_crystals(noisy.to(dtype=torch.float64))
    done = [descend(atoms, cell) for atoms in rough]
    found = cell_to_parameters(torch.tensor(np.array([atoms.cell.array for atoms, _ in done])).float())
    return figures(goal, noisy, found, True) | {"calls": float(np.mean([calls for _, calls in done]))}


def cost(crystals: Crystals) -> Tensor:
    """(n_crystals,): what DFT's cost grows with: valence electrons, roughly, and volume."""
    heavy = (crystals.numbers > 20).to(crystals.dtype)
    electrons = torch.zeros_like(crystals.volume).index_add(0, crystals.batch, 4 + 8 * heavy)
    return electrons**2 + crystals.volume


def descend(atoms: Atoms, cell: Cell) -> tuple[Atoms, int]:
    """Relaxes cell and positions; what a calculator can't take stays where it got to."""
    atoms.calc = MAKE[cell.row]()
    optimizer, fmax, steps = (BFGS, 0.1, 40) if cell.row == "gpaw" else (FIRE, 0.05, 300)
    moved: Any = FrechetCellFilter(atoms)  # ASE's annotations of optimisers forget filters
    run = optimizer(moved, logfile=None)
    try:
        run.run(fmax=fmax, steps=steps)
    except (ValueError, RuntimeError, ArithmeticError) as error:
        print(f"{atoms.get_chemical_formula()}: {type(error).__name__}: {error}")
    return atoms, run.nsteps + 1


def energies(cell: Cell, data: Path, out: Path) -> dict[str, float]:
    """By CHGNet, eV per atom: denoised less disturbed (the paper's energy' − energỹ), and the share that is lowered."""
    network, task = trained(out / cell.name / LAST)
    goal, noisy = disturbed(data / cell.data, cell, task)
    before, true = energies_around(replace(cell, row="", seed=0), data)
    after = energies_per_atom(goal.replace(cell=follow(network, noisy, cell.budget.atoms)))
    change = after - before
    return {
        "structures": len(change),
        "energy": float(change.mean()),
        "median energy": float(np.median(change)),
        "lowered %": 100 * float((change < 0).mean()),
        "above the undisturbed, median": float(np.median(after - true)),
    }


@cache
def energies_around(cell: Cell, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Of the disturbed crystals and of the undisturbed, the same for all rows of a data set."""
    goal, noisy = disturbed(data / cell.data, cell)
    return energies_per_atom(noisy), energies_per_atom(goal)


def energies_per_atom(crystals: Crystals) -> np.ndarray:
    """(n_crystals,), eV, by CHGNet."""
    found = chgnet_energies(atoms_from_crystals(crystals.to(dtype=torch.float64)))
    if lost := [str(energy) for energy in found if isinstance(energy, Reason)]:
        raise SystemExit(f"{len(lost)} of {len(found)} crystals have no energy: {lost[0]}")
    return np.array(found, float)
