"""The loop: it learns, it resumes bit for bit, it fine-tunes, it refuses what doesn't fit."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from lightning.fabric import Fabric

from asegen.crystals.crystals import Crystals
from asegen.data.labels import Labels
from asegen.data.shards import CrystalDataset, load_split, write_shards
from asegen.errors import InputError
from asegen.models.checkpoint import read_tensors
from asegen.trained.samplers import load_generator
from asegen.training.loop import CHECKPOINT, LAST, METRICS, WEIGHTS, train
from asegen.training.recipe import Recipe, recipe_from_table
from asegen.training.registry import TASKS, task_class


def recipe(**changes: object) -> Recipe:
    table: dict = {
        "seed": 3,
        "validate_every": 10,
        "model": {"class": "CrystalTransformer", "width": 32, "layers": 2, "heads": 4},
        "task": {"class": "TorusFlow"},
        "data": {"atom_budget": 30},
        "optimizer": {"steps": 20, "warmup_steps": 5, "learning_rate": 3e-3},
    }
    return recipe_from_table("tiny", table | changes)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Perturbed rock salts and elements: small, but of two sizes and several elements."""
    folder = tmp_path_factory.mktemp("shards")
    generator = torch.Generator().manual_seed(0)
    n = 24
    counts = torch.tensor([2, 1] * (n // 2))
    cell = (3.0 + torch.rand(n, 1, 1, generator=generator)) * torch.eye(3)
    numbers = torch.tensor([11, 17, 29] * (n // 2))
    positions = torch.tensor([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]] * (n // 2))
    crystals = Crystals(cell.double(), positions.double(), numbers, counts)
    for split in ("train", "val"):
        write_shards(folder, split, CrystalDataset(crystals, {}, [str(k) for k in range(n)]))
    return folder


def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_loss_falls_and_weights_generate(shards: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    final = train(
        recipe(optimizer={"steps": 150, "warmup_steps": 5, "learning_rate": 3e-3, "ema": 0.9}),
        shards, tmp_path, fabric(), report=lambda step, m: seen.append(m["loss"]) if "loss" in m else None,
    )  # fmt: skip
    assert sum(seen[-20:]) < 0.7 * sum(seen[:20])
    with (tmp_path / METRICS).open() as file:
        rows = list(csv.DictReader(file))
    assert [int(r["step"]) for r in rows] == list(range(10, 151, 10))
    assert float(rows[-1]["val_loss"]) == pytest.approx(final["val_loss"])
    curve = read_tensors(tmp_path / LAST)[0]["history"]
    assert curve["step"] == list(range(10, 151, 10)) and not any(name.startswith("train_") for name in curve)
    assert curve["val_loss"] == pytest.approx([float(row["val_loss"]) for row in rows], rel=1e-3)
    sampler = load_generator(str(tmp_path / WEIGHTS), "cpu")
    assert sampler.elements == {11, 17, 29} and sampler.max_atoms == 2
    drawn = sampler.sample(torch.tensor([11, 17]), torch.tensor([2]), torch.tensor([1]))
    assert 5 < float(drawn.volume) < 200


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_killed_run_resumes_bit_for_bit(shards: Path, tmp_path: Path, dropout: float) -> None:
    model = {"class": "CrystalTransformer", "width": 32, "layers": 2, "heads": 4, "dropout": dropout}
    train(recipe(model=model), shards, tmp_path / "whole", fabric())

    class Killed(Exception):
        pass

    def kill(step: int, metrics: dict[str, float]) -> None:
        if step == 14:
            raise Killed

    with pytest.raises(Killed):
        train(recipe(model=model), shards, tmp_path / "parts", fabric(), report=kill)
    torch.manual_seed(99)  # nothing may depend on global state
    train(recipe(model=model), shards, tmp_path / "parts", fabric(), resume=True)
    for name in (WEIGHTS, CHECKPOINT):
        whole, parts = (read_tensors(tmp_path / run / name)[1] for run in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[k], parts[k]) for k in whole)
    assert (tmp_path / "whole" / METRICS).read_text() == (tmp_path / "parts" / METRICS).read_text()


def test_fine_tuning_starts_from_the_weights(shards: Path, tmp_path: Path) -> None:
    train(recipe(), shards, tmp_path / "first", fabric())
    still = {"steps": 1, "warmup_steps": 5, "learning_rate": 0.0}
    train(recipe(optimizer=still), shards, tmp_path / "second", fabric(), init=tmp_path / "first" / WEIGHTS)
    header, second = read_tensors(tmp_path / "second" / WEIGHTS)
    first_header, first = read_tensors(tmp_path / "first" / WEIGHTS)
    assert header["process"]["lattice_mean"] == first_header["process"]["lattice_mean"]
    assert all(torch.allclose(first[k], second[k], atol=1e-3) for k in first)


def test_parts_that_weights_lack_and_heads_of_other_outputs_start_anew(shards: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        known = load_split(shards, split)
        targets = {name: torch.linspace(0, 1, len(known), dtype=torch.float64) for name in ("a", "b")}
        write_shards(tmp_path / "data", split, CrystalDataset(known.crystals, targets, known.ids))
    alignn = {"class": "ALIGNN", "width": 8, "alignn_layers": 1, "gcn_layers": 1, "angle_neighbors": 4}
    task = {"task": {"class": "Regression"}, "optimizer": {"steps": 1, "learning_rate": 0.0}}
    one = recipe(model=alignn, data={"targets": ["a"], "atom_budget": 30}, **task)
    two = recipe(model={**alignn, "bond_readout": True}, data={"targets": ["a", "b"], "atom_budget": 30}, **task)
    train(one, tmp_path / "data", tmp_path / "one", fabric())
    train(two, tmp_path / "data", tmp_path / "two", fabric(), init=tmp_path / "one" / WEIGHTS)
    old, new = (read_tensors(tmp_path / run / WEIGHTS)[1] for run in ("one", "two"))
    assert new.keys() - old.keys() == {"readout.0.weight", "readout.0.bias", "readout.2.weight"}
    heads = {name for name in old if old[name].shape != new[name].shape}
    assert heads == {"heads.weights.0", "heads.biases.0"}
    assert all(torch.equal(old[name], new[name]) for name in old.keys() - heads)


def test_another_network_starts_from_what_fits(shards: Path, tmp_path: Path) -> None:
    train(recipe(), shards, tmp_path / "flow", fabric())
    for split in ("train", "val"):
        known = load_split(shards, split)
        targets = {"quality": torch.linspace(0, 1, len(known), dtype=torch.float64)}
        write_shards(tmp_path / "data", split, CrystalDataset(known.crystals, targets, known.ids))
    model = {"class": "CrystalJudge", "width": 32, "layers": 2, "heads": 4}
    judge = {"task": {"class": "Judge"}, "data": {"targets": ["quality"], "atom_budget": 30}}
    still = {"steps": 1, "learning_rate": 0.0}
    options = recipe(model=model, optimizer=still, **judge)
    train(options, tmp_path / "data", tmp_path / "judge", fabric(), init=tmp_path / "flow" / WEIGHTS)
    flow, judged = (read_tensors(tmp_path / run / WEIGHTS)[1] for run in ("flow", "judge"))
    shared = flow.keys() & judged.keys()
    assert "layers.1.qkv.weight" in shared and flow.keys() - shared and judged.keys() - shared
    assert all(torch.allclose(flow[k], judged[k], atol=1e-3) for k in shared)
    gems = recipe(model={"class": "GemsNetParameters"}, task={"class": "GemsDiffParameters"})
    with pytest.raises(InputError, match="shares nothing with GemsNetParameters"):
        train(gems, shards, tmp_path / "other", fabric(), init=tmp_path / "flow" / WEIGHTS)


def test_what_does_not_fit_is_refused(shards: Path, tmp_path: Path) -> None:
    train(recipe(optimizer={"steps": 1}), shards, tmp_path / "run", fabric())
    with pytest.raises(InputError, match="with resume"):
        train(recipe(), shards, tmp_path / "run", fabric())
    with pytest.raises(InputError, match="another recipe"):
        train(recipe(seed=4), shards, tmp_path / "run", fabric(), resume=True)
    with pytest.raises(InputError, match="no crystal"):
        train(recipe(data={"max_atoms": 0}), shards, tmp_path / "other", fabric())


@pytest.mark.parametrize("numbers", [{"width": "a"}, {"width": 30, "heads": 4}, {"layers": 1.5}])
def test_a_network_that_cannot_be_made_is_an_error_of_the_recipe(numbers: dict, shards: Path, tmp_path: Path) -> None:
    model = {"class": "CrystalTransformer", "width": 32, "layers": 2, "heads": 4}
    with pytest.raises(InputError, match=r"^\[model\] makes no CrystalTransformer: "):
        train(recipe(model=model | numbers), shards, tmp_path / "run", fabric())


def test_it_is_told_which_crystals_are_left_out(shards: Path, tmp_path: Path) -> None:
    """Half of the crystals have one atom, the others two."""
    told: list[str] = []
    short = {"steps": 1, "warmup_steps": 0}
    train(recipe(optimizer=short, data={"max_atoms": 1}), shards, tmp_path / "run", fabric(), note=told.append)
    assert told == [f"{split}: 12 of 24 crystals are left out: 12 of more than 1 atoms" for split in ("train", "val")]
    train(recipe(optimizer=short), shards, tmp_path / "all", fabric(), note=told.append)
    assert len(told) == 2


def test_dropout_is_off_in_validation(shards: Path, tmp_path: Path) -> None:
    losses = []
    for dropout in (0.0, 0.5):
        model = {"class": "CrystalTransformer", "width": 32, "layers": 2, "heads": 4, "dropout": dropout}
        still = {"steps": 1, "learning_rate": 0.0}
        losses.append(train(recipe(model=model, optimizer=still), shards, tmp_path / str(dropout), fabric()))
    assert losses[0]["val_loss"] == losses[1]["val_loss"]
    assert losses[0]["train_loss"] != losses[1]["train_loss"]


class Mean:
    """A task with a target: the network's lattice velocity is trained towards the target."""

    labels: ClassVar[Labels] = "targets"
    seen: ClassVar[list[torch.Tensor]] = []

    def __init__(self, mean: float) -> None:
        self.mean = mean

    @staticmethod
    def statistics(crystals: Crystals, targets: torch.Tensor) -> dict[str, float]:
        assert targets.shape == (len(crystals), 2)
        return {"mean": float(targets[:, 0].mean())}

    def loss(
        self, model: Callable, crystals: Crystals, generator: torch.Generator, targets: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        self.seen.append(torch.cat([crystals.cell[:, :1, 0], targets], 1))
        _, y = model(crystals, torch.zeros(len(crystals), 6), torch.zeros(len(crystals)))
        return {"loss": (y[:, 0] - targets[:, 0] + self.mean).square().mean()}


def test_targets_reach_the_task_beside_their_crystals(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "Mean", __name__)
    for split in ("train", "val"):
        known = load_split(shards, split)
        edge = known.crystals.cell[:, 0, 0].clone()
        edge[3] = torch.nan  # this one has no value
        targets = {"edge": edge, "double": 2 * known.crystals.cell[:, 0, 0]}
        write_shards(tmp_path / "data", split, CrystalDataset(known.crystals, targets, known.ids))
    data = {"atom_budget": 30, "targets": ["edge", "double"]}
    train(recipe(task={"class": "Mean"}, data=data), tmp_path / "data", tmp_path / "run", fabric())
    seen = torch.cat(Mean.seen)
    torch.testing.assert_close(seen[:, 1], seen[:, 0])
    torch.testing.assert_close(seen[:, 2], 2 * seen[:, 0])
    header, _ = read_tensors(tmp_path / "run" / WEIGHTS)
    edge = load_split(tmp_path / "data", "train").targets["edge"]
    assert header["process"]["mean"] == pytest.approx(float(edge.nanmean()))
    assert len(seen[:, 0].unique()) == 23
    with pytest.raises(InputError, match="no column 'gap'; it has: double, edge"):
        train(recipe(data={"targets": ["gap"]}), tmp_path / "data", tmp_path / "other", fabric())


def test_a_run_ends_with_its_time_and_its_rate_falls(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("asegen.training.clock.time.monotonic", lambda: now[0])
    steps: list[int] = []

    def tick(step: int, metrics: dict[str, float]) -> None:
        if "loss" in metrics:
            now[0] += 1.0  # a step takes a second
            steps.append(step)

    train(recipe(optimizer={"steps": 1000}), shards, tmp_path / "run", fabric(), report=tick, seconds=40.0)
    assert 38 <= steps[-1] <= 41
    with (tmp_path / "run" / METRICS).open() as file:
        rows = list(csv.DictReader(file))
    assert 18 <= len(rows) <= 21 and int(rows[-1]["step"]) == steps[-1]
    assert read_tensors(tmp_path / "run" / WEIGHTS)[0]["seconds"] <= 42
    # Resumed, the earlier time counts; a run whose time is over does nothing more.
    train(recipe(optimizer={"steps": 1000}), shards, tmp_path / "run", fabric(), True, report=tick, seconds=40.0)
    assert steps[-1] <= 42
    train(recipe(optimizer={"steps": 1000}), shards, tmp_path / "run", fabric(), True, report=tick, seconds=50.0)
    assert 47 <= steps[-1] <= 52


def test_a_run_that_is_stopped_can_be_resumed(shards: Path, tmp_path: Path) -> None:
    train(recipe(), shards, tmp_path / "whole", fabric())
    asked = iter([False] * 6 + [True] * 50)
    train(recipe(), shards, tmp_path / "parts", fabric(), stop=lambda: next(asked))
    assert read_tensors(tmp_path / "parts" / CHECKPOINT)[0]["step"] == 7
    train(recipe(), shards, tmp_path / "parts", fabric(), resume=True)
    whole, parts = (read_tensors(tmp_path / run / CHECKPOINT)[1] for run in ("whole", "parts"))
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_a_step_without_a_finite_gradient_is_left_out(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = task_class("TorusFlow").loss
    calls = [0]

    def loss(self: object, model: Callable, crystals: Crystals, generator: torch.Generator) -> dict[str, torch.Tensor]:
        calls[0] += 1
        factor = torch.nan if calls[0] == 2 else 1.0
        return {name: value * factor for name, value in original(self, model, crystals, generator).items()}

    monkeypatch.setattr(task_class("TorusFlow"), "loss", loss)
    final = train(recipe(optimizer={"steps": 3}), shards, tmp_path / "run", fabric())
    assert final["train_skipped"] == 1
    assert all(torch.isfinite(t).all() for t in read_tensors(tmp_path / "run" / CHECKPOINT)[1].values())
