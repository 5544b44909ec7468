"""From recipe to relaxer: tiny trainings of every task, and weights that load again."""

from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric

from asegen.crystals.crystals import Crystals
from asegen.data.shards import CrystalDataset, write_shards
from asegen.errors import InputError
from asegen.relaxation.relax import Limits
from asegen.trained.relaxer import load_relaxer
from asegen.training.loop import WEIGHTS, train
from asegen.training.recipe import recipe_from_table

MOMENTS = {"class": "MomentEMPNN", "width": 16, "channels": 4, "first_layers": 1, "steps": 2, "neighbors": 8}
CASES = {
    "denoising": (MOMENTS, {"class": "Denoising", "position_noise": 0.1, "varied": True, "discount": 0.5}),
    "reconstruction": (
        MOMENTS | {"moves": "lattice", "new_neighbors": True},
        {"class": "Reconstruction", "volume_per_atom": 20.0, "discount": 0.5},
    ),
    "published": (
        {"class": "EMPNN", "width": 16, "messages": 1, "steps": 2, "neighbors": 8},
        {"class": "Denoising", "loss": "parameters-mae"},
    ),
    "baseline": (
        {"class": "LatticeRegressor", "width": 16, "messages": 1, "layers": 1, "neighbors": 8},
        {"class": "ParameterRegression", "lattice_noise": 0.01},  # the cells differ by 10 %: they can be told apart
    ),
}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    a = torch.linspace(3.8, 4.2, 12, dtype=torch.float64)
    cell = a[:, None, None] * torch.eye(3, dtype=torch.float64)
    x = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], dtype=torch.float64).repeat(12, 1)
    crystals = Crystals(cell, x, torch.tensor([55, 17]).repeat(12), torch.full((12,), 2))
    is_val = torch.arange(12) % 3 == 1
    for split, part in (("train", crystals[~is_val]), ("val", crystals[is_val])):
        ids = [str(k) for k in range(len(part))]
        write_shards(folder, split, CrystalDataset(part, {}, ids, {}))
    return folder


@pytest.mark.parametrize("name", list(CASES))
def test_training_lowers_the_loss_and_the_weights_load(shards: Path, tmp_path: Path, name: str) -> None:
    model, task = CASES[name]
    table = {
        "model": model,
        "task": task,
        "optimizer": {"steps": 30, "learning_rate": 5e-3, "warmup_steps": 0, "ema": 0.8},
        "data": {"atom_budget": 16},
        "validate_every": 1,
    }
    found: list[float] = []
    fabric = Fabric(accelerator="cpu", devices=1)

    def report(step: int, metrics: dict[str, float]) -> None:
        found.extend(value for key, value in metrics.items() if key == "val_loss")

    train(recipe_from_table(name, table), shards, tmp_path / "run", fabric, report=report)
    assert found[-1] < 0.95 * found[0]
    if name == "baseline":
        with pytest.raises(InputError, match="not for Denoising or Reconstruction"):
            load_relaxer(str(tmp_path / "run" / WEIGHTS), "cpu")
        return
    relaxer = load_relaxer(str(tmp_path / "run" / WEIGHTS), "cpu")
    assert relaxer.elements == {17, 55} and relaxer.version.isdigit()
    crystals = Crystals(
        4.3 * torch.eye(3, dtype=torch.float64)[None],
        torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], dtype=torch.float64),
        torch.tensor([55, 17]),
        torch.tensor([2]),
    )
    relaxed = relaxer.relax(crystals, Limits(steps=1))
    assert relaxed.status[0] in ("converged", "out of steps")
