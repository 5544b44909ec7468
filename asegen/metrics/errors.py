"""Standard errors of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

ERROR = "_error"
"""End of the name of a standard error, behind the name of its figure."""


def with_errors(shares: Mapping[str, float], n: int) -> dict[str, float]:
    """Shares, each followed by its standard error, sqrt(p (1 - p) / n).

    Args:
        shares: of n structures.
        n: at least 1.
    """
    return {
        key: value
        for name, p in shares.items()
        for key, value in ((name, p), (name + ERROR, float(np.sqrt(max(p * (1 - p), 0.0) / n))))
    }


def mean_with_error(name: str, values: Sequence[float]) -> dict[str, float]:
    """The mean of some values and its standard error; NaN where there are too few.

    Args:
        name: of the figure.
        values: any number.
    """
    n = len(values)
    error = float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return {name: float(np.mean(values)) if n else float("nan"), name + ERROR: error}
