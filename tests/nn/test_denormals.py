"""What is under the smallest normal number counts as zero, and only within."""

import pytest
import torch

from asegen.nn.denormals import flushed_denormals


def tiny() -> torch.Tensor:
    return torch.full((64,), 1e-40) * 1.0


@pytest.fixture(autouse=True)
def can_flush():
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor can't")


def test_they_are_zero_within_and_numbers_after() -> None:
    with flushed_denormals():
        assert (tiny() == 0).all()
        with flushed_denormals():
            pass
        assert (tiny() == 0).all()  # whoever wanted it outside still has it
    assert (tiny() > 0).all()


def test_an_error_ends_it_too() -> None:
    with pytest.raises(ZeroDivisionError), flushed_denormals():
        _ = 1 / 0
    assert (tiny() > 0).all()
