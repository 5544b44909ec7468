"""Inpainting with a flow: some atoms of a crystal are given, the flow draws the others.

Given atoms go from noise to their places on a straight path, as all atoms do in training; so do the given coordinates
of the lattice. At each step the network sees them where they are at that time, and moves the rest (for diffusion models
of images: Lugmayr et al., CVPR 2022; of crystals with given sublattices: Okabe et al., Nature Materials 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.diffusion.coupling import aligned_displacement
from asegen.diffusion.flow import Refinement, TorusFlow, Velocity
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.selection import best_candidates
from asegen.geometry.torus import wrap

_FIRST_STREAM = 2
"""Of the noise: `TorusFlow.self_consistency` judges with those before."""


class Given(NamedTuple):
    """What of a batch of crystals is given.

    Attributes:
        crystals: with the given atoms at their places, in reduced cells, as in training; where the others are, and
            coordinates of a cell that aren't given, doesn't matter.
        atoms: (n_atoms_total,), bool, the given ones; one at least in each crystal.
        lattice: (6,), bool, the given ones of `LatticeScale`'s coordinates; the last is the volume's.
    """

    crystals: Crystals
    atoms: Tensor
    lattice: Tensor

    def repeat(self, copies: int) -> Given:
        """The batch so many times, one after the other."""
        index = torch.arange(len(self.crystals), device=self.atoms.device).repeat(copies)
        return Given(self.crystals[index], self.atoms.repeat(copies), self.lattice)


class _Path(NamedTuple):
    """Where a batch is at a time, and how what is given goes on from there.

    Attributes:
        positions: (n_atoms_total, 3), fractional, at the time.
        coordinates: (n_crystals, 6), of the lattices, at the time.
        displacement: (n_atoms_total, 3), from noise to data; what counts is that of given atoms.
        lattice_displacement: (n_crystals, 6), likewise.
    """

    positions: Tensor
    coordinates: Tensor
    displacement: Tensor
    lattice_displacement: Tensor


class Inpainting:
    """Draws the atoms that aren't given.

    Each crystal is the best of some trajectories, improved and polished, as `TorusFlow.sample` does it; a flow without
    candidates to choose among gives one trajectory as it comes.

    Args:
        flow: the trained flow, with its judge if it has one.
        candidates: trajectories of a sample, of which the best is kept; without it as many as the flow has.
        refinements: as of `TorusFlow`; the flow's without it.
    """

    def __init__(
        self,
        flow: TorusFlow,
        candidates: int | None = None,
        refinements: Sequence[tuple[float, int, int]] | None = None,
    ) -> None:
        self.flow, self.polish = flow, flow.polish
        self.candidates = flow.candidates if candidates is None else candidates
        rounds = flow.refinements if refinements is None else refinements
        self.refinements = [Refinement(*entry) for entry in rounds]

    @torch.no_grad()
    def sample(self, model: Velocity, given: Given, noise: SampleNoise, steps: int | None = None) -> Crystals:
        """One crystal for each of the given ones, whose atoms are where they were.

        Args:
            model: as in `TorusFlow.loss`.
            given: what is given.
            noise: each sample's start.
            steps: Euler steps of a first trajectory; the default without it.
        """
        streams = count(_FIRST_STREAM)
        own = [next(streams) for _ in range(self.candidates)]
        copies = given.repeat(self.candidates)
        drawn = self._integrate(model, copies, self._from_noise(copies, noise, own), steps or self.flow.default_steps)
        best, quality = best_candidates(drawn, self._quality(model, drawn, noise), self.candidates)
        for how in self.refinements:
            own = [next(streams) for _ in range(how.candidates)]
            copies = given.repeat(how.candidates)
            path = self._noised(best[_copies(best, how.candidates)], noise, own, how.time)
            tries = self._integrate(model, copies, path, how.steps, how.time)
            qualities = torch.cat([quality, self._quality(model, tries, noise)])
            best, quality = best_candidates(Crystals.cat([best, tries]), qualities, 1 + how.candidates)
        return self._polished(model, given, best)

    def _quality(self, model: Velocity, drawn: Crystals, noise: SampleNoise) -> Tensor:
        judge = self.flow.judge
        return -self.flow.self_consistency(model, drawn, noise) if judge is None else judge(drawn)

    def _from_noise(self, given: Given, noise: SampleNoise, streams: Sequence[int]) -> _Path:
        """The start at time 0. Given atoms are paired with the noise of atoms of their element, as in training."""
        crystals, kept = given.crystals, given.atoms
        positions = torch.cat([noise.atom_uniform(stream) for stream in streams])
        coordinates = torch.cat([noise.crystal_normal(stream, 6) for stream in streams])
        n_given = torch.zeros_like(crystals.n_atoms).index_add_(0, crystals.batch, kept.to(crystals.n_atoms.dtype))
        part = Crystals(crystals.cell, crystals.scaled_positions[kept], crystals.numbers[kept], n_given)
        displacement = torch.zeros_like(positions)
        displacement[kept] = aligned_displacement(part, positions[kept])
        positions = torch.where(kept[:, None], wrap(crystals.scaled_positions - displacement), positions)
        goal = self.flow.lattice_coordinates(crystals)
        return _Path(positions, coordinates, displacement, goal - coordinates)

    def _noised(self, crystals: Crystals, noise: SampleNoise, streams: Sequence[int], time: float) -> _Path:
        """Whole crystals taken back to a time."""
        goal = self.flow.lattice_coordinates(crystals)
        displacement = aligned_displacement(crystals, torch.cat([noise.atom_uniform(stream) for stream in streams]))
        lattice = goal - torch.cat([noise.crystal_normal(stream, 6) for stream in streams])
        positions = wrap(crystals.scaled_positions - (1 - time) * displacement)
        return _Path(positions, goal - (1 - time) * lattice, displacement, lattice)

    def _integrate(self, model: Velocity, given: Given, path: _Path, steps: int, start: float = 0.0) -> Crystals:
        """Euler steps to the data; what is given arrives where it is."""
        flow, crystals, kept = self.flow, given.crystals, given.atoms[:, None]
        goal, step_size = flow.lattice_coordinates(crystals), (1 - start) / steps
        positions, coordinates = path.positions, path.coordinates
        for step in range(steps):
            now, then = start + step * step_size, start + (step + 1) * step_size
            here = crystals.replace(cell=flow.cell(coordinates, crystals.n_atoms), scaled_positions=positions)
            velocity, lattice_velocity = model(here, coordinates, torch.full_like(coordinates[:, 0], now))
            velocity = velocity + _drift(given, path.displacement - velocity)
            moved = wrap(positions + (1 + flow.acceleration * now) * step_size * velocity)
            positions = torch.where(kept, wrap(crystals.scaled_positions - (1 - then) * path.displacement), moved)
            onward = coordinates + step_size * lattice_velocity
            coordinates = torch.where(given.lattice, goal - (1 - then) * path.lattice_displacement, onward)
        return crystals.replace(cell=flow.cell(coordinates, crystals.n_atoms), scaled_positions=positions)

    def _polished(self, model: Velocity, given: Given, rough: Crystals) -> Crystals:
        """Each is taken for a noisy crystal of some times, and brought to the data in one step."""
        crystals, kept = rough, given.atoms[:, None]
        for time in self.polish:
            here = self.flow.lattice_coordinates(crystals)
            velocity, lattice_velocity = model(crystals, here, torch.full_like(here[:, 0], time))
            velocity = torch.where(kept, 0, velocity + _drift(given, -velocity))
            onward = torch.where(given.lattice, here, here + (1 - time) * lattice_velocity)
            positions = wrap(crystals.scaled_positions + (1 - time) * velocity)
            crystals = crystals.replace(cell=self.flow.cell(onward, crystals.n_atoms), scaled_positions=positions)
        # The polished crystal is preferred, unless its atoms overlap.
        preference = torch.tensor([0.0, 1.0]).repeat_interleave(len(rough)).to(rough.cell)
        return best_candidates(Crystals.cat([rough, crystals]), preference, 2)[0]


def _copies(crystals: Crystals, copies: int) -> Tensor:
    return torch.arange(len(crystals), device=crystals.cell.device).repeat(copies)


def _drift(given: Given, lag: Tensor) -> Tensor:
    """(n_atoms_total, 3): the mean of what the network's velocities of given atoms lack.

    The network knows no common translation; in the frame of the given atoms, the others move along by this.
    """
    crystals, kept = given.crystals, given.atoms.to(lag.dtype)
    total = lag.new_zeros(len(crystals), 3).index_add_(0, crystals.batch, lag * kept[:, None])
    count = lag.new_zeros(len(crystals)).index_add_(0, crystals.batch, kept)
    return (total / count[:, None])[crystals.batch]
