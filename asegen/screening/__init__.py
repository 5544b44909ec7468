"""From thousands of candidates to the few that deserve DFT: stages, and a ledger that survives being killed."""

from importlib import import_module
from typing import Any

_DOORS = {
    "Candidate": "asegen.screening.records",
    "Column": "asegen.screening.columns",
    "Options": "asegen.screening.options",
    "Outcome": "asegen.screening.records",
    "Result": "asegen.screening.result",
    "Shown": "asegen.screening.columns",
    "Stage": "asegen.screening.stage",
    "read_atoms": "asegen.screening.ledger",
    "recipe": "asegen.screening.registry",
    "results": "asegen.screening.result",
    "screen": "asegen.screening.run",
}
__all__ = sorted(_DOORS)


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_DOORS[name]), name)
