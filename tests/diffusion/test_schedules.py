"""Schedules against the chain of single steps and against conditioning of joint Gaussians."""

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from asegen.diffusion.schedules import LinearSchedule

STEPS = 20
SCHEDULE = LinearSchedule(1e-3, 0.3, STEPS)
BETA = np.linspace(1e-3, 0.3, STEPS)


def joint(earlier: int, later: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors of x_0 in the means of (x_s, x_t), and their covariance, by walking the chain step by step."""
    mean, covariance = np.ones(2), np.zeros((2, 2))
    for t in range(1, later + 1):
        moves = np.array([t <= earlier, True])
        factor = np.where(moves, np.sqrt(1 - BETA[t - 1]), 1.0)
        mean = mean * factor
        covariance = covariance * np.outer(factor, factor)
        # Up to s both are the same variable; beyond it only x_t gets noise.
        covariance += BETA[t - 1] * (np.ones((2, 2)) if t <= earlier else np.diag([0.0, 1.0]))
    return mean, covariance


def test_noise_is_what_the_single_steps_add_up_to() -> None:
    for t in range(STEPS + 1):
        mean, covariance = joint(t, t)
        assert math.isclose(float(SCHEDULE.noise_std(torch.tensor(t))), math.sqrt(covariance[1, 1]), abs_tol=1e-12)
        x0, noise = torch.tensor([[2.0]], dtype=torch.float64), torch.tensor([[-0.5]], dtype=torch.float64)
        expected = mean[1] * 2.0 - 0.5 * math.sqrt(covariance[1, 1])
        assert math.isclose(float(SCHEDULE.diffuse(x0, torch.tensor([t]), noise)), expected, abs_tol=1e-12)


@given(st.data())
def test_posterior_is_the_conditional_of_the_joint_gaussian(data: st.DataObject) -> None:
    later = data.draw(st.integers(1, STEPS))
    earlier = data.draw(st.integers(0, later - 1))
    x0, xt = data.draw(st.floats(-3, 3)), data.draw(st.floats(-3, 3))
    mean, covariance = joint(earlier, later)
    gain = covariance[0, 1] / covariance[1, 1]
    t, s = torch.tensor([later]), torch.tensor([earlier])
    a, b = torch.tensor([[xt]], dtype=torch.float64), torch.tensor([[x0]], dtype=torch.float64)
    expected = mean[0] * x0 + gain * (xt - mean[1] * x0)
    assert math.isclose(float(SCHEDULE.posterior_mean(a, b, t, s)), expected, abs_tol=1e-10)
    left = covariance[0, 0] - gain * covariance[0, 1]
    assert math.isclose(float(SCHEDULE.posterior_std(t, s)) ** 2, left, abs_tol=1e-12)


def test_step_variance_of_neighbouring_times_is_beta() -> None:
    t = torch.arange(1, STEPS + 1)
    np.testing.assert_allclose(SCHEDULE.step_variance(t, t - 1).numpy(), BETA, atol=1e-12)


@given(st.integers(1, 3 * STEPS))
def test_times_go_from_the_last_to_the_data_without_a_repeat(count: int) -> None:
    times = SCHEDULE.times(count)
    assert times[0] == STEPS and times[-1] == 0 and len(times) == min(count, STEPS) + 1
    assert all(later > earlier for later, earlier in zip(times, times[1:], strict=False))
    assert SCHEDULE.times() == list(range(STEPS, -1, -1))
