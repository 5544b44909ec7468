"""The two core types, and the conventions that every room keeps.

A batch of crystals is one concatenated set of atoms. Rows of a cell are lattice vectors in Å; positions are fractional
(`scaled_positions`, ASE's word) and live on the unit torus: `x_cartesian = scaled_position @ cell`. A denoising step, a
diffusion score and a relaxation are all a `Tangent` at a crystal, and `Crystals.move` follows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from asegen.geometry.lattice import symmetric_exp
from asegen.geometry.ragged import first_rows, owners, rows_of
from asegen.geometry.torus import shortest, wrap


@dataclass(frozen=True, eq=False)
class Tangent:
    """A motion of a batch of crystals.

    Attributes:
        displacement: (n_atoms_total, 3), fractional displacement of each atom (dimensionless).
        strain: (n_crystals, 3, 3), symmetric, Cartesian axes, dimensionless; the cell's rows are multiplied from the
            right by its exponential.
    """

    displacement: Tensor
    strain: Tensor


@dataclass(frozen=True, eq=False)
class Crystals:
    """A batch of crystals, immutable: change it by making a new one.

    Attributes:
        cell: (n_crystals, 3, 3), rows are lattice vectors, Å.
        scaled_positions: (n_atoms_total, 3), fractional, in [0, 1).
        numbers: (n_atoms_total,), int64, atomic numbers.
        n_atoms: (n_crystals,), int64, atoms of each crystal; atoms of one crystal are contiguous.
    """

    cell: Tensor
    scaled_positions: Tensor
    numbers: Tensor
    n_atoms: Tensor

    def __len__(self) -> int:
        """Number of crystals."""
        return self.n_atoms.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.cell.device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of cells and positions."""
        return self.cell.dtype

    @cached_property
    def batch(self) -> Tensor:
        """(n_atoms_total,), int64: the crystal that each atom belongs to."""
        return owners(self.n_atoms, self.numbers.shape[0])

    @cached_property
    def largest(self) -> int:
        """Atoms of the largest crystal, known once for all copies of a batch: asking a GPU waits for it."""
        return int(self.n_atoms.max())

    @cached_property
    def first_atom(self) -> Tensor:
        """(n_crystals,), int64: index of each crystal's first atom."""
        return first_rows(self.n_atoms)

    @property
    def positions(self) -> Tensor:
        """(n_atoms_total, 3), Cartesian, Å."""
        with torch.autocast(self.device.type, enabled=False):  # in bfloat16 a position has two digits
            return torch.einsum("na,nab->nb", self.scaled_positions, self.cell[self.batch])

    @property
    def volume(self) -> Tensor:
        """(n_crystals,), Å³, positive for left-handed cells too."""
        return torch.linalg.det(self.cell).abs()

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Crystals:
        """The same crystals on another device or with another floating-point type."""
        return self._same_sizes(
            Crystals(
                self.cell.to(device=device, dtype=dtype),
                wrap(self.scaled_positions.to(device=device, dtype=dtype)),  # rounding may send 1 - 1e-17 to 1
                self.numbers.to(device=device),
                self.n_atoms.to(device=device),
            )
        )

    def replace(
        self, cell: Tensor | None = None, scaled_positions: Tensor | None = None, numbers: Tensor | None = None
    ) -> Crystals:
        """The same crystals with some fields changed; positions are wrapped into [0, 1)."""
        return self._same_sizes(
            Crystals(
                self.cell if cell is None else cell,
                self.scaled_positions if scaled_positions is None else wrap(scaled_positions),
                self.numbers if numbers is None else numbers,
                self.n_atoms,
            )
        )

    def _same_sizes(self, other: Crystals) -> Crystals:
        """Crystals with as many atoms, which needn't be counted again."""
        if "largest" in self.__dict__:
            other.__dict__["largest"] = self.largest
        return other

    def __getitem__(self, index: int | slice | Tensor) -> Crystals:
        """Selects crystals, on the device.

        Args:
            index: an integer (one crystal), a slice, an int64 tensor of indices (any order, with repeats), or a mask.

        Raises:
            IndexError: an index is out of range.
        """
        if isinstance(index, int):
            index = torch.tensor([index], device=self.device)
        atoms = self.atoms_of(index)
        return Crystals(self.cell[index], self.scaled_positions[atoms], self.numbers[atoms], self.n_atoms[index])

    def atoms_of(self, index: slice | Tensor) -> Tensor:
        """The atoms of chosen crystals, crystal by crystal: (n_chosen_atoms,), int64, indices into the batch.

        Args:
            index: a slice, an int64 tensor of indices (any order, with repeats), or a mask.

        Raises:
            IndexError: an index is out of range.
        """
        return rows_of(self.n_atoms, torch.arange(len(self), device=self.device)[index])

    @staticmethod
    def cat(batches: Sequence[Crystals]) -> Crystals:
        """One batch of all crystals of several batches, in order."""
        return Crystals(
            torch.cat([b.cell for b in batches]),
            torch.cat([b.scaled_positions for b in batches]),
            torch.cat([b.numbers for b in batches]),
            torch.cat([b.n_atoms for b in batches]),
        )

    def move(self, tangent: Tangent) -> Crystals:
        """Follows a tangent: `x' = x + displacement (mod 1)`, `cell' = cell · exp(strain)`.

        Args:
            tangent: displacement (n_atoms_total, 3), fractional; strain (n_crystals, 3, 3), symmetric.
        """
        return self.replace(
            cell=self.cell @ symmetric_exp(tangent.strain),
            scaled_positions=self.scaled_positions + tangent.displacement,
        )

    def displacement_to(self, other: Crystals) -> Tensor:
        """(n_atoms_total, 3): shortest fractional displacement of each atom to its place in `other` (same atoms)."""
        return shortest(other.scaled_positions - self.scaled_positions)
