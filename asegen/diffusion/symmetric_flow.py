"""Flow matching in free Wyckoff parameters and in the symmetry-allowed log-lattice: exact space groups by construction.

The flow is `diffusion.flow.TorusFlow`'s, data at time 1, noise at time 0. Its state is the free parameters u of every
site (uniform at first) and the allowed lattice coordinates (normal at first, per Bravais lattice), so every state is a
crystal of the group. The network sees the whole crystal in the Niggli cell of the lattice that it last predicted (in
training: of the data's). Its velocities are projected: of positions to u by Cartesian least squares, which is their
mean over the group; of the lattice by the log-Euclidean projection of the cell that it predicts. So a network trained
without groups serves as it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from asegen.crystals.bravais import BRAVAIS
from asegen.crystals.crystals import Crystals
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.data.labels import Labels
from asegen.diffusion.flow import Refinement, TorusFlow, Velocity
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.selection import best_of
from asegen.geometry.constants import Constant
from asegen.geometry.niggli import niggli_reduce
from asegen.geometry.torus import wrap
from asegen.nn.readouts import without_mean

_LAST_TIME = 0.99  # velocities of the lattice are differences over the time left, which rounding spoils beyond


class SymmetricFlow:
    """Linear flow matching of free Wyckoff parameters and lattice.

    Args:
        lattice_mean: see `TorusFlow`; of the cells as the network sees them.
        lattice_std: see `TorusFlow`.
        bravais_mean: (14, 6), per Bravais lattice in the order of `orbits.BRAVAIS`: means of the lattice coordinates of
            known crystals, `ln(atoms in the conventional cell)/√3` taken from the last.
        bravais_std: (14, 6), their standard deviations.
        position_weight: see `TorusFlow`, like all below.
        acceleration: of the positions' velocity.
        candidates: first trajectories of a sample.
        refinements: rounds of the search.
        polish: times of the last steps.
        default_steps: Euler steps of a first trajectory.
        judge: name of shipped weights whose judge chooses among candidates where these have none beside them.

    Attributes:
        symmetric: training gives the loss the symmetry of the data.
        flow: the flow without symmetry that has the same lattice coordinates and the same search.
    """

    labels: ClassVar[Labels] = "symmetry"

    def __init__(
        self,
        lattice_mean: Sequence[float],
        lattice_std: Sequence[float],
        bravais_mean: Sequence[Sequence[float]],
        bravais_std: Sequence[Sequence[float]],
        position_weight: float = 20.0,
        acceleration: float = 0.0,
        candidates: int = 1,
        refinements: Sequence[tuple[float, int, int]] = (),
        polish: Sequence[float] = (),
        default_steps: int = 20,
        judge: str = "",
    ) -> None:
        self.judge_of = judge
        self.flow = TorusFlow(
            lattice_mean,
            lattice_std,
            position_weight=position_weight,
            acceleration=acceleration,
            candidates=candidates,
            refinements=refinements,
            polish=polish,
            default_steps=default_steps,
        )
        self._set_prior(bravais_mean, bravais_std)

    def _set_prior(self, mean: Sequence[Sequence[float]], std: Sequence[Sequence[float]]) -> None:
        self._bravais_mean = Constant(mean)
        self._bravais_std = Constant(std)

    @classmethod
    def around(
        cls, flow: TorusFlow, bravais_mean: Sequence[Sequence[float]], bravais_std: Sequence[Sequence[float]]
    ) -> SymmetricFlow:
        """A sampler for the network of a flow without symmetry, with that flow's search and its judge."""
        made = cls.__new__(cls)
        made.flow = flow
        made._set_prior(bravais_mean, bravais_std)
        return made

    @property
    def default_steps(self) -> int:
        """Euler steps of a first trajectory."""
        return self.flow.default_steps

    @staticmethod
    def statistics(crystals: Crystals, orbits: Orbits, numbers: Numbers) -> dict[str, list]:
        """The constructor's first arguments from training crystals."""
        mean, std = bravais_statistics(orbits, numbers.lattice)
        return TorusFlow.statistics(crystals) | {"bravais_mean": mean, "bravais_std": std}

    # -- training --------------------------------------------------------------------------------------------------

    def loss(
        self, model: Velocity, crystals: Crystals, generator: torch.Generator, orbits: Orbits, numbers: Numbers
    ) -> dict[str, Tensor]:
        """Mean squared error of both velocities at a uniform time per crystal.

        Of the positions' velocity only the part within the sites' freedom counts, averaged over the atoms that have
        any; of the lattice's all six components do.

        Args:
            model: `(crystals, lattice_coordinates (B, 6), time (B,)) -> (N, 3) fractional velocity, (B, 6)`.
            crystals: training crystals in Niggli cells: those of `orbits` and `numbers`.
            generator: source of the noise, of the times, and of the choice between a crystal and its mirror image.
            orbits: their symmetry, in these cells.
            numbers: their free numbers.
        """
        like = crystals.cell
        mirror = torch.randint(2, (len(crystals),), device=like.device, generator=generator) > 0
        orbits = orbits.mirrored(mirror)
        time = like.new_empty(len(crystals)).uniform_(generator=generator)
        left = (1 - time).double()
        u = torch.empty_like(numbers.u).uniform_(generator=generator)
        normal = torch.empty_like(numbers.lattice).normal_(generator=generator)
        start = Numbers(u, self._lattice_noise(orbits, normal))
        motion = orbits.shortest_motion(start, numbers)
        lattice = numbers.lattice + left[:, None] * (start.lattice - numbers.lattice)
        noisy = orbits.crystals(Numbers(numbers.u - left[orbits.site_crystal, None] * motion, lattice))
        here, goal = self.flow.lattice_coordinates(noisy), self.flow.lattice_coordinates(orbits.crystals(numbers))
        velocity, lattice_velocity = model(noisy.to(dtype=like.dtype), here.to(like), time)
        projected = orbits.project(noisy, velocity.double())
        miss = (orbits.image_matrix @ (projected - motion)[orbits.site][:, :, None])[:, :, 0]
        miss = without_mean(miss, crystals)  # a common translation changes nothing
        freedom = orbits.free.any(1)[orbits.site].sum().clamp_min(1)
        position_loss = (miss.square().sum() / (3 * freedom)).to(like.dtype)
        wanted = (goal - here) / left.clamp_min(1 - _LAST_TIME)[:, None]
        lattice_loss = (lattice_velocity - wanted.to(like)).square().mean()
        loss = self.flow.position_weight * position_loss + lattice_loss
        return {"loss": loss, "position": position_loss, "lattice": lattice_loss}

    def _lattice_noise(self, orbits: Orbits, normal: Tensor) -> Tensor:
        """(n_crystals, 6): lattice coordinates from normal numbers of that shape."""
        mean, std = (table.to(normal)[orbits.bravais] for table in (self._bravais_mean, self._bravais_std))
        return mean + std * normal + _size(orbits, normal)

    # -- sampling --------------------------------------------------------------------------------------------------

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
        """One crystal per sample, the best of its candidates, improved by the flow's refinements and polish.

        Args:
            model: as in `loss`.
            orbits: `candidates` batches of n_samples crystals, one after the other; a sample's candidates may differ in
                their sites, and have the same composition.
            seeds: (n_samples,), int64.
            candidates: per sample.
            prior: (n_crystals,), what is added to the judgement of each; nothing without it.
            steps: Euler steps of a first trajectory; the flow's default without it.

        Returns:
            (n_samples,), int64, which of the crystals of `orbits` each sample is; and its numbers, float64.
        """
        streams = itertools.count(2)  # the first two are the self-consistency's
        prior = torch.zeros(len(orbits), device=seeds.device) if prior is None else prior
        start = self._noise(orbits, seeds, [next(streams) for _ in range(candidates)])
        drawn = self._integrate(model, orbits, start, steps or self.flow.default_steps)
        quality = self._quality(model, orbits, drawn, seeds) + prior
        chosen, drawn, quality = self._choose(orbits, drawn, quality, candidates)
        for refinement in self.flow.refinements:
            k = refinement.candidates
            copies = orbits[chosen.repeat(k)]
            noise = self._noise(copies, seeds, [next(streams) for _ in range(k)])
            tries = self._vary(model, copies, Numbers.cat([drawn] * k), noise, refinement)
            judged = self._quality(model, copies, tries, seeds) + prior[chosen].repeat(k)
            both = Orbits.cat([orbits[chosen], copies])
            all_judged = torch.cat([quality, judged])
            _, drawn, quality = self._choose(both, Numbers.cat([drawn, tries]), all_judged, 1 + k)
        return chosen, self._polished(model, orbits[chosen], drawn)

    def _choose(self, orbits: Orbits, numbers: Numbers, quality: Tensor, copies: int) -> tuple[Tensor, Numbers, Tensor]:
        """The best of the copies of each sample: its index, its numbers, its quality."""
        best, quality = best_of(self.crystals(orbits, numbers), quality, copies)
        return best, orbits.select(numbers, best), quality

    def crystals(self, orbits: Orbits, numbers: Numbers) -> Crystals:
        """The crystals of some numbers in their Niggli cells, float32: what networks and judges see.

        Args:
            orbits: their orbits, in any basis.
            numbers: their numbers.
        """
        return _seen(orbits, numbers.lattice).crystals(numbers).to(dtype=torch.float32)

    def _noise(self, orbits: Orbits, seeds: Tensor, streams: Sequence[int]) -> Numbers:
        """Noise of as many batches of samples as there are streams."""
        parts = []
        for k, stream in enumerate(streams):
            own = slice(k * len(seeds), (k + 1) * len(seeds))
            noise = SampleNoise(seeds, orbits.n_sites[own])
            parts.append(Numbers(noise.atom_uniform(stream).double(), noise.crystal_normal(stream, 6).double()))
        drawn = Numbers.cat(parts)
        return Numbers(drawn.u, self._lattice_noise(orbits, drawn.lattice))

    def _integrate(self, model: Velocity, orbits: Orbits, start: Numbers, steps: int, begin: float = 0.0) -> Numbers:
        """Euler steps from a time to the data."""
        step_size = (1 - begin) / steps
        u, lattice = start
        seen = _seen(orbits, lattice)
        for step in range(steps):
            now = begin + step * step_size
            motion, goal = self._velocity(model, seen, Numbers(u, lattice), now)
            speed = 1 + self.flow.acceleration * now
            u = wrap(u + speed * step_size * motion)
            lattice = lattice + (goal - lattice) * (step_size / (1 - now))
            seen = _seen(seen, goal)
        return Numbers(u, lattice)

    def _velocity(self, model: Velocity, seen: Orbits, numbers: Numbers, time: float) -> tuple[Tensor, Tensor]:
        """Velocity of u at a time, and the lattice coordinates that the network predicts for time 1; both float64."""
        exact = seen.crystals(numbers)
        crystals = exact.to(dtype=torch.float32)
        here = self.flow.lattice_coordinates(crystals)
        velocity, lattice_velocity = model(crystals, here, torch.full_like(here[:, 0], time))
        cell = self.flow.cell(here + (1 - time) * lattice_velocity, crystals.n_atoms)
        return seen.project(exact, velocity.double()), seen.lattice(cell.double())

    def _vary(self, model: Velocity, orbits: Orbits, numbers: Numbers, noise: Numbers, how: Refinement) -> Numbers:
        """Noise back to a time, and from there to the data again."""
        motion = _seen(orbits, numbers.lattice).shortest_motion(noise, numbers)
        u = wrap(numbers.u - (1 - how.time) * motion)
        lattice = numbers.lattice + (1 - how.time) * (noise.lattice - numbers.lattice)
        return self._integrate(model, orbits, Numbers(u, lattice), how.steps, how.time)

    def _polished(self, model: Velocity, orbits: Orbits, rough: Numbers) -> Numbers:
        if not self.flow.polish:
            return rough
        numbers = rough
        for time in self.flow.polish:
            motion, goal = self._velocity(model, _seen(orbits, numbers.lattice), numbers, time)
            numbers = Numbers(wrap(numbers.u + (1 - time) * motion), goal)
        # The polished crystal is preferred, unless its atoms overlap.
        preference = torch.tensor([0.0, 1.0], device=rough.u.device).repeat_interleave(len(orbits))
        return self._choose(Orbits.cat([orbits, orbits]), Numbers.cat([rough, numbers]), preference, 2)[1]

    def _quality(self, model: Velocity, orbits: Orbits, numbers: Numbers, seeds: Tensor) -> Tensor:
        """(n_crystals,): the judge's view of batches of samples, or the model's own without one."""
        crystals = self.crystals(orbits, numbers)
        if self.flow.judge is not None:
            return self.flow.judge(crystals)
        noise = SampleNoise(seeds, crystals.n_atoms[: len(seeds)])
        return -self.flow.self_consistency(model, crystals, noise)


def bravais_statistics(orbits: Orbits, lattice: Tensor) -> tuple[list[list[float]], list[list[float]]]:
    """Means and standard deviations, (14, 6) each, of lattice coordinates per Bravais lattice.

    Where there are fewer than two crystals of a lattice, those of all are used.

    Args:
        orbits: known crystals.
        lattice: (n_crystals, 6).
    """
    relative = lattice.double() - _size(orbits, lattice.double())
    means, stds = [], []
    for bravais in range(len(BRAVAIS)):
        own = relative[orbits.bravais == bravais]
        own = own if len(own) > 1 else relative
        means.append(own.mean(0).tolist())
        stds.append(own.std(0).tolist())
    return means, stds


def _size(orbits: Orbits, like: Tensor) -> Tensor:
    """(n_crystals, 6): what the number of atoms in the conventional cell adds to the lattice coordinates."""
    size = torch.zeros_like(like)
    size[:, 5] = torch.log((orbits.n_atoms * orbits.points).to(like)) / math.sqrt(3)
    return size


def _seen(orbits: Orbits, lattice: Tensor) -> Orbits:
    """The orbits in the Niggli basis of a lattice."""
    return orbits.in_basis(niggli_reduce(orbits.cell(lattice))[1])
