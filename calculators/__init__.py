"""What a user of ASE meets: a generator of `ase.Atoms`, a relaxer used as an optimiser, predictions as a calculator."""

from importlib import import_module
from typing import Any

_DOORS = {
    "Generator": "asegen.generation.generator",
    "LearnedRelaxer": "asegen.calculators.relaxer",
    "PropertyCalculator": "asegen.calculators.property",
    "Ranking": "asegen.generation.ranking",
    "Request": "asegen.generation.request",
    "open_source": "asegen.generation.sources.registry",
    "relax_structures": "asegen.calculators.learned_relaxation",
    "relax_with_calculator": "asegen.calculators.calculator_relaxation",
}
__all__ = sorted(_DOORS)


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_DOORS[name]), name)
