"""What a user of ASE meets: a generator of `ase.Atoms`, a relaxer used as an optimiser, predictions as a calculator."""

from importlib import import_module
from typing import Any

_DOORS = {
    "AnalogyGenerator": "asegen.generation.sources.analogy",
    "Generator": "asegen.generation.generator",
    "HybridCandidates": "asegen.generation.sources.hybrid",
    "HybridGenerator": "asegen.generation.sources.hybrid",
    "LearnedRelaxer": "asegen.calculators.relaxer",
    "PropertyCalculator": "asegen.calculators.property",
    "RankedGenerator": "asegen.generation.ranked",
    "ScoreGenerator": "asegen.generation.sources.score",
    "SymmetricGenerator": "asegen.generation.sources.symmetric",
    "TemplateGenerator": "asegen.generation.sources.template",
    "relax_structures": "asegen.calculators.relaxer",
}
__all__ = sorted(_DOORS)


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_DOORS[name]), name)
