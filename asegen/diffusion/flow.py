"""Flow matching on the torus of positions and on the log-lattice: asegen's default process.

Data at time 1, noise at time 0, straight geodesics between (Lipman et al., ICLR 2023; Chen and Lipman, ICLR 2024, for
the torus). Positions start uniform; the six coordinates of `½ log(L Lᵀ)`, with `ln(n)/√3` taken from the volume's, are
z-scored and start standard normal. The network gives both velocities; the sampler integrates them with Euler steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.data.labels import Labels
from asegen.diffusion.augmentation import mirrored
from asegen.diffusion.coupling import aligned_displacement
from asegen.diffusion.lattice_scale import LatticeScale
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.selection import best_candidates
from asegen.geometry.torus import wrap
from asegen.nn.readouts import crystal_mean

Velocity = Callable[[Crystals, Tensor, Tensor], tuple[Tensor, Tensor]]

# Middle times tell arrangements apart; late ones see details only, early ones nothing. Chosen on val, as is the weight.
_JUDGING_TIMES = (0.5, 0.65)
_JUDGING_POSITION_WEIGHT = 100.0


class Refinement(NamedTuple):
    """A round of the search: noise goes back to `time`, `candidates` trajectories of `steps` lead on from there."""

    time: float
    candidates: int
    steps: int


class TorusFlow:
    """Linear flow matching of positions and lattice.

    Args:
        lattice_mean: six means of the (volume per atom corrected) log-coordinates of training cells.
        lattice_std: their six standard deviations.
        position_weight: weight of the positions' loss (its scale is that of fractional coordinates squared).
        coupled: pair noise and data by `aligned_displacement`; without it noise is independent.
        acceleration: the positions' velocity is multiplied by `1 + acceleration · t` when sampling, which makes
            late steps commit (the velocity annealing of FlowMM, Miller et al., ICML 2024).
        candidates: trajectories per sample, of which the best is kept.
        refinements: rounds of `(time, candidates, steps)`: the best so far is noised back to `time`, and kept unless
            one of the `candidates` trajectories from there is better.
        polish: times, one after the other: the best is taken for a noisy crystal of that time and brought to the data
            in one step, without any noise being added.
        default_steps: Euler steps of a trajectory when the caller names none.

    Attributes:
        judge: `crystals -> (n_crystals,)`, logits of a sample's quality (`diffusion.judge.Judge`); set by whoever loads
            the weights and has one.
    """

    labels: ClassVar[Labels] = "none"

    def __init__(
        self,
        lattice_mean: Sequence[float],
        lattice_std: Sequence[float],
        position_weight: float = 20.0,
        coupled: bool = True,
        acceleration: float = 0.0,
        candidates: int = 1,
        refinements: Sequence[tuple[float, int, int]] = (),
        polish: Sequence[float] = (),
        default_steps: int = 20,
    ) -> None:
        scale = LatticeScale(lattice_mean, lattice_std)
        self.lattice_coordinates, self.cell = scale.coordinates, scale.cell
        self.position_weight = position_weight
        self.coupled = coupled
        self.acceleration = acceleration
        self.candidates = candidates
        self.refinements = [Refinement(*entry) for entry in refinements]
        self.polish = list(polish)
        self.default_steps = default_steps
        self.judge: Callable[[Crystals], Tensor] | None = None

    @staticmethod
    def statistics(crystals: Crystals) -> dict[str, list[float]]:
        """The constructor's first arguments from training crystals."""
        return LatticeScale.statistics(crystals)

    def loss(self, model: Velocity, crystals: Crystals, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean squared error of both velocities at a uniform time per crystal.

        Args:
            model: `(crystals, lattice_coordinates (B, 6), time (B,)) -> (N, 3) fractional velocity, (B, 6)`.
            crystals: training crystals.
            generator: source of the noise, of the times, and of the choice between a crystal and its mirror image,
                which has the same metric and is as likely.
        """
        crystals = mirrored(crystals, generator)
        goal = self.lattice_coordinates(crystals)
        time = goal.new_empty(len(crystals)).uniform_(generator=generator)
        noise = torch.empty_like(crystals.scaled_positions).uniform_(generator=generator)
        start = torch.empty_like(goal).normal_(generator=generator)
        rounds = 2 if self.coupled else 0
        displacement = aligned_displacement(crystals, noise, rounds=rounds)
        here = goal + (1 - time)[:, None] * (start - goal)
        positions = crystals.scaled_positions - (1 - time)[crystals.batch, None] * displacement
        noisy = crystals.replace(cell=self.cell(here, crystals.n_atoms), scaled_positions=positions)
        velocity, lattice_velocity = model(noisy, here, time)
        position_loss = (velocity - displacement).square().mean()
        lattice_loss = (lattice_velocity - (goal - start)).square().mean()
        loss = self.position_weight * position_loss + lattice_loss
        return {"loss": loss, "position": position_loss, "lattice": lattice_loss}

    def end_search(self) -> None:
        """From now on a sample is one trajectory as it comes."""
        self.candidates, self.refinements, self.polish = 1, [], []

    @torch.no_grad()
    def sample(
        self,
        model: Velocity,
        numbers: Tensor,
        n_atoms: Tensor,
        noise: SampleNoise,
        steps: int | None = None,
    ) -> Crystals:
        """One crystal per composition, deterministic given the noise.

        Each is the best of `candidates` trajectories, improved by `refinements`: in the eyes of the judge, or, without
        one, by the model's own measure, see `self_consistency`.

        Args:
            model: as in `loss`.
            numbers: (n_atoms_total,), int64.
            n_atoms: (n_crystals,), int64.
            noise: each sample's start.
            steps: Euler steps of a first trajectory; `default_steps` without it.
        """
        k, streams = self.candidates, itertools.count(len(_JUDGING_TIMES))  # the first streams of noise are for judging
        starts = [next(streams) for _ in range(k)]
        positions = torch.cat([noise.atom_uniform(stream) for stream in starts])
        coordinates = torch.cat([noise.crystal_normal(stream, 6) for stream in starts])
        drawn = self.integrate(model, positions, coordinates, numbers.repeat(k), n_atoms.repeat(k), steps)
        if k == 1 and not self.refinements:
            return self._polished(model, drawn)
        best, quality = best_candidates(drawn, self._quality(model, drawn, noise), k)
        for refinement in self.refinements:
            tries = self._vary(model, best, refinement, noise, [next(streams) for _ in range(refinement.candidates)])
            all_of_them = torch.cat([quality, self._quality(model, tries, noise)])
            best, quality = best_candidates(Crystals.cat([best, tries]), all_of_them, 1 + refinement.candidates)
        return self._polished(model, best)

    @torch.no_grad()
    def restart(
        self, model: Velocity, crystals: Crystals, noise: SampleNoise, time: float, steps: int | None = None
    ) -> Crystals:
        """One crystal near each given one: noise takes it back to a time, the flow leads on from there.

        Each is the best of `candidates` such trajectories, as in `sample`, and polished; it isn't refined, which would
        lead away again.

        Args:
            model: as in `loss`.
            crystals: in reduced cells, as in training.
            noise: one for each of `crystals`.
            time: in [0, 1), how much is kept of them: 0 is noise.
            steps: Euler steps of a whole trajectory, of which the part after `time` is taken; `default_steps` without.
        """
        taken = max(1, round((1 - time) * (steps or self.default_steps)))
        how = Refinement(time, self.candidates, taken)
        first = len(_JUDGING_TIMES)
        drawn = self._vary(model, crystals, how, noise, range(first, first + how.candidates))
        if how.candidates > 1:
            drawn = best_candidates(drawn, self._quality(model, drawn, noise), how.candidates)[0]
        return self._polished(model, drawn)

    def _polished(self, model: Velocity, rough: Crystals) -> Crystals:
        if not self.polish:
            return rough
        crystals = rough
        for time in self.polish:
            here = self.lattice_coordinates(crystals)
            velocity, lattice_velocity = model(crystals, here, torch.full_like(here[:, 0], time))
            cell = self.cell(here + (1 - time) * lattice_velocity, crystals.n_atoms)
            positions = wrap(crystals.scaled_positions + (1 - time) * velocity)
            crystals = crystals.replace(cell=cell, scaled_positions=positions)
        # The polished crystal is preferred, unless its atoms overlap.
        preference = torch.tensor([0.0, 1.0]).repeat_interleave(len(rough)).to(rough.cell)
        return best_candidates(Crystals.cat([rough, crystals]), preference, 2)[0]

    def _vary(
        self, model: Velocity, crystals: Crystals, how: Refinement, noise: SampleNoise, streams: Sequence[int]
    ) -> Crystals:
        """Noise back to a time, and from there to the data again: one batch after the other for each stream."""
        copies = crystals[torch.arange(len(crystals), device=crystals.cell.device).repeat(len(streams))]
        noisy, here = self._noised(copies, noise, streams, how.time)[:2]
        return self.integrate(
            model, noisy.scaled_positions, here, noisy.numbers, noisy.n_atoms, how.steps, start=how.time
        )

    def _noised(
        self, crystals: Crystals, noise: SampleNoise, streams: Sequence[int], time: float
    ) -> tuple[Crystals, Tensor, Tensor, Tensor]:
        """Crystals taken back to a time, as in training.

        Args:
            crystals: `len(streams)` batches of the crystals that `noise` belongs to.
            noise: the batch's noise.
            streams: of the noise, one for each batch.
            time: in [0, 1].

        Returns:
            The noisy crystals, their lattice coordinates, and the velocities of positions and coordinates that would
            bring them back.
        """
        goal = self.lattice_coordinates(crystals)
        displacement = aligned_displacement(crystals, torch.cat([noise.atom_uniform(stream) for stream in streams]))
        lattice_displacement = goal - torch.cat([noise.crystal_normal(stream, 6) for stream in streams])
        here = goal - (1 - time) * lattice_displacement
        positions = wrap(crystals.scaled_positions - (1 - time) * displacement)
        noisy = crystals.replace(cell=self.cell(here, crystals.n_atoms), scaled_positions=positions)
        return noisy, here, displacement, lattice_displacement

    def _quality(self, model: Velocity, drawn: Crystals, noise: SampleNoise) -> Tensor:
        return -self.self_consistency(model, drawn, noise) if self.judge is None else self.judge(drawn)

    def self_consistency(self, model: Velocity, drawn: Crystals, noise: SampleNoise) -> Tensor:
        """How badly the model finds its own samples again after noise was added; low for what it deems likely.

        The training loss of each crystal (a bound of the likelihood up to weights and a constant), averaged over
        `_JUDGING_TIMES` with noise that is the same for all candidates of a sample.

        Args:
            model: as in `loss`.
            drawn: copies of the batch that `noise` belongs to, one after the other.
            noise: the batch's noise.

        Returns:
            (n_crystals of `drawn`,).
        """
        copies = len(drawn) // len(noise)
        misfit = torch.zeros_like(drawn.cell[:, 0, 0])
        for stream, time in enumerate(_JUDGING_TIMES):
            noisy, here, displacement, lattice_displacement = self._noised(drawn, noise, [stream] * copies, time)
            velocity, lattice_velocity = model(noisy, here, torch.full_like(misfit, time))
            per_atom = (velocity - displacement).square().mean(-1)
            lattice = (lattice_velocity - lattice_displacement).square().mean(-1)
            misfit += _JUDGING_POSITION_WEIGHT * crystal_mean(per_atom, drawn) + lattice
        return misfit / len(_JUDGING_TIMES)

    def integrate(
        self,
        model: Velocity,
        positions: Tensor,
        coordinates: Tensor,
        numbers: Tensor,
        n_atoms: Tensor,
        steps: int | None = None,
        start: float = 0.0,
    ) -> Crystals:
        """Euler steps from noise to data.

        Args:
            model: as in `loss`.
            positions: (n_atoms_total, 3), fractional, at the time `start`.
            coordinates: (n_crystals, 6), lattice coordinates at that time.
            numbers: (n_atoms_total,), int64.
            n_atoms: (n_crystals,), int64.
            steps: `default_steps` without it.
            start: in [0, 1), 0 is noise.
        """
        steps = steps or self.default_steps
        step_size = (1 - start) / steps
        crystals = Crystals(self.cell(coordinates, n_atoms), positions, numbers, n_atoms)
        for step in range(steps):
            now = start + step * step_size
            time = torch.full((len(n_atoms),), now, device=numbers.device, dtype=positions.dtype)
            velocity, lattice_velocity = model(crystals, coordinates, time)
            speed = 1 + self.acceleration * now
            coordinates = coordinates + step_size * lattice_velocity
            positions = wrap(crystals.scaled_positions + speed * step_size * velocity)
            crystals = crystals.replace(cell=self.cell(coordinates, n_atoms), scaled_positions=positions)
        return crystals
