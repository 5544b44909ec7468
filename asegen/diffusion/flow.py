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
from asegen.geometry.torus import wrap

Velocity = Callable[[Crystals, Tensor, Tensor], tuple[Tensor, Tensor]]


class TorusFlow:
    """Linear flow matching of positions and lattice.

    Args:
        lattice_mean: six means of the (volume per atom corrected) log-coordinates of training cells.
        lattice_std: their six standard deviations.
        position_weight: weight of the positions' loss (its scale is that of fractional coordinates squared).
        coupled: pair noise and data by `short_way`; without it noise is independent.
        acceleration: the positions' velocity is multiplied by `1 + acceleration · t` when sampling, which makes
            late steps commit (the velocity annealing of FlowMM, Miller et al., ICML 2024).
        default_steps: Euler steps when the caller names none.
    """

    def __init__(
        self,
        lattice_mean: Sequence[float],
        lattice_std: Sequence[float],
        position_weight: float = 20.0,
        coupled: bool = True,
        acceleration: float = 0.0,
        default_steps: int = 20,
    ) -> None:
        self.lattice_mean = torch.tensor(lattice_mean, dtype=torch.float64)
        self.lattice_std = torch.tensor(lattice_std, dtype=torch.float64)
        self.position_weight = position_weight
        self.coupled = coupled
        self.acceleration = acceleration
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
            generator: source of the noise and of the times.
        """
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
        """One crystal per composition, by Euler steps from noise to data; deterministic given the noise.

        Args:
            model: as in `loss`.
            numbers: (n_atoms_total,), int64.
            n_atoms: (n_crystals,), int64.
            noise: each sample's start.
            steps: network evaluations; `default_steps` without it.
        """
        steps = steps or self.default_steps
        coordinates = noise.crystal_normal(0, 6)
        crystals = Crystals(self.cell(coordinates, n_atoms), noise.atom_uniform(0), numbers, n_atoms)
        for step in range(steps):
            time = torch.full((len(n_atoms),), step / steps, device=numbers.device, dtype=noise.dtype)
            velocity, lattice_velocity = model(crystals, coordinates, time)
            hurry = 1 + self.acceleration * step / steps
            coordinates = coordinates + lattice_velocity / steps
            positions = wrap(crystals.scaled_positions + hurry * velocity / steps)
            crystals = crystals.replace(cell=self.cell(coordinates, n_atoms), scaled_positions=positions)
        return crystals
