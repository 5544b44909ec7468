"""The symmetry operations of a CIF: those it lists, else those of the setting that its names and its cell leave."""

from __future__ import annotations

from collections.abc import Sequence

import spglib

from asegen.structures.cif_tags import Tags, column, said
from asegen.structures.errors import StructureError
from asegen.structures.operations import fit_cell, group_of, parse_operations, products
from asegen.structures.settings import (
    Floats,
    Operations,
    all_settings,
    group_number,
    settings_of,
    settings_of_hall,
    tabulated_operations,
)

_LISTS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_MAGNETIC_LIST = "_space_group_symop_magn_operation_xyz"
_MAGNETIC_CENTRING = "_space_group_symop_magn_centering_xyz"
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NAME = (
    "_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m_full",
    "_space_group_name_h-m_ref",
)  # fmt: skip
_NUMBER = ("_space_group_it_number", "_symmetry_int_tables_number")
_CHOICE = ("_space_group_it_coordinate_system_code",)
_MODULATED = ("ssg_", "_cell_modulation_dimension")
_MONOCLINIC = range(3, 16)


def possible_operations(tags: Tags, cell: Floats) -> tuple[list[Operations], str]:
    """The operations that a CIF may mean, all of which fit its cell.

    Args:
        tags: of its block.
        cell: (3, 3), rows are lattice vectors, Å.

    Returns:
        One set of operations, or those of several settings where the name leaves a choice of origin; and the name.

    Raises:
        StructureError: operations that are none, no group or don't fit the cell; a name that is unknown, means several
            settings or none that fits; names that contradict each other; a modulated structure.
    """
    if any(mark in tag for tag in tags for mark in _MODULATED):
        raise StructureError("bad symmetry: a modulated structure has no unit cell")
    listed = listed_operations(tags) or _magnetic_operations(tags)
    if listed is not None:
        if not fit_cell(listed[0], cell):
            raise StructureError("bad symmetry: the operations listed are no symmetries of the cell")
        return [listed], ""
    name = named_group(tags)
    if name is None:
        if any(tag.startswith(("_space_group_magn", "_parent_space_group")) for tag in tags):
            raise StructureError("bad symmetry: a magnetic group is named, and no operations are listed")
        return [parse_operations(("x,y,z",))], ""
    settings = _named_settings(tags, name, cell)
    return [tabulated_operations(setting.hall_number) for setting in settings], name


def listed_operations(tags: Tags) -> Operations | None:
    """The operations that a CIF lists; None where it lists none."""
    listed = _listed(tags)
    return None if listed is None else parse_operations(listed)


def listed_group(tags: Tags) -> int | None:
    """The number of the group of the operations listed; None where none are, or spglib can't tell."""
    listed = _listed(tags)
    return None if listed is None else group_of(listed)


def named_numbers(tags: Tags) -> list[tuple[str, int]]:
    """What a CIF's names say that is known: each with the number of the group that it means."""
    found: list[tuple[str, int | None]] = []
    for hall in _all_said(tags, _HALL):
        found.append((hall, next((setting.number for setting in settings_of_hall(hall)), None)))
    found += [(name, group_number(name)) for name in _all_said(tags, _NAME)]
    found += [(number, int(number)) for number in _all_said(tags, _NUMBER) if number.isdecimal()]
    return [(name, number) for name, number in found if number is not None]


def named_group(tags: Tags) -> str | None:
    """How a CIF names its group: by Hall symbol, Hermann-Mauguin symbol or number; None where it doesn't."""
    return said(tags, _HALL) or said(tags, _NAME) or said(tags, _NUMBER)


def _all_said(tags: Tags, names: Sequence[str]) -> list[str]:
    """What each of several tags says, old and new names of one item among them."""
    return [text for name in names if (text := said(tags, (name,))) is not None]


def _listed(tags: Tags) -> tuple[str, ...] | None:
    listed = next((values for tag in _LISTS if (values := column(tags, tag))), None)
    return None if listed is None else tuple(str(operation) for operation in listed)


def _magnetic_operations(tags: Tags) -> Operations | None:
    """What magnetic operations do to atoms; whether they reverse moments is left out."""
    listed, centring = column(tags, _MAGNETIC_LIST), column(tags, _MAGNETIC_CENTRING)
    if not listed:
        return None
    operations = _spatial(listed)
    if not centring:
        return parse_operations(tuple(operations))
    pure = tuple(dict.fromkeys(_spatial(centring)))
    return products(parse_operations(pure), parse_operations(tuple(operations)))


def _spatial(listed: Sequence[object]) -> list[str]:
    return list(dict.fromkeys(str(operation).rpartition(",")[0] for operation in listed))


def _named_settings(tags: Tags, name: str, cell: Floats) -> list[spglib.SpaceGroupType]:
    named = named_numbers(tags)
    if len({number for _, number in named}) > 1:
        names = " and ".join(repr(text) for text, _ in named)
        raise StructureError(f"contradiction: the group is said to be {names[:80]}")
    settings = _settings_of_names(tags)
    if not settings:
        raise StructureError(f"bad symmetry: no operations listed, and {name[:40]!r} means none that is known")
    fitting = [s for s in settings if fit_cell(tabulated_operations(s.hall_number)[0], cell)]
    if not fitting:
        raise StructureError(f"bad symmetry: the cell doesn't fit the group {name[:40]!r}")
    if said(tags, _NAME) and fitting[0].number in _MONOCLINIC:
        return fitting[:1]  # with three right angles it is the standard's axis
    return fitting


def _settings_of_names(tags: Tags) -> list[spglib.SpaceGroupType]:
    """The settings that the most precise name leaves, and the number, if one is given too."""
    hall, name, number = said(tags, _HALL), said(tags, _NAME), said(tags, _NUMBER)
    found = list(settings_of_hall(hall)) if hall else []
    if not found and name:
        found = list(settings_of(name, said(tags, _CHOICE) or "") or settings_of(name))
    if not found and not hall and not name:
        found = list(all_settings())
    return [setting for setting in found if number is None or str(setting.number) == number]
