"""How good generated crystals are."""

from importlib import import_module
from typing import Any

_DOORS = {
    "METRICS": "asegen.metrics.registry",
    "Evaluation": "asegen.metrics.evaluation",
    "Measurement": "asegen.metrics.evaluation",
    "evaluate": "asegen.metrics.evaluation",
}
__all__ = sorted(_DOORS)


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_DOORS[name]), name)
