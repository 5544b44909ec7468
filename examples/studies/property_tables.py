"""Trains and measures property networks side by side: networks × targets, same splits, batches and number of steps.

    asegen ingest train.csv.gz val.csv.gz test.csv.gz -o shards/mp
    python examples/studies/property_tables.py --data shards/mp --targets formation-energy band-gap metal --seeds 1 2 3
    python examples/studies/property_tables.py --data shards/perov_5 --targets perov5-heat --epochs 300 --seeds 1 2 3

Rows of a Markdown table are printed as they come, beside what ECN's paper gives (its own splits: 62,919 training
structures of the Materials Project, 11,356 of Perov-5). A killed run goes on where it was.

Without arguments, two networks learn the energies that ASE's effective medium theory gives to strained alloys.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from lightning.fabric import Fabric

from asegen.data.batches import batches_by_atoms
from asegen.data.shards import CrystalDataset, load_split, write_shards
from asegen.structures.atoms import crystals_from_atoms
from asegen.trained.predictor import load_predictor, measure
from asegen.training.loop import WEIGHTS, train
from asegen.training.recipe import Recipe, load_recipe

NETWORKS = ("alignn", "ecn", "cgcnn", "megnet")
PUBLISHED = {  # Kaba and Ravanbakhsh, NeurIPS 2022, ECN with S_8; MAE in the targets' units
    "formation-energy": {"ecn": 0.046, "cgcnn": 0.048, "megnet": 0.056},
    "band-gap": {"ecn": 0.390, "cgcnn": 0.399, "megnet": 0.434},
    "perov5-heat": {"ecn": 0.038, "cgcnn": 0.047, "megnet": 0.059},
}


def trained(recipe: Recipe, data: Path, epochs: float, folder: Path) -> dict[str, float]:
    """Figures on the test split of a recipe trained for some epochs."""
    n_atoms = load_split(data, "train").crystals.n_atoms
    per_epoch = len(batches_by_atoms(n_atoms[n_atoms <= recipe.data.max_atoms], recipe.data.atom_budget))
    steps = max(1, round(epochs * per_epoch))
    optimizer = dataclasses.replace(recipe.optimizer, steps=steps, warmup_steps=min(200, steps // 10))
    recipe = dataclasses.replace(recipe, optimizer=optimizer, validate_every=min(steps, 2 * per_epoch))
    train(recipe, data, folder, Fabric(accelerator="auto", devices=1), resume=True)
    return measure(load_predictor(str(folder / WEIGHTS)), load_split(data, "test"))


def headline(figures: dict[str, float]) -> tuple[str, float]:
    """The figure that a table shows: the mean absolute error, or a classifier's accuracy."""
    return next((name, value) for name, value in figures.items() if name.endswith("MAE") or name == "accuracy")


def table(
    networks: list[str],
    targets: list[str],
    seeds: list[int],
    data: Path,
    epochs: float,
    out: Path,
    published: dict[str, dict[str, float]],
) -> None:
    """Trains everything and prints a row for each network and target: mean and standard deviation over seeds."""
    print("| target | network | seeds | figure on test | | published |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for target in targets:
        for network in networks:
            values, name = [], ""
            for seed in seeds:
                recipe = load_recipe(f"{network}-{target}", seed=seed)
                figures = trained(recipe, data, epochs, out / f"{network}-{target}-{seed}")
                name, value = headline(figures)
                values.append(value)
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            known = published.get(target, {}).get(network, "–")
            row = (target, network, len(seeds), name, f"{statistics.mean(values):.4f}{spread}", known)
            print("|", " | ".join(map(str, row)), "|", flush=True)


def alloys(folder: Path) -> None:
    """Splits of strained face-centred alloys with their energies per atom."""
    rng = np.random.default_rng(0)
    for split, n in (("train", 160), ("val", 40), ("test", 40)):
        structures = [alloy(rng) for _ in range(n)]
        energies = torch.tensor([atoms.get_potential_energy() / len(atoms) for atoms in structures])
        data = CrystalDataset(
            crystals_from_atoms(structures), {"formation_energy_per_atom": energies.double()}, list(map(str, range(n)))
        )
        write_shards(folder, split, data)


def alloy(rng: np.random.Generator) -> Atoms:
    """Four atoms of two metals on strained fcc sites."""
    atoms = bulk("Cu", cubic=True, a=rng.uniform(3.7, 4.1))
    atoms.symbols = rng.choice(rng.choice(["Cu", "Ag", "Au", "Ni", "Pd", "Pt", "Al"], 2, replace=False), 4)
    atoms.set_cell(atoms.cell.array + rng.normal(size=(3, 3)) * 0.1, scale_atoms=True)
    atoms.calc = EMT()
    return atoms


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder written by asegen ingest, with train, val and test")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--targets", nargs="+", default=["formation-energy"], help="as in the recipes' names")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--epochs", type=float, default=100)
    parser.add_argument("--out", type=Path, default=Path("property-runs"), help="folder of the runs")
    args = parser.parse_args()
    if args.data is not None:
        table(args.networks, args.targets, args.seeds, args.data, args.epochs, args.out, PUBLISHED)
        return
    with tempfile.TemporaryDirectory() as folder:
        alloys(Path(folder) / "shards")
        table(["cgcnn", "megnet"], ["formation-energy"], [1, 2], Path(folder) / "shards", 20, Path(folder), {})


if __name__ == "__main__":
    main()
