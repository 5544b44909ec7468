"""One motion out of several, its size, and what holds a crystal back: a fixed cell, fixed atoms, its space group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals, Tangent
from asegen.geometry.lattice import metric_tensor, symmetric_exp, symmetric_log
from asegen.geometry.ragged import first_rows
from asegen.geometry.torus import shortest
from asegen.nn.readouts import group_mean


def total_motion(tangents: Sequence[Tangent]) -> Tangent:
    """The tangent that leads, up to a rotation of the crystal, where several lead that are followed in order.

    Args:
        tangents: at least one, of the same crystals.
    """
    factor = symmetric_exp(tangents[0].strain)
    for tangent in tangents[1:]:
        factor = factor @ symmetric_exp(tangent.strain)
    displacement = torch.stack([t.displacement for t in tangents]).sum(0)
    return Tangent(displacement, 0.5 * symmetric_log(factor @ factor.mT))


def size_of(crystals: Crystals, tangent: Tangent) -> tuple[Tensor, Tensor]:
    """How far a motion leads: of its farthest atom (Å, measured within the cell), and the largest principal strain.

    Args:
        crystals: what is to move.
        tangent: the motion.

    Returns:
        Both (n_crystals,).
    """
    step = torch.einsum("na,nab->nb", tangent.displacement, crystals.cell[crystals.batch])
    farthest = torch.zeros_like(crystals.cell[:, 0, 0])
    farthest = farthest.scatter_reduce(0, crystals.batch, torch.linalg.vector_norm(step, dim=-1), "amax")
    return farthest, torch.linalg.eigvalsh(tangent.strain).abs().amax(-1)


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Space-group operations of a batch of crystals: operation m of crystal c sends atom `source` to atom `target`.

    Attributes:
        crystal: (n_operations,), int64, the crystal of each operation.
        rotation: (n_operations, 3, 3), W of `x' = x Wᵀ + w`, x fractional.
        translation: (n_operations, 3), w, fractional.
        operation: (n_pairs,), int64, the operation of each pair of atoms.
        source: (n_pairs,), int64, index into the whole batch.
        target: (n_pairs,), int64.
    """

    crystal: Tensor
    rotation: Tensor
    translation: Tensor
    operation: Tensor
    source: Tensor
    target: Tensor

    def select(self, crystals: Crystals, chosen: Tensor) -> Symmetry:
        """The operations of some of the crystals, as `crystals[chosen]` numbers them.

        Args:
            crystals: the batch that the operations belong to.
            chosen: (n_chosen,), int64, distinct.
        """
        new_crystal = torch.full((len(crystals),), -1, device=chosen.device)
        new_crystal[chosen] = torch.arange(len(chosen), device=chosen.device)
        new_first = torch.zeros_like(crystals.n_atoms)
        new_first[chosen] = first_rows(crystals.n_atoms[chosen])
        new_atom = torch.arange(len(crystals.numbers), device=chosen.device)
        new_atom = new_atom + (new_first - crystals.first_atom)[crystals.batch]
        kept = new_crystal[self.crystal] >= 0
        new_operation = torch.cumsum(kept, 0) - 1
        pairs = kept[self.operation]
        return Symmetry(
            new_crystal[self.crystal[kept]],
            self.rotation[kept],
            self.translation[kept],
            new_operation[self.operation[pairs]],
            new_atom[self.source[pairs]],
            new_atom[self.target[pairs]],
        )

    def project(self, crystals: Crystals, tangent: Tangent) -> Tangent:
        """The part of a motion that keeps the operations: the mean over all of them.

        Args:
            crystals: what is to move, with these operations.
            tangent: the motion.
        """
        turned = torch.einsum("na,nba->nb", tangent.displacement[self.source], self._rotation_of_pairs(tangent))
        turn = torch.linalg.solve(crystals.cell[self.crystal], self.rotation.mT.to(crystals.dtype))
        turn = turn @ crystals.cell[self.crystal]
        strain = group_mean(turn.mT @ tangent.strain[self.crystal] @ turn, self.crystal, len(crystals))
        return Tangent(group_mean(turned, self.target, len(crystals.numbers)), (strain + strain.mT) / 2)

    def symmetrised(self, crystals: Crystals) -> Crystals:
        """The crystals moved by as little as makes the operations exact.

        Args:
            crystals: crystals that have them within a tolerance.
        """
        w = self.rotation.to(crystals.dtype)
        images = torch.einsum("na,nba->nb", crystals.scaled_positions[self.source], w[self.operation])
        images = images + self.translation.to(crystals.dtype)[self.operation]
        away = shortest(images - crystals.scaled_positions[self.target])
        displacement = group_mean(away, self.target, len(crystals.numbers))
        metric = metric_tensor(crystals.cell)[self.crystal]
        metric = group_mean(w.mT @ metric @ w, self.crystal, len(crystals))
        relative = torch.linalg.solve(crystals.cell, metric)
        relative = torch.linalg.solve(crystals.cell, relative.mT)
        return crystals.move(Tangent(displacement, 0.5 * symmetric_log((relative + relative.mT) / 2)))

    def _rotation_of_pairs(self, tangent: Tangent) -> Tensor:
        return self.rotation.to(tangent.displacement.dtype)[self.operation]


@dataclass(frozen=True, eq=False)
class Freedom:
    """What may move. A motion is projected: fixed atoms first, then the space group, then the cell and all positions.

    Attributes:
        cell: whether cells may change.
        positions: whether fractional positions may change.
        fixed: (n_atoms_total,), bool, atoms whose fractional positions stay; none without it.
        symmetry: operations that every crystal keeps; none are kept by force without it.
    """

    cell: bool = True
    positions: bool = True
    fixed: Tensor | None = None
    symmetry: Symmetry | None = None

    def select(self, crystals: Crystals, chosen: Tensor) -> Freedom:
        """The same for `crystals[chosen]`.

        Args:
            crystals: the batch that this belongs to.
            chosen: (n_chosen,), int64, distinct.
        """
        fixed = None if self.fixed is None else self.fixed[crystals.atoms_of(chosen)]
        symmetry = None if self.symmetry is None else self.symmetry.select(crystals, chosen)
        return Freedom(self.cell, self.positions, fixed, symmetry)

    def project(self, crystals: Crystals, tangent: Tangent) -> Tangent:
        """The part of a motion that is free.

        Args:
            crystals: what is to move.
            tangent: the motion.
        """
        displacement, strain = tangent.displacement, tangent.strain
        if self.fixed is not None:
            displacement = _holding(crystals, displacement, self.fixed)
        if self.symmetry is not None:
            projected = self.symmetry.project(crystals, Tangent(displacement, strain))
            displacement, strain = projected.displacement, projected.strain
        if not self.cell:
            strain = torch.zeros_like(strain)
        if not self.positions:
            displacement = torch.zeros_like(displacement)
        return Tangent(displacement, strain)


def _holding(crystals: Crystals, displacement: Tensor, fixed: Tensor) -> Tensor:
    """Displacements that leave fixed atoms where they are.

    A translation of the whole crystal is free, so the mean of the fixed atoms' motion is taken from all atoms first.
    """
    held = fixed[:, None].to(displacement.dtype)
    total = torch.zeros_like(crystals.cell[:, 0]).index_add(0, crystals.batch, displacement * held)
    count = torch.zeros_like(crystals.cell[:, 0]).index_add(0, crystals.batch, held.expand(-1, 3))
    return (displacement - (total / count.clamp_min(1))[crystals.batch]) * (1 - held)
