"""What a network is told about an element: a row of a table, chosen by its atomic number."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asegen.elements import (
    ATOMIC_NUMBERS,
    COVALENT_RADIUS,
    ELECTRONEGATIVITY,
    IONISATION_ENERGY,
    LAST,
    period,
    wide_group,
)
from asegen.errors import InputError

ENCODINGS = ("atomic_number", "hubbard", "period", "properties")

_HUBBARD_METALS = (23, 24, 25, 26, 27, 28, 42, 74)  # V, Cr, Mn, Fe, Co, Ni, Mo, W
_HUBBARD_ANIONS = (8, 9)  # O, F


class ElementFeatures(nn.Module):
    """Rows of features by atomic number; nothing in it is trained.

    Args:
        encoding: "atomic_number" (one-hot, 103), "hubbard" (the same and a bit: whether the Materials Project computes
            such a composition with GGA+U, that is V, Cr, Mn, Fe, Co, Ni, Mo or W together with O or F), "period"
            (one-hot of the period, 7, and of the group in the table of 32), or "properties" (the latter, and
            electronegativity, covalent radius and ionisation energy, standardised).

    Attributes:
        size: length of a row.

    Raises:
        InputError: an unknown encoding.
    """

    table: Tensor

    def __init__(self, encoding: str = "atomic_number") -> None:
        super().__init__()
        if encoding not in ENCODINGS:
            raise InputError(f"encoding = {encoding!r} is not one of {', '.join(ENCODINGS)}")
        self.with_bit = encoding == "hubbard"
        table = _one_hot_numbers() if encoding in ("atomic_number", "hubbard") else _one_hot_places()
        if encoding == "properties":
            table = torch.cat([table, _properties()], 1)
        self.size = table.shape[1] + self.with_bit
        self.register_buffer("table", table, persistent=False)

    def forward(self, numbers: Tensor, batch: Tensor, n_crystals: int) -> Tensor:
        """Features of atoms.

        Args:
            numbers: (n_atoms_total,), int64; beyond lawrencium every feature is 0.
            batch: (n_atoms_total,), int64, the crystal of each atom.
            n_crystals: how many there are.

        Returns:
            (n_atoms_total, size).
        """
        rows = self.table.index_select(0, numbers)
        if not self.with_bit:
            return rows
        metal, anion = (
            torch.zeros(n_crystals, dtype=torch.bool, device=numbers.device).index_fill(
                0, batch[torch.isin(numbers, torch.tensor(kind, device=numbers.device))], True
            )
            for kind in (_HUBBARD_METALS, _HUBBARD_ANIONS)
        )
        return torch.cat([rows, (metal & anion)[batch, None].to(rows.dtype)], 1)


def _one_hot_numbers() -> Tensor:
    return torch.eye(ATOMIC_NUMBERS)[:, 1 : LAST + 1]


def _one_hot_places() -> Tensor:
    table = torch.zeros(ATOMIC_NUMBERS, 7 + 32)
    for z in range(1, LAST + 1):
        table[z, period(z) - 1] = 1
        table[z, 7 + wide_group(z) - 1] = 1
    return table


def _properties() -> Tensor:
    columns = torch.tensor([ELECTRONEGATIVITY, COVALENT_RADIUS, IONISATION_ENERGY]).T
    table = torch.zeros(ATOMIC_NUMBERS, columns.shape[1])
    table[1 : LAST + 1] = (columns[1:] - columns[1:].mean(0)) / columns[1:].std(0)
    return table
