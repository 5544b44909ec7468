"""The generator with the shipped weights: exact composition, seeds, marks."""

import numpy as np
import pytest
from pymatgen.core import Composition
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator
from asegen.errors import InputError
from asegen.structures.atoms import check_atoms
from asegen.trained.samplers import DEFAULT_MODEL, load_generator
from asegen.trained.weights import find_weights, shipped_weights
from asegen.training.registry import GENERATORS


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(device="cpu", batch_size=5)


def test_composition_is_exact_and_info_complete(generator: Generator) -> None:
    structures = generator.generate(["SrTiO3", "Cu"], n=3, seed=4, multiples=(1, 2), steps=5)
    assert [a.info["sample_index"] for a in structures] == list(range(12))
    for atoms in structures:
        assert Composition(atoms.info["formula"]) == AseAtomsAdaptor.get_structure(atoms).composition
        assert atoms.pbc.all() and atoms.cell.volume > 0
        assert atoms.info["valid"] == (check_atoms(atoms) is None)
        assert atoms.info["model"] == DEFAULT_MODEL and atoms.info["seed"] == 4 and atoms.info["steps"] == 5


def test_same_seed_same_structures_whatever_else_is_drawn(generator: Generator) -> None:
    first = generator.generate("NaCl", n=3, seed=1, steps=5)
    again = generator.generate("NaCl", n=3, seed=1, steps=5)
    assert first == again
    other = generator.generate(["SiO2", "NaCl"], n=3, seed=1, steps=5)[3:]
    for a, b in zip(first, other, strict=True):
        difference = a.get_scaled_positions() - b.get_scaled_positions()
        np.testing.assert_allclose(difference - np.round(difference), 0, atol=1e-3)
    assert generator.generate("NaCl", n=1, seed=2, steps=5)[0] != first[0]


def test_valid_only_draws_again(generator: Generator) -> None:
    marked = generator.generate("U4Si8", n=6, seed=0, steps=1)
    redrawn = generator.generate("U4Si8", n=6, seed=0, steps=1, valid_only=True)
    for before, after in zip(marked, redrawn, strict=True):
        assert after.info["valid"] or after.info["attempt"] == 19
        if before.info["valid"]:
            assert before == after
        else:
            assert after.info["attempt"] > 0


def test_untrained_elements_are_named(generator: Generator) -> None:
    with pytest.raises(InputError, match="Og"):
        generator.generate("OgO2")
    assert len(generator.generate("OgO2", steps=2, force=True)) == 1
    with pytest.raises(InputError, match="--steps"):
        generator.generate("Cu", steps=0)


def test_shipped_weights_load_and_are_small() -> None:
    assert DEFAULT_MODEL in shipped_weights()
    for name in shipped_weights(*GENERATORS):
        sampler = load_generator(name, "cpu")
        assert sampler.name == name and len(sampler.elements) > 50
        path = find_weights(name)
        assert path.stat().st_size <= 12 * 2**20
        assert path.with_suffix(".md").exists(), "every shipped model has a card"
