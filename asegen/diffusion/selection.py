"""The choice among candidates."""

from __future__ import annotations

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.geometry.neighbors import nearest_neighbors

# Two atoms nearer than this make a crystal invalid by every published protocol.
_OVERLAP = 0.5  # Å
_OVERLAP_PENALTY = 1e6  # far above any difference in quality


def best_candidates(candidates: Crystals, quality: Tensor, copies: int) -> tuple[Crystals, Tensor]:
    """The best candidate of each sample, and its quality; arguments as in `best_of`."""
    best, quality = best_of(candidates, quality, copies)
    return candidates[best], quality


def best_of(candidates: Crystals, quality: Tensor, copies: int) -> tuple[Tensor, Tensor]:
    """Which candidate of each sample is the best.

    What overlaps or isn't finite is never chosen while another candidate is there.

    Args:
        candidates: `copies` batches of the same compositions, one after the other.
        quality: (n_crystals of `candidates`,), the higher the better; what isn't finite counts as worst.
        copies: candidates per sample.

    Returns:
        (n_samples,), int64, indices into `candidates`, and (n_samples,) their qualities, less a penalty where even the
        best overlaps.
    """
    quality = torch.nan_to_num(quality, nan=-torch.inf, posinf=-torch.inf).clamp_min(-_OVERLAP_PENALTY)
    quality = quality - _OVERLAP_PENALTY * overlapping(candidates).to(quality.dtype)
    size = len(candidates) // copies
    best = quality.view(copies, size).argmax(0) * size + torch.arange(size, device=quality.device)
    return best, quality[best]


def overlapping(crystals: Crystals) -> Tensor:
    """(n_crystals,), bool: two atoms, or an atom and its own image, are nearer than 0.5 Å, or a cell isn't finite."""
    finite = torch.isfinite(crystals.cell).all((1, 2))
    cell = torch.where(finite[:, None, None], crystals.cell, torch.eye(3).to(crystals.cell))
    positions = torch.nan_to_num(crystals.scaled_positions)
    near = nearest_neighbors(cell, positions, crystals.n_atoms, 1)
    shortest_of = torch.full_like(cell[:, 0, 0], torch.inf)
    shortest_of = shortest_of.scatter_reduce(0, crystals.batch[near.i], near.distance, "amin")
    return ~finite | (shortest_of < _OVERLAP)
