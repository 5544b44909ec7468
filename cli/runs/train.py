"""What `asegen train` does once its arguments are read: Fabric, a progress bar, the loop."""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from pathlib import Path

from lightning.fabric import Fabric
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from asegen.cli.runs.signals import ENDED, AskedToStop
from asegen.cli.terminal import message_console
from asegen.errors import InputError
from asegen.training.loop import WEIGHTS, train
from asegen.training.machine import has_bfloat16, keep_freed_memory
from asegen.training.recipe import load_recipe

_ENDING = "ending the run with a validation and a checkpoint; once more ends it at once"


def run_training(args: argparse.Namespace, init: Path | None) -> None:
    """Trains as the command line asks.

    Args:
        args: of the command.
        init: weights to start from.

    Raises:
        InputError: a bad recipe, data folder or device.
        SystemExit: with code 143 after SIGTERM, 130 after Ctrl-C.
    """
    keep_freed_memory()
    recipe = load_recipe(args.recipe, args.steps, args.seed, args.precision, args.target or ())
    fabric = _launched(args)
    warnings.filterwarnings("ignore", module="lightning")
    console = message_console()
    if args.precision is None and recipe.precision == "bf16-mixed" and not has_bfloat16(fabric.device):
        recipe = dataclasses.replace(recipe, precision="32-true")
        console.print("in float32: the processor has no bfloat16")
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[speed]}"),
    )  # fmt: skip
    with (
        AskedToStop() as asked,
        Progress(*columns, console=console, transient=True, disable=not fabric.is_global_zero) as progress,
    ):
        task = progress.add_task("training", total=recipe.optimizer.steps, speed="", visible=False)

        def report(step: int, metrics: dict[str, float]) -> None:
            progress.update(task, completed=step, visible=True)
            if "val_loss" in metrics:
                text = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name.startswith("val"))
                console.print(f"step {step}: {text}")
            else:
                progress.update(task, speed=f"loss {metrics['loss']:.3f}")

        def stop() -> bool:
            if wanted := asked():
                console.print(_ENDING)
            return wanted

        def note(line: str) -> None:
            if fabric.is_global_zero:
                console.print(f"note: {line}", markup=False, soft_wrap=True)

        train(recipe, Path(args.data), Path(args.out), fabric, args.resume, init, report, args.time, stop, note)
    if fabric.is_global_zero:
        console.print(f"weights: {Path(args.out) / WEIGHTS}")
    if asked.by is not None:
        console.print(f"asegen: {ENDED[asked.by]}; go on with --resume")
        raise SystemExit(128 + asked.by)


def _launched(args: argparse.Namespace) -> Fabric:
    try:
        fabric = Fabric(
            accelerator=args.accelerator, devices=args.devices, num_nodes=args.num_nodes, strategy=args.strategy
        )
        fabric.launch()
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(f"the device can't be used: {error}") from None
    return fabric
