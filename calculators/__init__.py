"""What a user of ASE meets: generators of structures that take formulas and give `ase.Atoms`."""

from asegen.calculators.generator import Generator

__all__ = ["Generator"]
