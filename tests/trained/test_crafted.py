"""Weights that somebody crafted: refused in one line by what loads them, and none of absurd size is built."""

import copy
import json
import math
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from asegen.cli.main import main
from asegen.errors import AsegenError
from asegen.models.checkpoint import read_tensors
from asegen.trained.predictor import load_predictor
from asegen.trained.relaxer import load_relaxer
from asegen.trained.samplers import load_generator
from asegen.trained.weights import find_weights

Header = dict[str, Any]


def at(path: str, value: object) -> Callable[[Header], object]:
    """A change of a header: an entry, found by dots, set to a value."""

    def change(header: Header) -> object:
        *above, last = path.split(".")
        place = header
        for key in above:
            place = place[key]
        place[last] = value
        return header

    return change


def without(path: str) -> Callable[[Header], object]:
    """A change of a header: an entry, found by dots, taken out."""

    def change(header: Header) -> object:
        *above, last = path.split(".")
        place = header
        for key in above:
            place = place[key]
        del place[last]
        return header

    return change


HEADERS: dict[str, Callable[[Header], object]] = {
    "a list": lambda header: [header],
    "null": lambda header: None,
    "a number": lambda header: 7,
    "a text": lambda header: "weights",
    "an empty table": lambda header: {},
    "no format": without("format"),
    "another format": at("format", 2),
    "a format that is true": at("format", True),
    "a format that is a list": at("format", [1]),
    **{f"no {name}": without(name) for name in ("name", "steps", "elements", "max_atoms", "model", "process")},
    **{f"no {name}": without(name) for name in ("recipe", "recipe.data", "metrics", "model.class", "process.class")},
    **{f"no {name}": without(name) for name in ("process.elements", "process.scale")},
    "a name that is null": at("name", None),
    "a name of two lines": at("name", "a\nb"),
    "an empty name": at("name", ""),
    "an endless name": at("name", "a" * 10**6),
    "a name that is a list": at("name", ["a"]),
    "steps below 0": at("steps", -1),
    "steps in text": at("steps", "6000"),
    "steps without end": at("steps", 10**30),
    "steps that are true": at("steps", True),
    "half a step": at("steps", 0.5),
    "no elements in the list": at("elements", []),
    "elements in text": at("elements", "NaCl"),
    "elements by symbol": at("elements", ["Na"]),
    "element 0": at("elements", [0]),
    "element 119": at("elements", [119]),
    "element 1.5": at("elements", [1.5]),
    "an element twice": at("elements", [11, 11]),
    "a million elements": at("elements", [11] * 10**6),
    "elements in a table": at("elements", {"11": 1}),
    "no atoms": at("max_atoms", 0),
    "many atoms": at("max_atoms", 10**12),
    "atoms that are infinite": at("max_atoms", math.inf),
    "a model that is a list": at("model", ["ALIGNN"]),
    "a model that is text": at("model", "ALIGNN"),
    "an unknown model": at("model.class", "os.system"),
    "a model whose class is a list": at("model.class", ["ALIGNN"]),
    "a model of another class": at("model.class", "MEGNet"),
    "an unknown argument": at("model.colour", 1),
    "self as an argument": at("model.self", 1),
    "a width of a billion": at("model.width", 10**9),
    "a width below 0": at("model.width", -64),
    "a width of 0": at("model.width", 0),
    "a width in text": at("model.width", "64"),
    "a width with a fraction": at("model.width", 64.5),
    "a width that is NaN": at("model.width", math.nan),
    "a width that is a list": at("model.width", [64]),
    "a width that is null": at("model.width", None),
    "thousands of layers": at("model.alignn_layers", 4000),
    "another width": at("model.width", 32),
    "a thousand heads": at("model.heads", 1000),
    "two outputs": at("model.outputs", 2),
    "an unknown encoding": at("model.encoding", "../../etc/passwd"),
    "an unknown task": at("process.class", "Popen"),
    "a task that is null": at("process", None),
    "a task that is a list": at("process", []),
    "a task with an unknown argument": at("process.judge", "x"),
    "an unknown loss": at("process.loss", "rmse"),
    "coefficients that are NaN": at("process.elements", [[math.nan] * 119]),
    "coefficients for ten elements": at("process.elements", [[0.0] * 10]),
    "coefficients in text": at("process.elements", [["0"] * 119]),
    "coefficients in a vector": at("process.elements", [0.0] * 119),
    "coefficients of two targets": at("process.elements", [[0.0] * 119] * 2),
    "coefficients of unequal length": at("process.elements", [[0.0] * 119, [0.0]]),
    "a scale below 0": at("process.scale", [-1.0]),
    "no scale in the list": at("process.scale", []),
    "a scale in a list of lists": at("process.scale", [[1.0]]),
    "an infinite scale": at("process.scale", [math.inf]),
    "a recipe that is a list": at("recipe", []),
    "data that is null": at("recipe.data", None),
    "targets in text": at("recipe.data.targets", "band_gap"),
    "no target": at("recipe.data.targets", []),
    "targets that are numbers": at("recipe.data.targets", [1]),
    "two targets": at("recipe.data.targets", ["a", "b"]),
    "one target twice": at("recipe.data.targets", ["a", "a"]),
    "metrics in a list": at("metrics", [1]),
    "metrics in text": at("metrics", {"val_mae": "0.1"}),
}
"""What is wrong with the header of a property network, and how."""


@pytest.fixture(scope="module")
def good() -> tuple[Header, dict[str, torch.Tensor]]:
    return read_tensors(find_weights("alignn-formation-energy"))


def refused(load: Callable[[str], object], path: Path) -> str:
    """The message with which a file is refused, soon and in one line."""
    began = time.process_time()
    with pytest.raises(AsegenError) as caught:
        load(str(path))
    assert time.process_time() - began < 20
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and len(message) < 600 and str(path) in message
    return message


@pytest.mark.parametrize("case", HEADERS)
def test_a_crafted_header_is_refused_in_one_line(
    good: tuple[Header, dict[str, torch.Tensor]], case: str, tmp_path: Path
) -> None:
    header = HEADERS[case](copy.deepcopy(good[0]))
    save_file(good[1], tmp_path / "w.safetensors", metadata={"asegen": json.dumps(header)})
    refused(lambda path: load_predictor(path, "cpu"), tmp_path / "w.safetensors")


TENSORS: dict[str, Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]] = {
    "whole numbers": lambda own: {name: tensor.long() for name, tensor in own.items()},
    "one of whole numbers": lambda own: own | {list(own)[0]: own[list(own)[0]].to(torch.int8)},
    "truth values": lambda own: {name: tensor > 0 for name, tensor in own.items()},
    "complex numbers": lambda own: {name: tensor.to(torch.complex64) for name, tensor in own.items()},
    "NaN": lambda own: {name: tensor * math.nan for name, tensor in own.items()},
    "an infinite number": lambda own: own | {list(own)[0]: torch.full_like(own[list(own)[0]], math.inf)},
    "none": lambda own: {},
    "one too few": lambda own: dict(list(own.items())[1:]),
    "one too many": lambda own: own | {"more": torch.zeros(1)},
    "other shapes": lambda own: {name: tensor.flatten() for name, tensor in own.items()},
    "empty ones": lambda own: {name: torch.zeros(0) for name in own},
    "other names": lambda own: {f"x.{name}": tensor for name, tensor in own.items()},
}


@pytest.mark.parametrize("case", TENSORS)
def test_crafted_tensors_are_refused_in_one_line(
    good: tuple[Header, dict[str, torch.Tensor]], case: str, tmp_path: Path
) -> None:
    save_file(TENSORS[case](good[1]), tmp_path / "w.safetensors", metadata={"asegen": json.dumps(good[0])})
    refused(lambda path: load_predictor(path, "cpu"), tmp_path / "w.safetensors")


class _Harmful:
    """Writes a file where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.place), "w")


def test_files_of_other_kinds_are_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    place, harm = tmp_path / "w.safetensors", tmp_path / "harm"
    nested = json.dumps({"__metadata__": {"asegen": "[" * 100_000}}).encode()
    contents = [
        b"", b"\0" * 8, b"\xff" * 64, b"PK\x03\x04" + b"\0" * 64, (2**62).to_bytes(8, "little") + b"{}",
        pickle.dumps(_Harmful(harm)), len(nested).to_bytes(8, "little") + nested,
    ]  # fmt: skip
    for content in contents:
        place.write_bytes(content)
        refused(lambda path: load_predictor(path, "cpu"), place)
    torch.save({"a": _Harmful(harm)}, place)
    harm.unlink(missing_ok=True)
    refused(lambda path: load_predictor(path, "cpu"), place)
    assert not harm.exists()


@pytest.mark.parametrize("load", [load_generator, load_relaxer])
@pytest.mark.parametrize("change", ["a list", "no elements", "elements in text", "no steps", "a width of a billion"])
def test_other_networks_have_the_same_schema(load: Callable[..., object], change: str, tmp_path: Path) -> None:
    name = "torusflow-mp" if load is load_generator else "empnn-mp"
    header, tensors = read_tensors(find_weights(name))
    crafted = HEADERS[change](header)
    save_file(tensors, tmp_path / "w.safetensors", metadata={"asegen": json.dumps(crafted)})
    refused(lambda path: load(path, device="cpu"), tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("models {weights}", "a list"),
        ("models {weights} --json", "elements in text"),
        ("predict {crystal} --model {weights}", "null"),
        ("relax {crystal} --model {weights} -o a.cif", "no process"),
        ("generate NaCl --model {weights} -o a.cif", "a task that is a list"),
        ("generate NaCl --spacegroup 225 --model {weights} -o a.cif", "a model that is text"),
        ("evaluate {crystal} --reference {crystal} --metrics fad --embedder {weights}", "steps in text"),
    ],
)
def test_commands_say_so(
    line: str, change: str, tmp_path: Path, good: tuple[Header, dict[str, torch.Tensor]],
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from ase.build import bulk

    monkeypatch.chdir(tmp_path)
    bulk("NaCl", "rocksalt", a=5.6).write("crystal.cif")
    header = HEADERS[change](copy.deepcopy(good[0]))
    save_file(good[1], "w.safetensors", metadata={"asegen": json.dumps(header)})
    with pytest.raises(SystemExit) as stop:
        main(line.format(weights="w.safetensors", crystal="crystal.cif").split())
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.count("\n") == 1 and error.startswith("asegen: error: w.safetensors")
