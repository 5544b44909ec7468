"""How the relaxation of a crystal ends, in words; without torch, for processes that only read or pass on records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONVERGED, OUT_OF_STEPS, VOLUME, NOT_FINITE, NO_CELL, FAILED = (
    "converged", "out of steps", "volume", "not finite", "no cell", "failed",
)  # fmt: skip
STATUSES = (CONVERGED, OUT_OF_STEPS, VOLUME, NOT_FINITE, NO_CELL, FAILED)
"""Of a crystal that was moved by a network."""
REFUSED, INVALID = "refused", "invalid"
"""Of structures given as Atoms: not a crystal that can be relaxed; fails the validity gate when it stops."""
_NOTED = "status reason steps fmax strain model start calculator pressure energy_per_atom enthalpy_per_atom"
_NOTES = frozenset(f"relax_{name}" for name in _NOTED.split())


def without_notes(info: Mapping[str, Any]) -> dict[str, Any]:
    """`Atoms.info` without what an earlier relaxation noted there.

    A network gives no energy, and what has converged no reason: left there, those of before would be taken for the new
    crystal's.

    Args:
        info: of a structure, or what stood beside it in a file.
    """
    return {key: value for key, value in info.items() if key not in _NOTES}
