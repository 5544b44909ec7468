"""What is asked for: compositions by name, by a file or over a chemical system, sites of a space group, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms
from ase.formula import Formula as AseFormula

from asegen.errors import InputError
from asegen.generation.compositions import Composition, from_formula, from_system
from asegen.generation.target import Target
from asegen.structures.formulas import Amounts, is_formula
from asegen.symmetry.assignments import parse_sites
from asegen.symmetry.symbols import parse_group

if TYPE_CHECKING:
    from asegen.generation.composition_files import FileTargets

Formula = str | Composition | Mapping[str, float] | Atoms | AseFormula | Amounts
"""One formula: text, counts, or an object of ASE or pymatgen; or a composition, whose cell is taken as it is."""
Formulas = Formula | Iterable[Formula]
MAX_ATOMS_OF_SYSTEM = 20
"""Atoms of the largest cells of a chemical system, unless told otherwise."""


@dataclass(frozen=True)
class Request:
    """What crystals are asked for. At most one of `formulas`, `system` and `file` is given.

    Without any of them compositions are left to the source: it makes them of `sites`, or as it likes.

    Args:
        formulas: one or several, such as "SrTiO3", {"Sr": 1, "Ti": 1, "O": 3}, pymatgen's Composition, ASE's Formula or
            Atoms; or compositions, whose cells are taken as they are.
        multiples: formula units in the cell, each asked for; 1 without it.
        n_atoms: atoms in the cell, instead of `multiples`; with formulas only.
        system: a chemical system, such as "Li-Fe-O": elements, binaries and all that follows are included.
        max_atoms: of the largest cells of `system`; 20 without it.
        file: a table, a file of structures, or a folder of files, see `asegen.generation.composition_files`; the cell
            of each row is asked for, and `left_out` says which rows have none.
        spacegroup: number or symbol, such as 225, "Fm-3m" or "P6_3/mmc"; formulas then count the primitive cell.
        file_spacegroups: take the space group of each row of `file`.
        sites: letters, "Na:a Cl:b", or numbers of sites, "Na:1,Cl:1", in `spacegroup`.
        compositions: how many to choose, where they aren't named: of a system, or of sites without a formula.

    Raises:
        InputError: something that isn't there, or that doesn't go together.
    """

    formulas: Formulas = ()
    multiples: Sequence[int] | None = None
    n_atoms: int | None = None
    system: str | None = None
    max_atoms: int | None = None
    file: str | Path | None = None
    spacegroup: int | str | None = None
    file_spacegroups: bool = False
    sites: str | None = None
    compositions: int = 1

    def __post_init__(self) -> None:
        """Refuses early what can't be: everything but what a file holds."""
        object.__setattr__(self, "formulas", _items(self.formulas))
        _at_most_one({"formulas": self._has_formulas, "system": self.system, "file": self.file})
        _at_most_one({"multiples": self.multiples, "n_atoms": self.n_atoms})
        _at_most_one({"multiples": self.multiples, "system": self.system})
        _at_most_one({"spacegroup": self.spacegroup, "file_spacegroups": self.file_spacegroups or None})
        _goes_with("n_atoms", self.n_atoms, "formulas", self._has_formulas)
        _goes_with("max_atoms", self.max_atoms, "system", self.system)
        _goes_with("file_spacegroups", self.file_spacegroups or None, "file", self.file)
        _goes_with("sites", self.sites, "spacegroup", self.spacegroup)
        if self.compositions < 1:
            raise InputError(f"compositions = {self.compositions}: at least 1 is needed", "compositions")
        if self.sites is not None:
            parse_sites(self.sites)
        if self.file is None:
            self.targets()
        elif not Path(self.file).exists():
            raise InputError(f"cannot read {self.file}: no such file or folder")

    @property
    def _has_formulas(self) -> bool | None:
        return True if self.formulas else None

    @property
    def names_compositions(self) -> bool:
        """Whether every composition is named, so that there is none to choose."""
        return bool(self._has_formulas) or self.file is not None

    def targets(self) -> list[Target]:
        """What each crystal is asked to be, once for every composition; `left_out` says what of a file is none.

        Raises:
            InputError: a formula, system, group or file that can't be read, or a file without any composition.
        """
        return list(self._targets)

    @property
    def left_out(self) -> list[str]:
        """The rows of `file`, and files of a folder, of which nothing can be asked, each with its reason.

        Raises:
            InputError: as in `targets`.
        """
        return [] if self.file is None else list(self._of_file.left_out)

    @cached_property
    def _of_file(self) -> FileTargets:
        from asegen.generation.composition_files import from_file  # loads readers of files, for a second

        assert self.file is not None
        return from_file(Path(self.file), self.multiples or (1,), self.file_spacegroups)

    @cached_property
    def _targets(self) -> list[Target]:
        group = None if self.spacegroup is None else parse_group(str(self.spacegroup))
        if self.file is not None:
            targets = self._of_file.targets
        elif self.system is not None:
            most = MAX_ATOMS_OF_SYSTEM if self.max_atoms is None else self.max_atoms
            targets = [Target(c) for c in from_system(self.system, most, self.compositions)]
        elif self._has_formulas:
            targets = [Target(c) for c in self._named()]
        else:
            targets = [Target()] * self.compositions
        return [replace(one, spacegroup=one.spacegroup or group, sites=self.sites) for one in targets]

    def _named(self) -> list[Composition]:
        multiples = (1,) if self.multiples is None else self.multiples
        found: list[Composition] = []
        for item in _items(self.formulas):
            found += [item] if isinstance(item, Composition) else from_formula(item, multiples, self.n_atoms)
        return found


Request.__init__.__doc__ = "What is asked for; arguments as above."


def _items(formulas: object) -> tuple[object, ...]:
    """The formulas one by one; one alone is no list of elements, whatever it iterates over."""
    if isinstance(formulas, Composition) or is_formula(formulas):
        return (formulas,)
    if isinstance(formulas, Iterable):
        return tuple(formulas)
    return (formulas,)  # which `from_formula` refuses by name


def _at_most_one(given: dict[str, object]) -> None:
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise InputError(f"{' and '.join(names)} exclude each other", *names)


def _goes_with(name: str, value: object, other: str, needed: object) -> None:
    if value is not None and needed is None:
        raise InputError(f"{name} goes with {other} only", name, other)
