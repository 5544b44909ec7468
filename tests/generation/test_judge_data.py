"""The judge's training data: qualities are the matcher's, a killed run goes on, the command writes both splits."""

from pathlib import Path

import pytest
import torch

import asegen.generation.judge_data as module
from asegen.cli.main import main
from asegen.crystals.crystals import Crystals
from asegen.data.shards import CrystalDataset, load_split, write_shards
from asegen.generation.judge_data import QUALITY, draw_training_data
from asegen.metrics.matching import rms_distance
from asegen.structures.atoms import atoms_from_crystals
from asegen.trained.samplers import StructureSampler, load_generator


@pytest.fixture(scope="module")
def known() -> CrystalDataset:
    """Rock salts and elements, large ones first."""
    n_atoms = torch.tensor([2, 1] * 6)
    cell = torch.linspace(2.5, 4.5, 12)[:, None, None] * torch.tensor([[0, 1.0, 1], [1, 0, 1], [1, 1, 0]])
    positions = torch.tensor([[0.0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]] * 6)
    numbers = torch.tensor([11, 17, 29] * 6)
    crystals = Crystals(cell.double(), positions.double(), numbers, n_atoms)
    return CrystalDataset(crystals, {}, [f"id{k}" for k in range(12)])


@pytest.fixture(scope="module")
def sampler() -> StructureSampler:
    return load_generator(device="cpu", search=False)


def test_qualities_are_the_matcher_s(known: CrystalDataset, sampler: StructureSampler, tmp_path: Path) -> None:
    drawn = draw_training_data(sampler, known, 3, 4, 0, 1, tmp_path / "work")
    assert len(drawn) == 36 and sorted(drawn.ids) == sorted(f"id{i}#{k}" for i in range(12) for k in range(3))
    reals = dict(zip(known.ids, atoms_from_crystals(known.crystals), strict=True))
    qualities = drawn.targets[QUALITY].tolist()
    for name, atoms, quality in zip(drawn.ids, atoms_from_crystals(drawn.crystals), qualities, strict=True):
        distance = rms_distance(reals[name.partition("#")[0]], atoms)
        assert quality == pytest.approx(0 if distance is None else 1 - distance, abs=1e-6)
    assert max(qualities) > 0.9  # elements with one atom nearly always match


def test_a_killed_run_goes_on(
    known: CrystalDataset, sampler: StructureSampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CRYSTALS_AT_ONCE", 6)
    whole = draw_training_data(sampler, known, 2, 2, 0, 1, tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(done: int) -> None:
        if done == 6:
            raise Killed

    with pytest.raises(Killed):
        draw_training_data(sampler, known, 2, 2, 0, 1, tmp_path / "parts", kill)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*.safetensors")}
    resumed = draw_training_data(sampler, known, 2, 2, 0, 1, tmp_path / "parts")
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*.safetensors")}
    assert len(before) == 1 and before.items() <= after.items()
    assert torch.equal(whole.crystals.cell, resumed.crystals.cell) and whole.ids == resumed.ids
    other = draw_training_data(sampler, known, 2, 2, 1, 1, tmp_path / "parts")  # another seed begins afresh
    assert not torch.equal(other.crystals.cell, whole.crystals.cell)


def test_command(known: CrystalDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "val"):
        write_shards(tmp_path / "data", split, known)
    argv = ["judge-data", "--data", str(tmp_path / "data"), "-o", str(tmp_path / "out"), "-n", "2", "--limit", "4"]
    main([*argv, "--steps", "1"])
    for split in ("train", "val"):
        made = load_split(tmp_path / "out", split)
        assert len(made) == 8 and set(made.targets) == {QUALITY}
    assert not list((tmp_path / "out").glob(".*"))
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert "exists" in capsys.readouterr().err
