"""The losses against closed forms, rotations and scipy."""

import numpy as np
import pytest
import scipy.linalg
import torch
from ase.cell import Cell

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.geometry.lattice import symmetric_exp
from asegen.relaxation.losses import (
    LOSSES,
    PARAMETER_LOSSES,
    LatticeLoss,
    lattice_errors,
    lattice_statistics,
    riemann,
    riemann_first_order,
    strain,
)


def cells(seed: int, n: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 5 * torch.eye(3, dtype=torch.float64) + 0.5 * torch.randn(n, 3, 3, generator=generator, dtype=torch.float64)


def make(name: str) -> LatticeLoss:
    return LatticeLoss(name, [5, 5, 5, 90, 90, 90], [1, 1, 1, 10, 10, 10])


@pytest.mark.parametrize("name", [*LOSSES, *PARAMETER_LOSSES])
def test_losses_vanish_at_the_goal_and_know_no_rotation(name: str) -> None:
    loss, found, goal = make(name), cells(0), cells(1)
    assert loss(goal, goal).abs().max() < 1e-10
    value = loss(found, goal)
    assert value.shape == (4,) and (value > 0).all()
    q, p = (torch.linalg.qr(cells(seed))[0] for seed in (2, 3))
    torch.testing.assert_close(loss(found @ q, goal @ p), value)


@pytest.mark.parametrize("name", [*LOSSES, *PARAMETER_LOSSES])
def test_gradients_are_finite_at_a_cubic_goal(name: str) -> None:
    goal = 4 * torch.eye(3, dtype=torch.float64)[None]
    for start in (goal.clone(), 1.1 * goal):
        leaf = start.requires_grad_()
        make(name)(leaf, goal).sum().backward()
        assert torch.isfinite(leaf.grad).all()
        leaf.grad = None


def test_riemann_is_scipys_logarithm_and_its_first_order_agrees_for_small_strains() -> None:
    found, goal = cells(0), cells(1)
    for f, g, value in zip(found.numpy(), goal.numpy(), riemann(found, goal), strict=True):
        log = scipy.linalg.logm(np.linalg.inv(g @ g.T) @ (f @ f.T))
        np.testing.assert_allclose(float(value), np.trace(log @ log).real, rtol=1e-9)
        relative = np.linalg.inv(g @ g.T) @ (f @ f.T - g @ g.T)
        np.testing.assert_allclose(
            float(riemann_first_order(torch.tensor(f)[None], torch.tensor(g)[None])), np.trace(relative @ relative)
        )
    small = 1e-5 * (found + found.mT)
    near = goal @ symmetric_exp(small)
    torch.testing.assert_close(riemann_first_order(near, goal), riemann(near, goal), rtol=1e-2, atol=0)


def test_strain_is_the_norm_of_the_strain() -> None:
    goal, e = cells(1), torch.diag(torch.tensor([0.3, -0.1, 0.2], dtype=torch.float64))
    expected = e.norm().expand(4)
    torch.testing.assert_close(strain(goal @ symmetric_exp(e), goal), expected, atol=2e-3, rtol=0)


def test_parameters_and_errors_are_those_of_ase() -> None:
    found, goal = cells(0), cells(1)
    p, q = (np.array([Cell(c).cellpar() for c in x.numpy()]) for x in (found, goal))
    length, angle = lattice_errors(found, goal)
    np.testing.assert_allclose(length, np.abs(p - q)[:, :3].mean(1))
    np.testing.assert_allclose(angle, np.abs(p - q)[:, 3:].mean(1))
    z = np.abs(p - q) / np.array([1, 1, 1, 10, 10, 10])
    np.testing.assert_allclose(make("parameters-mae")(found, goal), z.mean(1))
    np.testing.assert_allclose(make("parameters-mse")(found, goal), (z**2).mean(1))
    loss = make("parameters-mse")
    np.testing.assert_allclose(loss.parameters(loss.scores(found)), p)


def test_constant_angles_do_not_blow_up_the_scores() -> None:
    cubes = torch.linspace(4, 5, 5, dtype=torch.float64)[:, None, None] * torch.eye(3, dtype=torch.float64)
    crystals = Crystals(cubes, torch.zeros(5, 3).double(), torch.ones(5).long(), torch.ones(5).long())
    assert lattice_statistics(crystals)["parameter_std"][3:] == [1.0, 1.0, 1.0]
    with pytest.raises(InputError, match="riemann"):
        make("mse")
