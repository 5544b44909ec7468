"""What a user of ASE meets: a generator of `ase.Atoms`, a relaxer used as an optimiser, predictions as a calculator."""

from asegen.calculators.analogy import AnalogyGenerator
from asegen.calculators.generator import Generator
from asegen.calculators.hybrid import HybridCandidates, HybridGenerator
from asegen.calculators.property import PropertyCalculator
from asegen.calculators.ranked import RankedGenerator
from asegen.calculators.relaxer import LearnedRelaxer, relax_structures
from asegen.calculators.score import ScoreGenerator
from asegen.calculators.symmetric import SymmetricGenerator
from asegen.calculators.template import TemplateGenerator

__all__ = [
    "AnalogyGenerator",
    "Generator",
    "HybridCandidates",
    "HybridGenerator",
    "LearnedRelaxer",
    "PropertyCalculator",
    "RankedGenerator",
    "ScoreGenerator",
    "SymmetricGenerator",
    "TemplateGenerator",
    "relax_structures",
]
