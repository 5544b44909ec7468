"""EMPNN's three published tables, on your splits: trains every row and measures it on the test split.

    for set in mp perov_5 carbon_24; do asegen ingest $set/{train,val,test}.csv.gz -o shards/$set; done
    python examples/studies/empnn_tables.py --data shards --out tables                     # every cell
    python examples/studies/empnn_tables.py --data shards --out tables --table 2 --rows chgnet gpaw
    python examples/studies/empnn_tables.py --data shards --out tables --table 2 --energies
    asegen train empnn-reconstruction --data shards/mp --out run
    python examples/studies/empnn_tables.py --data shards --weights run/last.safetensors  # Table 3, trained longer

Cells that are in OUT/results.json already are kept, so a stopped run goes on. Without arguments a few rock salts and
a few steps stand in. `improvement` is the mean error of the disturbed lattice less that of the network's, lengths (Å)
and angles (degrees); Table 3 gives the errors themselves. Published figures are printed beside.

Rows `chgnet` and `gpaw` relax the same disturbed crystals by a calculator, which has to be installed, on ASE's
FrechetCellFilter, in place of the paper's row `DFT`: `--relaxed` of them by CHGNet, the eight cheapest by GPAW.
Rows `gradient-sym-*` are the same models as `gradient-*`: their fields are twice as long (tests/models and tests/nn
show it), so they are trained only if they are named.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.io import write
from ase.optimize import BFGS, FIRE
from lightning.fabric import Fabric
from torch import Tensor

from asegen.cli.main import main
from asegen.crystals.crystals import Crystals
from asegen.data.batches import batches_by_atoms
from asegen.data.shards import load_split, write_shards
from asegen.errors import Reason
from asegen.geometry.lattice import cell_to_parameters
from asegen.models.checkpoint import load_weights, read_tensors
from asegen.models.empnn.lattice_fields import FIELD_SETS
from asegen.potentials.chgnet import energies as chgnet_energies
from asegen.relaxation.losses import LOSSES, PARAMETER_LOSSES
from asegen.relaxation.motion import Freedom
from asegen.relaxation.noise import strained
from asegen.relaxation.relax import Limits
from asegen.structures.atoms import atoms_from_crystals
from asegen.trained.relaxer import load_relaxer
from asegen.training.loop import LAST, train
from asegen.training.recipe import recipe_from_table
from asegen.training.registry import model_class, task_class

SETS = ("mp", "perov_5", "carbon_24")
# σ isn't published. Table 2's best angles on Perov-5 (6.44°) can't be exceeded by any σ below 0.1, which is also the
# published code's default; Table 1's (.983 Å) by none below 0.26 or, on this sample (.941 Å before at 0.27), 0.28.
SIGMA = {1: 0.27, 2: 0.1, 3: 0.0}
PUBLISHED: dict[tuple[int, str], dict[str, tuple[float, float]]] = {
    (1, "parameters-mae"): {"carbon_24": (0.696, 8.39), "mp": (0.785, 5.09), "perov_5": (0.967, 15.2)},
    (1, "parameters-mse"): {"carbon_24": (0.677, 8.15), "mp": (0.710, 4.75), "perov_5": (0.983, 15.4)},
    (1, "metric-mae"): {"carbon_24": (0.599, 4.31), "mp": (0.540, 1.67), "perov_5": (0.964, 15.1)},
    (1, "metric-mse"): {"carbon_24": (0.655, 5.56), "mp": (0.683, 2.65), "perov_5": (0.974, 15.0)},
    (1, "riemann"): {"carbon_24": (0.637, 5.35), "mp": (0.729, 3.78), "perov_5": (0.967, 15.4)},
    (2, "baseline"): {"carbon_24": (-0.191, -5.28), "mp": (-0.304, -3.30), "perov_5": (0.303, 6.44)},
    (2, "chgnet"): {"carbon_24": (0.164, 5.44), "mp": (0.345, 5.65), "perov_5": (0.150, -1.45)},
    (2, "gpaw"): {"carbon_24": (0.164, 5.44), "mp": (0.345, 5.65), "perov_5": (0.150, -1.45)},
    (2, "best ket-bra"): {"carbon_24": (0.084, 1.27), "mp": (0.115, 1.44), "perov_5": (0.296, 5.77)},
    (2, "best gradient"): {"carbon_24": (0.107, 1.28), "mp": (0.106, 1.48), "perov_5": (0.293, 5.56)},
    (2, "best gradient-sym"): {"carbon_24": (0.100, 1.38), "mp": (0.124, 1.16), "perov_5": (0.291, 5.62)},
    (3, "baseline"): {"carbon_24": (0.469, 13.7), "mp": (0.534, 6.32)},
    (3, "ketbra-both"): {"carbon_24": (0.200, 3.20), "mp": (0.174, 1.97)},
}
TWINS = tuple(name for name in FIELD_SETS if name.startswith("gradient-sym-"))
CALCULATED = ("chgnet", "gpaw")
ROWS = {
    1: (*PARAMETER_LOSSES, "metric-mae", "metric-mse", "riemann", "strain"),
    2: (*(name for name in FIELD_SETS if name not in TWINS), "baseline", "moments", *CALCULATED),
    3: ("ketbra-both", "baseline", "moments"),
}


@dataclass(frozen=True)
class Budget:
    """What every row of a table gets.

    Attributes:
        steps: training steps.
        atoms: in a batch, padding counted.
        test: crystals of the test split that are measured.
        relaxed: how many of them a calculator relaxes; GPAW the smallest of them, and fewer.
        width: of the networks.
    """

    steps: int
    atoms: int
    test: int
    relaxed: int
    width: int = 128


@dataclass(frozen=True)
class Cell:
    """One figure of one table."""

    table: int
    row: str
    data: str
    seed: int
    budget: Budget

    @property
    def name(self) -> str:
        """What names its folder and its result."""
        return f"{self.table}-{self.row}-{self.data}-{self.seed}"

    def recipe(self) -> dict[str, Any]:
        """Its recipe's table."""
        reconstructs, steps = self.table == 3, self.budget.steps
        # Partners estimate the mean over triplets without bias, at an eighth of the cost; tests take all triplets.
        model: dict[str, Any] = {"class": "EMPNN", "fields": "ketbra-both", "partners": 2}
        model["steps"] = 8 if reconstructs else 4
        task: dict[str, Any] = {"class": "Reconstruction" if reconstructs else "Denoising", "discount": 0.5}
        if not reconstructs:
            task["lattice_noise"] = SIGMA[self.table]
        if self.row == "moments":
            model = {"class": "MomentEMPNN", "moves": "lattice", "steps": 6 if reconstructs else 4}
            model["new_neighbors"] = reconstructs
            task |= {"volume_per_atom": 18.0} if reconstructs else {}
        elif self.row == "baseline":
            model = {"class": "LatticeRegressor"}
            task = {"class": "ParameterRegression", "lattice_noise": SIGMA[self.table]}
        elif self.row in FIELD_SETS:
            model["fields"] = self.row
        if self.row in (*LOSSES, *PARAMETER_LOSSES):
            task["loss"] = self.row
        optimizer = {"steps": steps, "learning_rate": 2e-3, "ema": 0.99}
        return {
            "model": model | {"width": self.budget.width},
            "task": task,
            "precision": "bf16-mixed",
            "data": {"max_atoms": 24, "atom_budget": self.budget.atoms},
            "optimizer": optimizer | {"warmup_steps": min(50, steps // 10), "decay_fraction": 0.6},
            "seed": self.seed,
            "validate_every": steps,
        }


def fill(cell: Cell, data: Path, out: Path) -> dict[str, float]:
    """Trains a cell's network, or asks its calculator, and measures it on the test split."""
    torch.set_num_threads(1)
    if cell.row in CALCULATED:
        return measure_calculator(cell, data / cell.data)
    few = with_few_to_validate(data / cell.data, out / "data" / cell.data)
    fabric = Fabric(accelerator="cpu", devices=1)
    train(recipe_from_table(cell.name, cell.recipe()), few, out / cell.name, fabric, resume=True)
    network, task = trained(out / cell.name / LAST)
    goal, noisy = disturbed(data / cell.data, cell, task)
    return figures(goal, noisy, predicted(network, task, noisy, cell.budget.atoms), cell.table != 3)


def with_few_to_validate(data: Path, place: Path, n: int = 50) -> Path:
    """A copy of a data set's shards whose validation split is small: last weights are measured, none are chosen."""
    generator = torch.Generator().manual_seed(0)
    for split, most in (("train", None), ("val", n)):
        if not (place / split).exists():
            found = load_split(data, split)
            write_shards(place, split, found[torch.randperm(len(found), generator=generator)[:most]])
    return place


def trained(weights: Path) -> tuple[torch.nn.Module, Any]:
    """A network and its task."""
    header, tensors = read_tensors(weights)
    options = [{k: v for k, v in header[part].items() if k != "class"} for part in ("model", "process")]
    network = model_class(header["model"]["class"])(**options[0]).eval()
    load_weights(network, tensors, str(weights))
    return network, task_class(header["process"]["class"])(**options[1])


def disturbed(data: Path, cell: Cell, task: Any = None) -> tuple[Crystals, Crystals]:
    """Crystals of the test split and what they are relaxed from, the same for all rows of a table."""
    goal = load_split(data, "test").crystals.to(dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    goal = goal[torch.randperm(len(goal), generator=generator)[: cell.budget.test]]
    if sigma := SIGMA[cell.table]:
        return goal, strained(goal, torch.full_like(goal.volume, sigma), generator)
    return goal, task.corrupt(goal, generator)


@torch.no_grad()
def follow(network: torch.nn.Module, start: Crystals, atoms: int, mixed: bool = True) -> Tensor:
    """(n_crystals, 3, 3): the cells that a network leads to; of the baseline (n_crystals, 6) z-scores."""
    batches = batches_by_atoms(start.n_atoms, atoms)
    found = []
    for index in batches:
        here = start[index]
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            answer = network(here)
        if not isinstance(answer, Tensor):
            for tangent in answer:
                here = here.move(tangent)
            answer = here.cell
        found.append(answer)
    return torch.cat(found)[torch.argsort(torch.cat(batches))]


def predicted(network: torch.nn.Module, task: Any, noisy: Crystals, atoms: int) -> Tensor:
    """(n_crystals, 6): the lattice parameters that a network leads to, or gives at once."""
    found = follow(network, noisy, atoms)
    return task.lattice.parameters(found) if found.dim() == 2 else cell_to_parameters(found)


def reconstruct(weights: Path, data: Path, atoms: int) -> dict[str, dict[str, float]]:
    """Table 3 for a network that was trained elsewhere, alone and followed by the shipped relaxer, on the whole split.

    The relaxer keeps the fractional positions, which are given, and moves the cell.
    """
    network, task = trained(weights)
    goal = load_split(data, "test").crystals
    start = task.corrupt(goal.to(dtype=torch.float32), torch.Generator())
    cell = follow(network, start, atoms, mixed=False).to(goal.cell)
    relaxed = load_relaxer(device="cpu").relax(goal.replace(cell=cell), Limits(), Freedom(positions=False)).crystals
    found = {"network": cell, "network, then the shipped relaxer": relaxed.cell}
    return {name: figures(goal, start, cell_to_parameters(value), False) for name, value in found.items()}


def figures(goal: Crystals, noisy: Crystals, found: Tensor, improves: bool) -> dict[str, float]:
    """Mean errors of lengths and angles before and after, the improvement, and the uncertainty of what is compared."""
    true = cell_to_parameters(goal.cell)
    values: dict[str, float] = {"crystals": len(goal)}
    for name, columns in (("length", slice(0, 3)), ("angle", slice(3, 6))):
        before, after = ((p - true)[:, columns].abs().mean(1) for p in (cell_to_parameters(noisy.cell), found))
        values |= {f"noisy {name}": float(before.mean()), name: float(after.mean())}
        values[f"{name} improvement"] = float((before - after).mean())
        spread = before - after if improves else after
        values[f"{name} uncertainty"] = float(spread.std() / len(goal) ** 0.5)
    return values


# -- calculators -------------------------------------------------------------------------------------------------------


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


# -- the tables --------------------------------------------------------------------------------------------------------


def show(results: dict[str, dict[str, float]], cells: list[Cell]) -> None:
    """Prints the tables, published figures beside."""
    for table in sorted({cell.table for cell in cells}):
        improvement = "" if table == 3 else " improvement"
        print(f"\nTable {table}: length{improvement} and angle{improvement}, Å and degrees; σ = {SIGMA[table]}")
        for cell in (cell for cell in cells if cell.table == table and cell.name in results):
            found = results[cell.name]
            ours = " ".join(
                f"{found[name + improvement]:7.3f} ± {found[name + ' uncertainty']:.3f}" for name in ("length", "angle")
            )
            theirs = PUBLISHED.get((table, cell.row), {}).get(cell.data)
            beside = f"   published {theirs[0]:.3f} {theirs[1]:.2f}" if theirs else ""
            print(f"  {cell.row:20} {cell.data:10} seed {cell.seed}, {found['crystals']} crystals {ours}{beside}")
    if any(cell.table == 2 for cell in cells):
        for (table, row), best in PUBLISHED.items():
            if table == 2 and row.startswith("best"):
                print(f"  published, {row}: {best}")


def show_energies(results: dict[str, dict[str, float]], cells: list[Cell], data: Path, out: Path) -> None:
    """Prints what the best row of each block of Tables 1 and 2 does to CHGNet's energy, eV per atom."""
    place = out / "energies.json"
    known = json.loads(place.read_text()) if place.exists() else {}
    for cell in best_of_blocks(results, cells):
        if cell.name not in known:
            known[cell.name] = energies(cell, data, out)
            place.write_text(json.dumps(known, indent=1) + "\n")
        print(cell.name, {name: round(value, 3) for name, value in known[cell.name].items()})


def best_of_blocks(results: dict[str, dict[str, float]], cells: list[Cell]) -> list[Cell]:
    """Of each block and each data set the row with the best improvement of lengths, first seed.

    Table 1 is one block.
    """
    best = []
    for table, start in ((1, ""), (2, "ketbra-"), (2, "gradient-"), (2, "moments")):
        for data in SETS:
            block = [c for c in cells if c.table == table and c.data == data and c.row.startswith(start)]
            done = [cell for cell in block if cell.name in results]
            best += sorted(done, key=lambda cell: -results[cell.name]["length improvement"])[:1]
    return best


def run(cells: list[Cell], data: Path, out: Path, jobs: int) -> dict[str, dict[str, float]]:
    """Fills the cells that aren't filled yet."""
    out.mkdir(parents=True, exist_ok=True)
    place = out / "results.json"
    results = json.loads(place.read_text()) if place.exists() else {}
    with ProcessPoolExecutor(jobs) as pool:
        waiting = {pool.submit(fill, cell, data, out): cell for cell in cells if cell.name not in results}
        for done in as_completed(waiting):
            results[waiting[done].name] = done.result()
            place.write_text(json.dumps(results, indent=1) + "\n")
    return results


def rock_salts(folder: Path) -> None:
    """Shards of a few crystals in place of the benchmark's."""
    crystals = [bulk(name, "rocksalt", a=a) for name in ("NaCl", "MgO", "LiF") for a in (4.2, 4.6, 5.0, 5.4)]
    for split, part in (("train", crystals[:8]), ("val", crystals[8:10]), ("test", crystals[10:])):
        write(folder / f"{split}.extxyz", part)
    files = [str(folder / f"{split}.extxyz") for split in ("train", "val", "test")]
    main(["ingest", *files, "-o", str(folder / "mp"), "--jobs", "1"])


def is_there(row: str) -> bool:
    """Whether a row can be filled; a calculator that isn't installed is named."""
    if row not in CALCULATED or find_spec(row) is not None:
        return True
    print(f"row {row} is left out: {row} isn't installed")
    return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds the shards of mp, perov_5 and carbon_24")
    parser.add_argument("--out", type=Path, default=Path("tables"))
    parser.add_argument("--table", type=int, choices=(1, 2, 3), help="one of them only")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--rows", nargs="+", help="some of them only")
    parser.add_argument("--steps", type=int, default=200, help="of each training")
    parser.add_argument("--atoms", type=int, default=200, help="of each batch")
    parser.add_argument("--test", type=int, default=500, help="crystals of the test split that are measured")
    parser.add_argument("--relaxed", type=int, default=500, help="crystals that CHGNet relaxes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--energies", action="store_true", help="of the test crystals by CHGNet, best row of each block"
    )
    parser.add_argument("--weights", type=Path, help="measure Table 3 on `mp` with weights of empnn-reconstruction")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    budget = Budget(args.steps, args.atoms, args.test, args.relaxed)
    every_row = dict.fromkeys(row for table in ROWS.values() for row in table)
    rows = [row for row in args.rows or every_row if is_there(row)]
    wanted = [
        Cell(table, row, data, seed, budget)
        for table in ([args.table] if args.table else [2, 1, 3])
        for data in args.sets
        for seed in args.seeds
        for row in rows
        if row in (*ROWS[table], *(TWINS if table == 2 else ()))
    ]
    if args.data is None:
        with tempfile.TemporaryDirectory() as here:
            rock_salts(Path(here))
            tiny = Budget(2, 48, 2, 1, width=16)
            few = [Cell(2, row, "mp", 1, tiny) for row in ("ketbra-cross", "baseline", "moments")]
            show(run(few, Path(here), Path(here) / "out", 1), few)
    elif args.weights is not None:
        for name, values in reconstruct(args.weights, args.data / "mp", 1000).items():
            print(f"{name}: {values['crystals']} crystals, {values['length']:.4f} Å, {values['angle']:.3f} degrees")
    else:
        found = run(wanted, args.data, args.out, args.jobs)
        show(found, wanted)
        if args.energies:
            show_energies(found, wanted, args.data, args.out)
