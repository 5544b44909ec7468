"""Weights as safetensors with a JSON header; nothing is ever unpickled.

Weights may be kept in half precision; they are computed with in float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from asegen.errors import CheckpointError
from asegen.models.header import metadata, read_header, unreadable
from asegen.parallel.files import replacing

_STORED = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Writes tensors and a header atomically.

    Args:
        path: the file; replaced if there is one.
        tensors: names and tensors of any shape.
        header: JSON-serialisable.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as beside:
        save_file(contiguous, beside, metadata=metadata(header))
        beside.chmod(0o644)  # safetensors writes 0600, which would follow the weights into every install


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors, on the CPU, in the precision of the file.

    Raises:
        CheckpointError: as `read_header`.
    """
    header = read_header(path)
    try:
        return header, load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise unreadable(path, error) from None


def load_weights(model: torch.nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Copies tensors into a network, in the network's precision.

    Raises:
        CheckpointError: names or shapes differ, or a value isn't a finite number with a fraction.
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in _STORED:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise CheckpointError(f"{origin} holds {name[:100]!r} as {kind}; weights are floating-point numbers")
    if not all(bool(torch.isfinite(t).all()) for t in tensors.values()):
        raise CheckpointError(f"{origin} holds values that are not finite")
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{origin} does not fit its network: {reason}") from None
