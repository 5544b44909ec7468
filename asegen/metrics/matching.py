"""Whether two structures are the same crystal, by pymatgen's StructureMatcher with the published tolerances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version

import numpy as np
from ase import Atoms
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.metrics.cache import Row, content_key
from asegen.metrics.inputs import Inputs
from asegen.metrics.protocols import CLASSIC, Protocol
from asegen.metrics.remembered import remembered_map
from asegen.parallel.processes import Processes
from asegen.parallel.timed_map import Failed, timed_map
from asegen.structures.validity import check_atoms

STOL, LTOL, ANGLE_TOL = 0.5, 0.3, 10.0
"""The tolerances of CDVAE (Xie et al., ICLR 2022) and all who followed: share of (V/n)^(1/3), of lengths, degrees."""
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

    Args:
        pair: both pass the validity gate.
        protocol: pymatgen's own tolerances (0.2 / 0.3 / 5) without it.
    """
    first, second = (AseAtomsAdaptor.get_structure(atoms) for atoms in pair)
    return bool(StructureMatcher(*protocol.tolerances).fit(first, second))


def kept_distances(pairs: Sequence[tuple[Atoms, Atoms]], inputs: Inputs, task: str) -> list[float | Failed | None]:
    """`rms_distance` of each pair of a reference and a structure, as `asegen.metrics.remembered` does."""
    method = f"distance {STOL} {LTOL} {ANGLE_TOL}, pymatgen {version('pymatgen')}"
    keys = [content_key(method, *pair) for pair in pairs]
    known = remembered_map(_distance_row, dict(zip(keys, pairs, strict=True)), inputs, task, TIME_LIMIT)
    rows = [known[key] for key in keys]
    return [row if isinstance(row, Failed) else None if np.isnan(row[0]) else float(row[0]) for row in rows]


def kept_sameness(pairs: Sequence[tuple[Atoms, Atoms]], inputs: Inputs, task: str) -> list[bool | Failed]:
    """`same_crystal` of each pair, as `asegen.metrics.remembered` does."""
    method = f"sameness {inputs.protocol.tolerances}, pymatgen {version('pymatgen')}"
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
