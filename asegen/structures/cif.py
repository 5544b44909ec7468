"""Crystals from CIF text: ASE splits the text into tags; occupancies, symbols and symmetry are checked here.

ASE's own assembly of the tags silently drops the minority species of a mixed site and guesses the setting of a space
group. Here a site that is not fully occupied by one element, or symmetry that the text does not determine, is an error.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from ase.data import atomic_numbers
from ase.geometry import cellpar_to_cell
from ase.io.cif import CIFBlock, parse_cif
from ase.spacegroup.spacegroup import parse_sitesym
from numpy.typing import NDArray

from asegen.structures.validity import Floats

MAX_TEXT = 20_000_000
"""Characters of one CIF."""
MAX_IMAGES = 100_000
"""Sites times symmetry operations, checked before any of them is applied."""
MAX_ATOMS = 2000
"""Atoms of one cell."""
_SAME_ATOM = 0.05
"""Å. Images of one site nearer than this are one atom on a special position, written with too few digits."""

NOTE = "note"
"""Key of `Atoms.info` for what the reader had to decide."""

_OPERATION_TAGS = ("_space_group_symop_operation_xyz", "_space_group_symop.operation_xyz", "_symmetry_equiv_pos_as_xyz")
_HALL_TAGS = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NAME_TAGS = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m")
_NUMBER_TAGS = ("_space_group_it_number", "_symmetry_int_tables_number")
_OCCUPANCY_TOLERANCE = 1e-3
_SYMBOL = re.compile(r"([A-Za-z]{1,2})(?![A-Za-z])")  # Fe, Fe3+, FE
_LABEL = re.compile(r"([A-Z][a-z]?)(?![A-Za-z])")  # Fe1, but not HO1: holmium, or the hydrogen of a hydroxyl
_HEAVY_HYDROGEN = ("D", "T")
_OPERATION = re.compile(r"[xyzXYZ0-9+\-/. ]+(,[xyzXYZ0-9+\-/. ]+){2}")

Operations = tuple[NDArray[np.int64], Floats]


class StructureError(ValueError):
    """One structure cannot be used; the message is one line `kind: detail`."""


def cif_to_atoms(text: str) -> Atoms:
    """The full cell of the first structure in a CIF, with its symmetry operations applied.

    Args:
        text: CIF text; site coordinates fractional, cell lengths in Å, angles in degrees.

    Returns:
        Periodic Atoms in the standard orientation of ASE's `cellpar_to_cell`.

    Raises:
        StructureError: the text cannot be read, is not determined (unknown symmetry, symbols or coordinates), has sites
            that are not fully occupied by one element, or exceeds `MAX_TEXT`, `MAX_IMAGES` or `MAX_ATOMS`.
    """
    block = _structure_block(text)
    numbers, note = _numbers(block)
    _check_occupancies(block, len(numbers))
    _check_completeness(block)
    sites = _coordinates(block, len(numbers))
    cell = _cell(block)
    rotations, translations = _operations(block)
    if len(sites) * len(rotations) > MAX_IMAGES:
        raise StructureError(f"too large: {len(sites)} sites under {len(rotations)} symmetry operations")
    positions, origin = _apply(rotations, translations, sites, cell)
    if len(positions) > MAX_ATOMS:
        raise StructureError(f"too large: more than {MAX_ATOMS} atoms")
    info = {NOTE: note} if note else {}
    return Atoms(numbers=numbers[origin], scaled_positions=positions, cell=cell, pbc=True, info=info)


def _structure_block(text: str) -> CIFBlock:
    if len(text) > MAX_TEXT:
        raise StructureError(f"too large: {len(text)} characters of CIF")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # ASE warns when it drops a line, an atom's perhaps
            warnings.filterwarnings("ignore", message="CIF v2.0")
            blocks = list(parse_cif(io.StringIO(text)))
    except Exception as error:  # ASE raises anything from AssertionError to IndexError on malformed text
        raise StructureError(f"unreadable: not a CIF ({type(error).__name__}: {first_line(error)})") from None
    for block in blocks:
        if "_atom_site_fract_x" in block or "_atom_site_label" in block:
            return block
    raise StructureError("unreadable: the CIF has no atom sites")


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, cut to 120 characters, for messages of one line."""
    return (str(error).splitlines() or [""])[0][:120]


def _column(block: CIFBlock, tag: str, length: int | None = None) -> list[object] | None:
    value = block.get(tag)
    if value is None:
        return None
    values = list(value) if isinstance(value, list) else [value]
    if length is not None and len(values) != length:
        raise StructureError(f"unreadable: {tag} has {len(values)} values for {length} sites")
    return values


def _numbers(block: CIFBlock) -> tuple[NDArray[np.int64], str | None]:
    symbols, pattern = _column(block, "_atom_site_type_symbol"), _SYMBOL
    if not symbols:
        symbols, pattern = _column(block, "_atom_site_label"), _LABEL
    if not symbols:
        raise StructureError("unreadable: the CIF has no atom sites")
    names = [_symbol(str(symbol), pattern) for symbol in symbols]
    note = "deuterium or tritium read as hydrogen" if set(names) & set(_HEAVY_HYDROGEN) else None
    return np.array([1 if name in _HEAVY_HYDROGEN else atomic_numbers[name] for name in names]), note


@lru_cache(4096)
def _symbol(text: str, pattern: re.Pattern[str]) -> str:
    match = pattern.match(text)
    symbol = match.group(1).capitalize() if match else ""
    if symbol not in _HEAVY_HYDROGEN and atomic_numbers.get(symbol, 0) == 0:
        raise StructureError(f"unknown element: {text[:40]!r} is no element")
    return symbol


def _check_occupancies(block: CIFBlock, n_sites: int) -> None:
    for value in _column(block, "_atom_site_occupancy", n_sites) or []:
        if value in (".", "?"):  # CIF's words for "the default", which is 1
            continue
        if not isinstance(value, int | float):
            raise StructureError(f"unreadable: occupancy {value!r}")
        if value > 1 + _OCCUPANCY_TOLERANCE:
            raise StructureError(f"bad occupancy: {value:g} is more than 1")
        if not value >= 1 - _OCCUPANCY_TOLERANCE:
            raise StructureError(f"partial occupancy: a site is occupied to {value:g}")


def _check_completeness(block: CIFBlock) -> None:
    if "dum" in (_column(block, "_atom_site_calc_flag") or []):
        raise StructureError("dummy atoms: a site is marked as a dummy")
    implied = _column(block, "_atom_site_attached_hydrogens") or []
    if any(isinstance(count, int) and count > 0 for count in implied):
        raise StructureError("missing atoms: hydrogens are implied, not listed")


def _coordinates(block: CIFBlock, n_sites: int) -> Floats:
    columns = [_column(block, f"_atom_site_fract_{axis}", n_sites) for axis in "xyz"]
    if any(column is None for column in columns):
        raise StructureError("unreadable: the CIF has no fractional coordinates")
    return _finite(columns, "a coordinate").T


def _cell(block: CIFBlock) -> Floats:
    parameters = _finite([block.get(tag) for tag in CIFBlock.cell_tags], "a cell parameter")
    lengths, cosines = parameters[:3], np.cos(np.radians(parameters[3:]))
    flatness = 1 - (cosines**2).sum() + 2 * cosines.prod()
    if lengths.min() <= 0 or not (0 < parameters[3:]).all() or not (parameters[3:] < 180).all() or flatness <= 0:
        raise StructureError(f"bad cell: no cell has the parameters {', '.join(f'{p:g}' for p in parameters)}")
    return np.asarray(cellpar_to_cell(parameters), dtype=float)


def _finite(values: Sequence[object], what: str) -> Floats:
    try:
        array = np.array([_floats(value) for value in values])
    except (TypeError, ValueError):
        raise StructureError(f"unreadable: {what} is missing or is not a number") from None
    if not np.isfinite(array).all():
        raise StructureError(f"non-finite: {what} is NaN or infinite")
    return array


def _floats(value: Any) -> float | list[float]:
    return [float(entry) for entry in value] if isinstance(value, list) else float(value)


def _operations(block: CIFBlock) -> Operations:
    listed = next((column for tag in _OPERATION_TAGS if (column := _column(block, tag))), None)
    if listed is not None:
        return _parse_operations(tuple(str(operation) for operation in listed))
    hall = next((str(block[tag]) for tag in _HALL_TAGS if tag in block), None)
    name = next((str(block[tag]) for tag in _NAME_TAGS if tag in block), None)
    number = next((str(block[tag]) for tag in _NUMBER_TAGS if tag in block), None)
    if hall is None and name is None and number is None:
        return _parse_operations(("x,y,z",))
    return _tabulated_operations(hall, name, number)


@lru_cache(4096)
def _parse_operations(listed: tuple[str, ...]) -> Operations:
    for operation in listed:
        if not _OPERATION.fullmatch(operation):
            raise StructureError(f"bad symmetry: {operation[:40]!r} is no symmetry operation")
    try:
        rotations, translations = parse_sitesym([operation.replace(" ", "") for operation in listed])
    except (ValueError, ZeroDivisionError):
        raise StructureError("bad symmetry: an operation holds no fraction where one should be") from None
    if (np.abs(np.rint(np.linalg.det(rotations))) != 1).any() or not np.isfinite(translations).all():
        raise StructureError("bad symmetry: an operation is singular")
    return rotations, translations


@lru_cache(4096)
def _tabulated_operations(hall: str | None, name: str | None, number: str | None) -> Operations:
    """Operations of a group that is only named, if the name leaves one setting."""
    settings = [s for i in range(1, 531) if (s := spglib.get_spacegroup_type(i)) is not None]
    if hall is not None and _plain(hall) != "?":
        found = [s for s in settings if _plain(s.hall_symbol) == _plain(hall)]
    elif name is not None and _plain(name) != "?":
        symbol, _, choice = _plain(name).partition(":")
        found = [s for s in settings if symbol in _names(s) and (not choice or s.choice.lower() == choice)]
    else:
        found = [s for s in settings if str(s.number) == number]
    if len(found) != 1:
        known = f"{len(found)} settings" if found else "none that is known"
        raise StructureError(f"bad symmetry: no operations listed, and {hall or name or number!r} means {known}")
    database = spglib.get_symmetry_from_database(found[0].hall_number)
    assert database is not None  # the number is spglib's own
    return database["rotations"].astype(np.int64), database["translations"]


def _names(setting: spglib.SpaceGroupType) -> set[str]:
    words = [*setting.international.split("="), setting.international_short, setting.international_full]
    return {_plain(word) for word in words}


def _plain(symbol: str) -> str:
    return re.sub(r"[\s_]", "", symbol).lower()


def _apply(
    rotations: NDArray[np.int64], translations: Floats, sites: Floats, cell: Floats
) -> tuple[Floats, NDArray[np.int64]]:
    """All distinct images of the sites: fractional positions (n, 3), and the site of each (n,)."""
    if len(rotations) == 1:
        return sites @ rotations[0].T + translations[0], np.arange(len(sites))
    positions: list[Floats] = []
    origin: list[int] = []
    for index, site in enumerate(sites):
        images = rotations @ site + translations
        while len(images):
            dx = images - images[0]
            dx -= np.rint(dx)
            same = np.linalg.norm(dx @ cell, axis=1) < _SAME_ATOM
            positions.append(images[0] + dx[same].mean(0))
            origin.append(index)
            images = images[~same]
        if len(positions) > MAX_ATOMS:
            break
    return np.array(positions), np.array(origin)
