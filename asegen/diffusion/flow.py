"""Flow matching on the torus of positions and on the log-lattice: asegen's default process.

Data at time 1, noise at time 0, straight geodesics between (Lipman et al., ICLR 2023; Chen and Lipman, ICLR 2024, for
the torus). Positions start uniform; the six coordinates of `½ log(L Lᵀ)`, with `ln(n)/√3` taken from the volume's, are
z-scored and start standard normal. The network gives both velocities; the sampler integrates them with Euler steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from asegen.crystal import Crystals
from asegen.diffusion.augmentation import mirrored
from asegen.diffusion.coupling import short_way
from asegen.diffusion.lattice_scale import LatticeScale
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.selection import best_candidates
from asegen.geometry.torus import wrap

Velocity = Callable[[Crystals, Tensor, Tensor], tuple[Tensor, Tensor]]

# Middle times tell arrangements apart; late ones see details only, early ones nothing. Chosen on val, as is the weight.
_JUDGING_TIMES = (0.5, 0.65)
_JUDGING_REPEATS = 4
_JUDGING_POSITION_WEIGHT = 100.0


class TorusFlow:
    """Linear flow matching of positions and lattice.

    Args:
        lattice_mean: six means of the (volume per atom corrected) log-coordinates of training cells.
        lattice_std: their six standard deviations.
        position_weight: weight of the positions' loss (its scale is that of fractional coordinates squared).
        coupled: pair noise and data by `short_way`; without it noise is independent.
        acceleration: the positions' velocity is multiplied by `1 + acceleration · t` when sampling, which makes
            late steps commit (the velocity annealing of FlowMM, Miller et al., ICML 2024).
        candidates: trajectories per sample, of which the best is kept.
        default_steps: Euler steps when the caller names none.

    Attributes:
        judge: `crystals -> (n_crystals,)`, logits of a sample's quality (`diffusion.judge.Judge`), asked beside the
            model's own judgement where whoever loads the weights has one.
    """

    def __init__(
        self,
        lattice_mean: Sequence[float],
        lattice_std: Sequence[float],
        position_weight: float = 20.0,
        coupled: bool = True,
        acceleration: float = 0.0,
        candidates: int = 1,
        default_steps: int = 20,
    ) -> None:
        scale = LatticeScale(lattice_mean, lattice_std)
        self.lattice_coordinates, self.cell = scale.coordinates, scale.cell
        self.position_weight = position_weight
        self.coupled = coupled
        self.acceleration = acceleration
        self.candidates = candidates
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
        way = short_way(crystals, noise, rounds=rounds)
        here = goal + (1 - time)[:, None] * (start - goal)
        positions = crystals.scaled_positions - (1 - time)[crystals.batch, None] * way
        noisy = crystals.replace(cell=self.cell(here, crystals.n_atoms), scaled_positions=positions)
        velocity, lattice_velocity = model(noisy, here, time)
        position_loss = (velocity - way).square().mean()
        lattice_loss = (lattice_velocity - (goal - start)).square().mean()
        loss = self.position_weight * position_loss + lattice_loss
        return {"loss": loss, "position": position_loss, "lattice": lattice_loss}

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

        Each is the best of `candidates` trajectories: by the model's own judgement, see `self_consistency`, and by the
        judge, if there is one.

        Args:
            model: as in `loss`.
            numbers: (n_atoms_total,), int64.
            n_atoms: (n_crystals,), int64.
            noise: each sample's start.
            steps: Euler steps of a trajectory; `default_steps` without it.
        """
        k = self.candidates
        positions = torch.cat([noise.atom_uniform(c) for c in range(k)])
        coordinates = torch.cat([noise.crystal_normal(c, 6) for c in range(k)])
        drawn = self.integrate(model, positions, coordinates, numbers.repeat(k), n_atoms.repeat(k), steps)
        if k == 1:
            return drawn
        quality = -torch.log(self.self_consistency(model, drawn, noise))
        if self.judge is not None:
            quality = quality + self.judge(drawn)
        return best_candidates(drawn, quality, k)

    def self_consistency(self, model: Velocity, drawn: Crystals, noise: SampleNoise) -> Tensor:
        """How badly the model finds its own samples again after noise was added; low for what it deems likely.

        The training loss of each crystal (a bound of the likelihood up to weights and a constant), averaged over
        `_JUDGING_TIMES` and `_JUDGING_REPEATS` draws of noise that are the same for all candidates of a sample.

        Args:
            model: as in `loss`.
            drawn: `candidates` copies of the batch that `noise` belongs to, one after the other.
            noise: the batch's noise.

        Returns:
            (n_crystals of `drawn`,).
        """
        copies = len(drawn) // len(noise)
        goal = self.lattice_coordinates(drawn)
        misfit = torch.zeros_like(goal[:, 0])
        for stream in range(len(_JUDGING_TIMES) * _JUDGING_REPEATS):
            step = self.candidates + stream
            left = 1 - _JUDGING_TIMES[stream % len(_JUDGING_TIMES)]
            way = short_way(drawn, noise.atom_uniform(step).repeat(copies, 1))
            start = noise.crystal_normal(step, 6).repeat(copies, 1)
            here = goal + left * (start - goal)
            cell, positions = self.cell(here, drawn.n_atoms), drawn.scaled_positions - left * way
            noisy = drawn.replace(cell=cell, scaled_positions=positions)
            velocity, lattice_velocity = model(noisy, here, torch.full_like(misfit, 1 - left))
            per_atom = (velocity - way).square().mean(-1)
            per_crystal = torch.zeros_like(misfit).index_add_(0, drawn.batch, per_atom) / drawn.n_atoms
            misfit += _JUDGING_POSITION_WEIGHT * per_crystal + (lattice_velocity - goal + start).square().mean(-1)
        return misfit / (len(_JUDGING_TIMES) * _JUDGING_REPEATS)

    def integrate(
        self,
        model: Velocity,
        positions: Tensor,
        coordinates: Tensor,
        numbers: Tensor,
        n_atoms: Tensor,
        steps: int | None = None,
    ) -> Crystals:
        """Euler steps from noise to data.

        Args:
            model: as in `loss`.
            positions: (n_atoms_total, 3), fractional, at time 0.
            coordinates: (n_crystals, 6), lattice coordinates at time 0.
            numbers: (n_atoms_total,), int64.
            n_atoms: (n_crystals,), int64.
            steps: `default_steps` without it.
        """
        steps = steps or self.default_steps
        crystals = Crystals(self.cell(coordinates, n_atoms), positions, numbers, n_atoms)
        for step in range(steps):
            time = torch.full((len(n_atoms),), step / steps, device=numbers.device, dtype=positions.dtype)
            velocity, lattice_velocity = model(crystals, coordinates, time)
            hurry = 1 + self.acceleration * step / steps
            coordinates = coordinates + lattice_velocity / steps
            positions = wrap(crystals.scaled_positions + hurry * velocity / steps)
            crystals = crystals.replace(cell=self.cell(coordinates, n_atoms), scaled_positions=positions)
        return crystals
