"""What the three processes of GemsDiff share: the diffusion of positions on the torus, the loss, and their statistics.

Symbols, and where this departs from what was printed or run: see `asegen.diffusion.gemsdiff`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.data.labels import Labels
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.schedules import LinearSchedule
from asegen.errors import InputError
from asegen.geometry.constants import Constant
from asegen.geometry.lattice import cell_to_parameters
from asegen.nn.readouts import without_mean

STEPS = 100
FIRST_BETA, LAST_BETA = 1e-6, 6e-3
"""Of the positions, in squared fractional coordinates; the first is the published one."""
WEIGHTINGS = ("none", "noise")
"""Of the positions' errors: none, as published, or 1/v, v the variance of the noise at the crystal's time."""
_VARIANCES = 4e-4, 1 / 12
"""v, squared fractional coordinates, is taken to be within these: the second is that of uniform positions, and below
the first, 0.02 of a cell's edge, a network that isn't yet trained would be held to a precision that it can't have."""
# Of z-scores, Å and degrees, EMPNN's: Perov-5's angles are all 90°; a deviation of rounding must not become the unit.
_SMALLEST_STD = (0.1, 0.1, 0.1, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Rules:
    """Where the paper and its code differ.

    Attributes:
        power: of the errors in the loss: 2 (squares) or 1 (absolute values).
        centred: noise of positions has no mean over a crystal.
        rotation_noise: factor of the noise of the three coordinates of rotation, in training and sampling.
        volume_noise: factor of the sampler's noise of the volume's coordinate.
    """

    power: int
    centred: bool
    rotation_noise: float
    volume_noise: float


RULES = {
    "paper": Rules(2, False, 1.0, 1.0),
    "as-run": Rules(1, True, 0.0, 0.25),
}


class PositionDiffusion:
    """Positions' diffusion, the loss, and the statistics that all three processes share.

    Args:
        parameter_mean: means of a, b, c (Å), α, β, γ (degrees) of training cells.
        parameter_std: their standard deviations.
        rules: "paper", or "as-run" for the published code's, see `Rules`; `default_rules` without it.
        last_beta: β_T of the positions; 2e-3 is the published one.
        jump: sampled positions jump to the prediction, as in the published code, with noise √β_{t−1}.
        weighting: one of `WEIGHTINGS`. Without one, times at which positions are as good as random, where nothing can
            be learned, make up nearly all of the loss.
    """

    default_steps = STEPS
    default_rules: ClassVar[str] = "paper"
    labels: ClassVar[Labels] = "none"

    def __init__(
        self,
        parameter_mean: Sequence[float],
        parameter_std: Sequence[float],
        rules: str | None = None,
        last_beta: float = LAST_BETA,
        jump: bool = False,
        weighting: str = "none",
    ) -> None:
        rules = self.default_rules if rules is None else rules
        if rules not in RULES:
            raise InputError(f"rules = {rules!r} is not one of {', '.join(RULES)}")
        if weighting not in WEIGHTINGS:
            raise InputError(f"weighting = {weighting!r} is not one of {', '.join(WEIGHTINGS)}")
        self.rules, self.jump, self.weighting = RULES[rules], jump, weighting
        self.positions = LinearSchedule(FIRST_BETA, last_beta, STEPS)
        self._mean, self._std = Constant(parameter_mean), Constant(parameter_std)
        self.parameter_mean, self.parameter_std = self._mean.values, self._std.values

    @staticmethod
    def statistics(crystals: Crystals) -> dict[str, list[float]]:
        """Means and standard deviations of a, b, c (Å), α, β, γ (degrees) of training crystals, for the constructor."""
        parameters = cell_to_parameters(crystals.cell.double())
        std = torch.maximum(parameters.std(0), parameters.new_tensor(_SMALLEST_STD))
        return {"parameter_mean": parameters.mean(0).tolist(), "parameter_std": std.tolist()}

    def _normalise(self, parameters: Tensor) -> Tensor:
        return (parameters - self._mean.to(parameters)) / self._std.to(parameters)

    def _position_noise(self, crystals: Crystals, noise: Tensor) -> Tensor:
        return without_mean(noise, crystals) if self.rules.centred else noise

    def _diffuse_positions(self, crystals: Crystals, time: Tensor, generator: torch.Generator) -> Crystals:
        x = crystals.scaled_positions
        noise = self._position_noise(crystals, randn(x, generator))
        std = self.positions.noise_std(time).to(noise)[crystals.batch]
        return crystals.replace(scaled_positions=x + std[:, None] * noise)

    def _step_positions(
        self, crystals: Crystals, displacement: Tensor, times: list[int], step: int, noise: SampleNoise
    ) -> Crystals:
        """Positions at the next of the times: `[x + w (x' − x) + σ ε]`, x' the predicted place in the data.

        With v = 1 − ᾱ the posterior of q has w = 1 − v_s/v_t and σ² = v_s w, t now and s the next time; both samplers
        end at x', without noise.
        """
        now, after, following = torch.tensor([*times, 0][step : step + 3], device=crystals.device)
        if self.jump:
            share, variance = torch.ones_like(now), self.positions.step_variance(after, following)
        else:
            before, left = self.positions.noise_std(now).square(), self.positions.noise_std(after).square()
            share = 1 - left / before
            variance = left * share
        epsilon = self._position_noise(crystals, noise.atom_normal(step + 1))
        x = crystals.scaled_positions
        return crystals.replace(scaled_positions=x + share.to(x) * displacement + variance.sqrt().to(x) * epsilon)

    def _losses(
        self, displacement: Tensor, noisy: Crystals, crystals: Crystals, normalised: Tensor, cell: Tensor, time: Tensor
    ) -> dict[str, Tensor]:
        """Mean errors of the positions' displacements and of the normalised lattice parameters, and their sum."""
        errors = (displacement - noisy.displacement_to(crystals)).abs().pow(self.rules.power)
        position = (errors * self._weights(time).to(errors)[crystals.batch, None]).mean()
        target = self._normalise(cell_to_parameters(cell))
        lattice = (normalised - target).abs().pow(self.rules.power).mean()
        return {"loss": position + lattice, "position": position, "lattice": lattice}

    def _weights(self, time: Tensor) -> Tensor:
        """(n_crystals,): of the positions' errors."""
        if self.weighting == "none":
            return torch.ones_like(time, dtype=torch.float64)
        variance = self.positions.noise_std(time).square().clamp(*_VARIANCES)
        return variance ** (-self.rules.power / 2)


def random_times(crystals: Crystals, generator: torch.Generator) -> Tensor:
    """(n_crystals,), int64, uniform from 1 to `STEPS`."""
    return torch.randint(1, STEPS + 1, (len(crystals),), generator=generator, device=crystals.device)


def randn(like: Tensor, generator: torch.Generator) -> Tensor:
    """Normal noise of the shape, the device and the precision of a tensor."""
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)
