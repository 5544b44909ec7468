"""`Target`: what one crystal is asked to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from ase.data import chemical_symbols

from asegen.generation.compositions import Composition, composition, formula_unit, multiplied
from asegen.generation.host import Host
from asegen.prototypes.formula_units import MAX_ATOMS as USUAL_ATOMS
from asegen.prototypes.formula_units import Units
from asegen.symmetry.written_sites import parse_sites


@dataclass(frozen=True)
class Target:
    """What one crystal is asked to be; what is None is left to the source.

    Attributes:
        composition: what the cell is made of; with a space group, the primitive cell. One formula unit of it, where
            `cells` aren't None.
        spacegroup: number of the space group.
        sites: what is on which Wyckoff position, see `asegen.symmetry.written_sites.parse_sites`.
        material_id: where it came from, if a file names it.
        cells: numbers of formula units that the cell may have, the likeliest first; empty until a source has found
            them; None where the composition is that of the cell.
        max_atoms: of the largest of these cells, if that is given.
        host: atoms of the composition that stay where they are.
        disordered: CIF text of a crystal that is to be ordered.
    """

    composition: Composition | None = None
    spacegroup: int | None = None
    sites: str | None = None
    material_id: str | None = None
    cells: tuple[Units, ...] | None = None
    max_atoms: int | None = None
    host: Host | None = None
    disordered: str | None = None

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

    @property
    def most_atoms(self) -> int:
        """Atoms of the largest cell that it may have; 0 where nothing is known of it."""
        return len(self.numbers) * max((cell.multiple for cell in self.cells or ()), default=1)

    @property
    def small_cells(self) -> tuple[Units, ...]:
        """The cells that a model may draw: larger ones are those of known crystals only, unless there are no others."""
        cells = self.cells or ()
        if self.max_atoms is not None:
            return cells
        return tuple(cell for cell in cells if cell.multiple * len(self.numbers) <= USUAL_ATOMS) or cells

    def with_units(self, multiple: int) -> Target:
        """The same in a cell of so many formula units, which then is the cell."""
        assert self.composition is not None
        return replace(self, composition=multiplied(self.composition, multiple), cells=None, max_atoms=None)

    def exchanged(self, element_map: Mapping[int, int]) -> Target:
        """The same with other elements.

        Args:
            element_map: atomic numbers -> what takes their places; others stay.
        """
        counts = Counter(chemical_symbols[element_map.get(z, z)] for z in self.numbers)
        return replace(self, composition=composition(counts))

    @property
    def whole_cells(self) -> list[Target]:
        """A target for each cell that it may have."""
        return [self] if self.cells is None else [self.with_units(cell.multiple) for cell in self.cells]


def with_open_cell(unit: Composition, material_id: str | None = None) -> Target:
    """A target whose cell may have any number of formula units; a formula written out, such as Ti2O4, is the cell.

    Args:
        unit: as it was written.
        material_id: see `Target`.
    """
    return Target(unit, material_id=material_id, cells=() if formula_unit(unit) == unit else None)
