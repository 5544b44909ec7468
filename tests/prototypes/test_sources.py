"""Libraries of templates by name and from catalogues."""

from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.io import write

from asegen.calculators import Generator, open_source
from asegen.errors import CheckpointError
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import KNOWN, open_library
from asegen.trained.weights import shipped_catalogue


@pytest.fixture(scope="module")
def library() -> TemplateLibrary:
    open_library(KNOWN)
    return open_library(str(shipped_catalogue()))  # the same by its path, this time from the cache


def test_the_shipped_crystals_have_the_groups_that_their_names_say(library: TemplateLibrary) -> None:
    assert len(library) > 17_000
    for index in range(0, len(library), 1500):
        atoms: Atoms = library.atoms([index])[0]
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        name, group = library.ids[index].rsplit("-", 1)
        assert spglib.get_symmetry_dataset(cell, symprec=1e-3).number == int(group)
        assert atoms.symbols.formula.reduce()[0] == Atoms(name).symbols.formula.reduce()[0]


def test_rock_salt_is_known_with_its_size(library: TemplateLibrary) -> None:
    (atoms,) = Generator(open_source("template", templates=library, device="cpu", quick=True)).generate("NaCl")
    assert atoms.info["spacegroup"] == 225
    np.testing.assert_allclose((4 * atoms.cell.volume) ** (1 / 3), 5.64, rtol=0.03)  # Å, experiment


def test_weights_are_no_catalogue() -> None:
    with pytest.raises(CheckpointError, match="no catalogue"):
        open_library(str(shipped_catalogue().with_name("empnn-mp.safetensors")))


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    write(tmp_path / "known.extxyz", [bulk("NaCl", "rocksalt", a=5.64), bulk("Cu")])
    assert len(open_library(str(tmp_path / "known.extxyz"))) == 2
