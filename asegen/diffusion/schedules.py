"""Noise schedules of diffusion in discrete time, and the Gaussian posteriors that follow from them.

With β_1 … β_T the variances of the steps and ᾱ_t = Π (1 − β_s), variance-preserving diffusion (Ho et al., NeurIPS 2020)
has q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I). Time 0 is the data: ᾱ_0 = 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


class LinearSchedule:
    """β growing linearly from the first step to the last.

    Args:
        first: β_1.
        last: β_T.
        steps: T.
    """

    def __init__(self, first: float, last: float, steps: int) -> None:
        self.steps = steps
        beta = torch.linspace(first, last, steps, dtype=torch.float64)
        self.alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)])

    def times(self, count: int | None = None) -> list[int]:
        """Times of a sampler of `count` steps, T first, then nearly evenly down to 0: count + 1 integers.

        Args:
            count: at most T; T without it.
        """
        count = min(count or self.steps, self.steps)
        return [round(self.steps * (count - k) / count) for k in range(count + 1)]

    def noise_std(self, time: Tensor) -> Tensor:
        """√(1 − ᾱ_t), the standard deviation of x_t around its mean.

        Args:
            time: (…), int64, 0 to T.
        """
        return torch.sqrt(1 - self.alpha_bar.to(time.device)[time])

    def diffuse(self, x0: Tensor, time: Tensor, noise: Tensor) -> Tensor:
        """`√ᾱ_t x_0 + √(1 − ᾱ_t) ε`.

        Args:
            x0: (n, width), data.
            time: (n,), int64, 0 to T.
            noise: (n, width), standard normal.
        """
        signal = torch.sqrt(self.alpha_bar.to(time.device)[time])
        return signal[:, None].to(x0) * x0 + self.noise_std(time)[:, None].to(x0) * noise

    def step_variance(self, later: Tensor, earlier: Tensor) -> Tensor:
        """1 − ᾱ_t/ᾱ_s: the variance added between two times; β_t for s = t − 1.

        Args:
            later: (…), int64, t.
            earlier: (…), int64, s ≤ t.
        """
        alpha_bar = self.alpha_bar.to(later.device)
        return 1 - alpha_bar[later] / alpha_bar[earlier]

    def posterior_mean(self, xt: Tensor, x0: Tensor, later: Tensor, earlier: Tensor) -> Tensor:
        """Mean of q(x_s | x_t, x_0): `(√ᾱ_s β_ts x_0 + √(1 − β_ts) (1 − ᾱ_s) x_t)/(1 − ᾱ_t)`, β_ts as above.

        This is μ̃_t of Ho et al., equation 7, for s = t − 1; at s = 0 it is x_0.

        Args:
            xt: (n, width).
            x0: (n, width).
            later: (n,), int64, t ≥ 1.
            earlier: (n,), int64, s < t.
        """
        alpha_bar, beta = self.alpha_bar.to(later.device), self.step_variance(later, earlier)
        of_x0 = torch.sqrt(alpha_bar[earlier]) * beta / (1 - alpha_bar[later])
        of_xt = torch.sqrt(1 - beta) * (1 - alpha_bar[earlier]) / (1 - alpha_bar[later])
        return of_x0[:, None].to(x0) * x0 + of_xt[:, None].to(xt) * xt

    def posterior_std(self, later: Tensor, earlier: Tensor) -> Tensor:
        """Standard deviation of q(x_s | x_t, x_0): the root of `(1 − ᾱ_s)/(1 − ᾱ_t) β_ts`; 0 at s = 0.

        Args:
            later: (…), int64, t ≥ 1.
            earlier: (…), int64, s < t.
        """
        alpha_bar = self.alpha_bar.to(later.device)
        left = (1 - alpha_bar[earlier]) / (1 - alpha_bar[later])
        return torch.sqrt(left * self.step_variance(later, earlier))
