"""Trained networks on disturbed crystals of the test split: where they lead, and the errors that they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.data.batches import batches_by_atoms
from asegen.data.shards import load_split, write_shards
from asegen.geometry.lattice import cell_to_parameters
from asegen.models.checkpoint import load_weights, read_tensors
from asegen.relaxation.motion import Freedom
from asegen.relaxation.noise import strained
from asegen.relaxation.relax import Limits
from asegen.trained.relaxer import load_relaxer
from asegen.training.loop import LAST, train
from asegen.training.recipe import recipe_from_table
from asegen.training.registry import model_class, task_class
from empnn.cells import SIGMA, Cell


def measure_network(cell: Cell, data: Path, out: Path) -> dict[str, float]:
    """Trains a cell's network and measures it; see `figures`."""
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
