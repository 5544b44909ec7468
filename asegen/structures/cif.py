"""Crystals from CIF text: ASE splits the text into tags; sites and symmetry are read and checked here.

ASE's own assembly of the tags silently drops the minority species of a mixed site and guesses the setting of a space
group. Here a site that is not fully occupied by one element, symmetry that the text does not determine, or a text that
contradicts itself is an error.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell
from ase.io.cif import CIFBlock
from numpy.typing import NDArray

from asegen.structures.cif_symmetry import possible_operations
from asegen.structures.cif_tags import Tags, structure_tags
from asegen.structures.claims import Content, contradiction
from asegen.structures.errors import StructureError
from asegen.structures.fields import MAX_ATOMS, NOTE, WITHOUT_MOMENTS
from asegen.structures.settings import Operations
from asegen.structures.sites import Sites, finite, read_sites
from asegen.structures.validity import Floats

MAX_IMAGES = 100_000
"""Sites times symmetry operations, checked before any of them is applied."""
_SAME_ATOM = 0.05
"""Å. Images of one site nearer than this are one atom on a special position, written with too few digits."""


def cif_to_atoms(text: str) -> Atoms:
    """The full cell of the first structure in a CIF, with its symmetry operations applied.

    Args:
        text: CIF text; site coordinates fractional, cell lengths in Å, angles in degrees.

    Returns:
        Periodic Atoms in the standard orientation of ASE's `cellpar_to_cell`; `NOTE` in their info where the reader had
        to decide something.

    Raises:
        StructureError: the text cannot be read, is not determined (unknown symmetry, symbols or coordinates), has sites
            that are not fully occupied by one element, contradicts itself, or exceeds `MAX_TEXT`, `MAX_IMAGES` or
            `MAX_ATOMS`.
    """
    tags = structure_tags(text)
    sites, cell = read_sites(tags), _cell(tags)
    possible, name = possible_operations(tags, cell)
    readings = [_reading(tags, sites, cell, operations) for operations in possible]
    fitting = [content for content, wrong in readings if wrong is None]
    if not fitting:
        raise StructureError(f"contradiction: {readings[0][1]}")
    if len(fitting) > 1:
        raise StructureError(f"bad symmetry: no operations listed, and {name[:40]!r} means {len(fitting)} settings")
    (content,) = fitting
    notes = [sites.note, _magnetic_note(tags), _choice_note(name, len(possible))]
    info = {NOTE: "; ".join(told)} if (told := [note for note in notes if note]) else {}
    return Atoms(numbers=content.numbers, scaled_positions=content.positions, cell=cell, pbc=True, info=info)


def _magnetic_note(tags: Tags) -> str | None:
    is_magnetic = any(tag.startswith(("_atom_site_moment", "_space_group_symop_magn")) for tag in tags)
    return WITHOUT_MOMENTS if is_magnetic else None


def _choice_note(name: str, n_possible: int) -> str | None:
    return f"the setting of {name[:40]!r} that agrees with the rest of the file" if n_possible > 1 else None


def _reading(tags: Tags, sites: Sites, cell: Floats, operations: Operations) -> tuple[Content, str | None]:
    rotations, translations = operations
    if len(sites.rows) * len(rotations) > MAX_IMAGES:
        raise StructureError(f"too large: {len(sites.rows)} sites under {len(rotations)} symmetry operations")
    positions, origin = _apply(rotations, translations, sites.positions, cell)
    if len(positions) > MAX_ATOMS:
        raise StructureError(f"too large: more than {MAX_ATOMS} atoms")
    content = Content(cell, sites.numbers[origin], positions, origin, sites.rows, len(rotations))
    return content, contradiction(tags, content)


def _cell(tags: Tags) -> Floats:
    parameters = finite([tags.get(tag) for tag in CIFBlock.cell_tags], "a cell parameter")
    lengths, cosines = parameters[:3], np.cos(np.radians(parameters[3:]))
    flatness = 1 - (cosines**2).sum() + 2 * cosines.prod()
    if lengths.min() <= 0 or not (0 < parameters[3:]).all() or not (parameters[3:] < 180).all() or flatness <= 0:
        raise StructureError(f"bad cell: no cell has the parameters {', '.join(f'{p:g}' for p in parameters)}")
    return np.asarray(cellpar_to_cell(parameters), dtype=float)


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
