"""Fits the last parts of an ALIGNN to what its frozen rest makes of the crystals.

    python examples/studies/fit_heads.py alignn-bulk-modulus --data shards --init alignn-formation-energy --out fit
    python examples/studies/fit_heads.py alignn-band-gap --data shards --init fit/weights.safetensors --out all --layers

The rest is evaluated once for each crystal, so that a step takes milliseconds where one of the whole network takes a
second. The heads and the readout of bonds and angles are fitted; with --layers the layers without angles too. What is
best on val is kept, and `asegen train --init` goes on from it with all layers.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals
from asegen.data.batches import batches_by_atoms
from asegen.data.shards import load_split
from asegen.models.alignn.network import ALIGNN, GraphState
from asegen.models.checkpoint import read_tensors, write_tensors
from asegen.nn.readouts import crystal_mean
from asegen.parallel.files import replacing
from asegen.trained.weights import find_weights
from asegen.training.loop import METRICS, WEIGHTS
from asegen.training.machine import keep_freed_memory
from asegen.training.recipe import Recipe, load_recipe
from asegen.training.registry import task_class
from asegen.training.splits import Split, fitting_split
from asegen.training.start import initialise, known_elements, task_options_of

BATCH = {False: 512, True: 64}
"""Crystals of a step, without layers and with them."""
VALIDATIONS = 20


class Frozen(Protocol):
    """What the frozen part makes of a split, and what the fitted part makes of that."""

    @property
    def order(self) -> Tensor:
        """(n_crystals,), int64: its crystals, as indices into the split."""

    def answer(self, network: ALIGNN, index: Tensor, crystals: Crystals) -> Tensor:
        """(n, heads, outputs) of the chosen crystals, which are given."""


class Means(NamedTuple):
    """For heads and readout: means over atoms of atoms, bonds and angles, (n_crystals, 3, width)."""

    order: Tensor
    means: Tensor

    def answer(self, network: ALIGNN, index: Tensor, crystals: Crystals) -> Tensor:
        """See `Frozen`."""
        given: Tensor = network.heads(network.read(self.means[index].unbind(1)))
        return given


class States(NamedTuple):
    """For the layers without angles too: the state of the graph before them, in half precision."""

    order: Tensor
    state: GraphState
    n_atoms: Tensor
    n_edges: Tensor

    def answer(self, network: ALIGNN, index: Tensor, crystals: Crystals) -> Tensor:
        """See `Frozen`."""
        atoms, edges = rows_of(self.n_atoms, index), rows_of(self.n_edges, index)
        before = torch.cumsum(self.n_atoms, 0) - self.n_atoms
        now = torch.cumsum(self.n_atoms[index], 0) - self.n_atoms[index]
        shift = torch.repeat_interleave(now - before[index], self.n_edges[index])
        s = self.state
        x, angles, y = s.x[atoms].float(), s.angles[atoms].float(), s.y[edges].float()
        state = GraphState(x, y, angles, s.i[edges] + shift, s.j[edges] + shift, s.weight[edges].float())
        parts = [crystal_mean(part, crystals) for part in network.without_angles(state)]
        given: Tensor = network.heads(network.read(parts))
        return given


def rows_of(lengths: Tensor, index: Tensor) -> Tensor:
    """The rows of chosen groups, where groups of these lengths follow one another."""
    start, chosen = torch.cumsum(lengths, 0) - lengths, lengths[index]
    within = torch.arange(int(chosen.sum())) - torch.repeat_interleave(torch.cumsum(chosen, 0) - chosen, chosen)
    return torch.repeat_interleave(start[index], chosen) + within


@torch.no_grad()
def freeze(network: ALIGNN, crystals: Crystals, budget: int, layers: bool) -> Frozen:
    """Evaluates the frozen part."""
    batches = batches_by_atoms(crystals.n_atoms, budget)
    order, states, means, edges = torch.cat(batches), [], [], []
    first = 0
    for index in batches:
        part = crystals[index]
        state = network.with_angles(part)
        if layers:
            edges.append(torch.bincount(part.batch[state.i], minlength=len(part)))
            state = state._replace(i=state.i + first, j=state.j + first)
            first += len(state.x)
            states.append(GraphState(*(t.half() if t.is_floating_point() else t for t in state)))
        else:
            parts = network.without_angles(state)
            means.append(torch.stack([crystal_mean(feature, part) for feature in parts], 1))
    if not layers:
        return Means(order, torch.cat(means))
    whole = GraphState(*(torch.cat(column) for column in zip(*states, strict=True)))
    return States(order, whole, crystals.n_atoms[order], torch.cat(edges))


def write_metrics(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes what was found at each validation, as `asegen train` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, beside.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


class Fit:
    """The fit of a recipe's network to two splits."""

    def __init__(self, recipe: Recipe, data: Path, init: Path, layers: bool) -> None:
        header, tensors = read_tensors(init)
        self.recipe, self.layers = recipe, layers
        torch.manual_seed(recipe.seed)
        self.network = ALIGNN(**recipe.model_options)
        initialise(self.network, recipe, header, tensors)
        kind = task_class(recipe.task)
        train, val = (fitting_split(load_split(data, s), recipe.data, s, kind.labels) for s in ("train", "val"))
        self.options = task_options_of(recipe, header, train)
        self.task = kind(**self.options)
        self.elements = known_elements(recipe, header, train, self.options)
        self.max_atoms = int(train.crystals.n_atoms.max())
        budget = 2 * recipe.data.atom_budget
        self.frozen = [freeze(self.network.eval(), split.crystals, budget, layers) for split in (train, val)]
        self.train, self.val = (s.take(f.order) for s, f in zip((train, val), self.frozen, strict=True))

    def run(self, steps: int, rate: float, out: Path) -> None:
        """Fits, and keeps what is best on val."""
        torch.manual_seed(self.recipe.seed)
        decay = self.recipe.optimizer.weight_decay
        optimizer = torch.optim.AdamW(self._parameters(), lr=rate, weight_decay=decay)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        best, rows = math.inf, []
        for step in range(1, steps + 1):
            index = torch.randint(len(self.train.crystals), (BATCH[self.layers],))
            optimizer.zero_grad()
            self._loss(self.train, self.frozen[0], index)["loss"].backward()
            optimizer.step()
            schedule.step()
            if step % max(steps // VALIDATIONS, 1) == 0:
                found = self._validated()
                rows.append({"step": step, **{f"val_{name}": v for name, v in found.items()}})
                write_metrics(out / METRICS, rows)
                print(step, {name: round(v, 4) for name, v in found.items()}, flush=True)
                if found["loss"] < best:
                    best = found["loss"]
                    self._keep(out, step, {f"val_{name}": v for name, v in found.items()})

    def _parameters(self) -> list[nn.Parameter]:
        n = self.network
        assert n.readout is not None
        layers = list(n.over_bonds)[len(n.over_angles) :] if self.layers else []
        return [p for module in (n.readout, n.heads, *layers) for p in module.parameters()]

    @torch.no_grad()
    def _validated(self) -> dict[str, float]:
        found = self._loss(self.val, self.frozen[1], torch.arange(len(self.val.crystals)))
        return {name: float(value) for name, value in found.items()}

    def _loss(self, split: Split, frozen: Frozen, index: Tensor) -> dict[str, Tensor]:
        part = split.take(index)
        given = frozen.answer(self.network, index, part.crystals)
        return self.task.loss(lambda _: given, part.crystals, torch.Generator(), *part.labels)

    def _keep(self, out: Path, step: int, metrics: dict[str, float]) -> None:
        header = {
            "name": self.recipe.name,
            "model": {"class": self.recipe.model, **self.recipe.model_options},
            "process": {"class": self.recipe.task, **self.options},
            "elements": self.elements,
            "max_atoms": self.max_atoms,
            "recipe": self.recipe.as_written(),
            "steps": step,
            "metrics": metrics,
        }
        weights = {name: tensor.half() for name, tensor in self.network.state_dict().items()}
        write_tensors(out / WEIGHTS, weights, header)


def main() -> None:
    """Fits as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipe", help="of an ALIGNN with bond_readout")
    parser.add_argument("--data", type=Path, required=True, help="folder of asegen ingest, with train and val")
    parser.add_argument("--init", required=True, help="weights to start from: a shipped name, or a path")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=3e-3, help="at the start; it falls to zero")
    parser.add_argument("--seed", type=int, help="instead of the recipe's")
    parser.add_argument("--layers", action="store_true", help="fit the layers without angles too")
    args = parser.parse_args()
    keep_freed_memory()
    fit = Fit(load_recipe(args.recipe, seed=args.seed), args.data, find_weights(args.init), args.layers)
    fit.run(args.steps, args.rate, args.out)


if __name__ == "__main__":
    main()
