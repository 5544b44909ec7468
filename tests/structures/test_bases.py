"""The bases of a lattice near another one's reduced cell are those that a search through all lattice points finds."""

import numpy as np
import pytest
from pymatgen.core import Lattice

from asegen.structures.bases import CompactBases, is_compact

KINDS = [
    Lattice.cubic(3.0), Lattice([[0, 2, 2], [2, 0, 2], [2, 2, 0]]), Lattice([[-2, 2, 2], [2, -2, 2], [2, 2, -2]]),
    Lattice.hexagonal(3.0, 5.0), Lattice.rhombohedral(4.0, 55.0), Lattice.rhombohedral(4.0, 100.0),
    Lattice.tetragonal(3.0, 3.05), Lattice.orthorhombic(3.0, 4.0, 9.0), Lattice.monoclinic(4.0, 5.0, 6.0, 117.0),
]  # fmt: skip


def reduced(kind: Lattice, size: float, rng: np.random.Generator) -> Lattice:
    strain = rng.normal(scale=size, size=(3, 3))
    return Lattice(kind.matrix @ (np.eye(3) + (strain + strain.T) / 2)).get_niggli_reduced_lattice()


def searched(one: Lattice, cell: Lattice, ltol: float, angle: float) -> list[np.ndarray]:
    """By all triples of lattice points, as StructureMatcher does."""
    mappings = one.find_all_mappings(cell, ltol=ltol, atol=angle, skip_rotation_matrix=True)
    return [mapping @ one.matrix for _, _, mapping in mappings if abs(abs(np.linalg.det(mapping)) - 1) < 0.5]


@pytest.mark.parametrize(("ltol", "angle"), [(0.1, 3.0), (0.2, 5.0)])
def test_all_bases_near_a_reduced_cell_are_listed(ltol: float, angle: float) -> None:
    rng = np.random.default_rng(0)
    some = 0
    for k in range(120):
        kind, size = KINDS[k % len(KINDS)], (0, 0.03, 0.1)[k % 3]
        one, cell = reduced(kind, size, rng), reduced(kind, size, rng)
        compact = CompactBases(one, angle)
        if not is_compact(cell, angle) or max(cell.abc) * (1 + ltol) > compact.reach:
            continue
        ours, theirs = compact.near(cell, ltol), searched(one, cell, ltol, angle)
        assert {tuple(np.round(basis.ravel(), 6) + 0.0) for basis in ours} == {
            tuple(np.round(basis.ravel(), 6) + 0.0) for basis in theirs
        }
        some += len(ours) > 0
    assert some > 60


def test_cells_that_are_not_reduced_are_told() -> None:
    assert is_compact(Lattice.cubic(3.0), 3.0) and is_compact(Lattice.hexagonal(3.0, 5.0), 3.0)
    assert not is_compact(Lattice.from_parameters(3, 3, 3, 50, 60, 60), 3.0)
    assert not is_compact(Lattice.from_parameters(3, 3, 3, 80, 100, 90), 3.0)
    assert CompactBases(Lattice.orthorhombic(1.0, 1.0, 60.0), 3.0).reach == 0  # too long to list
