"""Rows of several owners, beside Python's lists."""

import torch

from asegen.geometry.ragged import first_rows, owners, ranges, rows_of

COUNTS = [3, 0, 2, 1]
ROWS = [[0, 1, 2], [], [3, 4], [5]]


def test_rows_and_owners() -> None:
    counts = torch.tensor(COUNTS)
    assert first_rows(counts).tolist() == [0, 3, 3, 5]
    expected = [owner for owner, rows in enumerate(ROWS) for _ in rows]
    assert owners(counts).tolist() == owners(counts, 6).tolist() == expected


def test_rows_of_chosen_owners() -> None:
    for chosen in ([2, 0, 2], [1], [], [3, 2, 1, 0]):
        found = rows_of(torch.tensor(COUNTS), torch.tensor(chosen, dtype=torch.int64))
        assert found.tolist() == [row for owner in chosen for row in ROWS[owner]] and found.dtype == torch.int64


def test_ranges() -> None:
    assert ranges(torch.tensor([7, 2, 0]), torch.tensor([2, 0, 3])).tolist() == [7, 8, 0, 1, 2]
