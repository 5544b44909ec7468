"""Loading generators: the judge beside them, searches, versions, what is refused."""

from pathlib import Path

import pytest
import torch

from asegen.errors import InputError
from asegen.models.checkpoint import write_tensors
from asegen.models.transformer import CrystalJudge, CrystalTransformer
from asegen.trained.samplers import load_generator

SCALE = {"lattice_mean": [0.0] * 5 + [1.7], "lattice_std": [0.2] * 6}
SMALL = {"width": 16, "layers": 1, "heads": 2}


def write(path: Path, kind: type, process: dict, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    header = {"name": path.stem, "steps": 1, "elements": [11, 17], "max_atoms": 4, "process": process | SCALE}
    write_tensors(path, kind(**SMALL).state_dict(), header | {"model": {"class": kind.__name__} | SMALL})
    return path


def flow(path: Path) -> Path:
    return write(path, CrystalTransformer, {"class": "TorusFlow", "candidates": 3, "default_steps": 2})


def draw(path: Path, search: bool = True) -> torch.Tensor:
    sampler = load_generator(str(path), "cpu", search)
    numbers, n_atoms = torch.tensor([11, 17] * 8), torch.full((8,), 2)
    return sampler.sample(numbers, n_atoms, torch.arange(8)).cell


def test_a_judge_beside_the_weights_takes_part_in_the_choice(tmp_path: Path) -> None:
    alone, judged = flow(tmp_path / "alone.safetensors"), flow(tmp_path / "judged.safetensors")
    torch.testing.assert_close(draw(alone), draw(judged))
    place = tmp_path / "judged.judge.safetensors"
    with torch.no_grad():  # a judge of strong opinions
        model = CrystalJudge(**SMALL)
        model.score_head[-1].weight.mul_(1e4)
    header = {"name": "judge", "steps": 1, "model": {"class": "CrystalJudge"} | SMALL}
    write_tensors(place, model.state_dict(), header | {"process": {"class": "Judge"} | SCALE})
    assert not torch.allclose(draw(alone), draw(judged))
    torch.testing.assert_close(draw(alone, search=False), draw(judged, search=False))


def test_what_is_no_judge_is_refused(tmp_path: Path) -> None:
    path = flow(tmp_path / "a.safetensors")
    flow(tmp_path / "a.judge.safetensors")
    with pytest.raises(InputError, match="not for Judge"):
        load_generator(str(path), "cpu")


def test_versions_tell_weights_judges_and_searches_apart(tmp_path: Path) -> None:
    path = flow(tmp_path / "a.safetensors")
    versions = [load_generator(str(path), "cpu").version, load_generator(str(path), "cpu", search=False).version]
    write(tmp_path / "a.judge.safetensors", CrystalJudge, {"class": "Judge"})
    versions.append(load_generator(str(path), "cpu").version)
    write(path, CrystalTransformer, {"class": "TorusFlow"}, seed=1)
    versions.append(load_generator(str(path), "cpu").version)
    assert len(set(versions)) == 4 and versions[1] == f"{versions[0]}-quick"


def test_without_a_search_a_sample_is_one_trajectory(tmp_path: Path) -> None:
    path = flow(tmp_path / "a.safetensors")
    assert not torch.allclose(draw(path), draw(path, search=False))
    one = write(tmp_path / "b.safetensors", CrystalTransformer, {"class": "TorusFlow", "default_steps": 2})
    torch.testing.assert_close(draw(path, search=False), draw(one))


def test_what_generates_nothing_is_refused(tmp_path: Path) -> None:
    judge = write(tmp_path / "j.safetensors", CrystalJudge, {"class": "Judge"})
    with pytest.raises(InputError, match="for Judge, not for GemsDiff or"):
        load_generator(str(judge), "cpu")
