"""The JSON header of a file of weights, read without torch.

It says what is needed to build the network and its task again (classes and hyperparameters), and the format's version,
data, metrics, licence. The task stands under `"process"`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from asegen.errors import CheckpointError

FORMAT_VERSION = 1
_KEY = "asegen"


def read_header(path: Path) -> dict[str, Any]:
    """The header of a file of weights.

    Raises:
        CheckpointError: there is no file, or it isn't a safetensors file, not asegen's, or of an unknown format.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY)
        if text is None:
            raise CheckpointError(f"{path} is a safetensors file that asegen did not write")
        header: dict[str, Any] = json.loads(text)
    except FileNotFoundError:
        raise CheckpointError(f"no weights at {path}") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if header.get("format") != FORMAT_VERSION:
        raise CheckpointError(f"{path} has format {header.get('format')}, this version reads {FORMAT_VERSION}")
    return header


def unreadable(path: Path, error: Exception) -> CheckpointError:
    """The error for a file that safetensors can't read."""
    return CheckpointError(f"{path} is not a readable safetensors file ({error})")


def metadata(header: Mapping[str, Any]) -> dict[str, str]:
    """A header as safetensors keeps it."""
    return {_KEY: json.dumps({"format": FORMAT_VERSION, **header})}
