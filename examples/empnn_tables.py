"""EMPNN's three published tables, on your splits: trains every row and measures it on the test split.

    for set in mp perov_5 carbon_24; do asegen ingest $set/{train,val,test}.csv.gz -o shards/$set; done
    python examples/empnn_tables.py --data shards --out tables                    # overnight on a laptop with 8 cores
    python examples/empnn_tables.py --data shards --out tables --table 3 --sets mp --rows moments --steps 6000

Cells that are in OUT/results.json already are kept, so a stopped run goes on. Without arguments a few rock salts and
a few steps stand in. `improvement` is the mean error of the disturbed lattice less that of the network's, lengths (Å)
and angles (degrees); Table 3 gives the errors themselves. Published figures are printed beside.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ase.build import bulk
from ase.io import write
from lightning.fabric import Fabric
from torch import Tensor

from asegen.cli.main import main
from asegen.crystal import Crystals
from asegen.data.batches import batches_by_atoms
from asegen.data.shards import load_split
from asegen.geometry.lattice import cell_to_parameters
from asegen.models.checkpoint import load_weights, read_tensors
from asegen.nn.lattice_fields import FIELD_SETS
from asegen.relaxation.losses import LOSSES, PARAMETER_LOSSES
from asegen.training.loop import LAST, train
from asegen.training.recipe import recipe_from_table
from asegen.training.registry import MODELS, PROCESSES

SETS = ("carbon_24", "mp", "perov_5")
# σ isn't published. Table 2's best angles on Perov-5 (6.44°) can't be exceeded by any σ below 0.1, which is also the
# published code's default; Table 1's (.983 Å) by none below 0.26.
SIGMA = {1: 0.27, 2: 0.1, 3: 0.0}
BATCH_ATOMS = 400
PUBLISHED: dict[tuple[int, str], dict[str, tuple[float, float]]] = {
    (1, "parameters-mae"): {"carbon_24": (0.696, 8.39), "mp": (0.785, 5.09), "perov_5": (0.967, 15.2)},
    (1, "parameters-mse"): {"carbon_24": (0.677, 8.15), "mp": (0.710, 4.75), "perov_5": (0.983, 15.4)},
    (1, "metric-mae"): {"carbon_24": (0.599, 4.31), "mp": (0.540, 1.67), "perov_5": (0.964, 15.1)},
    (1, "metric-mse"): {"carbon_24": (0.655, 5.56), "mp": (0.683, 2.65), "perov_5": (0.974, 15.0)},
    (1, "riemann"): {"carbon_24": (0.637, 5.35), "mp": (0.729, 3.78), "perov_5": (0.967, 15.4)},
    (2, "baseline"): {"carbon_24": (-0.191, -5.28), "mp": (-0.304, -3.30), "perov_5": (0.303, 6.44)},
    (2, "best ket-bra"): {"carbon_24": (0.084, 1.27), "mp": (0.115, 1.44), "perov_5": (0.296, 5.77)},
    (2, "best gradient"): {"carbon_24": (0.107, 1.28), "mp": (0.106, 1.48), "perov_5": (0.293, 5.56)},
    (2, "best gradient-sym"): {"carbon_24": (0.100, 1.38), "mp": (0.124, 1.16), "perov_5": (0.291, 5.62)},
    (3, "baseline"): {"carbon_24": (0.469, 13.7), "mp": (0.534, 6.32)},
    (3, "ketbra-both"): {"carbon_24": (0.200, 3.20), "mp": (0.174, 1.97)},
}
ROWS = {
    1: (*PARAMETER_LOSSES, "metric-mae", "metric-mse", "riemann", "strain"),
    2: (*FIELD_SETS, "baseline", "moments"),
    3: ("ketbra-both", "baseline", "moments"),
}


@dataclass(frozen=True)
class Cell:
    """One figure of one table."""

    table: int
    row: str
    data: str
    seed: int
    steps: int
    width: int

    @property
    def name(self) -> str:
        """What names its folder and its result."""
        return f"{self.table}-{self.row}-{self.data}-{self.seed}"

    def recipe(self) -> dict[str, Any]:
        """Its recipe's table."""
        reconstructs = self.table == 3
        model: dict[str, Any] = {"class": "EMPNN", "fields": "ketbra-both", "steps": 8 if reconstructs else 4}
        process: dict[str, Any] = {"class": "Reconstruction" if reconstructs else "Denoising"}
        if not reconstructs:
            process["lattice_noise"] = SIGMA[self.table]
        if self.row == "moments":
            model = {"class": "MomentEMPNN", "moves": "lattice", "steps": 6 if reconstructs else 4}
            model["new_neighbors"] = reconstructs
            process |= {"discount": 0.5} | ({"volume_per_atom": 18.0} if reconstructs else {})
        elif self.row == "baseline":
            model = {"class": "LatticeRegressor"}
            process = {"class": "ParameterRegression", "lattice_noise": SIGMA[self.table]}
        elif self.row in FIELD_SETS:
            model["fields"] = self.row
        if self.row in (*LOSSES, *PARAMETER_LOSSES):
            process["loss"] = self.row
        optimizer = {"steps": self.steps, "learning_rate": 2e-3 if self.row == "moments" else 5e-4, "ema": 0.998}
        return {
            "model": model | {"width": self.width},
            "process": process,
            "data": {"max_atoms": 24, "atom_budget": BATCH_ATOMS},
            "optimizer": optimizer | {"warmup_steps": min(100, self.steps // 10), "decay_fraction": 0.6},
            "seed": self.seed,
            "validate_every": max(self.steps // 10, 1),
        }


def fill(cell: Cell, data: Path, out: Path) -> dict[str, float]:
    """Trains a cell's network and measures it on the test split."""
    torch.set_num_threads(1)
    folder = out / cell.name
    fabric = Fabric(accelerator="cpu", devices=1)
    train(recipe_from_table(cell.name, cell.recipe()), data / cell.data, folder, fabric, resume=True)
    return measure(folder / LAST, data / cell.data, SIGMA[cell.table])


@torch.no_grad()
def measure(weights: Path, data: Path, sigma: float) -> dict[str, float]:
    """Errors of the disturbed lattices of the test split, and of those that the network gives."""
    header, tensors = read_tensors(weights)
    options = [{k: v for k, v in header[part].items() if k != "class"} for part in ("model", "process")]
    network = MODELS[header["model"]["class"]](**options[0]).eval()
    load_weights(network, tensors, str(weights))
    task = PROCESSES[header["process"]["class"]](**options[1])
    test = load_split(data, "test").crystals.to(dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    sums = torch.zeros(4, dtype=torch.float64)
    for index in batches_by_atoms(test.n_atoms, 1000):
        goal = test[index]
        noisy = task.corrupt(goal, generator)
        true = cell_to_parameters(goal.cell)
        for k, found in enumerate((cell_to_parameters(noisy.cell), predicted(network, task, noisy))):
            error = (found - true).abs().double()
            sums[2 * k : 2 * k + 2] += torch.stack([error[:, :3].mean(1).sum(), error[:, 3:].mean(1).sum()])
    names = ("noisy length", "noisy angle", "length", "angle")
    found = dict(zip(names, (sums / len(test)).tolist(), strict=True))
    if sigma:
        found |= {f"{n} improvement": found[f"noisy {n}"] - found[n] for n in ("length", "angle")}
    return found


def predicted(network: torch.nn.Module, task: Any, noisy: Crystals) -> Tensor:
    """(n_crystals, 6): the lattice parameters that a network leads to, or gives at once."""
    answer = network(noisy)
    if isinstance(answer, Tensor):
        return task.lattice.parameters(answer)
    for tangent in answer:
        noisy = noisy.move(tangent)
    return cell_to_parameters(noisy.cell)


def show(results: dict[str, dict[str, float]], cells: list[Cell]) -> None:
    """Prints the tables, published figures beside."""
    for table in sorted({cell.table for cell in cells}):
        keys = ("length", "angle") if table == 3 else ("length improvement", "angle improvement")
        print(f"\nTable {table}: {' and '.join(keys)}, Å and degrees; σ = {SIGMA[table]}")
        for cell in (cell for cell in cells if cell.table == table and cell.name in results):
            length, angle = (results[cell.name][key] for key in keys)
            theirs = PUBLISHED.get((table, cell.row), {}).get(cell.data)
            beside = f"   published {theirs[0]:.3f} {theirs[1]:.2f}" if theirs else ""
            print(f"  {cell.row:20} {cell.data:10} {length:7.3f} {angle:6.2f}{beside}")
    if any(cell.table == 2 for cell in cells):
        for (table, row), values in PUBLISHED.items():
            if table == 2 and row.startswith("best"):
                print(f"  published, {row}: {values}")


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds the shards of mp, perov_5 and carbon_24")
    parser.add_argument("--out", type=Path, default=Path("tables"))
    parser.add_argument("--table", type=int, choices=(1, 2, 3), help="one of them only")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--rows", nargs="+", help="some of them only")
    parser.add_argument("--steps", type=int, default=600, help="of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    tables = [args.table] if args.table else [1, 2, 3]
    wanted = [
        Cell(table, row, data, seed, args.steps, 128)
        for table in tables
        for row in ROWS[table]
        for data in args.sets
        for seed in args.seeds
        if args.rows is None or row in args.rows
    ]
    if args.data is not None:
        show(run(wanted, args.data, args.out, args.jobs), wanted)
    else:
        with tempfile.TemporaryDirectory() as here:
            rock_salts(Path(here))
            few = [Cell(2, row, "mp", 1, 2, 16) for row in ("ketbra-cross", "baseline", "moments")]
            show(run(few, Path(here), Path(here) / "out", 1), few)
