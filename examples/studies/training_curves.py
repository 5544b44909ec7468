"""Draws the validation errors of trainings, as their folders hold them, into one picture.

python examples/studies/training_curves.py curves.png "bulk modulus=fit-K" "shear modulus=fit-G" --column val_mae
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from asegen.training.loop import METRICS


def main() -> None:
    """Draws as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--column", default="val_mae", help="of metrics.csv")
    args = parser.parse_args()
    figure, axes = plt.subplots(1, len(args.runs), figsize=(3.2 * len(args.runs), 2.6), layout="constrained")
    for axis, run in zip(figure.axes if len(args.runs) > 1 else [axes], args.runs, strict=True):
        name, _, folder = run.partition("=")
        metrics = pd.read_csv(Path(folder) / METRICS)
        axis.plot(metrics["step"], metrics[args.column], marker=".")
        axis.set(title=name, xlabel="step", ylabel=args.column)
    figure.savefig(args.output, dpi=100)


if __name__ == "__main__":
    main()
