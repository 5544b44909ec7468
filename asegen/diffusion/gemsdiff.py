"""GemsDiff: diffusion on the torus of positions and on the lattice (Klipfel et al., AAAI 2024).

Positions follow a wrapped Gaussian, q(x_t | x_0) = [N(x_0, (1 − ᾱ_t) I)], the lattice a variance-preserving diffusion
of its nine coordinates x^ρ in gl₃, ρ = exp(Σ x_m π_m) with `lie_basis` π. The network predicts how far every atom is
from its place in the data, and the data's lattice. Three processes: `GemsDiff` (the paper: an action on the unit
cube), `GemsDiffParameters` (six lattice parameters), `GemsDiffOneShot` (the newest: only positions diffuse, the lattice
is read off the last step).

Rows are lattice vectors; training cells are taken in their canonical orientation (the symmetric root of the metric),
where the coordinates of rotation are 0; every t from 1 to T is trained; logarithms are of symmetric matrices alone.
Where this departs from what was printed or run:

- The printed loss (equation 15) compares the network's lattice with exp(Σ μ̃_t π), the posterior's mean, but the
  printed sampler applies μ̃_t to the network's lattice again. With a network that is exact in the sense of that loss
  the volume's coordinate is ten standard deviations off what training has seen at t = 9. Here the target is the data's
  lattice, as in the code; `lattice_target` "posterior" restores the printed one.
- The printed sampler jumps to the predicted positions and adds the noise of one step, so that after the first step it
  never again sees the noise of training. Here positions step by the posterior of q; `jump` restores the code's way.
- The published schedule of the positions (`last_beta` 2e-3) ends at a standard deviation of 0.31, whereas sampling
  starts uniform; the default ends at 0.5, which is uniform to 0.5 % per coordinate (total variation).
- Both losses are means, over coordinates and over lattice parameters; the paper doesn't say how its norms are weighed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.position_diffusion import LAST_BETA, STEPS, PositionDiffusion, randn, random_times
from asegen.diffusion.schedules import LinearSchedule
from asegen.errors import InputError
from asegen.geometry.lattice import (
    cell_to_parameters,
    lie_basis,
    log_coordinates_to_cell,
    matrix_exp,
    metric_tensor,
    symmetric_basis,
)

LATTICE = LinearSchedule(1e-5, 1e-1, STEPS)
_SHORTEST = 0.1
"""Å. Principal lengths of predicted cells are kept above: a bad prediction must not end in the logarithm of 0."""

Network = Callable[..., tuple[Tensor, Tensor]]

LATTICE_TARGETS = ("data", "posterior")
"""What the network's lattice is compared with: the data's, or the mean of q(ρ_{t−1} | ρ_t, ρ_0) of equation 15."""


class GemsDiff(PositionDiffusion):
    """Diffusion of positions and lattice; the network's lattice is an action on the unit cube.

    Args:
        parameter_mean: as in `PositionDiffusion`.
        parameter_std: as in `PositionDiffusion`.
        rules: as in `PositionDiffusion`.
        last_beta: as in `PositionDiffusion`.
        jump: as in `PositionDiffusion`.
        weighting: as in `PositionDiffusion`.
        lattice_target: one of `LATTICE_TARGETS`.
    """

    def __init__(
        self,
        parameter_mean: Sequence[float],
        parameter_std: Sequence[float],
        rules: str | None = None,
        last_beta: float = LAST_BETA,
        jump: bool = False,
        lattice_target: str = "data",
        weighting: str = "none",
    ) -> None:
        super().__init__(parameter_mean, parameter_std, rules, last_beta, jump, weighting)
        if lattice_target not in LATTICE_TARGETS:
            raise InputError(f"lattice_target = {lattice_target!r} is not one of {', '.join(LATTICE_TARGETS)}")
        self.lattice_target = lattice_target

    def loss(self, model: Network, crystals: Crystals, generator: torch.Generator) -> dict[str, Tensor]:
        """L^x + L^ρ at a random time per crystal.

        Args:
            model: `(crystals, time (B,)) -> (N, 3) fractional displacement, lattice`; the lattice is (B, 3, 3), A with
                the cell I + A in Å (`GemsDiffParameters`: (B, 6), normalised lattice parameters).
            crystals: training crystals.
            generator: source of noise and times.
        """
        time = random_times(crystals, generator)
        x0 = self._lattice_coordinates(metric_tensor(crystals.cell))
        xt = LATTICE.diffuse(x0, time, self._rotated(randn(x0, generator)))
        noisy = self._diffuse_positions(crystals, time, generator).replace(cell=self._cell(xt))
        displacement, lattice = model(noisy, time)
        target = crystals.cell if self.lattice_target == "data" else self._posterior_cell(xt, x0, time)
        return self._losses(displacement, noisy, crystals, self._normalised(lattice), target, time)

    def _posterior_cell(self, xt: Tensor, x0: Tensor, time: Tensor) -> Tensor:
        """exp(Σ μ̃_t(x_t, x_0) π), (n, 3, 3), Å: the target of equation 15."""
        return self._cell(LATTICE.posterior_mean(xt, x0, time, time - 1))

    @torch.no_grad()
    def sample(
        self, model: Network, numbers: Tensor, n_atoms: Tensor, noise: SampleNoise, steps: int | None = None
    ) -> Crystals:
        """One crystal per composition: algorithm 2, with the positions' steps described above.

        Args:
            model: as in `loss`.
            numbers: (n_atoms_total,), int64.
            n_atoms: (n_crystals,), int64.
            noise: each sample's noise.
            steps: network evaluations, at most 100; fewer skip times.
        """
        x = self._rotated(noise.crystal_normal(0, 9))
        crystals = Crystals(self._cell(x), noise.atom_uniform(0), numbers, n_atoms)
        times = self.positions.times(steps)
        scale = torch.ones_like(x)
        scale[:, 8] = self.rules.volume_noise
        for step in range(len(times) - 1):
            now, after = (torch.full_like(n_atoms, t) for t in times[step : step + 2])
            displacement, lattice = model(crystals, now)
            x0 = self._lattice_coordinates(self._metric(lattice))
            epsilon = scale * self._rotated(noise.crystal_normal(step + 1, 9))
            std = LATTICE.posterior_std(now, after).to(x)
            x = LATTICE.posterior_mean(x, x0, now, after) + std[:, None] * epsilon
            moved = self._step_positions(crystals, displacement, times, step, noise)
            crystals = moved.replace(cell=self._cell(x))
        return crystals

    def _rotated(self, noise: Tensor) -> Tensor:
        return torch.cat([self.rules.rotation_noise * noise[:, :3], noise[:, 3:]], dim=-1)

    @staticmethod
    def _cell(coordinates: Tensor) -> Tensor:
        """(n, 9) to (n, 3, 3), Å: ρ = exp(Σ x_m π_m)."""
        return matrix_exp(torch.einsum("bm,mxy->bxy", coordinates, lie_basis(coordinates)))

    @staticmethod
    def _lattice_coordinates(metric: Tensor) -> Tensor:
        """(n, 9): coordinates of the canonical cell of a metric tensor (n, 3, 3), Å²; no rotation."""
        symmetric = _log_coordinates(metric)
        return torch.cat([torch.zeros_like(symmetric[:, :3]), symmetric], dim=-1)

    def _normalised(self, lattice: Tensor) -> Tensor:
        """(n, 6): normalised parameters of the network's lattice."""
        return self._normalise(cell_to_parameters(_cubes(lattice, lattice) + lattice))

    def _metric(self, lattice: Tensor) -> Tensor:
        """(n, 3, 3), Å²: metric tensor of the network's lattice."""
        return metric_tensor(_cubes(lattice, lattice) + lattice)


class GemsDiffParameters(GemsDiff):
    """The same with a network that predicts six normalised lattice parameters; arguments as in `GemsDiff`."""

    def _normalised(self, lattice: Tensor) -> Tensor:
        return lattice

    def _metric(self, lattice: Tensor) -> Tensor:
        parameters = lattice * self._std.to(lattice) + self._mean.to(lattice)
        lengths, angles = parameters[:, :3], torch.deg2rad(parameters[:, 3:])
        cosines = torch.diag_embed(torch.ones_like(lengths))
        for m, (p, q) in enumerate([(1, 2), (0, 2), (0, 1)]):
            cosines[:, p, q] = cosines[:, q, p] = torch.cos(angles[:, m])
        return cosines * lengths[:, :, None] * lengths[:, None, :]


class GemsDiffOneShot(PositionDiffusion):
    """The newest variant: positions diffuse in the unit cube; the lattice is the action that the last step gives.

    Arguments as in `PositionDiffusion`. No paper describes it, so the default of `rules` is "as-run".
    """

    default_rules = "as-run"

    def loss(self, model: Network, crystals: Crystals, generator: torch.Generator) -> dict[str, Tensor]:
        """L^x + L^ρ at a random time per crystal.

        Args:
            model: `crystals -> (N, 3) fractional displacement, (B, 3, 3)`, A with the cell I + A in Å.
            crystals: training crystals.
            generator: source of noise and times.
        """
        time = random_times(crystals, generator)
        noisy = self._diffuse_positions(crystals, time, generator)
        cubes = _cubes(crystals.n_atoms, crystals.cell)
        displacement, action = model(noisy.replace(cell=cubes))
        normalised = self._normalise(cell_to_parameters(cubes + action))
        return self._losses(displacement, noisy, crystals, normalised, crystals.cell, time)

    @torch.no_grad()
    def sample(
        self, model: Network, numbers: Tensor, n_atoms: Tensor, noise: SampleNoise, steps: int | None = None
    ) -> Crystals:
        """One crystal per composition.

        Args:
            model: as in `loss`.
            numbers: (n_atoms_total,), int64.
            n_atoms: (n_crystals,), int64.
            noise: each sample's noise.
            steps: network evaluations, at most 100; fewer skip times.
        """
        positions = noise.atom_uniform(0)
        start = Crystals(_cubes(n_atoms, positions), positions, numbers, n_atoms)
        return self.sample_from(model, start, noise, steps)

    @torch.no_grad()
    def sample_from(self, model: Network, start: Crystals, noise: SampleNoise, steps: int | None = None) -> Crystals:
        """The sampler from given positions and a given cell, of which the result is equivariant.

        Args:
            model: as in `loss`.
            start: starting positions, and the cell in which the network sees them and on which it acts.
            noise: the steps' noise.
            steps: network evaluations, at most 100; fewer skip times.
        """
        crystals, times = start, self.positions.times(steps)
        action = torch.zeros_like(start.cell)
        for step in range(len(times) - 1):
            displacement, action = model(crystals)
            crystals = self._step_positions(crystals, displacement, times, step, noise)
        cell = start.cell + start.cell @ action
        return crystals.replace(cell=log_coordinates_to_cell(_log_coordinates(metric_tensor(cell))))


def _cubes(n_atoms: Tensor, like: Tensor) -> Tensor:
    """(n_crystals, 3, 3): unit cubes."""
    return torch.eye(3, device=like.device, dtype=like.dtype).expand(len(n_atoms), 3, 3)


def _log_coordinates(metric: Tensor) -> Tensor:
    """(n, 6): coordinates of `½ log G` in `symmetric_basis`, no principal length below `_SHORTEST`; G (n, 3, 3), Å²."""
    # Many small matrices are decomposed sooner on a CPU, there and back.
    values, vectors = (part.to(metric.device) for part in torch.linalg.eigh(metric.cpu()))
    logarithms = 0.5 * torch.log(values.clamp_min(_SHORTEST**2))
    return torch.einsum("bxi,bi,byi,mxy->bm", vectors, logarithms, vectors, symmetric_basis(metric))
