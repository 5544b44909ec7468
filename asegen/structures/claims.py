"""What a CIF says of itself, compared with what was read from it.

Formula sum, formula units, multiplicities, the volume and the group are each told twice by a CIF that has them: once in
so many words, once by its sites, its operations and its cell. Where the two differ, one of them is damaged.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from math import gcd
from typing import Any, NamedTuple

import numpy as np
import spglib
from ase.data import chemical_symbols
from numpy.typing import NDArray

from asegen.structures.cif_symmetry import listed_group, named_numbers
from asegen.structures.cif_tags import Tags, column, said, said_number
from asegen.structures.claims_of_matter import of_elements, of_mass, of_system
from asegen.structures.fields import HEAVY_HYDROGEN
from asegen.structures.validity import Floats, found_by_spglib

_FORMULA = ("_chemical_formula_sum",)
_UNITS = "_cell_formula_units_z"
_MULTIPLICITIES = ("_atom_site_symmetry_multiplicity", "_atom_site_site_symmetry_multiplicity")
_TERM = re.compile(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+)?")
_VOLUME_TOLERANCE = 0.01
"""Relative: lengths of three digits leave that much."""
_SHARE_TOLERANCE = 0.005
"""Of all atoms: what formulas with decimals, such as Al0.67 O1, leave."""
_SYMPRECS = (0.01, 0.1)


class Content(NamedTuple):
    """What was read.

    Attributes:
        cell: (3, 3), rows are lattice vectors, Å.
        numbers: (n_atoms,), atomic numbers of the whole cell.
        positions: (n_atoms, 3), fractional.
        origin: (n_atoms,), the site that each atom is an image of.
        rows: (n_sites,), the row of the CIF's loop that each site is.
        n_operations: that were applied.
    """

    cell: Floats
    numbers: NDArray[np.int64]
    positions: Floats
    origin: NDArray[np.int64]
    rows: NDArray[np.int64]
    n_operations: int


def contradiction(tags: Tags, content: Content) -> str | None:
    """In one line what contradicts, or None.

    Args:
        tags: of the CIF's block.
        content: what was read from it.
    """
    volume = abs(float(np.linalg.det(content.cell)))
    return (
        _of_formula(tags, content.numbers)
        or _of_multiplicities(tags, content)
        or _of_volume(tags, volume)
        or of_elements(tags, content.numbers)
        or of_mass(tags, content.numbers, volume)
        or _of_group(tags, (content.cell, content.positions, content.numbers))
    )


def _of_formula(tags: Tags, numbers: NDArray[np.int64]) -> str | None:
    counts = Counter(chemical_symbols[z] for z in numbers)
    units, text = said_number(tags, _UNITS), said(tags, _FORMULA)
    formula = _formula(text) if text else None
    if formula is None:
        whole = units is not None and units >= 1 and units.is_integer()
        fits = not whole or all(count % int(units or 1) == 0 for count in counts.values())
        return None if fits else f"Z is said to be {units:g}, and the cell holds {_shown(counts)}"
    if not _agree(formula, counts, units):
        stated = f"{text!r}" + (f" with Z = {units:g}" if units is not None else "")
        return f"the formula is said to be {stated[:80]}, and the cell holds {_shown(counts)}"
    return None


def _formula(text: str) -> dict[str, float] | None:
    """Amounts by element, deuterium as hydrogen; None where the text isn't a plain sum."""
    plain = re.sub(r"[\s'\"]+", "", text)
    terms = _TERM.findall(plain)
    if "".join(symbol + amount for symbol, amount in terms) != plain or not terms:
        return None
    found: dict[str, float] = {}
    for symbol, amount in terms:
        symbol = "H" if symbol in HEAVY_HYDROGEN else symbol
        found[symbol] = found.get(symbol, 0) + float(amount or 1)
    return {symbol: amount for symbol, amount in found.items() if amount > 0}


def _agree(formula: Mapping[str, float], counts: Mapping[str, int], units: float | None) -> bool:
    if formula.keys() != counts.keys():
        return False
    atoms, amount = sum(counts.values()), sum(formula.values())
    away = max(abs(counts[symbol] / atoms - formula[symbol] / amount) for symbol in counts)
    if not all(value.is_integer() for value in formula.values()):
        return away < _SHARE_TOLERANCE and (units is None or _fills(atoms / amount, units, 1))
    return away < 1e-9 and _fills(atoms / amount, units, gcd(*(int(value) for value in formula.values())))


def _fills(multiple: float, units: float | None, divisor: int) -> bool:
    """Whether a cell may hold so many formulas: Z of them, or one where the formula is that of the cell."""
    if units is None:
        return multiple > 0.99 and abs(multiple - round(multiple)) < 0.01 * multiple
    whole_cell = abs(multiple - 1) < 0.01 and units >= 1 and divisor % units == 0  # as pymatgen writes it
    return whole_cell or abs(multiple - units) < 0.01 * units


def _shown(counts: Mapping[str, int]) -> str:
    return " ".join(f"{symbol}{count}" for symbol, count in counts.items())[:80]


def _of_multiplicities(tags: Tags, content: Content) -> str | None:
    values = next((found for tag in _MULTIPLICITIES if (found := column(tags, tag)) is not None), None)
    if values is None or len(values) <= content.rows.max():
        return None
    images = np.bincount(content.origin, minlength=len(content.rows)).tolist()
    told = [(values[row], n) for row, n in zip(content.rows, images, strict=True) if values[row] not in (".", "?")]
    wrong = next(((value, n) for value, n in told if value != n), None)
    if wrong is None or all(value * n == content.n_operations for value, n in told if isinstance(value, int)):
        return None  # SHELX wrote the order of the site's symmetry
    return f"a site is said to have multiplicity {str(wrong[0])[:20]}, and has {wrong[1]}"


def _of_volume(tags: Tags, volume: float) -> str | None:
    told = said_number(tags, "_cell_volume")
    if told is None or abs(told - volume) <= _VOLUME_TOLERANCE * volume:
        return None
    return f"the cell's volume is said to be {told:g} Å³, and is {volume:g}"


def _of_group(tags: Tags, crystal: Any) -> str | None:
    listed, named = listed_group(tags), named_numbers(tags)
    numbers = {number for _, number in named}
    if listed is None:
        return of_system(tags, numbers)
    wrong = [(name, number) for name, number in named if number != listed]
    if wrong and {number for _, number in wrong} != {_group_of_crystal(crystal, wrong[0][1])}:
        return f"the group is said to be {wrong[0][0]!r}, and the operations listed are those of group {listed}"
    # Atoms may all be listed, beside the name, or the system, of the group that they have.
    if (told := of_system(tags, numbers | {listed})) is None:
        return None
    own = _group_of_crystal(crystal, None)
    return None if own is not None and of_system(tags, {own}) is None else told


def _group_of_crystal(crystal: Any, wanted: int | None) -> int | None:
    """The group of a crystal, within the first tolerance that gives what is wanted, if that is given."""
    number = None
    for symprec in _SYMPRECS:
        data = found_by_spglib(spglib.get_symmetry_dataset, crystal, symprec=symprec)
        number = None if data is None else int(data.number)
        if number == wanted:
            return number
    return number
