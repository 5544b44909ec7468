"""How far a lattice is from the one that it should be: EMPNN's five losses, and the one that trains best.

Klipfel et al., AAAI 2023. All read lattice parameters or the metric tensor `G = L Lᵀ` of rows, so that no rotation of
either cell matters; each is one number per crystal, and a training loss is its mean over a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.geometry.constants import Constant
from asegen.geometry.lattice import cell_to_parameters, metric_tensor, symmetric_log

# Of z-scores, Å and degrees: Perov-5's angles are all 90°, and a deviation of rounding must not become the unit.
_SMALLEST_STD = (0.1, 0.1, 0.1, 1.0, 1.0, 1.0)
_SMOOTH = 1e-3  # strain below which `strain` is quadratic, so that its gradient stays continuous


def metric_mae(found: Tensor, goal: Tensor) -> Tensor:
    """(n_crystals,), Å²: mean |G' − G| over the nine elements."""
    return (metric_tensor(found) - metric_tensor(goal)).abs().mean((1, 2))


def metric_mse(found: Tensor, goal: Tensor) -> Tensor:
    """(n_crystals,), Å⁴: mean (G' − G)² over the nine elements."""
    return (metric_tensor(found) - metric_tensor(goal)).square().mean((1, 2))


def _relative_metric(found: Tensor, goal: Tensor) -> Tensor:
    """(n_crystals, 3, 3): `L⁻¹ G' L⁻ᵀ`, symmetric, with the eigenvalues of `G⁻¹ G'`."""
    relative = torch.linalg.solve(goal, found)
    return relative @ relative.mT


def riemann(found: Tensor, goal: Tensor) -> Tensor:
    """(n_crystals,): `tr log²(G⁻¹ G')`, the squared geodesic distance of the metric tensors."""
    return symmetric_log(_relative_metric(found, goal)).square().sum((1, 2))


def riemann_first_order(found: Tensor, goal: Tensor) -> Tensor:
    """(n_crystals,): `tr (G⁻¹ (G' − G))²`, `riemann` to lowest order."""
    eye = torch.eye(3, dtype=goal.dtype, device=goal.device)
    return (_relative_metric(found, goal) - eye).square().sum((1, 2))


def strain(found: Tensor, goal: Tensor) -> Tensor:
    """(n_crystals,): norm of the strain between the cells, `½ √riemann`, quadratic near 0.

    Crystals that can't be guessed don't drown those that can, as they do where errors are squared.
    """
    return torch.sqrt(riemann(found, goal) / 4 + _SMOOTH**2) - _SMOOTH


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "metric-mae": metric_mae,
    "metric-mse": metric_mse,
    "riemann": riemann,
    "riemann-first-order": riemann_first_order,
    "strain": strain,
}
PARAMETER_LOSSES = ("parameters-mae", "parameters-mse")


class LatticeLoss:
    """One of the losses by name.

    Args:
        name: a key of `LOSSES`, or of `PARAMETER_LOSSES`: mean |p' − p| or (p' − p)² of the z-scored a, b, c, α, β, γ.
        mean: (6,), of the parameters of training cells, Å and degrees.
        std: (6,), their standard deviations.

    Raises:
        InputError: there is none of that name.
    """

    def __init__(self, name: str, mean: Sequence[float], std: Sequence[float]) -> None:
        if name not in (*LOSSES, *PARAMETER_LOSSES):
            raise InputError(f"loss = {name!r} is not one of {', '.join((*PARAMETER_LOSSES, *LOSSES))}")
        self.name = name
        self._mean = Constant(mean)
        self._std = Constant(std)

    def scores(self, cell: Tensor) -> Tensor:
        """(n_crystals, 6): z-scored parameters of cells (n_crystals, 3, 3)."""
        return (cell_to_parameters(cell) - self._mean.to(cell)) / self._std.to(cell)

    def parameters(self, scores: Tensor) -> Tensor:
        """(n_crystals, 6): a, b, c (Å), α, β, γ (degrees) of z-scores (n_crystals, 6)."""
        return scores * self._std.to(scores) + self._mean.to(scores)

    def __call__(self, found: Tensor, goal: Tensor) -> Tensor:
        """(n_crystals,): the loss of cells, both (n_crystals, 3, 3), rows are lattice vectors, Å."""
        if self.name in LOSSES:
            return LOSSES[self.name](found, goal)
        return self.of_scores(self.scores(found), self.scores(goal))

    def of_scores(self, found: Tensor, goal: Tensor) -> Tensor:
        """(n_crystals,): the parameter loss of z-scores, both (n_crystals, 6)."""
        difference = found - goal
        return (difference.abs() if self.name == "parameters-mae" else difference.square()).mean(1)


def lattice_statistics(crystals: Crystals) -> dict[str, list[float]]:
    """`parameter_mean` and `parameter_std` of training cells."""
    p = cell_to_parameters(crystals.cell.double())
    std = torch.maximum(p.std(0), torch.tensor(_SMALLEST_STD).to(p))
    return {"parameter_mean": p.mean(0).tolist(), "parameter_std": std.tolist()}


def lattice_errors(found: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """Mean absolute errors of the lengths (Å) and of the angles (degrees), each (n_crystals,): the paper's metrics.

    Args:
        found: (n_crystals, 3, 3), rows are lattice vectors, Å.
        goal: (n_crystals, 3, 3).
    """
    difference = (cell_to_parameters(found) - cell_to_parameters(goal)).abs()
    return difference[:, :3].mean(1), difference[:, 3:].mean(1)
