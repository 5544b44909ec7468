"""What a user of ASE meets: a generator that gives `ase.Atoms` for formulas, and a relaxer used as an optimiser."""

from asegen.calculators.generator import Generator
from asegen.calculators.relaxer import LearnedRelaxer, relax_structures

__all__ = ["Generator", "LearnedRelaxer", "relax_structures"]
