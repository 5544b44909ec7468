"""Flow matching on the torus of positions and on the log-lattice: asegen's default process.

Data at time 1, noise at time 0, straight geodesics between (Lipman et al., ICLR 2023; Chen and Lipman, ICLR 2024, for
the torus). Positions start uniform; the six coordinates of `½ log(L Lᵀ)`, with `ln(n)/√3` taken from the volume's, are
z-scored and start standard normal. The network gives both velocities; the sampler integrates them with Euler steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from asegen.crystal import Crystals
from asegen.diffusion.coupling import short_way
from asegen.diffusion.noise import SampleNoise
from asegen.geometry.lattice import cell_to_log_coordinates, log_coordinates_to_cell
from asegen.geometry.neighbors import nearest_neighbors
from asegen.geometry.torus import wrap

Velocity = Callable[[Crystals, Tensor, Tensor], tuple[Tensor, Tensor]]

# Early times judge the arrangement, late ones its details; measured on val, more draws change the choice little.
_JUDGING_TIMES = (0.5, 0.8)
_JUDGING_REPEATS = 2

# Two atoms nearer than this make a crystal invalid by every published protocol.
_OVERLAP = 0.5  # Å
_OVERLAP_PENALTY = 1e6  # far above any loss


def _overlapping(crystals: Crystals) -> Tensor:
    """(n_crystals,), bool: whether two atoms, or an atom and its own image, are nearer than `_OVERLAP`."""
    finite = torch.isfinite(crystals.cell).all((1, 2))
    cell = torch.where(finite[:, None, None], crystals.cell, torch.eye(3).to(crystals.cell))
    positions = torch.nan_to_num(crystals.scaled_positions)
    near = nearest_neighbors(cell, positions, crystals.n_atoms, 1)
    shortest_of = torch.full_like(cell[:, 0, 0], torch.inf)
    shortest_of = shortest_of.scatter_reduce(0, crystals.batch[near.i], near.distance, "amin")
    return ~finite | (shortest_of < _OVERLAP)


def _mirrored(crystals: Crystals, generator: torch.Generator) -> Crystals:
    """The crystals, every other one, at random, inverted."""
    sign = torch.randint(2, (len(crystals),), device=crystals.device, generator=generator) * 2 - 1
    positions = sign[crystals.batch, None].to(crystals.dtype) * crystals.scaled_positions
    return crystals.replace(scaled_positions=positions)


class TorusFlow:
    """Linear flow matching of positions and lattice.

    Args:
        lattice_mean: six means of the (volume per atom corrected) log-coordinates of training cells.
        lattice_std: their six standard deviations.
        position_weight: weight of the positions' loss (its scale is that of fractional coordinates squared).
        coupled: pair noise and data by `short_way`; without it noise is independent.
        acceleration: the positions' velocity is multiplied by `1 + acceleration · t` when sampling, which makes
            late steps commit (the velocity annealing of FlowMM, Miller et al., ICML 2024).
        candidates: trajectories per sample, of which the most self-consistent is kept.
        default_steps: Euler steps when the caller names none.
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
        self.lattice_mean = torch.tensor(lattice_mean, dtype=torch.float64)
        self.lattice_std = torch.tensor(lattice_std, dtype=torch.float64)
        self.position_weight = position_weight
        self.coupled = coupled
        self.acceleration = acceleration
        self.candidates = candidates
        self.default_steps = default_steps

    @staticmethod
    def statistics(crystals: Crystals) -> dict[str, list[float]]:
        """Means and standard deviations of the log-coordinates of training cells, as the constructor takes them."""
        k = cell_to_log_coordinates(crystals.cell.double())
        k[:, 5] -= torch.log(crystals.n_atoms.double()) / math.sqrt(3)
        return {"lattice_mean": k.mean(0).tolist(), "lattice_std": k.std(0).clamp_min(1e-3).tolist()}

    def lattice_coordinates(self, crystals: Crystals) -> Tensor:
        """(n_crystals, 6): z-scored log-coordinates of the cells."""
        k = cell_to_log_coordinates(crystals.cell) - self._mean(crystals.n_atoms, crystals.cell)
        return k / self.lattice_std.to(k)

    def cell(self, coordinates: Tensor, n_atoms: Tensor) -> Tensor:
        """(n_crystals, 3, 3), Å: the inverse of `lattice_coordinates`, in the canonical orientation."""
        k = coordinates * self.lattice_std.to(coordinates) + self._mean(n_atoms, coordinates)
        return log_coordinates_to_cell(k)

    def _mean(self, n_atoms: Tensor, like: Tensor) -> Tensor:
        mean = self.lattice_mean.to(like).repeat(len(n_atoms), 1)
        mean[:, 5] += torch.log(n_atoms.to(like)) / math.sqrt(3)
        return mean

    def loss(self, model: Velocity, crystals: Crystals, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean squared error of both velocities at a uniform time per crystal.

        Args:
            model: `(crystals, lattice_coordinates (B, 6), time (B,)) -> (N, 3) fractional velocity, (B, 6)`.
            crystals: training crystals.
            generator: source of the noise, of the times, and of the choice between a crystal and its mirror image,
                which has the same metric and is as likely.
        """
        crystals = _mirrored(crystals, generator)
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

        Each is the best of `candidates` trajectories by the model's own judgement, see `self_consistency`.

        Args:
            model: as in `loss`.
            numbers: (n_atoms_total,), int64.
            n_atoms: (n_crystals,), int64.
            noise: each sample's start.
            steps: Euler steps of a trajectory; `default_steps` without it.
        """
        k, size = self.candidates, len(n_atoms)
        positions = torch.cat([noise.atom_uniform(c) for c in range(k)])
        coordinates = torch.cat([noise.crystal_normal(c, 6) for c in range(k)])
        drawn = self.integrate(model, positions, coordinates, numbers.repeat(k), n_atoms.repeat(k), steps)
        if k == 1:
            return drawn
        misfit = self.self_consistency(model, drawn, noise)
        # What overlaps or isn't finite is never chosen while another candidate is there.
        misfit = misfit + _OVERLAP_PENALTY * _overlapping(drawn).to(misfit.dtype)
        best = torch.nan_to_num(misfit, nan=torch.inf).view(k, size).argmin(0)
        return drawn[best * size + torch.arange(size, device=best.device)]

    def self_consistency(self, model: Velocity, drawn: Crystals, noise: SampleNoise) -> Tensor:
        """How badly the model finds its own samples again after noise was added; low for what it deems likely.

        The training loss of each crystal, averaged over `_JUDGING_TIMES` and `_JUDGING_REPEATS` draws of noise that are
        the same for all candidates of a sample: a bound of the likelihood up to weights and a constant.

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
            misfit += self.position_weight * per_crystal + (lattice_velocity - goal + start).square().mean(-1)
        return misfit

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
