"""`Target`: what one crystal is asked to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ase.data import chemical_symbols

from asegen.generation.compositions import Composition, composition
from asegen.generation.host import Host
from asegen.symmetry.assignments import parse_sites


@dataclass(frozen=True)
class Target:
    """What one crystal is asked to be; what is None is left to the source.

    Attributes:
        composition: what the cell is made of; with a space group, the primitive cell.
        spacegroup: number of the space group.
        sites: what is on which Wyckoff position, see `asegen.symmetry.assignments.parse_sites`.
        material_id: where it came from, if a file names it.
        host: atoms of the composition that stay where they are.
    """

    composition: Composition | None = None
    spacegroup: int | None = None
    sites: str | None = None
    material_id: str | None = None
    host: Host | None = None

    @property
    def formula(self) -> str:
        """The composition's formula; without one, each element as often as it has sites ("" without sites too)."""
        return "" if self.atoms_named is None else self.atoms_named.formula

    @property
    def numbers(self) -> tuple[int, ...]:
        """(n_atoms,), atomic numbers of the composition; without one, an atom for each site."""
        return () if self.atoms_named is None else self.atoms_named.numbers

    @cached_property
    def atoms_named(self) -> Composition | None:
        """The composition; without one, an atom for each site, and None without sites too."""
        if self.composition is not None or self.sites is None:
            return self.composition
        counts = {z: own if isinstance(own, int) else len(own) for z, own in parse_sites(self.sites).items()}
        return composition({chemical_symbols[z]: count for z, count in counts.items()})

    @property
    def anonymous(self) -> Target:
        """The same without `material_id`."""
        return replace(self, material_id=None)
