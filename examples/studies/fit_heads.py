"""Fits the heads of an ALIGNN, and its readout of bonds and angles, to what the frozen rest makes of the crystals.

    python examples/studies/fit_heads.py alignn-formation-energy --data shards --init alignn-formation-energy --out fit

The rest is evaluated once for each crystal, so that thousands of steps take seconds where one step of the whole network
takes one: the beginning of a training with `asegen train --init fit/weights.safetensors`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals
from asegen.data.batches import batches_by_atoms
from asegen.data.shards import load_split
from asegen.models.alignn.network import ALIGNN
from asegen.models.checkpoint import read_tensors, write_tensors
from asegen.trained.weights import find_weights
from asegen.training.loop import WEIGHTS
from asegen.training.recipe import Recipe, load_recipe
from asegen.training.registry import task_class
from asegen.training.splits import Split, fitting_split

BATCH = 512
VALIDATIONS = 20


class Means(NamedTuple):
    """Of each crystal, (n_crystals, width) each: means over atoms of atoms, of their bonds, of their angles."""

    atoms: Tensor
    bonds: Tensor
    angles: Tensor

    def take(self, index: Tensor) -> Means:
        """Those of some crystals."""
        return Means(*(part[index] for part in self))


def network_of(recipe: Recipe, tensors: dict[str, Tensor]) -> ALIGNN:
    """The recipe's network with all tensors that fit; its readout of bonds and angles starts at zero."""
    network = ALIGNN(**recipe.model_options)
    own = network.state_dict()
    fitting = {name: t.float() for name, t in tensors.items() if name in own and own[name].shape == t.shape}
    network.load_state_dict(own | fitting)
    return network.eval()


@torch.no_grad()
def means_of(network: ALIGNN, crystals: Crystals, budget: int) -> Means:
    """What the frozen part makes of crystals."""
    seen: dict[str, Tensor] = {}
    readout = network.readout
    assert readout is not None
    kept = readout.bonds.weight.clone(), readout.angles.weight.clone()
    nn.init.zeros_(readout.bonds.weight)
    nn.init.zeros_(readout.angles.weight)
    for name in ("bonds", "angles"):
        linear = getattr(readout, name)
        linear.register_forward_pre_hook(lambda _, given, name=name: seen.__setitem__(name, given[0]))
    found = Means(*(torch.zeros(len(crystals), readout.bonds.weight.shape[0]) for _ in range(3)))
    for index in batches_by_atoms(crystals.n_atoms, budget):
        part = crystals[index]
        found.atoms[index] = network.embed(part)
        for name in ("bonds", "angles"):
            total = torch.zeros_like(found.atoms[index]).index_add(0, part.batch, seen[name])
            getattr(found, name)[index] = total / part.n_atoms[:, None]
    readout.bonds.weight.copy_(kept[0])
    readout.angles.weight.copy_(kept[1])
    return found


def predicted(network: ALIGNN, means: Means) -> Tensor:
    """(n_crystals, heads, outputs): the network's answer."""
    readout: Any = network.readout
    out: Tensor = network.heads(means.atoms + readout.bonds(means.bonds) + readout.angles(means.angles))
    return out


class Fit:
    """The fit of a recipe's heads to two splits."""

    def __init__(self, recipe: Recipe, data: Path, init: Path) -> None:
        header, tensors = read_tensors(init)
        self.recipe, self.network = recipe, network_of(recipe, tensors)
        labels = task_class(recipe.task).labels
        self.train, self.val = (fitting_split(load_split(data, s), recipe.data, s, labels) for s in ("train", "val"))
        statistics = task_class(recipe.task).statistics(self.train.crystals, *self.train.labels)
        if (header["process"]["class"], header["recipe"]["data"]["targets"]) == (recipe.task, [*recipe.data.targets]):
            statistics = {name: header["process"][name] for name in statistics}
        self.options = statistics | recipe.task_options
        self.task = task_class(recipe.task)(**self.options)
        self.elements = sorted({*self.train.crystals.numbers.tolist(), *header["elements"]})

    def run(self, steps: int, rate: float, out: Path) -> None:
        """Fits, and keeps what is best on val."""
        budget = 2 * self.recipe.data.atom_budget
        train, val = (means_of(self.network, split.crystals, budget) for split in (self.train, self.val))
        torch.manual_seed(self.recipe.seed)
        readout: Any = self.network.readout
        parameters = [*readout.parameters(), *self.network.heads.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=self.recipe.optimizer.weight_decay)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        best = self._loss(self.val, val)["loss"]
        print("start", {name: round(float(v), 4) for name, v in self._loss(self.val, val).items()}, flush=True)
        for step in range(1, steps + 1):
            index = torch.randint(len(self.train.crystals), (BATCH,))
            optimizer.zero_grad()
            self._loss(self.train.take(index), train.take(index))["loss"].backward()
            optimizer.step()
            schedule.step()
            if step % (steps // VALIDATIONS) == 0:
                found = {name: float(v) for name, v in self._loss(self.val, val).items()}
                print(step, {name: round(v, 4) for name, v in found.items()}, flush=True)
                if found["loss"] < best:
                    best = found["loss"]
                    self._keep(out, step, {f"val_{name}": v for name, v in found.items()})

    def _loss(self, split: Split, means: Means) -> dict[str, Tensor]:
        given = predicted(self.network, means)
        return self.task.loss(lambda _: given, split.crystals, torch.Generator(), *split.labels)

    def _keep(self, out: Path, step: int, metrics: dict[str, float]) -> None:
        header = {
            "name": self.recipe.name,
            "model": {"class": self.recipe.model, **self.recipe.model_options},
            "process": {"class": self.recipe.task, **self.options},
            "elements": self.elements,
            "max_atoms": int(self.train.crystals.n_atoms.max()),
            "recipe": self.recipe.as_written(),
            "steps": step,
            "metrics": metrics,
        }
        out.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.half() for name, tensor in self.network.state_dict().items()}
        write_tensors(out / WEIGHTS, weights, header)


def main() -> None:
    """Fits as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=1e-3)
    args = parser.parse_args()
    Fit(load_recipe(args.recipe), args.data, find_weights(args.init)).run(args.steps, args.rate, args.out)


if __name__ == "__main__":
    main()
