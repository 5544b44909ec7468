"""Structures in JSON, as pymatgen and the Materials Project's API write them; no object that it names is built."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from asegen.errors import InputError
from asegen.structures.errors import StructureError
from asegen.structures.fields import HEAVY_HYDROGEN, HEAVY_HYDROGEN_NOTE, MAX_ATOMS, NOTE

_DEEPEST = 100
"""Brackets within brackets. Structures have fewer than ten; thousands end the process where its stack is small."""
_FULL = 1e-6
"""How far an occupancy may be from 1."""


class Document(NamedTuple):
    """One structure.

    Attributes:
        structure: pymatgen's dictionary of it; empty where there is none.
        values: numbers, words and truths that stand beside it.
    """

    structure: Mapping[str, Any]
    values: Mapping[str, object]


def documents(text: str) -> list[Document] | None:
    """The structures of a file: one, a list of them, or documents that have one each (`structure`).

    Of a list, each entry is a document, if any is: what has no structure is refused by itself, when it is read. The
    list may stand under `data`, as the API's responses have it.

    Args:
        text: the file's.

    Returns:
        None where it is JSON of something else, or none.

    Raises:
        InputError: brackets are nested so deeply that no reader should touch it.
    """
    if _depth(text) > _DEEPEST:
        raise InputError(f"brackets are nested more than {_DEEPEST} deep")
    try:
        content = json.loads(text)
    except ValueError:
        return None
    entries = _entries(content)
    return [_document(entry) for entry in entries] if any(map(_is_document, entries)) else None


def _entries(content: object) -> list[object]:
    if isinstance(content, dict) and isinstance(content.get("data"), list) and not _is_document(content):
        return list(content["data"])
    return content if isinstance(content, list) else [content]


def _depth(text: str) -> int:
    """How deeply brackets are nested, those in quoted text counted too."""
    code = np.frombuffer(text.encode(), dtype=np.uint8)
    opened, closed = np.isin(code, (ord("["), ord("{"))), np.isin(code, (ord("]"), ord("}")))
    brackets = opened[opened | closed].astype(np.int64) * 2 - 1
    return int(brackets.cumsum().max(initial=0))


def _is_document(entry: object) -> bool:
    return isinstance(entry, dict) and ("structure" in entry or _is_structure(entry))


def _document(entry: object) -> Document:
    if not isinstance(entry, dict):
        return Document({}, {})
    if _is_structure(entry):
        properties = entry.get("properties")
        return Document(entry, _plain(properties if isinstance(properties, dict) else {}))
    structure = entry.get("structure")
    return Document(structure if isinstance(structure, dict) else {}, _plain(entry))


def _is_structure(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get("lattice"), dict) and isinstance(entry.get("sites"), list)


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, str | int | float) and not name.startswith("@")
    }


def structure_atoms(structure: Mapping[str, Any]) -> Atoms | str:
    """A structure as Atoms; one with partial occupancies as the text of a CIF.

    Args:
        structure: pymatgen's dictionary; it may be empty.

    Raises:
        StructureError: it has no lattice or sites that make sense, an element that there isn't, or too many atoms.
    """
    if not structure:
        raise StructureError("unreadable: the document has no structure of pymatgen")
    try:
        cell = np.array(structure["lattice"]["matrix"], dtype=np.float64).reshape(3, 3)
        pbc = [bool(value) for value in structure["lattice"].get("pbc", (True, True, True))]
        sites = list(_sites(structure["sites"]))
        scaled = np.array([place for _, place in sites], dtype=np.float64).reshape(-1, 3)
    except StructureError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        raise StructureError("unreadable: a structure of pymatgen without its lattice or sites") from None
    if all(len(species) == 1 and abs(next(iter(species.values())) - 1) < _FULL for species, _ in sites):
        names = [next(iter(species)) for species, _ in sites]
        symbols = ["H" if name in HEAVY_HYDROGEN else name for name in names]
        info = {} if symbols == names else {NOTE: HEAVY_HYDROGEN_NOTE}
        return Atoms(symbols, scaled_positions=scaled, cell=cell, pbc=pbc, info=info)
    from pymatgen.core import Structure  # takes seconds to load

    try:
        return str(Structure(cell, [species for species, _ in sites], scaled).to(fmt="cif"))
    except ValueError as error:
        raise StructureError(f"partial occupancy: {str(error)[:120]}") from None


def _sites(sites: Sequence[Mapping[str, Any]]) -> Iterator[tuple[dict[str, float], Sequence[float]]]:
    """What is on each site, and its fractional coordinates."""
    if len(sites) > MAX_ATOMS:
        raise StructureError(f"too large: {len(sites)} atoms, more than {MAX_ATOMS}")
    for site in sites:
        species: dict[str, float] = {}
        for one in site["species"]:
            symbol = one["element"]
            if symbol not in HEAVY_HYDROGEN and atomic_numbers.get(symbol, 0) < 1:
                raise StructureError(f"unknown element: {str(symbol)[:20]!r}")
            species[symbol] = species.get(symbol, 0.0) + float(one.get("occu", 1.0))
        yield species, site["abc"]
