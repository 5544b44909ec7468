"""The hull against pymatgen's phase diagrams."""

from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_numbers
from ase.formula import Formula
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from asegen.errors import InputError
from asegen.hull.table import HullTable, formula_of, reduced, shipped_hull


def counts_of(formula: str) -> dict[int, int]:
    return {atomic_numbers[symbol]: n for symbol, n in Formula(formula).count().items()}


def table(points: dict[str, float]) -> HullTable:
    compositions = [reduced(counts_of(formula)) for formula in points]
    numbers, counts = (np.array(column) for column in zip(*[p for c in compositions for p in c], strict=True))
    n_elements = np.array([len(c) for c in compositions])
    return HullTable(n_elements, numbers, counts, np.array(list(points.values())), np.ones(len(points), bool))


def diagram(points: dict[str, float], elements: str) -> PhaseDiagram:
    known = {**dict.fromkeys(elements.split(), 0.0), **points}
    return PhaseDiagram([PDEntry(Composition(f), e * Composition(f).num_atoms) for f, e in known.items()])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    energies=st.lists(st.floats(-2, 0), min_size=7, max_size=7),
    asked=st.tuples(*[st.integers(0, 6)] * 3).filter(any),
)
def test_energies_and_decompositions_are_pymatgens(energies: list[float], asked: tuple[int, int, int]) -> None:
    formulas = ["LiS4", "Li2S", "P2S5", "LiP", "Li3PS4", "Li7PS6", "Li3P7"]
    points = dict(zip(formulas, energies, strict=True))
    counts = {z: n for z, n in zip((3, 15, 16), asked, strict=True) if n}
    composition = Composition({"Li": asked[0], "P": asked[1], "S": asked[2]})
    peer = diagram(points, "Li P S")
    found = table(points).point(counts)
    assert found.energy == pytest.approx(peer.get_hull_energy_per_atom(composition), abs=1e-7)
    assert sum(found.phases.values()) == pytest.approx(1)
    made = sum(
        ((share / Composition(f).num_atoms) * Composition(f) for f, share in found.phases.items()), Composition()
    )
    assert made.almost_equals(composition / composition.num_atoms, atol=1e-5)


def test_the_shipped_hull_against_a_phase_diagram_of_its_points() -> None:
    hull = shipped_hull()
    points = {formula_of(c): hull.point(c).energy for c in hull.known_in({3, 15, 16}) if len(c) > 1}
    peer = diagram(points, "Li P S")
    for formula in ("Li3PS4", "Li7PS6", "LiPS3", "Li5S2", "Li3P4", "LiS3", "Li9P"):
        expected = peer.get_hull_energy_per_atom(Composition(formula))
        assert hull.point(counts_of(formula)).energy == pytest.approx(expected, abs=1e-6), formula
    assert hull.point(counts_of("LiPS3")).phases.keys() == {"Li7P3S11", "P2S5"}


def test_what_everyone_knows_is_stable() -> None:
    hull = shipped_hull()
    for formula in "NaCl MgO TiO2 SrTiO3 Li2S P2S5 Li3PS4 LiFePO4 Fe2O3 SiO2 GaAs ZnO CaF2 Bi2Te3".split():
        counts = counts_of(formula)
        assert hull.knows(counts) and hull.is_stable(counts), formula
        assert hull.point({z: 3 * n for z, n in counts.items()}).phases.keys() == {formula_of(counts)}, formula
    assert hull.knows(counts_of("Li2O2")) and not hull.knows(counts_of("Li17PS"))
    assert hull.above(counts_of("NaCl"), -2.0) == pytest.approx(0.11, abs=0.01)
    assert hull.point({29: 4}).energy == 0


def test_a_table_comes_back(tmp_path: Path) -> None:
    points = {"LiS4": -0.6282, "Li2S": -1.2345, "P2S5": -0.4}
    table(points).write(tmp_path / "hull.npz")
    again = HullTable.read(tmp_path / "hull.npz")
    for formula, energy in points.items():
        assert again.point(counts_of(formula)).energy == pytest.approx(energy, abs=1e-4)
    (tmp_path / "bad.npz").write_bytes(b"no table")
    with pytest.raises(InputError, match="no table of a hull"):
        HullTable.read(tmp_path / "bad.npz")


def test_formulas_are_written_as_pymatgen_does() -> None:
    for formula in ("LiFePO4", "SrTiO3", "Li3YCl6", "CaCO3", "Al2Si2O7", "Cu"):
        assert formula_of(counts_of(formula)) == Composition(formula).reduced_formula


def test_of_noble_gases_hardly_any_compound_is_known() -> None:
    """XeF2, stable since 1962, would lie 1 eV/atom below a hull of xenon and fluorine alone."""
    hull = shipped_hull()
    for formula, elements in (("XeF2", "Xe"), ("ArXeF2", "Ar, Xe"), ("NaHe2", "He")):
        assert str(hull.gap(counts_of(formula))).endswith(f"hardly any compound of {elements}")
    for formula in ("KrF2", "Xe", "Li5S2", "PuGa", "TcPa", "AcPm"):
        assert hull.gap(counts_of(formula)) is None
