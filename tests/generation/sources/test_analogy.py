"""Structures by analogy: known ones with other elements, exact in group and composition; else the model's."""

from collections import Counter
from pathlib import Path

import pytest
import spglib
from ase import Atoms
from ase.spacegroup import crystal
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, Request, open_source
from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.elements import TYPICAL_VOLUME
from asegen.prototypes.catalogue import Catalogue
from asegen.symmetry.analysis import find_symmetry
from asegen.symmetry.batches import orbits_of

RUTILE = crystal("TiO", [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.59, 4.59, 2.96, 90, 90, 90])
PYRITE = crystal("FeS", [(0, 0, 0), (0.385, 0.385, 0.385)], spacegroup=205, cellpar=[5.42] * 3 + [90] * 3)
SPINEL = crystal(
    "MgAlO",
    [(1 / 8, 1 / 8, 1 / 8), (1 / 2, 1 / 2, 1 / 2), (0.2624, 0.2624, 0.2624)],
    spacegroup=227,
    setting=2,
    cellpar=[8.08] * 3 + [90] * 3,
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of three crystals with free parameters."""
    found = [find_symmetry(a.cell.array, a.get_scaled_positions(), a.numbers) for a in (RUTILE, PYRITE, SPINEL)]
    path = tmp_path_factory.mktemp("known") / "known.safetensors"
    Catalogue.of(SymmetricBatch(*orbits_of(found))).write(path, {"name": "three"})
    return path


def analogy(known: Path) -> Generator:
    return Generator(open_source("analogy", known=known, device="cpu", quick=True))


@pytest.fixture(scope="module")
def generator(known: Path) -> Generator:
    return analogy(known)


def rutile(formula: str, sites: str | None = None) -> Request:
    return Request(formula, spacegroup=136, sites=sites)


def same(a: Atoms, b: Atoms) -> bool:
    """One prototype: pymatgen maps the elements onto each other and scales."""
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in (a, b)]
    return StructureMatcher(ltol=0.02, stol=0.02, angle_tol=1).fit_anonymous(*structures)


@pytest.mark.parametrize(
    ("group", "formula", "prototype"), [(136, "Sn2O4", RUTILE), (205, "Mn4Se8", PYRITE), (227, "Zn2Ga4O8", SPINEL)]
)
def test_the_known_crystal_with_other_elements(
    group: int, formula: str, prototype: Atoms, generator: Generator
) -> None:
    made = generator.generate(Request(formula, spacegroup=group), seed=1)[0]
    assert same(made, prototype) and made.get_chemical_formula(empirical=False) == Atoms(formula).get_chemical_formula()
    cell = (made.cell.array, made.get_scaled_positions(), made.numbers)
    assert spglib.get_symmetry_dataset(cell, symprec=1e-3).number == group == made.info["spacegroup"]
    assert made.info["source"] == "precedent" and 0 < made.info["precedent_vote"] < 1
    assert made.info["precedent"] == prototype.symbols.formula.reduce()[0].convert("metal").format()


def test_the_volume_follows_from_the_elements(generator: Generator) -> None:
    made = generator.generate(rutile("Sn2O4"), seed=1)[0]
    growth = (2 * TYPICAL_VOLUME[50] + 4 * TYPICAL_VOLUME[8]) / (2 * TYPICAL_VOLUME[22] + 4 * TYPICAL_VOLUME[8])
    assert made.get_volume() == pytest.approx(RUTILE.get_volume() * growth, rel=1e-6)
    lengths = made.cell.lengths()
    assert lengths.max() / lengths.min() == pytest.approx(4.59 / 2.96, rel=1e-6)  # the shape is the known one's


def test_known_crystals_and_the_model_take_turns(generator: Generator) -> None:
    made = generator.generate(rutile("Sn2O4"), n=4, seed=1)
    assert [atoms.info["source"] for atoms in made] == ["precedent", "diffusion", "diffusion", "diffusion"]
    assert all(Counter(atoms.numbers.tolist()) == {50: 2, 8: 4} for atoms in made)
    foreign = generator.generate(rutile("Sn2O2"), seed=1)  # nothing known has these numbers of atoms
    assert foreign[0].info["source"] == "diffusion" and "precedent" not in foreign[0].info


def test_sites_of_the_user_are_the_models(generator: Generator) -> None:
    assert generator.generate(rutile("Sn2O4", "Sn:a O:f"), seed=1)[0].info["source"] == "diffusion"


def test_what_overlaps_is_left_to_the_model(tmp_path: Path) -> None:
    squeezed = crystal("TiO", [(0, 0, 0), (0.01, 0.01, 0)], spacegroup=136, cellpar=[4.59, 4.59, 2.96, 90, 90, 90])
    found = find_symmetry(squeezed.cell.array, squeezed.get_scaled_positions(), squeezed.numbers, symprec=1e-3)
    Catalogue.of(SymmetricBatch(*orbits_of([found]))).write(tmp_path / "known.safetensors", {"name": "one"})
    made = analogy(tmp_path / "known.safetensors").generate(rutile("Sn2O4"), seed=1)[0]
    assert made.info["source"] == "diffusion" and made.info["valid"]
