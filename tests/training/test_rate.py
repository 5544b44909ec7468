"""Learning rates: warm-up and decay by their formulas, plateaus as torch's scheduler lowers them."""

from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from torch.optim.lr_scheduler import ReduceLROnPlateau

from asegen.crystals.crystals import Crystals
from asegen.data.shards import CrystalDataset, write_shards
from asegen.models.checkpoint import read_header
from asegen.training.loop import CHECKPOINT, train
from asegen.training.rate import LearningRate
from asegen.training.recipe import OptimizerOptions, recipe_from_table

PLATEAU = OptimizerOptions(
    learning_rate=1e-2, warmup_steps=0, decay_fraction=0.0, plateau_factor=0.5, plateau_patience=2, lowest_rate=1e-3
)
LOSSES = [3.0, 2.0, 2.5, 2.1, 2.2, 1.9, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]


def test_warm_up_and_decay() -> None:
    rate = LearningRate(OptimizerOptions(learning_rate=2.0, warmup_steps=10, decay_fraction=0.5))
    assert [rate.at(step, step / 100) for step in (0, 4, 9, 50, 75, 100)] == pytest.approx([0.2, 1, 2, 2, 1, 0])
    rate.validated({"val_loss": 1.0})
    assert rate.at(50, 0.5) == 2.0 and not rate.is_exhausted


def test_plateaus_are_torch_s_and_survive_a_pause() -> None:
    optimizer = torch.optim.SGD([torch.zeros((), requires_grad=True)], lr=1e-2)
    theirs = ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    ours = LearningRate(PLATEAU)
    for k, loss in enumerate(LOSSES):
        theirs.step(loss)
        ours.validated({"val_loss": 100.0, "val_mae": loss})
        assert ours.at(k, 0.5) == optimizer.param_groups[0]["lr"]
        again = LearningRate(PLATEAU)
        again.restore(ours.state)
        ours = again
    assert optimizer.param_groups[0]["lr"] < 1e-2


def test_a_run_ends_when_the_rate_is_exhausted(tmp_path: Path) -> None:
    """Constant targets that the fit by composition hits: no validation is better than the first."""
    n = 8
    numbers, one = torch.full((n,), 29), torch.ones(n, dtype=torch.int64)
    cell = (3 + torch.rand(n, 1, 1, generator=torch.Generator().manual_seed(0))) * torch.eye(3)
    crystals = Crystals(cell.double(), torch.zeros(n, 3).double(), numbers, one)
    for split in ("train", "val"):
        write_shards(
            tmp_path, split, CrystalDataset(crystals, {"x": torch.ones(n).double()}, [str(k) for k in range(n)])
        )
    table = {
        "validate_every": 1,
        "model": {"class": "CGCNN", "width": 4, "layers": 1},
        "task": {"class": "Regression"},
        "data": {"targets": ["x"]},
        "optimizer": {
            "learning_rate": 1e-9, "warmup_steps": 0, "decay_fraction": 0.0, "steps": 100,
            "plateau_factor": 0.1, "plateau_patience": 2, "lowest_rate": 2e-11,
        },
    }  # fmt: skip
    train(recipe_from_table("still", table), tmp_path, tmp_path / "run", Fabric(accelerator="cpu", devices=1))
    header = read_header(tmp_path / "run" / CHECKPOINT)
    assert header["step"] == 1 + 2 * 3 and header["rate"]["rate"] == pytest.approx(1e-11)
