"""What a relaxer is trained to do: undo noise on lattice and positions, or find the lattice from fractional positions.

EMPNN's tasks (Klipfel et al., AAAI 2023; positions: STRL 2022). They are self-supervised: crystals at their energy's
minimum are taken away from it and the way back is learned, so no energy or force is needed. A network that moves
crystals is called as `model(crystals) -> list[Tangent]`; the tangents are followed one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals, Tangent
from asegen.data.labels import Labels
from asegen.errors import InputError
from asegen.geometry.lattice import cell_to_parameters
from asegen.nn.readouts import crystal_mean, without_mean
from asegen.relaxation.losses import LatticeLoss, lattice_errors, lattice_statistics
from asegen.relaxation.noise import cubes, rattled, strained

Mover = Callable[[Crystals], Sequence[Tangent]]

_SMOOTH = 1e-3  # Å, distance below which the loss of a position is quadratic


class Following:
    """The loss of following a network's tangents.

    `Σ_s discount^(last − s) · loss after step s`, divided by the sum of the factors.

    Args:
        lattice: loss of the cell; see `asegen.relaxation.losses`.
        position_weight: of the mean distance between atoms and their places, 1/Å; 0 leaves positions out.
        discount: 0 judges the last step alone, as published; more guides the earlier ones too.
    """

    def __init__(self, lattice: LatticeLoss, position_weight: float, discount: float) -> None:
        self.lattice, self.position_weight, self.discount = lattice, position_weight, discount

    def __call__(self, model: Mover, start: Crystals, goal: Crystals) -> dict[str, Tensor]:
        """Means over the batch: `loss`, its parts, and the errors after the last step.

        Args:
            model: the network.
            start: what it is given.
            goal: where it should lead, the same atoms.
        """
        tangents = model(start)
        here, total, weights = start, torch.zeros_like(goal.cell[:, 0, 0]), 0.0
        found: dict[str, Tensor] = {}
        for left, tangent in zip(range(len(tangents) - 1, -1, -1), tangents, strict=True):
            here = here.move(tangent)
            factor = self.discount**left
            if factor == 0:
                continue
            lattice, position = self.lattice(here.cell, goal.cell), position_errors(here, goal)
            total = total + factor * (lattice + self.position_weight * position)
            weights += factor
            found = {"lattice": lattice.mean(), "position": position.mean()}
        length, angle = lattice_errors(here.cell, goal.cell)
        return {"loss": total.mean() / weights, **found, "length": length.mean(), "angle": angle.mean()}


def position_errors(found: Crystals, goal: Crystals) -> Tensor:
    """(n_crystals,), Å: mean distance of the atoms from their places, by fractional coordinates, in the goal's cell.

    A common translation doesn't count. Distances under 1e-3 Å are rounded off.

    Args:
        found: crystals.
        goal: the same atoms elsewhere.
    """
    away = found.displacement_to(goal)
    vector = torch.einsum("na,nab->nb", without_mean(away, goal), goal.cell[goal.batch])
    distance = torch.sqrt(vector.square().sum(-1) + _SMOOTH**2) - _SMOOTH
    return crystal_mean(distance, goal)


class Denoising:
    """Noise on the lattice, on the positions, or on both, is to be undone.

    Args:
        parameter_mean: (6,), of training cells, Å and degrees, see `statistics`.
        parameter_std: (6,), likewise.
        lattice_noise: σ of the elements of the strain; 0 leaves cells as they are.
        position_noise: σ of the coordinates; 0 leaves positions as they are.
        fractional: `position_noise` is of fractional coordinates, as published; else in Å.
        varied: every crystal has its own σ, uniform up to the given ones, so that small deviations and none are known
            too; else all have the given ones, as published.
        loss: of the cell, a name of `asegen.relaxation.losses`.
        position_weight: see `Following`; without noise on the positions they don't count.
        discount: see `Following`.

    Raises:
        InputError: there is no such loss, or no noise.
    """

    labels: ClassVar[Labels] = "none"
    statistics = staticmethod(lattice_statistics)

    def __init__(
        self,
        parameter_mean: Sequence[float],
        parameter_std: Sequence[float],
        lattice_noise: float = 0.1,
        position_noise: float = 0.0,
        fractional: bool = False,
        varied: bool = False,
        loss: str = "strain",
        position_weight: float = 1.0,
        discount: float = 0.0,
    ) -> None:
        if not lattice_noise and not position_noise:
            raise InputError("lattice_noise and position_noise are both 0: there is nothing to learn")
        weight = position_weight if position_noise else 0.0
        self.follow = Following(LatticeLoss(loss, parameter_mean, parameter_std), weight, discount)
        self.lattice_noise, self.position_noise = lattice_noise, position_noise
        self.fractional, self.varied = fractional, varied

    def corrupt(self, crystals: Crystals, generator: torch.Generator) -> Crystals:
        """The crystals with noise.

        Args:
            crystals: a batch.
            generator: source of the noise.
        """
        sigma = torch.ones(2, len(crystals), dtype=crystals.dtype, device=crystals.device)
        if self.varied:
            sigma.uniform_(generator=generator)
        # Positions first: their noise in Å is one of the undisturbed cell.
        noisy = rattled(crystals, self.position_noise * sigma[1], self.fractional, generator)
        return strained(noisy, self.lattice_noise * sigma[0], generator)

    def loss(self, model: Mover, crystals: Crystals, generator: torch.Generator) -> dict[str, Tensor]:
        """See `Following`.

        Args:
            model: the network.
            crystals: training crystals.
            generator: source of the noise.
        """
        return self.follow(model, self.corrupt(crystals, generator), crystals)


class Reconstruction:
    """The cell is to be found from a cube, given the elements and their fractional positions.

    Args:
        parameter_mean: (6,), of training cells, Å and degrees, see `statistics`.
        parameter_std: (6,), likewise.
        volume_per_atom: Å³, of the cube; 0 begins with the unit cube, as published.
        loss: of the cell, a name of `asegen.relaxation.losses`.
        discount: see `Following`.

    Raises:
        InputError: there is no such loss.
    """

    labels: ClassVar[Labels] = "none"
    statistics = staticmethod(lattice_statistics)

    def __init__(
        self,
        parameter_mean: Sequence[float],
        parameter_std: Sequence[float],
        volume_per_atom: float = 0.0,
        loss: str = "strain",
        discount: float = 0.0,
    ) -> None:
        self.follow = Following(LatticeLoss(loss, parameter_mean, parameter_std), 0.0, discount)
        self.volume_per_atom = volume_per_atom

    def corrupt(self, crystals: Crystals, generator: torch.Generator) -> Crystals:
        """The crystals in cubes.

        Args:
            crystals: a batch.
            generator: not needed: there is no noise.
        """
        return cubes(crystals, self.volume_per_atom)

    def loss(self, model: Mover, crystals: Crystals, generator: torch.Generator) -> dict[str, Tensor]:
        """See `Following`.

        Args:
            model: the network.
            crystals: training crystals.
            generator: not needed.
        """
        return self.follow(model, self.corrupt(crystals, generator), crystals)


class ParameterRegression:
    """EMPNN's baseline: a network predicts the z-scored a, b, c, α, β, γ of the undisturbed cell.

    Args:
        parameter_mean: (6,), of training cells, Å and degrees, see `statistics`.
        parameter_std: (6,), likewise.
        lattice_noise: σ of the elements of the strain of the cell that is shown; 0 shows the unit cube instead.
        loss: "parameters-mae" or "parameters-mse".

    Raises:
        InputError: there is no such loss.
    """

    labels: ClassVar[Labels] = "none"
    statistics = staticmethod(lattice_statistics)

    def __init__(
        self,
        parameter_mean: Sequence[float],
        parameter_std: Sequence[float],
        lattice_noise: float = 0.1,
        loss: str = "parameters-mse",
    ) -> None:
        if not loss.startswith("parameters-"):
            raise InputError(f"loss = {loss!r}: a network of parameters is judged by parameters-mae or parameters-mse")
        self.lattice_noise, self.lattice = lattice_noise, LatticeLoss(loss, parameter_mean, parameter_std)

    def corrupt(self, crystals: Crystals, generator: torch.Generator) -> Crystals:
        """The crystals with noise on the cell, or in unit cubes.

        Args:
            crystals: a batch.
            generator: source of the noise.
        """
        if not self.lattice_noise:
            return cubes(crystals, 0.0)
        return strained(crystals, torch.full_like(crystals.volume, self.lattice_noise), generator)

    def loss(
        self, model: Callable[[Crystals], Tensor], crystals: Crystals, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """`loss`, and the errors of lengths and angles.

        Args:
            model: `crystals -> (n_crystals, 6)`.
            crystals: training crystals.
            generator: source of the noise.
        """
        scores = model(self.corrupt(crystals, generator))
        loss = self.lattice.of_scores(scores, self.lattice.scores(crystals.cell)).mean()
        difference = (self.lattice.parameters(scores) - cell_to_parameters(crystals.cell)).abs()
        return {"loss": loss, "length": difference[:, :3].mean(), "angle": difference[:, 3:].mean()}
