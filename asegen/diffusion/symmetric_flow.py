"""Flow matching in free Wyckoff parameters and in the symmetry-allowed log-lattice: exact space groups by construction.

The flow is `diffusion.flow.TorusFlow`'s, data at time 1, noise at time 0. Its state is the free parameters u of every
site (uniform at first) and the allowed lattice coordinates (normal at first, per Bravais lattice), so every state is a
crystal of the group. The network sees the whole crystal in the Niggli cell of the lattice that it last predicted, as in
its training; its velocities are projected: of positions to u by Cartesian least squares, which is their mean over the
group, of the lattice by the log-Euclidean projection of the cell that it predicts. So a network trained without groups
serves as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from asegen.crystal import Crystals
from asegen.diffusion.flow import Refinement, TorusFlow, Velocity
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.selection import best_of
from asegen.geometry.niggli import niggli_reduce
from asegen.geometry.torus import shortest, wrap
from asegen.orbits import Orbits


class Numbers(NamedTuple):
    """The free numbers of a batch of crystals: u (n_sites_total, 3) and lattice coordinates (n_crystals, 6)."""

    u: Tensor
    lattice: Tensor


class SymmetricFlow:
    """Draws crystals of given orbits with a network of `TorusFlow`.

    Args:
        flow: the process of the network; its acceleration, refinements, polish, default steps and judge are used.
        lattice_mean: (14, 6), per Bravais lattice in the order of `orbits.BRAVAIS`: means of the lattice coordinates of
            known crystals, `ln(atoms in the conventional cell)/√3` taken from the last.
        lattice_std: (14, 6), their standard deviations.
    """

    def __init__(self, flow: TorusFlow, lattice_mean: Tensor, lattice_std: Tensor) -> None:
        self.flow = flow
        self.lattice_mean, self.lattice_std = lattice_mean, lattice_std

    @torch.no_grad()
    def sample(
        self,
        model: Velocity,
        orbits: Orbits,
        seeds: Tensor,
        candidates: int,
        prior: Tensor | None = None,
        steps: int | None = None,
    ) -> tuple[Tensor, Numbers]:
        """One crystal per sample, the best of its candidates.

        Args:
            model: as in `TorusFlow.loss`.
            orbits: `candidates` batches of n_samples crystals, one after the other; a sample's candidates may differ in
                their sites, and have the same composition.
            seeds: (n_samples,), int64.
            candidates: per sample.
            prior: (n_crystals,), what is added to the judgement of each; nothing without it.
            steps: Euler steps of a first trajectory; the flow's default without it.

        Returns:
            (n_samples,), int64, which of the crystals of `orbits` each sample is; and its numbers, float64.
        """
        n = len(seeds)
        streams = itertools.count(1)
        prior = torch.zeros(len(orbits), device=seeds.device) if prior is None else prior
        chosen = torch.arange(len(orbits), device=seeds.device)
        start = self._noise(orbits, seeds.repeat(candidates), [next(streams) for _ in range(candidates)])
        drawn = self._integrate(model, orbits, start, steps or self.flow.default_steps)
        quality = self._quality(model, orbits, drawn, seeds) + prior
        chosen, drawn, quality = self._choose(orbits, chosen, drawn, quality, candidates)
        for refinement in self.flow.refinements:
            k = refinement.candidates
            own = orbits[chosen]
            copies = own[torch.arange(n, device=seeds.device).repeat(k)]
            noise = self._noise(copies, seeds.repeat(k), [next(streams) for _ in range(k)])
            varied = self._vary(
                model, copies, Numbers(drawn.u.repeat(k, 1), drawn.lattice.repeat(k, 1)), noise, refinement
            )
            both = Orbits.cat([own, copies])
            tries = self._quality(model, copies, varied, seeds) + prior[chosen].repeat(k)
            numbers = Numbers(torch.cat([drawn.u, varied.u]), torch.cat([drawn.lattice, varied.lattice]))
            best, drawn, quality = self._choose(
                both, torch.arange(len(both), device=seeds.device), numbers, torch.cat([quality, tries]), 1 + k
            )
            chosen = chosen[best % n]
        return chosen, self._polished(model, orbits[chosen], drawn)

    def _choose(
        self, orbits: Orbits, index: Tensor, numbers: Numbers, quality: Tensor, copies: int
    ) -> tuple[Tensor, Numbers, Tensor]:
        """The best of the copies of each sample: its index, its numbers, its quality."""
        best, quality = best_of(self.crystals(orbits, numbers), quality, copies)
        return index[best], Numbers(numbers.u[orbits.sites_of(best)], numbers.lattice[best]), quality

    def crystals(self, orbits: Orbits, numbers: Numbers) -> Crystals:
        """The crystals of some numbers in their Niggli cells, float32: what networks and judges see.

        Args:
            orbits: their orbits, in any basis.
            numbers: their numbers.
        """
        return self._seen(orbits, numbers.lattice).crystals(*numbers).to(dtype=torch.float32)

    @staticmethod
    def _seen(orbits: Orbits, lattice: Tensor) -> Orbits:
        """The orbits in the Niggli basis of a lattice."""
        return orbits.in_basis(niggli_reduce(orbits.cell(lattice))[1])

    def _noise(self, orbits: Orbits, seeds: Tensor, streams: Sequence[int]) -> Numbers:
        """Noise of as many equal parts of a batch as there are streams."""
        noise = SampleNoise(seeds, orbits.n_sites)
        n = len(orbits) // len(streams)
        stream_of = torch.arange(len(orbits), device=seeds.device) // n
        u = torch.zeros(len(orbits.numbers), 3, dtype=torch.float64, device=seeds.device)
        normal = torch.zeros(len(orbits), 6, dtype=torch.float64, device=seeds.device)
        for k, stream in enumerate(streams):
            u = torch.where((stream_of == k)[orbits.site_crystal, None], noise.atom_uniform(stream).double(), u)
            normal = torch.where((stream_of == k)[:, None], noise.crystal_normal(stream, 6).double(), normal)
        mean, std = (table.to(normal)[orbits.bravais] for table in (self.lattice_mean, self.lattice_std))
        return Numbers(u, mean + std * normal + self._size(orbits))

    @staticmethod
    def _size(orbits: Orbits) -> Tensor:
        """(n_crystals, 6): what the number of atoms in the conventional cell adds to the lattice coordinates."""
        size = torch.zeros(len(orbits), 6, dtype=torch.float64, device=orbits.group.device)
        size[:, 5] = torch.log((orbits.n_atoms * orbits.points).double()) / 3**0.5
        return size

    def _integrate(self, model: Velocity, orbits: Orbits, start: Numbers, steps: int, begin: float = 0.0) -> Numbers:
        """Euler steps from a time to the data."""
        step_size = (1 - begin) / steps
        u, lattice = start
        seen = self._seen(orbits, lattice)
        for step in range(steps):
            now = begin + step * step_size
            motion, goal = self._velocity(model, seen, Numbers(u, lattice), now)
            hurry = 1 + self.flow.acceleration * now
            u = wrap(u + hurry * step_size * motion)
            lattice = lattice + (goal - lattice) * (step_size / (1 - now))
            seen = self._seen(seen, goal)
        return Numbers(u, lattice)

    def _velocity(self, model: Velocity, seen: Orbits, numbers: Numbers, time: float) -> tuple[Tensor, Tensor]:
        """Velocity of u at a time, and the lattice coordinates that the network predicts for time 1; both float64."""
        exact = seen.crystals(*numbers)
        crystals = exact.to(dtype=torch.float32)
        here = self.flow.lattice_coordinates(crystals)
        velocity, lattice_velocity = model(crystals, here, torch.full_like(here[:, 0], time))
        cell = self.flow.cell(here + (1 - time) * lattice_velocity, crystals.n_atoms)
        return seen.project(exact, velocity.double()), seen.lattice(cell.double())

    def _vary(self, model: Velocity, orbits: Orbits, numbers: Numbers, noise: Numbers, how: Refinement) -> Numbers:
        """Noise back to a time, and from there to the data again."""
        u = wrap(numbers.u + (1 - how.time) * shortest(noise.u - numbers.u))
        lattice = numbers.lattice + (1 - how.time) * (noise.lattice - numbers.lattice)
        return self._integrate(model, orbits, Numbers(u, lattice), how.steps, how.time)

    def _polished(self, model: Velocity, orbits: Orbits, rough: Numbers) -> Numbers:
        numbers = rough
        for time in self.flow.polish:
            motion, goal = self._velocity(model, self._seen(orbits, numbers.lattice), numbers, time)
            numbers = Numbers(wrap(numbers.u + (1 - time) * motion), goal)
        if not self.flow.polish:
            return rough
        both = Orbits.cat([orbits, orbits])
        all_of_them = Numbers(torch.cat([rough.u, numbers.u]), torch.cat([rough.lattice, numbers.lattice]))
        # The polished crystal is preferred, unless its atoms overlap.
        preference = torch.tensor([0.0, 1.0]).repeat_interleave(len(orbits)).to(rough.u.device)
        index = torch.arange(len(both), device=preference.device)
        return self._choose(both, index, all_of_them, preference, 2)[1]

    def _quality(self, model: Velocity, orbits: Orbits, numbers: Numbers, seeds: Tensor) -> Tensor:
        crystals = self.crystals(orbits, numbers)
        if self.flow.judge is not None:
            return self.flow.judge(crystals)
        copies = len(crystals) // len(seeds)
        noise = SampleNoise(seeds, crystals.n_atoms[: len(seeds)])
        return torch.cat(
            [
                -self.flow.self_consistency(model, crystals[part], noise)
                for part in torch.arange(len(crystals), device=seeds.device).split(len(seeds))[:copies]
            ]
        )
