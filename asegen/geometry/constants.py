"""Numbers that belong to no network, on whatever device they are needed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Constant:
    """Numbers that are copied once to each device and type: every copy to a GPU waits for it.

    Args:
        values: numbers, nested lists of them, or a tensor; kept in float64.
    """

    def __init__(self, values: Any) -> None:
        self.values = torch.as_tensor(values, dtype=torch.float64)
        self._copies: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def to(self, like: Tensor) -> Tensor:
        """The numbers on the device and in the type of a tensor; not to be changed in place."""
        key = (like.device, like.dtype)
        if key not in self._copies:
            self._copies[key] = self.values.to(like)
        return self._copies[key]
