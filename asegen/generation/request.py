"""What is asked for: compositions by name, by a file or over a chemical system, sites of a space group, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms
from ase.formula import Formula as AseFormula

from asegen.arguments import listed, text, whole_number
from asegen.errors import InputError
from asegen.generation.compositions import MAX_ATOMS, Composition, from_formula
from asegen.generation.host import read_host
from asegen.generation.target import Target, with_open_cell
from asegen.prototypes.exchanges import parse_element_map
from asegen.structures.formulas import Amounts, formula_counts, is_formula, parse_system
from asegen.structures.given import Structure
from asegen.symmetry.symbols import parse_group
from asegen.symmetry.written_sites import parse_sites

if TYPE_CHECKING:
    from asegen.generation.composition_files import FileTargets

Formula = str | Composition | Mapping[str, float] | Atoms | AseFormula | Amounts
"""One formula: text, counts, or an object of ASE or pymatgen; or a composition, whose cell is taken as it is."""
Formulas = Formula | Iterable[Formula]


@dataclass(frozen=True)
class Request:
    """What crystals are asked for. At most one of `formulas`, `system`, `file` and `host` is given.

    Without any of them compositions are left to the source: it makes them of `sites`, or as it likes.

    A reduced formula, such as "TiO2", leaves the number of formula units in the cell open: structures are spread over
    those that known crystals of such compositions have, the likeliest first. One that is written out, such as "Ti2O4",
    is the cell.

    Args:
        formulas: one or several, such as "SrTiO3", {"Sr": 1, "Ti": 1, "O": 3}, pymatgen's Composition, ASE's Formula or
            Atoms; of Atoms and of an asegen `Composition` the cell is taken as it is.
        multiples: formula units in the cell, each asked for; 2 is (2,).
        n_atoms: atoms in the cell, instead of `multiples`; with formulas only.
        system: a chemical system, such as "Li-Fe-O": elements, binaries and all that follows are included, what is
            known first, see `asegen.generation.systems`.
        max_atoms: of the largest cell, where the number of formula units is open; 20 without it, more where known
            crystals need it.
        file: a table, a file of structures, or a folder of files, see `asegen.generation.composition_files`; the cell
            of each row is asked for, and `left_out` says which rows have none.
        spacegroup: number or symbol, such as 225, "Fm-3m" or "P6_3/mmc"; formulas then count the primitive cell.
        file_spacegroups: take the space group of each row of `file`.
        sites: letters, "Na:a Cl:b", or numbers of sites, "Na:1,Cl:1", in `spacegroup`.
        compositions: how many to choose, where they aren't named: of sites without a formula; or of a system, where a
            promising one comes several times.
        element_map: which element takes the place of which in the rows of `file`, such as "Li:Na Co:Ni".
        order: the crystals of `file` have partial occupancies that are to be ordered, see the source "orderings".
        host: a crystal, Atoms or pymatgen's Structure, or a file that holds one, whose atoms stay, see
            `asegen.generation.host.read_host`.
        add: what is added to the host's cell, such as "Li2".
        keep: elements of the host that stay, such as "Ti O"; the others are drawn anew, unless `add` names what.
        host_cell: "fixed" (default); "scaled", its volume may change; or "free".

    Raises:
        InputError: something that isn't there, or that doesn't go together.
    """

    formulas: Formulas = ()
    multiples: int | Sequence[int] | None = None
    n_atoms: int | None = None
    system: str | None = None
    max_atoms: int | None = None
    file: str | Path | None = None
    spacegroup: int | str | None = None
    file_spacegroups: bool = False
    sites: str | None = None
    compositions: int = 1
    element_map: str | None = None
    order: bool = False
    host: Structure | str | Path | None = None
    add: Formula | None = None
    keep: str | Sequence[str] | None = None
    host_cell: str | None = None

    def __post_init__(self) -> None:
        """Refuses early what can't be: everything but what a file holds."""
        object.__setattr__(self, "formulas", _items(self.formulas))
        object.__setattr__(self, "multiples", _whole_numbers(self.multiples))
        for name in ("compositions", "n_atoms", "max_atoms"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        for name, example in (("system", "Li-Fe-O"), ("sites", "Na:a Cl:b"), ("element_map", "Li:Na Co:Ni")):
            if getattr(self, name) is not None:
                text(name, getattr(self, name), example)
        if not isinstance(self.file, str | Path | None):
            raise InputError(f"file = {self.file!r:.60}: one path is needed", "file")
        _at_most_one({"formulas": self._has_formulas, "system": self.system, "file": self.file, "host": self.host})
        self._check_host()
        _at_most_one({"multiples": self.multiples, "n_atoms": self.n_atoms})
        _at_most_one({"multiples": self.multiples, "system": self.system})
        _at_most_one({"spacegroup": self.spacegroup, "file_spacegroups": self.file_spacegroups or None})
        _goes_with("n_atoms", self.n_atoms, "formulas", self._has_formulas)
        _at_most_one({"max_atoms": self.max_atoms, "multiples": self.multiples, "n_atoms": self.n_atoms})
        _check_max_atoms(self.max_atoms)
        _goes_with("file_spacegroups", self.file_spacegroups or None, "file", self.file)
        _goes_with("order", self.order or None, "file", self.file)
        _at_most_one({"order": self.order or None, "element_map": self.element_map, "multiples": self.multiples})
        _goes_with("element_map", self.element_map, "file", self.file)
        _goes_with("sites", self.sites, "spacegroup", self.spacegroup)
        if self.compositions < 1:
            raise InputError(f"compositions = {self.compositions}: at least 1 is needed", "compositions")
        if self.compositions > 1 and self.names_compositions:
            raise InputError("compositions goes with what names none: system, sites, or nothing", "compositions")
        if self.sites is not None:
            parse_sites(self.sites)
        if self.element_map is not None:
            parse_element_map(self.element_map)
        if self.system is not None:
            parse_system(self.system)  # before the hull is loaded
        if self.file is None:
            self.targets()
        elif not Path(self.file).exists():
            raise InputError(f"cannot read {self.file}: no such file or folder")

    def _check_host(self) -> None:
        for name in ("add", "keep", "host_cell"):
            _goes_with(name, getattr(self, name), "host", self.host)
        for name in ("multiples", "spacegroup"):
            _at_most_one({"host": self.host, name: getattr(self, name)})

    @property
    def _has_formulas(self) -> bool | None:
        return True if self.formulas else None

    @property
    def _multiples(self) -> tuple[int, ...] | None:
        return _whole_numbers(self.multiples)

    @property
    def names_compositions(self) -> bool:
        """Whether every composition is named, so that there is none to choose."""
        return bool(self._has_formulas) or self.file is not None or self.host is not None

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

    @property
    def notes(self) -> list[str]:
        """What may have been meant otherwise, one line each.

        Raises:
            InputError: as in `targets`.
        """
        partly = [symbol for one in self._targets if one.host is not None for symbol in one.host.partly_held]
        gone = "drawn anew" if self.add is None else "left out"
        held = f"not held in all directions, {gone}: {', '.join(partly)}" if partly else None
        cell_is_chosen = self.multiples or self.n_atoms or self.sites
        counted = [] if cell_is_chosen else [_counted_element(item) for item in _items(self.formulas)]
        return [line for line in (held, *counted) if line is not None]

    @cached_property
    def _of_file(self) -> FileTargets:
        from asegen.generation.composition_files import from_file, orderings_of  # loads readers of files, for a second

        assert self.file is not None
        if self.order:
            return orderings_of(Path(self.file))
        return from_file(Path(self.file), self._multiples, self.file_spacegroups)

    @cached_property
    def _targets(self) -> list[Target]:
        group = None if self.spacegroup is None else parse_group(str(self.spacegroup))
        if self.file is not None:
            targets = self._of_file.targets
            if self.element_map is not None:
                exchange = parse_element_map(self.element_map)
                targets = [target.exchanged(exchange) for target in targets]
        elif self.host is not None:
            host = read_host(self.host, self.add, self.keep, self.host_cell)
            targets = [Target(host.composition, host=host)]
        elif self.system is not None:
            from asegen.generation.systems import from_system  # loads the hull

            units = from_system(self.system, self.compositions, self.max_atoms)
            targets = [Target(unit, cells=()) for unit in units]
        elif self._has_formulas:
            targets = self._named()
        else:
            targets = [Target()] * self.compositions
        most = self.max_atoms
        for one in targets:
            _check_room(one, most)
        return [
            replace(
                one,
                spacegroup=one.spacegroup or group,
                sites=self.sites,
                max_atoms=None if one.cells is None else most,
            )
            for one in targets
        ]

    def _named(self) -> list[Target]:
        found: list[Target] = []
        for item in _items(self.formulas):
            if isinstance(item, Composition):
                found.append(Target(item))
                continue
            cells = from_formula(item, self._multiples or (1,), self.n_atoms)
            is_cell = isinstance(item, Atoms) or self.sites or self.multiples or self.n_atoms
            found += [Target(cell) if is_cell else with_open_cell(cell) for cell in cells]
        return found


Request.__init__.__doc__ = "What is asked for; arguments as above."


def _items(formulas: object) -> tuple[object, ...]:
    """The formulas one by one; one alone is no list of elements, whatever it iterates over."""
    if isinstance(formulas, Composition) or is_formula(formulas):
        return (formulas,)
    return tuple(listed(formulas))  # what is no formula is refused by name in `from_formula`


def _counted_element(item: object) -> str | None:
    """What is said of a molecule's formula such as I2, which is written for the element and means a cell."""
    counts = formula_counts(item) if isinstance(item, str) else {}
    if len(counts) != 1:
        return None
    ((symbol, count),) = counts.items()
    if count == 1:
        return None
    return f"{symbol}{count}: {count} atoms of {symbol} in the cell; for the element's structures write {symbol}"


def _whole_numbers(multiples: object) -> tuple[int, ...] | None:
    """Multiples as they are asked for, one alone or several.

    Raises:
        InputError: something else.
    """
    if multiples is None:
        return None
    several = listed(multiples)
    if not several:
        raise InputError("multiples = (): at least one is needed", "multiples")
    return tuple(whole_number("multiples", one) for one in several)


def _check_max_atoms(most: int | None) -> None:
    if most is not None and not 1 <= most <= MAX_ATOMS:
        raise InputError(f"max_atoms = {most}: between 1 and {MAX_ATOMS} are possible", "max_atoms")


def _check_room(target: Target, most: int | None) -> None:
    """Refuses an open cell that can't hold one formula unit."""
    if most is not None and target.cells is not None and len(target.numbers) > most:
        raise InputError(f"max_atoms = {most}: {target.formula} has {len(target.numbers)} atoms", "max_atoms")


def _at_most_one(given: dict[str, object]) -> None:
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise InputError(f"{' and '.join(names)} exclude each other", *names)


def _goes_with(name: str, value: object, other: str, needed: object) -> None:
    if value is not None and needed is None:
        raise InputError(f"{name} goes with {other} only", name, other)
