"""What suits the processor."""

import argparse
import sys

import pytest
import torch

from asegen.cli.train import seconds
from asegen.training.machine import has_bfloat16, keep_freed_memory


def test_a_cpu_says_whether_it_has_bfloat16() -> None:
    assert isinstance(has_bfloat16(torch.device("cpu")), bool)
    assert not has_bfloat16(torch.device("mps"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_freed_memory_is_kept() -> None:
    assert isinstance(keep_freed_memory(), bool)


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("6h", 21600.0), ("2d", 172800.0)]
)
def test_times(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "h", "-3s", "nan", "soon", "0"])
def test_no_times(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time"):
        seconds(text)
