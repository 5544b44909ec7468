"""Crystals by symmetry: lattices in their system's subspace, atoms as images of sites in free Wyckoff parameters.

A crystal is a space group, sites, and numbers without constraint: of each site its free parameters u, of the lattice
six coordinates of which the crystal system allows some. Atom k of site s is at `x = W_k (A_s u_s + t_s) + w_k`
(fractional), and the cell is `L = L_0 exp(Σ c_m B_m)` with B_m the basis of `geometry.lattice.symmetric_basis` and
L_0 a reference cell: the group's unit cell (lengths 1) in the basis in which the crystal is described. So the lattices
of each of the seven crystal systems are a coordinate subspace, whatever lattice vectors describe them; and whatever u
and c are, the crystal has its space group and its composition exactly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from asegen.crystals.bravais import allowed_coordinates
from asegen.crystals.crystals import Crystals
from asegen.geometry.lattice import metric_tensor, symmetric_basis, symmetric_exp, symmetric_log
from asegen.geometry.ragged import first_rows, owners, rows_of
from asegen.geometry.torus import shortest, wrap

_REACHED = 1e-4  # fractional; a way within a site's freedom ends as near as this


class Numbers(NamedTuple):
    """The free numbers of a batch of crystals; what isn't free doesn't matter.

    Attributes:
        u: (n_sites_total, 3), Wyckoff parameters, conventional fractional coordinates.
        lattice: (n_crystals, 6), coordinates c, logarithms of lengths in Å.
    """

    u: Tensor
    lattice: Tensor

    @staticmethod
    def cat(parts: Sequence[Numbers]) -> Numbers:
        """The numbers of several batches in order."""
        return Numbers(torch.cat([part.u for part in parts]), torch.cat([part.lattice for part in parts]))


@dataclass(frozen=True, eq=False)
class Orbits:
    """The symmetry of a batch of crystals, immutable; numbers of sites and images as in `Crystals.n_atoms`.

    Attributes:
        group: (n_crystals,), int64, number of the space group.
        bravais: (n_crystals,), int64, index into `BRAVAIS`.
        points: (n_crystals,), int64, lattice points of the conventional cell, whose volume the coordinates measure.
        reference: (n_crystals, 3, 3), L_0; its rows are the lattice vectors of the unit cell's lattice in which all
            below is written.
        n_sites: (n_crystals,), int64.
        numbers: (n_sites_total,), int64, atomic numbers.
        letter: (n_sites_total,), uint8, the Wyckoff letter as a character's code.
        matrix: (n_sites_total, 3, 3), A; zero columns belong to no free parameter.
        shift: (n_sites_total, 3), t.
        n_images: (n_sites_total,), int64, atoms of each site in the primitive cell.
        rotation: (n_atoms_total, 3, 3), W, the operation that leads from a site's first atom to each of its atoms.
        translation: (n_atoms_total, 3), w.
    """

    group: Tensor
    bravais: Tensor
    points: Tensor
    reference: Tensor
    n_sites: Tensor
    numbers: Tensor
    letter: Tensor
    matrix: Tensor
    shift: Tensor
    n_images: Tensor
    rotation: Tensor
    translation: Tensor

    def __len__(self) -> int:
        """Number of crystals."""
        return self.n_sites.shape[0]

    @cached_property
    def site_crystal(self) -> Tensor:
        """(n_sites_total,), int64: the crystal of each site."""
        return owners(self.n_sites)

    @cached_property
    def site(self) -> Tensor:
        """(n_atoms_total,), int64: the site of each atom."""
        return owners(self.n_images)

    @cached_property
    def n_atoms(self) -> Tensor:
        """(n_crystals,), int64."""
        return torch.zeros_like(self.n_sites).index_add_(0, self.site_crystal, self.n_images)

    @cached_property
    def free(self) -> Tensor:
        """(n_sites_total, 3), bool: which components of u are free."""
        return (self.matrix != 0).any(1)

    @cached_property
    def allowed(self) -> Tensor:
        """(n_crystals, 6), bool: which lattice coordinates are free."""
        return allowed_coordinates(self.bravais)

    @cached_property
    def image_matrix(self) -> Tensor:
        """(n_atoms_total, 3, 3): `∂x/∂u` of each atom."""
        return self.rotation @ self.matrix[self.site]

    def positions(self, u: Tensor) -> Tensor:
        """Fractional positions.

        Args:
            u: (n_sites_total, 3), free parameters; what isn't free doesn't matter.

        Returns:
            (n_atoms_total, 3), in [0, 1).
        """
        first = (self.matrix.to(u) @ u[:, :, None])[:, :, 0] + self.shift.to(u)
        images = (self.rotation.to(u) @ first[self.site][:, :, None])[:, :, 0]
        return wrap(images + self.translation.to(u))

    def cell(self, lattice: Tensor) -> Tensor:
        """Cells from coordinates.

        Args:
            lattice: (n_crystals, 6), logarithms of lengths in Å; what isn't allowed doesn't matter.

        Returns:
            (n_crystals, 3, 3), rows are lattice vectors, Å.
        """
        allowed = torch.where(self.allowed, lattice, torch.zeros_like(lattice))
        strain = torch.einsum("bm,mxy->bxy", allowed, symmetric_basis(lattice))
        return self.reference.to(lattice) @ symmetric_exp(strain)

    def crystals(self, numbers: Numbers) -> Crystals:
        """The crystals of free numbers."""
        cell, positions = self.cell(numbers.lattice), self.positions(numbers.u)
        return Crystals(cell, positions, self.numbers[self.site], self.n_atoms)

    def select(self, numbers: Numbers, index: Tensor) -> Numbers:
        """The numbers of some of the crystals, as `self[index]` numbers them."""
        chosen = torch.arange(len(self), device=self.group.device)[index]
        return Numbers(numbers.u[self.sites_of(chosen)], numbers.lattice[chosen])

    def lattice(self, cell: Tensor) -> Tensor:
        """Coordinates of the allowed lattices that are nearest to cells, in the log-Euclidean sense.

        Args:
            cell: (n_crystals, 3, 3), rows are lattice vectors, Å, in the basis of these orbits, in any orientation.

        Returns:
            (n_crystals, 6), 0 where nothing is allowed; the inverse of `cell` for allowed lattices.
        """
        inverse = torch.linalg.inv(self.reference.to(cell))
        relative = inverse @ metric_tensor(cell) @ inverse.mT
        strain = 0.5 * symmetric_log((relative + relative.mT) / 2)
        coordinates = torch.einsum("bxy,mxy->bm", strain, symmetric_basis(cell))
        return torch.where(self.allowed, coordinates, torch.zeros_like(coordinates))

    def project(self, crystals: Crystals, displacement: Tensor) -> Tensor:
        """The motion of the free parameters that is nearest to a motion of all atoms, by Cartesian least squares.

        It is the mean of the displacements over the group's operations (the same for all images of a site), then
        solved for u.

        Args:
            crystals: crystals of these orbits.
            displacement: (n_atoms_total, 3), fractional.

        Returns:
            (n_sites_total, 3), 0 where nothing is free.
        """
        metric = metric_tensor(crystals.cell)
        jacobian = self.image_matrix.to(displacement)
        pull = torch.einsum("nab,nac,nc->nb", jacobian, metric[crystals.batch], displacement)
        total = pull.new_zeros(len(self.numbers), 3).index_add_(0, self.site, pull)
        own = self.matrix.to(displacement)
        normal = own.mT @ metric[self.site_crystal] @ own + torch.diag_embed((~self.free).to(displacement))
        return torch.linalg.solve(normal, total / self.n_images[:, None])

    def free_motion(self, cell: Tensor, displacement: Tensor) -> Tensor:
        """The motion of the free parameters that is nearest to one of the sites' first atoms.

        Args:
            cell: (n_crystals, 3, 3), of crystals of these orbits.
            displacement: (n_sites_total, 3), Cartesian, Å.

        Returns:
            (n_sites_total, 3), 0 where nothing is free.
        """
        own = self.matrix.to(displacement)
        jacobian = cell[self.site_crystal].mT @ own  # Cartesian columns
        normal = jacobian.mT @ jacobian + torch.diag_embed((~self.free).to(displacement))
        return torch.linalg.solve(normal, (jacobian.mT @ displacement[:, :, None])[:, :, 0])

    def shortest_motion(self, start: Numbers, goal: Numbers) -> Tensor:
        """How the free parameters move so that every site comes to where a goal has it, by the shortest way.

        Every atom of a site at the goal that can be reached within the site's freedom may become its first, from any
        lattice translation; the one whose way is shortest in the goal's metric does. Uniform noise stays uniform under
        that choice.

        Args:
            start: where from.
            goal: where to; its lattice gives the metric.

        Returns:
            (n_sites_total, 3), not wrapped.
        """
        places, there = self.positions(goal.u), self.positions(start.u)
        first = first_rows(self.n_images)
        metric = metric_tensor(self.cell(goal.lattice))[self.site_crystal]
        own = self.matrix.to(places)
        normal = own.mT @ metric @ own + torch.diag_embed((~self.free).to(places))
        solver = torch.linalg.solve(normal, own.mT @ metric)
        shifts = torch.cartesian_prod(*[torch.arange(-1, 2, device=places.device)] * 3).to(places)
        ways = shortest(places - there[first][self.site])[:, None, :] + shifts  # (n_atoms_total, 27, 3)
        motion = torch.einsum("nab,nsb->nsa", solver[self.site], ways)
        miss = (torch.einsum("nab,nsb->nsa", own[self.site], motion) - ways).abs().amax(-1)
        squared = torch.einsum("nsa,nab,nsb->ns", motion, normal[self.site], motion)
        squared, shift = torch.where(miss < _REACHED, squared, torch.inf).min(-1)
        least = torch.full_like(goal.u[:, 0], torch.inf).scatter_reduce(0, self.site, squared, "amin")
        atom = torch.arange(len(squared), device=places.device)
        atom = torch.where(squared == least[self.site], atom, len(squared))
        best = torch.full_like(self.numbers, len(squared)).scatter_reduce(0, self.site, atom, "amin")
        reached = torch.isfinite(least)
        best = torch.where(reached, best, first)
        found = motion[best, shift[best]]
        return torch.where(reached[:, None], found, torch.where(self.free, shortest(goal.u - start.u), 0.0))

    def mirrored(self, mirror: Tensor) -> Orbits:
        """The orbits with some crystals inverted, which has the same distances; a chiral group becomes its partner.

        Args:
            mirror: (n_crystals,), bool. The label `group` stays.
        """
        sign = 1 - 2 * mirror.to(self.matrix)
        of_site = sign[self.site_crystal]
        of_atom = of_site[self.site]
        return dataclasses.replace(
            self,
            matrix=of_site[:, None, None] * self.matrix,
            shift=of_site[:, None] * self.shift,
            translation=of_atom[:, None] * self.translation,
        )

    def in_basis(self, transform: Tensor) -> Orbits:
        """The same crystals described by other vectors of the same lattice.

        Args:
            transform: (n_crystals, 3, 3), integers of determinant ±1: new cell = transform @ cell.
        """
        forward = transform.to(self.reference)
        to_new = torch.linalg.inv(forward).round().mT  # acts on columns of fractional coordinates
        of_site = to_new[self.site_crystal]
        of_atom, back = of_site[self.site], forward.mT[self.site_crystal][self.site]
        return dataclasses.replace(
            self,
            reference=forward @ self.reference,
            matrix=of_site @ self.matrix,
            shift=(of_site @ self.shift[:, :, None])[:, :, 0],
            rotation=of_atom @ self.rotation @ back,
            translation=(of_atom @ self.translation[:, :, None])[:, :, 0],
        )

    def to(self, device: torch.device | str) -> Orbits:
        """The same on a device."""
        return Orbits(*(getattr(self, field.name).to(device) for field in fields(self)))

    def sites_of(self, index: Tensor) -> Tensor:
        """Indices of the sites of some crystals, in their order.

        Args:
            index: (n_chosen,), int64.
        """
        return rows_of(self.n_sites, index)

    def __getitem__(self, index: Tensor) -> Orbits:
        """Selects crystals.

        Args:
            index: int64 indices, in any order, with repeats, or a mask.
        """
        chosen = torch.arange(len(self), device=self.group.device)[index]
        sites = self.sites_of(chosen)
        atoms = rows_of(self.n_images, sites)
        columns = [(_OF_CRYSTALS, chosen), (_OF_SITES, sites), (_OF_ATOMS, atoms)]
        return Orbits(**{name: getattr(self, name)[rows] for names, rows in columns for name in names})

    @staticmethod
    def cat(batches: Sequence[Orbits]) -> Orbits:
        """One batch of several, in order."""
        return Orbits(*(torch.cat([getattr(b, field.name) for b in batches]) for field in fields(Orbits)))


_OF_CRYSTALS = ("group", "bravais", "points", "reference", "n_sites")
_OF_SITES = ("numbers", "letter", "matrix", "shift", "n_images")
_OF_ATOMS = ("rotation", "translation")
