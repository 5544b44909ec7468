"""The coupling of noise and data: what it may change, and how good its assignment is."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from asegen.crystals.crystals import Crystals
from asegen.diffusion.coupling import aligned_displacement
from asegen.geometry.torus import shortest


def batch(seed: int) -> tuple[Crystals, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor([6, 3])
    numbers = torch.tensor([8, 8, 22, 8, 8, 22, 5, 5, 7])
    positions = torch.rand(9, 3, generator=generator, dtype=torch.float64)
    crystals = Crystals(torch.eye(3, dtype=torch.float64).repeat(2, 1, 1), positions, numbers, counts)
    return crystals, torch.rand(9, 3, generator=generator, dtype=torch.float64)


@given(st.integers(0, 500))
def test_noise_is_only_translated_and_exchanged_within_an_element(seed: int) -> None:
    crystals, noise = batch(seed)
    start = crystals.scaled_positions - aligned_displacement(crystals, noise)
    for atoms in (slice(0, 6), slice(6, 9)):
        numbers = crystals.numbers[atoms]
        # Differences between atoms survive a translation: as multisets per pair of elements they must be the noise's.
        for pair in {(int(a), int(b)) for a in numbers for b in numbers}:
            found = _differences(start[atoms], numbers, pair)
            expected = _differences(noise[atoms], numbers, pair)
            np.testing.assert_allclose(found, expected, atol=1e-9)


def _differences(x: torch.Tensor, numbers: torch.Tensor, pair: tuple[int, int]) -> np.ndarray:
    d = (x[numbers == pair[0]][:, None] - x[numbers == pair[1]][None, :]).reshape(-1, 3)
    waves = torch.cat([torch.cos(2 * torch.pi * d), torch.sin(2 * torch.pi * d)], dim=1)  # knows no lattice translation
    return torch.sort((waves * torch.tensor([1.0, 1.3, 1.7, 0.6, 0.8, 0.9], dtype=x.dtype)).sum(1)).values.numpy()


def test_the_way_is_shorter_and_nearly_optimal() -> None:
    plain, ours, best = 0.0, 0.0, 0.0
    for seed in range(40):
        crystals, noise = batch(seed)
        way = aligned_displacement(crystals, noise)
        torch.testing.assert_close(way[:6].mean(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)
        start = (crystals.scaled_positions - way)[:6]
        goal, numbers = crystals.scaled_positions[:6], crystals.numbers[:6]
        cost = shortest(goal[:, None] - start[None]).square().sum(-1)
        cost = cost + 1e3 * (numbers[:, None] != numbers[None])
        best += cost.numpy()[linear_sum_assignment(cost.numpy())].sum()
        ours += float(way[:6].square().sum())
        plain += float(shortest(goal - noise[:6]).square().sum())
    assert ours < 0.6 * plain
    assert ours < 1.1 * best
