"""One set of crystals divided at random into the splits that training needs."""

from __future__ import annotations

import itertools

import torch

from asegen.data.shards import CrystalDataset
from asegen.ingest.plan import SHARES

FEWEST = 10
"""Crystals that are divided; of fewer, a tenth is none."""


def divide(dataset: CrystalDataset, seed: int) -> dict[str, CrystalDataset]:
    """The splits of `SHARES`, whose crystals are drawn at random and keep their order.

    Args:
        dataset: at least `FEWEST` crystals.
        seed: the same gives the same splits.

    Returns:
        Split name -> its crystals; each has at least one, and every crystal is in one split.
    """
    drawn = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
    ends = [round(len(dataset) * share) for share in itertools.accumulate(SHARES.values())]
    parts = torch.tensor_split(drawn, ends[:-1])
    return {name: dataset[part.sort().values] for name, part in zip(SHARES, parts, strict=True)}
