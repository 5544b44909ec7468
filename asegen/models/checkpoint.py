"""Weights as safetensors with a JSON header; nothing is ever unpickled.

The header says what is needed to build the network and its process again: classes and hyperparameters, format version,
data, metrics, licence. Weights may be kept in half precision; they are computed with in float32.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from asegen.errors import CheckpointError

FORMAT_VERSION = 1
_KEY = "asegen"


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Writes tensors and a header atomically.

    Args:
        path: the file; replaced if there is one.
        tensors: names and tensors of any shape.
        header: JSON-serialisable.
    """
    partial = path.with_name(path.name + ".partial")
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, partial, metadata={_KEY: json.dumps({"format": FORMAT_VERSION, **header})})
    partial.chmod(0o644)  # safetensors writes 0600, which would follow the weights into every install
    os.replace(partial, path)


def read_header(path: Path) -> dict[str, Any]:
    """The header alone.

    Raises:
        CheckpointError: not a safetensors file, or not asegen's.
    """
    return _read(path, with_tensors=False)[0]


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors, on the CPU, in the precision of the file.

    Raises:
        CheckpointError: not a safetensors file, not asegen's, or of an unknown format.
    """
    return _read(path, with_tensors=True)


def _read(path: Path, with_tensors: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
            if text is None:
                raise CheckpointError(f"{path} is a safetensors file that asegen did not write")
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}
        header = json.loads(text)
    except FileNotFoundError:
        raise CheckpointError(f"no weights at {path}") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file ({error})") from None
    if header.get("format") != FORMAT_VERSION:
        raise CheckpointError(f"{path} has format {header.get('format')}, this version reads {FORMAT_VERSION}")
    return header, tensors


def load_weights(model: torch.nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Copies tensors into a network, in the network's precision.

    Raises:
        CheckpointError: names or shapes differ, or a value isn't finite.
    """
    if not all(bool(torch.isfinite(t).all()) for t in tensors.values()):
        raise CheckpointError(f"{origin} holds values that are not finite")
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{origin} does not fit its network: {reason}") from None
