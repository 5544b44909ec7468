"""Graphs that treat equally near neighbours alike."""

import torch

from asegen.crystals.crystals import Crystals
from asegen.models.empnn.shells import neighborhoods_of, shell_graph


def cubic(cell: torch.Tensor, positions: list[list[float]]) -> Crystals:
    n = len(positions)
    x = torch.tensor(positions, dtype=torch.float64)
    return Crystals(cell.double()[None], x, torch.full((n,), 29), torch.tensor([n]))


FCC = torch.tensor([[0.0, 1.8, 1.8], [1.8, 0.0, 1.8], [1.8, 1.8, 0.0]])


def test_shells_are_whole() -> None:
    # fcc: shells of 12, 6, 24, 12; simple cubic: 6, 12, 8.
    assert len(shell_graph(cubic(FCC, [[0, 0, 0]]), 16)) == 18
    assert len(shell_graph(cubic(FCC, [[0, 0, 0]]), 12)) == 12
    assert len(shell_graph(cubic(torch.eye(3), [[0, 0, 0]]), 16)) == 18


def test_weights_fade_to_zero_at_the_next_neighbour() -> None:
    near = neighborhoods_of(cubic(FCC, [[0, 0, 0]]), 20)
    assert (near.weight[0, :12] > 0.1).all()
    assert (near.weight[0, 18:] == 0).all()  # the 24 of the third shell, of which two are listed
    assert near.weight.diff(dim=1).max() <= 1e-12


def test_weighted_neighbourhoods_are_continuous_when_neighbours_change_places() -> None:
    x = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.49], [0.5, 0.5, 0.0]]
    before = cubic(4 * torch.eye(3), x)
    moment = []
    for step in (0.0, 1e-7):
        moved = before.replace(
            scaled_positions=before.scaled_positions + torch.tensor([[0, 0, step], [0] * 3, [0] * 3])
        )
        near = neighborhoods_of(moved, 9)
        moment.append((near.weight[..., None] * near.scaled_vector).sum(1))
    torch.testing.assert_close(moment[0], moment[1], atol=1e-5, rtol=0)


def test_moved_neighbourhoods_are_those_of_the_moved_crystal() -> None:
    crystals = cubic(4 * torch.eye(3), [[0.1, 0.2, 0.3], [0.6, 0.5, 0.7]])
    step = torch.tensor([[0.01, -0.02, 0.005], [0.0, 0.01, 0.02]], dtype=torch.float64)
    near = neighborhoods_of(crystals, 5)
    positions = crystals.scaled_positions
    there = near.moved(step).scaled_vector - near.scaled_vector
    torch.testing.assert_close(there, step[near.j] - step[:, None, :])
    shift = near.scaled_vector + positions[:, None] - positions[near.j]
    torch.testing.assert_close(shift, shift.round())
