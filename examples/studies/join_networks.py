"""Joins ALIGNNs or ECNs of one task that were trained apart into one network, whose predictions are their means.

    python examples/studies/join_networks.py a.safetensors b.safetensors --data shards --out both.safetensors

They have to be of one size, and to have learned the same task from the same crystals. The figures in the header, from
which standard deviations are scaled, are those of the whole on val.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asegen.data.shards import load_split
from asegen.models.checkpoint import load_weights, read_tensors, write_tensors
from asegen.trained.weights import find_weights
from asegen.training.recipe import DataOptions
from asegen.training.registry import MODELS, model_class, task_class
from asegen.training.splits import fitting_split

AT_ONCE = 64
CHOSEN = ("gate",)
"""Options of a task that are chosen once the networks are joined."""


def learned(header: dict[str, Any]) -> dict[str, Any]:
    """The network and the task of a header, as they have to agree."""
    return {"model": header["model"], "process": {k: v for k, v in header["process"].items() if k not in CHOSEN}}


def joined(members: Sequence[tuple[dict[str, Any], dict[str, Tensor]]]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header, without figures, and tensors of the whole."""
    headers = [header for header, _ in members]
    if any(learned(header) != learned(headers[0]) for header in headers):
        raise SystemExit("the networks differ in size, task or the crystals that they learned from")
    tensors = {f"networks.{k}.{name}": t for k, (_, own) in enumerate(members) for name, t in own.items()}
    kind = f"{headers[0]['model']['class']}Ensemble"
    if kind not in MODELS:
        raise SystemExit(f"there is no {kind}")
    model = headers[0]["model"] | {"class": kind, "members": len(members)}
    elements = set.intersection(*(set(header["elements"]) for header in headers))
    header = {name: value for name, value in headers[0].items() if name not in ("format", "test")}
    return header | {"model": model, "elements": sorted(elements)}, tensors


@torch.no_grad()
def figures(header: dict[str, Any], tensors: dict[str, Tensor], data: Path) -> dict[str, float]:
    """What the task's loss gives on val, means over crystals."""
    options = {name: value for name, value in header["model"].items() if name != "class"}
    network = model_class(header["model"]["class"])(**options).eval()
    load_weights(network, tensors, header["name"])
    kind = task_class(header["process"]["class"])
    task = kind(**{name: value for name, value in header["process"].items() if name != "class"})
    limits = DataOptions(max_atoms=header["max_atoms"], targets=tuple(header["recipe"]["data"]["targets"]))
    split = fitting_split(load_split(data, "val"), limits, "val", kind.labels)
    pieces = torch.arange(len(split.crystals)).split(AT_ONCE)
    given = torch.cat([network(split.crystals[index]) for index in pieces])
    found = task.loss(lambda _: given, split.crystals, torch.Generator(), *split.labels)
    return {f"val_{name}": float(value) for name, value in found.items()}


def main() -> None:
    """Joins as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", nargs="+", help="files, or names of shipped networks")
    parser.add_argument("--data", type=Path, required=True, help="folder of asegen ingest, with val")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    header, tensors = joined([read_tensors(find_weights(name)) for name in args.weights])
    header["metrics"] = figures(header, tensors, args.data)
    write_tensors(args.out, tensors, header)
    print(args.out, {name: round(value, 4) for name, value in header["metrics"].items()})


if __name__ == "__main__":
    main()
