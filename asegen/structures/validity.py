"""Plain geometry of one crystal in numpy: Niggli reduction, shortest distance, and the validity gate.

Nothing here imports torch, so that the processes that read files start quickly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
import spglib
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from asegen.elements import TYPICAL_VOLUME
from asegen.errors import Reason
from asegen.structures.fields import UNREADABLE

Floats = NDArray[np.float64]
P = ParamSpec("P")
T = TypeVar("T")

SHORTEST_PAIR = 0.5
"""Å. The published validity rule (Xie et al., ICLR 2022): no two atoms, periodic images included, nearer than this."""
MIN_VOLUME_PER_ATOM = 1.0
"""Å³. The densest crystals known (diamond, hydrides under pressure) hold more than 2; a 0.8 Å cell costs gigabytes
in every neighbour list."""
MAX_VOLUME_PER_ATOM = 1000.0
"""Å³. No element takes a tenth of it; beyond this the cell has exploded, whatever it is made of."""
MAX_EXPANSION = 7.5
"""Volume over what the atoms typically take in crystals. Molecular crystals, zeolites and layers with a vacuum reach
about 5; of 39,144 computed crystals (the Materials Project, Alexandria, OQMD, JARVIS) six exceed it, wires of copper,
potassium and rubidium among them."""
MAX_POSITION = 1e8
"""Å. Further out the digits of a position say nothing of where in the cell an atom is."""
MAX_DENSITY = 30.0
"""g/cm³. Osmium, the densest element, has 22.6."""
MIN_NORMALISED_VOLUME = 1e-4
"""Volume over the product of the three lengths of the cell as given. Real primitive cells go down to 0.01; below this
the three vectors are flat to the precision with which files are written."""
MAX_ASPECT = 60.0
"""Longest over shortest vector of the reduced cell. Long polytypes reach about 40; beyond this it is a needle."""
NO_CRYSTAL = frozenset({"no atoms", "not periodic", "non-finite", "unknown element", "bad cell"})
"""Kinds of reasons of the validity gate that no motion of atoms and cell mends, as it may mend the others."""

_AMU_PER_CUBIC_ANGSTROM = 1.66053906660  # in g/cm³
_IMAGES = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
_WRAPS = 1 - 2**-25  # what rounds to 1 in float32 is 0 on the torus
_PAIRS_AT_ONCE = 200_000
_ALL_PAIRS_UP_TO = 300
"""Atoms; above, a tree of positions finds the nearest pair."""
_SWITCH = "OLD_ERROR_HANDLING"  # of spglib
_TYPICAL_VOLUME = np.array([*TYPICAL_VOLUME, *[TYPICAL_VOLUME[-1]] * (len(chemical_symbols) - len(TYPICAL_VOLUME))])


def found_by_spglib(search: Callable[P, T | None], *args: P.args, **settings: P.kwargs) -> T | None:
    """What a function of spglib finds; None where it finds nothing.

    spglib raises an error for that where a switch of the process is set, as some libraries set it, and else warns at
    every call that the switch ought to be. It is set for the call alone, since libraries that don't set it expect None.

    Args:
        search: the function.
        args: its arguments; nothing that isn't finite, which ends the process.
        settings: its other arguments.
    """
    before = getattr(spglib.error, _SWITCH, False)  # versions to come have errors alone
    setattr(spglib.error, _SWITCH, False)
    try:
        return search(*args, **settings)
    except spglib.SpglibError:
        return None
    finally:
        setattr(spglib.error, _SWITCH, before)


def niggli_reduce(cell: Floats, scaled_positions: Floats) -> tuple[Floats, Floats]:
    """The Niggli-reduced, right-handed cell of the same lattice, without rotating the crystal.

    Args:
        cell: (3, 3), rows are lattice vectors, Å, finite and with a volume. A left-handed one is accepted: changing the
            sign of all three vectors describes the same lattice and turns it right-handed.
        scaled_positions: (n_atoms, 3), fractional.

    Returns:
        The cell (3, 3), Å, and the positions (n_atoms, 3) in it, in [0, 1).

    Raises:
        ValueError: the cell is not finite or cannot be reduced.
    """
    if not np.isfinite(cell).all():  # spglib would take the whole process down
        raise ValueError("the cell is not finite")
    length = abs(np.linalg.det(cell)) ** (1 / 3)
    reduced = found_by_spglib(spglib.niggli_reduce, cell / length) if length > 0 else None
    if reduced is None:
        raise ValueError("the cell cannot be reduced")
    transform = np.rint(reduced @ np.linalg.inv(cell / length))
    if round(abs(np.linalg.det(transform))) != 1:
        raise ValueError("the cell cannot be reduced")
    new_cell = transform @ cell
    if np.linalg.det(new_cell) < 0:
        transform, new_cell = -transform, -new_cell
    new_positions = scaled_positions @ np.rint(np.linalg.inv(transform))
    new_positions = new_positions - np.floor(new_positions)
    return new_cell, np.where(new_positions >= _WRAPS, 0.0, new_positions)


def shortest_distance(atoms: Atoms) -> float:
    """The shortest distance in Å between two atoms of a crystal, every atom's own periodic images included.

    Args:
        atoms: periodic in all directions, with finite positions and a cell that has a volume.

    Raises:
        ValueError: the cell is not finite or cannot be reduced.
    """
    return _nearest_pair(*niggli_reduce(atoms.cell.array, _scaled_positions(atoms)))[0]


def density(atoms: Atoms) -> float:
    """The mass density of a crystal in g/cm³, by the elements' standard atomic masses.

    Args:
        atoms: periodic in all directions, with a cell that has a volume.
    """
    return float(atomic_masses[atoms.numbers].sum()) / atoms.get_volume() * _AMU_PER_CUBIC_ANGSTROM


def primitive(atoms: Atoms, symprec: float = 1e-3) -> Atoms:
    """The primitive cell of a crystal, not rotated; the crystal as it is where spglib finds none.

    Args:
        atoms: what passes `check_atoms`.
        symprec: Å, within which translations count; the default is about the precision of files.
    """
    return standardised(atoms, symprec, idealise=False) or atoms


def standardised(atoms: Atoms, symprec: float, idealise: bool, to_primitive: bool = True) -> Atoms | None:
    """The standardised cell of a crystal; None where spglib finds none.

    Args:
        atoms: finite, with a cell that has a volume.
        symprec: Å, tolerance of the space group.
        idealise: make the space group exact, in the standard orientation.
        to_primitive: the primitive cell, else the conventional one.
    """
    structure = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = found_by_spglib(
        spglib.standardize_cell, structure, to_primitive=to_primitive, no_idealize=not idealise, symprec=symprec
    )
    if found is None:
        return None
    cell, positions, numbers = found
    return Atoms(numbers=numbers, scaled_positions=positions, cell=cell, pbc=True)


def check_atoms(atoms: Atoms) -> Reason | None:
    """The validity gate: why a crystal is not fit for use, or None.

    Stricter than the published rule (no pair under `SHORTEST_PAIR`): the limits are this module's constants. NaN never
    reaches native code.

    Args:
        atoms: any Atoms object.

    Returns:
        None, or the reason; its kind is one of `no atoms` (of a structure that couldn't be Atoms that of `UNREADABLE`),
        `not periodic`, `non-finite`, `lost digits`, `unknown element`, `bad cell`, `bad volume`, `bad density`,
        `needle cell`, `overlapping atoms`.
    """
    if len(atoms) == 0:
        return Reason.read(atoms.info.get(UNREADABLE, "no atoms: the structure is empty"))
    if not atoms.pbc.all():
        return Reason("not periodic", "a crystal needs periodic boundaries along all three axes")
    cell = atoms.cell.array
    if not (np.isfinite(cell).all() and np.isfinite(atoms.positions).all()):
        return Reason("non-finite", "the cell or a position is NaN or infinite")
    furthest = max(np.abs(atoms.positions).max(), np.abs(cell).max())
    if furthest > MAX_POSITION:
        return Reason("lost digits", f"an atom or the end of a lattice vector is {furthest:.2g} Å away from the origin")
    unknown = (atoms.numbers < 1) | (atoms.numbers >= len(chemical_symbols))
    if unknown.any():
        return Reason("unknown element", f"atomic number {atoms.numbers[unknown][0]} is no element")
    return check_cell(atoms) or _check_pairs(cell, atoms) or _check_emptiness(atoms)


def check_cell(atoms: Atoms) -> Reason | None:
    """What the validity gate says of a cell and of how many atoms it holds, wherever they are; None for nothing.

    Args:
        atoms: with a finite cell, at least one atom, and elements alone; positions don't matter.

    Returns:
        None, or a reason of the kinds `bad cell`, `bad volume`, `bad density`.
    """
    cell = atoms.cell.array
    lengths = np.linalg.norm(cell, axis=1)
    volume = abs(float(np.linalg.det(cell)))
    if volume <= MIN_NORMALISED_VOLUME * lengths.prod():
        return Reason("bad cell", "the lattice vectors span no volume")
    per_atom = volume / len(atoms)
    if not MIN_VOLUME_PER_ATOM <= per_atom <= MAX_VOLUME_PER_ATOM:
        return Reason(
            "bad volume", f"{per_atom:.4g} Å³ per atom, not {MIN_VOLUME_PER_ATOM:g} to {MAX_VOLUME_PER_ATOM:g}"
        )
    if density(atoms) > MAX_DENSITY:
        return Reason("bad density", f"{density(atoms):.1f} g/cm³, above {MAX_DENSITY:g}")
    return None


def _check_pairs(cell: Floats, atoms: Atoms) -> Reason | None:
    try:
        reduced, positions = niggli_reduce(cell, _scaled_positions(atoms))
    except ValueError as error:
        return Reason("bad cell", f"{error}")
    lengths = np.linalg.norm(reduced, axis=1)
    if lengths.max() > MAX_ASPECT * lengths.min():
        return Reason("needle cell", f"{lengths.max():.1f} Å long and {lengths.min():.2f} Å wide when reduced")
    distance, i, j = _nearest_pair(reduced, positions)
    if distance >= SHORTEST_PAIR:
        return None
    names = f"{atoms.symbols[i]}{i} and {'its own image' if i == j else f'{atoms.symbols[j]}{j}'}"
    return Reason("overlapping atoms", f"{names} are {distance:.3f} Å apart")


def _check_emptiness(atoms: Atoms) -> Reason | None:
    volume = float(atoms.cell.volume)
    expansion = volume / float(_TYPICAL_VOLUME[atoms.numbers].sum())
    if expansion <= MAX_EXPANSION:
        return None
    per_atom = volume / len(atoms)
    return Reason(
        "bad volume", f"{per_atom:.4g} Å³ per atom, {expansion:.1f} times what these elements take in crystals"
    )


def _scaled_positions(atoms: Atoms) -> Floats:
    return np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T


def _nearest_pair(cell: Floats, x: Floats) -> tuple[float, int, int]:
    """Distance in Å and indices of the nearest pair of a Niggli-reduced cell; equal indices: an atom's own image.

    In such a cell the shortest image of a displacement wrapped into [-1/2, 1/2] lies within one cell of it, and the
    shortest lattice vector is the shortest of the three.
    """
    best = (float(np.linalg.norm(cell, axis=1).min()), 0, 0)
    if len(x) > _ALL_PAIRS_UP_TO:
        return min(best, _nearest_in_tree(cell, x), key=lambda pair: pair[0])
    rows = max(1, _PAIRS_AT_ONCE // (len(x) * len(_IMAGES)))
    shifts = _IMAGES @ cell
    for start in range(0, len(x), rows):
        chunk = np.arange(start, min(start + rows, len(x)))
        dx = x[None, :, :] - x[chunk, None, :]
        vectors = (dx - np.rint(dx)) @ cell
        # |v + s|² = |v|² + (2 v·s + |s|²), the second part smallest at the nearest image
        squared = (vectors**2).sum(-1) + (2 * vectors @ shifts.T + (shifts**2).sum(-1)).min(-1)
        squared[np.arange(len(chunk)), chunk] = np.inf
        i, j = divmod(int(squared.argmin()), len(x))
        if squared[i, j] < best[0] ** 2:
            best = (float(np.sqrt(max(squared[i, j], 0.0))), int(chunk[i]), j)
    return best


def _nearest_in_tree(cell: Floats, x: Floats) -> tuple[float, int, int]:
    """The nearest pair of different atoms, by a tree of the atoms and of those images that can matter.

    No packing of n points in a volume V keeps them further apart than the face-centred cubic one: (√2 V / n)^(1/3).
    """
    x = x - np.floor(x)
    reach = 1.001 * (np.sqrt(2) * abs(np.linalg.det(cell)) / len(x)) ** (1 / 3)
    margin = reach * np.linalg.norm(np.linalg.inv(cell), axis=0)  # fractional, along each vector
    images, atoms = x, np.arange(len(x))
    for axis in range(3):
        shifts = np.arange(-np.ceil(margin[axis]), np.ceil(margin[axis]) + 1)
        places = np.concatenate([images + shift * np.eye(3)[axis] for shift in shifts])
        inside = (places[:, axis] >= -margin[axis]) & (places[:, axis] <= 1 + margin[axis])
        images, atoms = places[inside], np.tile(atoms, len(shifts))[inside]
    distances, near = cKDTree(images @ cell).query(x @ cell, k=2, distance_upper_bound=reach)
    found = np.where(np.arange(len(x)) == np.append(atoms, -1)[near[:, 0]], distances[:, 1], distances[:, 0])
    i = int(found.argmin())
    j = next((int(atoms[k]) for k in near[i] if k < len(atoms) and atoms[k] != i), None)
    return (float(found[i]), 0, 0) if j is None else (float(found[i]), min(i, j), max(i, j))
