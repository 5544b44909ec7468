"""Band gaps of a hurdle model: chooses its gate on val, and measures it on test and on well-known insulators.

    python examples/studies/band_gaps.py run/weights.safetensors --data shards --choose
    python examples/studies/band_gaps.py alignn-band-gap --data shards

With --choose the gate with the smallest balanced error on val, the mean of the MAE of metals and of the MAE of the
others, is written into the header of the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from torch import Tensor

from asegen.calculators.property import predict
from asegen.data.shards import load_split
from asegen.models.checkpoint import read_tensors, write_tensors
from asegen.properties.hurdle import HurdleRegression
from asegen.trained.predictor import PropertyPredictor, load_predictor
from asegen.trained.weights import find_weights
from asegen.training.recipe import DataOptions
from asegen.training.splits import fitting_split

GATES = [k / 20 for k in range(4, 20)]
WINDOW = (1.0, 2.0)  # eV, of a typical search


class Gaps(NamedTuple):
    """Of a split: the probability of a metal, the gap if it is none, and what is true; (n,) each, eV."""

    metal: Tensor
    size: Tensor
    true: Tensor

    def at(self, gate: float) -> Tensor:
        """What is predicted with a gate."""
        return torch.where(self.metal > gate, 0.0, self.size)


def hurdle(predictor: PropertyPredictor) -> HurdleRegression:
    """Its task, if it is one that tells metals from others."""
    if not isinstance(predictor.task, HurdleRegression):
        raise SystemExit(f"{predictor.name} has no gate: not a model of HurdleRegression")
    return predictor.task


def gaps_of(predictor: PropertyPredictor, data: Path, split: str) -> Gaps:
    """Predictions of a split without a gate."""
    options = DataOptions(max_atoms=predictor.max_atoms, targets=predictor.targets)
    found = fitting_split(load_split(data, split), options, split)
    known = torch.isin(found.crystals.numbers, torch.tensor(sorted(predictor.elements)))
    strange = torch.zeros(len(found.crystals)).index_add(0, found.crystals.batch, (~known).float())
    chosen = found.take(strange == 0)
    hurdle(predictor).gate = 1.0
    value = predictor.predict(chosen.crystals).value
    return Gaps(value[:, 1], value[:, 0], chosen.targets[:, 0])


def figures(gaps: Gaps, gate: float) -> dict[str, float]:
    """Errors and shares with a gate; precision and recall of the window."""
    value, metal = gaps.at(gate), gaps.true <= 1e-5
    error = (value - gaps.true).abs()
    said, true = ((v >= WINDOW[0]) & (v <= WINDOW[1]) for v in (value, gaps.true))
    both = float((said & true).sum())
    return {
        "gate": gate,
        "MAE": float(error.mean()),
        "of metals": float(error[metal].mean()),
        "of the others": float(error[~metal].mean()),
        "standard error": float(error[~metal].std() / (~metal).sum().sqrt()),
        "metals right": float((value[metal] == 0).float().mean()),
        "others right": float((value[~metal] > 0).float().mean()),
        "precision": both / max(float(said.sum()), 1.0),
        "recall": both / float(true.sum()),
    }


def insulators() -> dict[str, Atoms]:
    """Well-known crystals that no model may call a metal."""
    rutile = [4.65, 4.65, 2.97, 90, 90, 90]
    anatase = [3.80, 3.80, 9.75, 90, 90, 90]
    wurtzite = [3.29, 3.29, 5.30, 90, 90, 120]
    perovskite = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)]
    return {
        "rutile": crystal("TiO", [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=rutile),
        "anatase": crystal("TiO", [(0, 0, 0), (0, 0, 0.207)], spacegroup=141, cellpar=anatase, primitive_cell=True),
        "SrTiO3": crystal("SrTiO", perovskite, spacegroup=221, cellpar=[3.94, 3.94, 3.94, 90, 90, 90]),
        "BaTiO3": crystal("BaTiO", perovskite, spacegroup=221, cellpar=[4.03, 4.03, 4.03, 90, 90, 90]),
        "Si": bulk("Si", "diamond", a=5.47),
        "GaAs": bulk("GaAs", "zincblende", a=5.75),
        "ZnO": crystal("ZnO", [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, 0.379)], spacegroup=186, cellpar=wurtzite),
        "CaF2": bulk("CaF2", "fluorite", a=5.51),
    }


def main() -> None:
    """Prints a table of gates on val, figures on test, and the gaps of known crystals."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True, help="folder of asegen ingest, with val and test")
    parser.add_argument("--choose", action="store_true", help="write the best gate on val into the header")
    args = parser.parse_args()
    path = find_weights(args.weights)
    predictor = load_predictor(args.weights, "cpu")
    task = hurdle(predictor)
    gate = task.gate
    val = gaps_of(predictor, args.data, "val")
    table = [figures(val, one) for one in GATES]
    for row in table:
        print("val ", "  ".join(f"{name} {value:.3f}" for name, value in row.items()))
    if args.choose:
        gate = min(table, key=lambda row: row["of metals"] + row["of the others"])["gate"]
        header, tensors = read_tensors(path)
        header["process"]["gate"] = gate
        write_tensors(path, tensors, header)
    test = figures(gaps_of(predictor, args.data, "test"), gate)
    print("test", "  ".join(f"{name} {value:.3f}" for name, value in test.items()))
    task.gate = gate
    names = insulators()
    for name, result in zip(names, predict(list(names.values()), predictor), strict=True):
        print(name, "  ".join(f"{column} {value:.2f}" for column, value in result.values.items()), result.status)


if __name__ == "__main__":
    main()
