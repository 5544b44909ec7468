"""What `asegen judge-data` does once its arguments are read."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from functools import partial

import torch

from asegen.cli.progress import ProgressBar
from asegen.cli.terminal import message_console
from asegen.data.shards import CrystalDataset, load_split, write_shards
from asegen.errors import InputError
from asegen.generation.judge_data import QUALITY, draw_training_data
from asegen.trained.samplers import load_generator


def run_judge_data(args: argparse.Namespace, splits: Sequence[str]) -> None:
    """Draws and compares as the command line asks.

    Args:
        args: how.
        splits: which.

    Raises:
        InputError: a split is missing, or the model or device can't be used.
        CheckpointError: weights that can't be read.
    """
    known = {split: _chosen(load_split(args.data, split), args) for split in splits}
    sampler = load_generator(args.model, args.device, search=False)
    for split, crystals in known.items():
        work = args.output / f".{split}.parts"
        with ProgressBar(split, len(crystals)) as bar:
            report = partial(bar.report, split, total=len(crystals))
            drawn = draw_training_data(sampler, crystals, args.copies, args.steps, args.seed, args.jobs, work, report)
        write_shards(args.output, split, drawn, force=args.force)
        shutil.rmtree(work)
        matched = drawn.targets[QUALITY] > 0
        message_console().print(
            f"{split}: {len(drawn)} samples of {len(crystals)} crystals, {matched.double().mean():.1%} match"
        )


def _chosen(dataset: CrystalDataset, args: argparse.Namespace) -> CrystalDataset:
    small = torch.nonzero(dataset.crystals.n_atoms <= args.max_atoms)[:, 0]
    if len(small) == 0:
        raise InputError(f"{args.data} holds no crystal of at most {args.max_atoms} atoms")
    if args.limit is not None and args.limit < len(small):
        order = torch.randperm(len(small), generator=torch.Generator().manual_seed(args.seed))
        small = small[order[: args.limit]].sort().values
    return dataset[small]
