"""Draws the validation errors of trainings, as their folders or weights hold them, into one picture.

python examples/studies/training_curves.py curves.png "bulk modulus=fit-K" "shear modulus=G.safetensors"

Validations of older weights, which don't hold them, are tables in examples/studies/curves.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

from asegen.models.header import read_header
from asegen.training.checkpoints import history
from asegen.training.loop import METRICS


def curve(place: Path) -> dict[str, list[float]]:
    """The validations of a run's folder, of its table, or of a file of weights."""
    if place.is_dir() or place.suffix == ".csv":
        return history(place / METRICS if place.is_dir() else place)
    known: dict[str, list[float]] | None = read_header(place).get("history")
    if known is None:
        raise SystemExit(f"{place} doesn't tell its validations")
    return known


def main() -> None:
    """Draws as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER|TABLE|WEIGHTS")
    parser.add_argument("--column", default="val_mae", help="of the validations")
    args = parser.parse_args()
    figure, axes = plt.subplots(1, len(args.runs), figsize=(3.2 * len(args.runs), 2.6), layout="constrained")
    for axis, run in zip(figure.axes if len(args.runs) > 1 else [axes], args.runs, strict=True):
        name, _, place = run.partition("=")
        metrics = curve(Path(place))
        axis.plot(metrics["step"], metrics[args.column], marker=".")
        axis.set(title=name, xlabel="step", ylabel=args.column)
    figure.savefig(args.output, dpi=100)


if __name__ == "__main__":
    main()
