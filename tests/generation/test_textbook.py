"""Ground states that everyone knows are among the first eight structures of their formulas."""

import runpy
from functools import cache
from pathlib import Path

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, open_source
from asegen.generation.plausibility import implausible

KNOWN = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "studies" / "textbook.py"))["KNOWN"]
"""Formula -> its ground state, by space group, lattice constants and positions from textbooks."""
GROUND_STATES = [formula for formula in KNOWN if formula != "MgSiO3"]
"""The perovskite MgSiO3 is none without pressure, and is predicted 0.3 eV/atom above the hull: it comes last."""
TOLERANCE = dict.fromkeys(KNOWN, 0.06) | {"CsCl": 0.07, "LiCoO2": 0.09}
"""Of the volume, against experiment. PBE, on which the volumes rest, has CsCl 6 % too large; EMPNN's error adds up for
the other."""


@cache
def ground_state(formula: str) -> Structure:
    """As textbooks have it; pymatgen takes most of a second for the operations of a cubic group."""
    return KNOWN[formula].structure


def errors_of(formula: str, generator: Generator, n: int) -> list[float]:
    """Errors of the volumes of those of the first structures that are the ground state, as shares."""
    truth, matcher = ground_state(formula), StructureMatcher()
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in generator.generate(formula, n=n)]
    volume = truth.volume / len(truth)
    return [one.volume / len(one) / volume - 1 for one in structures if matcher.fit(one, truth)]


@pytest.fixture(scope="module")
def templates() -> Generator:
    """Known structure types alone."""
    return Generator(open_source("template", device="cpu"))


@pytest.mark.parametrize("formula", GROUND_STATES)
def test_known_types_hold_the_ground_state(templates: Generator, formula: str) -> None:
    # The first of one is the first of eight, too: where it is the ground state, as of most, the others aren't drawn.
    assert any(abs(error) < TOLERANCE[formula] for n in (1, 8) for error in errors_of(formula, templates, n))


@pytest.fixture(scope="module")
def usual() -> Generator:
    """What `asegen generate` draws with."""
    return Generator(device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("formula", GROUND_STATES)
def test_the_ground_state_is_among_the_first_eight(usual: Generator, formula: str) -> None:
    assert any(abs(error) < TOLERANCE[formula] for error in errors_of(formula, usual, 8))


@pytest.mark.parametrize("formula", KNOWN)
def test_ground_states_are_plausible(formula: str) -> None:
    assert implausible(AseAtomsAdaptor.get_atoms(ground_state(formula))) is None
