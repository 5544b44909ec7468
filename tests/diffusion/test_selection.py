"""The choice among candidates: the best by quality, never one that overlaps; overlaps as ASE finds them."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from asegen.crystals.crystals import Crystals
from asegen.diffusion.selection import best_candidates, overlapping
from asegen.structures.atoms import atoms_from_crystals, shortest_distance


def random_crystals(seed: int, count: int, edge: float = 3.0) -> Crystals:
    generator = torch.Generator().manual_seed(seed)
    cell = edge * torch.eye(3) + 0.5 * torch.randn(count, 3, 3, generator=generator)
    positions = torch.rand(2 * count, 3, generator=generator)
    return Crystals(cell, positions, torch.full((2 * count,), 14), torch.full((count,), 2))


@given(st.integers(0, 10_000))
def test_overlaps_are_those_of_the_published_rule(seed: int) -> None:
    crystals = random_crystals(seed, 30, edge=1.5)
    distances = np.array([shortest_distance(atoms) for atoms in atoms_from_crystals(crystals)])
    clear = np.abs(distances - 0.5) > 1e-4
    assert (overlapping(crystals).numpy() == (distances < 0.5))[clear].all()


def test_the_best_sound_candidate_of_each_sample_is_kept() -> None:
    candidates = random_crystals(1, 6)  # three candidates of two samples: 0 2 4, and 1 3 5
    positions = candidates.scaled_positions.clone()
    positions[4] = positions[5]  # crystal 2 overlaps
    cell = candidates.cell.clone()
    cell[3] = torch.nan
    candidates = candidates.replace(scaled_positions=positions, cell=cell)
    quality = torch.tensor([1.0, 5.0, 9.0, 7.0, 2.0, torch.nan])
    kept, its = best_candidates(candidates, quality, 3)
    assert its.tolist() == [2.0, 5.0]
    torch.testing.assert_close(kept.cell, candidates.cell[[4, 1]])


def test_without_a_sound_one_the_finite_one_is_kept() -> None:
    candidates = random_crystals(2, 2)
    cell = candidates.cell.clone()
    cell[0] = torch.nan
    positions = candidates.scaled_positions.clone()
    positions[2] = positions[3]
    kept, _ = best_candidates(
        candidates.replace(cell=cell, scaled_positions=positions), torch.tensor([torch.nan, 0.0]), 2
    )
    torch.testing.assert_close(kept.cell, cell[1:])
