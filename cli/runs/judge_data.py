"""What `asegen candidates` does once its arguments are read."""

from __future__ import annotations

import argparse
import shutil
from functools import partial

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from asegen.data.shards import CrystalDataset, check_writable, load_split, write_shards
from asegen.errors import InputError
from asegen.generation.judge_data import QUALITY, draw_candidates
from asegen.trained.samplers import load_generator

_SPLITS = ("train", "val")


def run_candidates(args: argparse.Namespace) -> None:
    """Draws and compares as the command line asks.

    Raises:
        InputError: a split is missing or exists already, or the model or device can't be used.
        CheckpointError: weights that can't be read.
    """
    for split in _SPLITS:
        check_writable(args.output, split, args.force)
    known = {split: _chosen(load_split(args.data, split), args) for split in _SPLITS}
    sampler = load_generator(args.model, args.device, search=False)
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    for split, crystals in known.items():
        work = args.output / f".{split}.parts"
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(split, total=len(crystals))
            report = partial(_show, progress, task)
            drawn = draw_candidates(sampler, crystals, args.copies, args.steps, args.seed, args.jobs, work, report)
        write_shards(args.output, split, drawn, force=args.force)
        shutil.rmtree(work)
        matched = drawn.targets[QUALITY] > 0
        console.print(f"{split}: {len(drawn)} samples of {len(crystals)} crystals, {matched.double().mean():.1%} match")


def _show(progress: Progress, task: TaskID, done: int) -> None:
    progress.update(task, completed=done)


def _chosen(dataset: CrystalDataset, args: argparse.Namespace) -> CrystalDataset:
    small = torch.nonzero(dataset.crystals.n_atoms <= args.max_atoms)[:, 0]
    if len(small) == 0:
        raise InputError(f"{args.data} holds no crystal of at most {args.max_atoms} atoms")
    if args.limit is not None and args.limit < len(small):
        order = torch.randperm(len(small), generator=torch.Generator().manual_seed(args.seed))
        small = small[order[: args.limit]].sort().values
    return dataset[small]
