"""What is looked at before pymatgen's matcher loses no pair that the matcher calls the same, and spares it most."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice

from asegen.structures.matching import STRICT, USUAL, Tolerances, _reduced
from asegen.structures.prefilter import Shape, Shapes

PROTOTYPES = [
    bulk("NaCl", "rocksalt", a=5.6),
    bulk("NaCl", "cesiumchloride", a=3.4),
    bulk("NaCl", "zincblende", a=6.0),
    bulk("NaCl", "wurtzite", a=4.2, c=6.9),
    make_supercell(bulk("NaCl", "rocksalt", a=5.6), [[1, 1, 0], [0, 1, 0], [0, 0, 2]]),
    crystal(["Na", "Cl"], [(0, 0, 0), (0.3, 0.3, 0)], spacegroup=136, cellpar=[4.6, 4.6, 3.0, 90, 90, 90]),
]


def variants(seed: int, n: int) -> list[Atoms]:
    """Prototypes under strains and noise of all sizes, in other cells."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(n):
        atoms = PROTOTYPES[k % len(PROTOTYPES)].copy()
        size = 0.12 * rng.random()
        strain = rng.normal(scale=size, size=(3, 3))
        atoms.set_cell(atoms.cell @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
        atoms.rattle(4 * size, rng=rng)
        atoms.rotate(90 * rng.random(), rng.normal(size=3), rotate_cell=True)
        atoms = atoms[rng.permutation(len(atoms))]
        made.append(make_supercell(atoms, [[1, 0, 0], [k % 2, 1, 0], [0, -(k % 3), 1]]))
    return made


@pytest.mark.parametrize("tolerances", [STRICT, USUAL, Tolerances(0.5, 0.3, 10.0)], ids=["strict", "usual", "wide"])
def test_no_pair_is_lost_and_few_others_are_left(tolerances: Tolerances) -> None:
    crystals = [_reduced(atoms) for atoms in variants(0, 48)]
    matcher = StructureMatcher(ltol=tolerances.ltol, stol=tolerances.stol, angle_tol=tolerances.angle, scale=False)
    shapes = Shapes(tolerances.stol, tolerances.ltol, tolerances.angle)
    asked = same = pairs = 0
    for k, one in enumerate(crystals):
        shape = Shape(one)
        perhaps = set(shapes.perhaps(shape))
        for j in range(k):
            pairs += 1
            asked += j in perhaps
            if matcher.fit(crystals[j], one, skip_structure_reduction=True):
                same += 1
                assert j in perhaps, (j, k)
        shapes.add(k, shape)
    assert same > 10
    assert asked - same < 0.25 * (pairs - same)


@pytest.mark.parametrize("tolerances", [STRICT, USUAL], ids=["strict", "usual"])
def test_what_is_plain_is_what_the_matcher_says_and_most_is(tolerances: Tolerances) -> None:
    crystals = [_reduced(atoms) for atoms in variants(1, 60)]
    matcher = StructureMatcher(ltol=tolerances.ltol, stol=tolerances.stol, angle_tol=tolerances.angle, scale=False)
    shapes = Shapes(tolerances.stol, tolerances.ltol, tolerances.angle)
    made = [Shape(one) for one in crystals]
    plain = asked = 0
    for k, shape in enumerate(made):
        for j in shapes.perhaps(shape):
            asked += 1
            found = shapes.verdict(made[j], shape)
            plain += found is not None
            if found is not None:
                assert found == matcher.fit(crystals[j], crystals[k], skip_structure_reduction=True), (j, k)
        shapes.add(k, shape)
    assert plain > 0.4 * asked > 10


def test_lattices_alone_tell_most_crystals_of_equal_volume_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, rng = [], np.random.default_rng(5)
    monkeypatch.setattr(Shapes, "_may_be_same", lambda self, one, other: looked_at.append(1) and False)
    shapes = Shapes(STRICT.stol, STRICT.ltol, STRICT.angle)
    for key in range(200):
        edges = rng.uniform(3, 9, size=3)
        lattice = Lattice.from_parameters(*edges * (150 / edges.prod()) ** (1 / 3), *rng.uniform(60, 90, size=3))
        shape = Shape(_reduced(Atoms("NaCl", scaled_positions=rng.random((2, 3)), cell=lattice.matrix, pbc=True)))
        assert list(shapes.perhaps(shape)) == []
        shapes.add(key, shape)
    assert len(looked_at) < 0.05 * 200 * 199 / 2


def test_crystals_too_large_to_look_at_are_left_to_the_matcher() -> None:
    large = bulk("Cu", cubic=True).repeat(5)
    large.rattle(0.01, seed=0)
    shapes = Shapes(0.1, 0.1, 3.0)
    shape = Shape(_reduced(large))
    shapes.add(7, shape)
    assert list(shapes.perhaps(shape)) == [7]
