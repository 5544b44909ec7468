"""What `asegen train` does once its arguments are read: Fabric, a progress bar, the loop."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from lightning.fabric import Fabric
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from asegen.cli.terminal import message_console
from asegen.errors import InputError
from asegen.training.loop import WEIGHTS, train
from asegen.training.recipe import load_recipe


def run_training(args: argparse.Namespace, init: Path | None) -> None:
    """Trains as the command line asks.

    Args:
        args: of the command.
        init: weights to start from.

    Raises:
        InputError: a bad recipe, data folder or device.
    """
    recipe = load_recipe(args.recipe, args.steps, args.seed, args.precision, args.target or ())
    try:
        fabric = Fabric(
            accelerator=args.accelerator,
            devices=args.devices,
            num_nodes=args.num_nodes,
            strategy=args.strategy,
        )
        fabric.launch()
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(f"the device can't be used: {error}") from None
    warnings.filterwarnings("ignore", module="lightning")
    console = message_console()
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[speed]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not fabric.is_global_zero) as progress:
        task = progress.add_task("training", total=recipe.optimizer.steps, speed="", visible=False)

        def report(step: int, metrics: dict[str, float]) -> None:
            progress.update(task, completed=step, visible=True)
            if "val_loss" in metrics:
                text = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name.startswith("val"))
                console.print(f"step {step}: {text}")
            else:
                progress.update(task, speed=f"loss {metrics['loss']:.3f}")

        train(recipe, Path(args.data), Path(args.out), fabric, args.resume, init, report)
    if fabric.is_global_zero:
        console.print(f"weights: {Path(args.out) / WEIGHTS}")
