"""Denormal numbers, which many processors multiply a hundred times slower than others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Within it this thread takes float32 numbers under 1.2e-38 (float64: 2.2e-308) for zero; then all is as before.

    For networks of other packages, whose layers can't be changed; a processor that can't do it computes as ever.
    """
    before = bool(torch.tensor([1e-40]).mul(1.0).eq(0.0))
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
