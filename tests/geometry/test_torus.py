"""The torus against closed forms and autograd."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asegen.geometry.torus import shortest, wrap

FRACTIONS = st.floats(-50, 50, allow_nan=False)


@given(FRACTIONS)
def test_wrap_lies_in_the_unit_interval_and_keeps_the_class(x: float) -> None:
    value = wrap(torch.tensor(x, dtype=torch.float64))
    assert 0 <= value < 1
    assert abs(math.remainder(float(value) - x, 1.0)) < 1e-9


def test_wrap_never_gives_one() -> None:
    assert wrap(torch.tensor(-1e-12, dtype=torch.float32)) == 0


@given(FRACTIONS)
def test_shortest_is_math_remainder(x: float) -> None:
    assert float(shortest(torch.tensor(x, dtype=torch.float64))) == pytest.approx(math.remainder(x, 1.0), abs=1e-12)
