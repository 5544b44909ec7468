"""Weights on disk: round trip, and every way in which a file can be wrong."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from asegen.errors import CheckpointError
from asegen.models.checkpoint import load_weights, read_tensors, write_tensors
from asegen.models.header import read_header


def test_round_trip(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 2).half(), "b": torch.arange(4)}
    write_tensors(tmp_path / "w.safetensors", tensors, {"name": "é", "steps": 3})
    header, found = read_tensors(tmp_path / "w.safetensors")
    assert header["name"] == "é" and header["steps"] == 3
    assert header == read_header(tmp_path / "w.safetensors")
    assert all(torch.equal(found[k], v) for k, v in tensors.items())
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": 1}))


def _truncated(path: Path) -> None:
    write_tensors(path, {"a": torch.zeros(1000)}, {})
    path.write_bytes(path.read_bytes()[:500])


def _foreign(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path)


def _newer(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path, metadata={"asegen": json.dumps({"format": 99})})


@pytest.mark.parametrize("spoil", [_pickled, _truncated, _foreign, _newer, lambda path: path.write_bytes(b"")])
def test_bad_files_are_named(tmp_path: Path, spoil) -> None:  # noqa: ANN001
    path = tmp_path / "bad.safetensors"
    spoil(path)
    with pytest.raises(CheckpointError, match="bad.safetensors"):
        read_tensors(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights"):
        read_tensors(tmp_path / "none.safetensors")


def test_weights_must_fit_and_be_finite() -> None:
    model = torch.nn.Linear(2, 1)
    good = {name: value.half() for name, value in model.state_dict().items()}
    load_weights(model, good, "w")
    assert model.weight.dtype == torch.float32
    with pytest.raises(CheckpointError, match="does not fit"):
        load_weights(model, {"weight": torch.zeros(3, 3)}, "w")
    with pytest.raises(CheckpointError, match="finite"):
        load_weights(model, {**good, "bias": torch.tensor([float("nan")])}, "w")
