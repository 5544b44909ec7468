"""The catalogue: analogy first, frequencies where nothing is known, files."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, strategies
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from safetensors.torch import save_file

from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.crystals.wyckoff import Numbers
from asegen.errors import CheckpointError
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.votes import chemical_distance
from asegen.symmetry.assignments import Occupation, canonical
from asegen.symmetry.batches import make_orbits


def known(*occupations: Occupation) -> Catalogue:
    orbits = make_orbits([(o.group, o.sites) for o in occupations])
    numbers = Numbers(torch.zeros(len(orbits.numbers), 3).double(), torch.ones(len(orbits), 6).double())
    return Catalogue.of(SymmetricBatch(orbits, numbers))


ROCK_SALT = Occupation(225, (("a", 11), ("b", 17)))
FLUORITE = Occupation(225, (("a", 20), ("c", 9)))
PEROVSKITE = Occupation(221, (("a", 22), ("b", 38), ("d", 8)))
INVERSE = Occupation(221, (("a", 38), ("b", 22), ("d", 8)))


def test_precedents_begin_with_the_nearest_of_each_way() -> None:
    catalogue = known(PEROVSKITE, INVERSE, ROCK_SALT, Occupation(221, (("a", 40), ("b", 56), ("d", 8))))
    found = catalogue.precedents({38: 1, 22: 1, 8: 3}, 221)
    assert (
        found[0].weight == 1 and found[0].exchange == {22: 22, 38: 38, 8: 8} and found[0].counts == {38: 1, 22: 1, 8: 3}
    )
    assert found[1].weight == 1 and found[1].example.numbers == (38, 22, 8)  # the inverse is the nearest of another way
    assert all(precedent.weight < 1 for precedent in found[2:]) and len(found) == 6
    assert catalogue.precedents({38: 1, 22: 1, 8: 3}) == found and not catalogue.precedents({38: 2, 22: 1, 8: 3}, 221)


def test_a_system_left_out() -> None:
    left = known(ROCK_SALT, PEROVSKITE, INVERSE).without({8, 22, 38})
    assert left.known == {ROCK_SALT: 1} and left.precedents({38: 1, 22: 1, 8: 3}, 221) == []


@given(arrays(float, (2, 3), elements=strategies.floats(-2, 2)), arrays(float, 6, elements=strategies.floats(-3, 3)))
def test_files_keep_the_numbers(u: NDArray[np.float64], lattice: NDArray[np.float64]) -> None:
    general, fixed = Occupation(2, (("i", 8), ("i", 22))), Occupation(2, (("a", 8), ("b", 22)))
    orbits = make_orbits([(o.group, o.sites) for o in (general, fixed)])
    numbers = Numbers(torch.from_numpy(np.concatenate([u, u])), torch.from_numpy(np.stack([lattice, lattice])))
    catalogue = Catalogue.of(SymmetricBatch(orbits, numbers), [0.25, 0.5], [True, False])
    with TemporaryDirectory() as folder:
        catalogue.write(Path(folder) / "a.safetensors", {"name": "test"})
        again = Catalogue.read(Path(folder) / "a.safetensors")
    (kept,) = again.examples[canonical(general)]
    assert np.abs((kept.u - u + 0.5) % 1 - 0.5).max() < 1e-5 and (kept.u >= 0).all() and (kept.u < 1).all()
    np.testing.assert_allclose(kept.lattice, lattice, atol=1e-6)
    assert kept.letters == "ii" and kept.numbers == (8, 22)
    (other,) = again.examples[canonical(fixed)]
    assert [(one.above_hull, one.is_predicted) for one in (kept, other)] == [(0.25, True), (0.5, False)]
    assert (again.examples[canonical(fixed)][0].u == 0).all()  # nothing is free


def test_files(tmp_path: Path) -> None:
    catalogue = known(ROCK_SALT, ROCK_SALT, PEROVSKITE)
    catalogue.write(tmp_path / "a.safetensors", {"name": "test"})
    again = Catalogue.read(tmp_path / "a.safetensors")
    assert again.known == catalogue.known == {ROCK_SALT: 2, canonical(PEROVSKITE): 1}
    np.testing.assert_allclose(again.bravais_mean, catalogue.bravais_mean, rtol=1e-6)
    save_file({"a": torch.zeros(1)}, tmp_path / "b.safetensors")
    with pytest.raises(CheckpointError):
        Catalogue.read(tmp_path / "b.safetensors")


def test_chemical_distance() -> None:
    assert chemical_distance(11, 11) == 0 and chemical_distance(11, 19) == chemical_distance(19, 11) > 0
    assert chemical_distance(11, 19) < chemical_distance(11, 17)
    assert chemical_distance(110, 17) > 0
