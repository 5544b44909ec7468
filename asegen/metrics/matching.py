"""Whether two structures are the same crystal, by pymatgen's StructureMatcher with the published tolerances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.analysis.structure_matcher import OrderDisorderElementComparator, StructureMatcher
from pymatgen.core import Element, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.sparse.csgraph import connected_components

from asegen.metrics.cache import Row, content_key
from asegen.metrics.inputs import Inputs
from asegen.metrics.protocols import CLASSIC, Protocol
from asegen.metrics.remembered import remembered_map
from asegen.parallel.processes import Processes
from asegen.parallel.timed_map import Failed, timed_map
from asegen.structures.validity import check_atoms

STOL, LTOL, ANGLE_TOL = 0.5, 0.3, 10.0
"""The tolerances of CDVAE (Xie et al., ICLR 2022) and all who followed: share of (V/n)^(1/3), of lengths, degrees."""
_RADII_APART, _NEGATIVITIES_APART = 0.3, 1.0
"""Of elements that may mix: relative difference of atomic radii, difference of electronegativities (Pauling)."""
TIME_LIMIT = 20.0
"""Seconds of processor time for one pair; a pair that takes longer counts as no match."""


def rms_distance(reference: Atoms, structure: Atoms) -> float | None:
    """Root mean square distance of matched atoms, in units of (V/n)^(1/3); None where the two don't match.

    Args:
        reference: a real crystal.
        structure: a generated one; what fails the validity gate matches nothing.
    """
    if check_atoms(structure) is not None:
        return None
    matcher = StructureMatcher(stol=STOL, ltol=LTOL, angle_tol=ANGLE_TOL)
    pair = (AseAtomsAdaptor.get_structure(atoms) for atoms in (reference, structure))
    found = matcher.get_rms_dist(*pair)
    return None if found is None else float(found[0])


def rms_distances(pairs: Iterable[tuple[Atoms, Atoms]], workers: int | Processes) -> Iterator[float | None]:
    """`rms_distance` of each pair of a reference and a structure, in order, in worker processes.

    Args:
        pairs: references and structures.
        workers: how many worker processes, or a pool of them; the results do not depend on it.

    Raises:
        AsegenError: worker processes cannot be started.
    """
    for distance in timed_map(pair_distance, list(pairs), workers, TIME_LIMIT):
        yield None if isinstance(distance, Failed) else distance


def pair_distance(pair: tuple[Atoms, Atoms]) -> float | None:
    """`rms_distance` of a reference and a structure."""
    return rms_distance(*pair)


def same_crystal(pair: tuple[Atoms, Atoms], protocol: Protocol = CLASSIC) -> bool:
    """Whether two structures are one crystal, by the tolerances of a protocol, tighter than those above.

    A protocol that mixes elements, as MatterGen's evaluation does, also calls two structures of one formula alike if
    the first, with similar elements mixed on all their sites, fits the second: orderings of an alloy are one crystal.

    Args:
        pair: both pass the validity gate.
        protocol: pymatgen's own tolerances (0.2 / 0.3 / 5) without it.
    """
    first, second = (AseAtomsAdaptor.get_structure(atoms) for atoms in pair)
    if StructureMatcher(*protocol.tolerances).fit(first, second):
        return True
    if not protocol.mixes_elements or first.composition.reduced_formula != second.composition.reduced_formula:
        return False
    mixed = _mixed(first)
    comparator = OrderDisorderElementComparator()
    loose = StructureMatcher(*protocol.tolerances, comparator=comparator, attempt_supercell=True, allow_subset=True)
    return mixed is not None and bool(loose.fit(mixed, second))


def _mixed(structure: Structure) -> Structure | None:
    """The structure with similar elements mixed on all their sites, in their shares; None where no two are similar."""
    elements = list(structure.composition)
    similar = np.array([[_are_similar(one, other) for other in elements] for one in elements])
    n_groups, group = connected_components(similar, directed=False)
    if n_groups == len(elements):
        return None
    mixture: dict[Any, Any] = {}  # pymatgen's annotation asks for a union of all it takes as keys
    for number in range(n_groups):
        own = [element for element, g in zip(elements, group, strict=True) if g == number]
        total = sum(structure.composition[element] for element in own)
        shares = {element: structure.composition[element] / total for element in own}
        mixture |= {element: shares for element in own}
    mixed = structure.copy()
    mixed.replace_species(mixture)
    return mixed


def _are_similar(one: Element, other: Element) -> bool:
    """By Hume-Rothery's rules, with the limits of MatterGen's evaluation."""
    a, b = one.atomic_radius, other.atomic_radius
    if a is None or b is None:
        return False
    apart = abs(float(a) - float(b)) / (float(a + b) / 2)
    return apart <= _RADII_APART and abs(one.X - other.X) <= _NEGATIVITIES_APART


def kept_distances(pairs: Sequence[tuple[Atoms, Atoms]], inputs: Inputs, task: str) -> list[float | Failed | None]:
    """`rms_distance` of each pair of a reference and a structure, as `asegen.metrics.remembered` does."""
    method = f"distance {STOL} {LTOL} {ANGLE_TOL}, pymatgen {version('pymatgen')}"
    keys = [content_key(method, *pair) for pair in pairs]
    known = remembered_map(_distance_row, dict(zip(keys, pairs, strict=True)), inputs, task, TIME_LIMIT)
    rows = [known[key] for key in keys]
    return [row if isinstance(row, Failed) else None if np.isnan(row[0]) else float(row[0]) for row in rows]


def kept_sameness(pairs: Sequence[tuple[Atoms, Atoms]], inputs: Inputs, task: str) -> list[bool | Failed]:
    """`same_crystal` of each pair, as `asegen.metrics.remembered` does."""
    method = f"sameness {inputs.protocol.tolerances} {inputs.protocol.mixes_elements}, pymatgen {version('pymatgen')}"
    keys = [content_key(method, *pair) for pair in pairs]
    items = {key: (inputs.protocol, pair) for key, pair in zip(keys, pairs, strict=True)}
    known = remembered_map(_sameness_row, items, inputs, task, TIME_LIMIT)
    rows = [known[key] for key in keys]
    return [row if isinstance(row, Failed) else bool(row[0]) for row in rows]


def _distance_row(pair: tuple[Atoms, Atoms]) -> Row:
    distance = rms_distance(*pair)
    return np.array([np.nan if distance is None else distance], np.float32)


def _sameness_row(item: tuple[Protocol, tuple[Atoms, Atoms]]) -> Row:
    protocol, pair = item
    return np.array([same_crystal(pair, protocol)], np.float32)
