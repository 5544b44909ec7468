"""The generator with the shipped weights: exact composition, seeds, marks, and files that hold the same."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.io import read
from pymatgen.core import Composition
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, Request, open_source
from asegen.errors import InputError
from asegen.generation.finishing import note_group
from asegen.generation.run import Progress
from asegen.generation.source import Source
from asegen.structures.atoms import check_atoms
from asegen.trained.samplers import DEFAULT_MODEL, load_generator
from asegen.trained.weights import find_weights, shipped_weights
from asegen.training.registry import GENERATORS


@pytest.fixture(scope="module")
def generator() -> Generator:
    """One rough trajectory for each structure."""
    return Generator(open_source("diffusion", device="cpu", quick=True), batch_size=5)


def test_composition_is_exact_and_info_complete(generator: Generator) -> None:
    structures = generator.generate(Request(["SrTiO3", "Cu"], multiples=(1, 2)), n=3, seed=4, steps=5)
    assert [a.info["sample_index"] for a in structures] == list(range(12))
    for atoms in structures:
        assert Composition(atoms.info["formula"]) == AseAtomsAdaptor.get_structure(atoms).composition
        assert atoms.pbc.all() and atoms.cell.volume > 0
        assert atoms.info["valid"] == (check_atoms(atoms) is None)
        assert atoms.info["model"] == DEFAULT_MODEL and atoms.info["seed"] == 4 and atoms.info["steps"] == 5


@pytest.mark.parametrize("name", ["diffusion", "hybrid"])
def test_a_generator_that_has_drawn_goes_through_a_pickle(name: str) -> None:
    """Judges and searches for templates included; the copy draws the same."""
    generator = Generator(open_source(name, templates="aflow" if name == "hybrid" else None, device="cpu"))
    drawn = generator.generate("NaCl", n=3, seed=1, steps=3)
    again = pickle.loads(pickle.dumps(generator)).generate("NaCl", n=3, seed=1, steps=3)
    assert [(a, a.info) for a in drawn] == [(a, a.info) for a in again]
    assert drawn == copy.deepcopy(generator).generate("NaCl", n=3, seed=1, steps=3)
    assert drawn == generator.generate("NaCl", n=3, seed=1, steps=3)  # which remembers what it had


def test_info_names_the_space_group_of_what_passes_the_gate(generator: Generator, template: Source) -> None:
    rough = [atoms for atoms in generator.generate("SrTiO3", n=3, steps=5) if atoms.info["valid"]]
    assert rough
    for atoms in [*rough, *Generator(template).generate(["NaCl", "SrTiO3"], n=2)]:
        cell = atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers
        found = spglib.get_symmetry_dataset(cell, symprec=1e-3)
        assert (atoms.info["spacegroup"], atoms.info["spacegroup_symbol"]) == (found.number, found.international)
    broken = Atoms("Cu", cell=[np.nan] * 3, pbc=True)
    broken.info = {"valid": False, "spacegroup": 225, "spacegroup_symbol": "Fm-3m"}  # of what it was before
    note_group(broken)
    assert broken.info == {"valid": False}


def test_names_are_unique_and_those_of_files(generator: Generator, tmp_path: Path) -> None:
    generator.run(["NaCl", "Cu"], f"{tmp_path}/folder", n=2, steps=3)
    files = sorted(path.name.removeprefix("POSCAR-") for path in (tmp_path / "folder").iterdir())
    named = [str(atoms.info["name"]) for atoms in generator.generate(["NaCl", "Cu"], n=2, steps=3)]
    assert named == files and len(set(named)) == 4 and named[0].startswith("000000-Na")


def test_same_seed_same_structures_whatever_else_is_drawn() -> None:
    generator = Generator(open_source("diffusion", device="cpu"), batch_size=5)  # which searches
    first = generator.generate("NaCl", n=2, seed=1, steps=3)
    again = generator.generate("NaCl", n=np.int64(2), seed=np.int64(1), steps=np.int64(3))
    assert first == again
    other = generator.generate(["SiO2", "NaCl"], n=2, seed=1, steps=3)[2:]
    for a, b in zip(first, other, strict=True):
        difference = a.get_scaled_positions() - b.get_scaled_positions()
        np.testing.assert_allclose(difference - np.round(difference), 0, atol=1e-3)
    assert generator.generate("NaCl", n=1, seed=2, steps=3)[0] != first[0]


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


def test_what_cannot_be_drawn_names_the_parameter(generator: Generator) -> None:
    for named, settings in (("n = 0", {"n": 0}), ("steps = 0", {"steps": 0}), ("seed = -1", {"seed": -1})):
        with pytest.raises(InputError, match=named):
            generator.generate("Cu", **settings)
    with pytest.raises(InputError, match="batch_size = 0"):
        Generator("diffusion", batch_size=0)
    for request, why in ((Request(), "needs a composition"), (Request("Cu", spacegroup=225), "without a space group")):
        with pytest.raises(InputError, match=why):
            generator.generate(request)
    with pytest.raises(InputError, match="there are analogy, diffusion"):
        Generator("no-such-source")
    with pytest.raises(InputError, match="cell is no option of the source 'diffusion'"):
        open_source("diffusion", cell="conventional")


def test_a_file_holds_what_memory_holds_in_shards_and_resumed(generator: Generator, tmp_path) -> None:  # noqa: ANN001
    request, told = Request(["NaCl", "Cu"], multiples=(1, 2)), []
    expected = generator.generate(request, n=3, seed=2, steps=2)
    finished = generator.run(request, tmp_path / "a.extxyz", n=3, seed=2, steps=2, report=told.append)
    assert not finished.was_complete and finished.missing == [] and finished.left_out == []
    assert [a.info for a in read(finished.path, ":")] == [a.info for a in expected]
    assert isinstance(told[0], Progress) and told[0][:4] == (0, 0, 12, 27) and told[-1][:4] == (12, 27, 12, 27)
    found = []
    again = generator.run(request, tmp_path / "a.extxyz", 3, 2, steps=2, resume=True, found=found.append)
    assert again.was_complete and [a.info for a in found] == [a.info for a in expected]
    with pytest.raises(InputError, match="other arguments"):
        generator.run(request, tmp_path / "a.extxyz", 3, 3, steps=2, resume=True)
    with pytest.raises(InputError, match="exists: resume goes on, overwrite replaces it"):
        generator.run(request, tmp_path / "a.extxyz", 3, 2, steps=2)
    generator.run("Cu2", tmp_path / "one.extxyz", n=1, steps=2)
    with pytest.raises(InputError, match=r"one\.extxyz is finished and holds 1 of 3 structures"):
        generator.run("Cu2", tmp_path / "one.extxyz", n=3, steps=2, resume=True)
    for k in (1, 2):
        generator.run(request, tmp_path / f"{k}.extxyz", n=3, seed=2, steps=2, shard=f"{k}/2")
    parts = [a.info for k in (1, 2) for a in read(tmp_path / f"{k}.extxyz", ":")]
    assert sorted(parts, key=lambda info: info["sample_index"]) == [a.info for a in expected]


def test_shipped_weights_load_and_are_small() -> None:
    assert DEFAULT_MODEL in shipped_weights()
    for name in shipped_weights(*GENERATORS):
        sampler = load_generator(name, "cpu")
        assert sampler.name == name and len(sampler.elements) > 50
        path = find_weights(name)
        assert path.stat().st_size <= 12 * 2**20
        assert path.with_suffix(".md").exists(), "every shipped model has a card"
