"""The table's numbers against pymatgen, and its counts."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from asegen.cli.runs.summary import PICTURES, ROWS, SYMPREC, Summary, space_group
from asegen.structures.validity import density


def marked(atoms: Atoms, index: int = 0, valid: bool = True) -> Atoms:
    verdict = {"valid": True, "shortest_distance": 2.5} if valid else {"valid": False, "reason": "bad cell: [flat]"}
    atoms.info = {"formula": str(atoms.symbols), "sample_index": index, **verdict}
    return atoms


@pytest.mark.parametrize(
    "atoms",
    [bulk("NaCl", "rocksalt", a=5.6), bulk("Si"), bulk("Ti"), bulk("CsCl", "cesiumchloride", a=4.1), bulk("Cu") * 2],
)
def test_numbers_are_pymatgen_s(atoms: Atoms) -> None:
    structure = AseAtomsAdaptor.get_structure(marked(atoms))
    symmetry = SpacegroupAnalyzer(structure, symprec=SYMPREC)
    assert space_group(atoms) == (symmetry.get_space_group_symbol(), symmetry.get_space_group_number())
    assert density(atoms) == pytest.approx(structure.density, rel=1e-3)


def test_spglib_never_sees_what_failed_the_gate() -> None:
    broken = marked(bulk("Cu"), valid=False)
    broken.cell[:] = np.nan
    assert space_group(broken) is None


def test_counts_and_rows(capsys: pytest.CaptureFixture) -> None:
    summary = Summary()
    for k in range(100):
        summary.add(marked(bulk("Cu"), k, valid=k % 4 != 1))
    for k in (3, 1):
        summary.leave_out(k)
    summary.show(Path("a.extxyz"))
    printed = capsys.readouterr().out
    assert "100 structures in a.extxyz: 75 valid, 25 not; 2 left out (samples 1, 3)" in printed
    assert f"and {100 - ROWS} more" in printed and printed.count("bad cell") == ROWS // 4
    assert len(re.findall(r"Fm-3m \(225\)", printed)) == ROWS - ROWS // 4


@pytest.mark.parametrize("n", [0, 1, 23, 24, 25, 300, 5000])
def test_pictures_are_spread_over_the_whole_run(n: int) -> None:
    summary, copper = Summary(), bulk("Cu")
    for k in range(n):
        summary.add(marked(copper.copy(), k))
    indices = [atoms.info["sample_index"] for atoms in summary.pictures()]
    assert len(indices) == min(n, PICTURES) and indices == sorted(set(indices))
    if n > 1:
        assert indices[0] == 0 and indices[-1] > 0.9 * (n - 1)
        assert np.diff(indices).max() <= 2.5 * n / len(indices)


def test_what_the_columns_lack_is_said(capsys: pytest.CaptureFixture) -> None:
    summary = Summary()
    other, same, bare = marked(bulk("Na"), 0), marked(bulk("Na"), 1), marked(bulk("Cu"), 2)
    other.info |= {"formula_requested": "NaCl", "e_hull_predicted": -0.001}
    same.info |= {"formula_requested": "Na2", "e_hull_predicted": 0.1}
    bare.info |= {"e_hull_missing": "unknown element: Cu [sic]", "energy_missing": "emt does not know Cu"}
    for atoms in (other, same, bare):
        summary.add(atoms)
    summary.show(Path("a.extxyz"))
    printed = capsys.readouterr().out
    assert "no e_hull of 1: unknown element: Cu [sic]" in printed
    assert "no energy of 1: emt does not know Cu" in printed
    assert "1 not of the composition that was asked for" in printed
    assert " 0.00 " in printed and "-0.00" not in printed


def test_columns_without_any_value_are_left_out(capsys: pytest.CaptureFixture) -> None:
    titles = []
    for info in ({"rank": 1}, {"rank": 1, "energy_per_atom": -3.0}, {"e_hull_predicted": 0.0}):
        summary, atoms = Summary(), marked(bulk("NaCl", "rocksalt", a=5.6))
        atoms.info |= info
        summary.add(atoms)
        summary.show(Path("a.extxyz"))
        head = capsys.readouterr().out.partition("───")[0]
        titles.append([name for name in ("rank", "source", "eV/atom", "e_hull") if name in head])
    assert titles == [["rank"], ["rank", "eV/atom"], ["e_hull"]]


def test_what_is_predicted_far_below_the_hull_is_called_an_error(capsys: pytest.CaptureFixture) -> None:
    for info, doubtful in (
        ({"e_hull_predicted": -0.44}, True),
        ({"e_hull_predicted": -0.05}, False),
        ({"e_hull_predicted": 0.2, "e_hull": -0.44, "ranked_by": "alignn"}, True),
        ({"e_hull_predicted": -0.44, "e_hull": 0.0, "ranked_by": "alignn"}, False),
        ({"e_hull_predicted": -0.44, "e_hull": -0.44, "ranked_by": "chgnet"}, False),
        ({"e_hull_predicted": -0.44, "e_hull": -0.44, "ranked_by": "alignn", "calculator": "chgnet"}, False),
    ):
        summary, atoms = Summary(), marked(bulk("NaCl", "rocksalt", a=5.6))
        atoms.info |= info
        summary.add(atoms)
        summary.show(Path("a.extxyz"))
        told = capsys.readouterr().out
        assert (
            "? doubtful: 1 predicted to lie more than 0.1 eV/atom below the hull: the error is as large there" in told
        ) == doubtful
        assert ("-0.44 ?" in told) == doubtful


def test_what_makes_no_sense_is_not_simply_valid(capsys: pytest.CaptureFixture) -> None:
    summary, odd = Summary(), marked(bulk("NaCl", "rocksalt", a=5.6))
    odd.info |= {"implausible": "bond: Na–Cl of 0.71 Å", "e_hull_predicted": 0.1}
    summary.add(odd)
    summary.add(marked(bulk("KCl", "rocksalt", a=6.3), 1))
    summary.show(Path("a.extxyz"))
    printed = capsys.readouterr().out
    assert "2 valid, 0 not; 1 implausible" in printed and "odd bond" in printed and printed.count(" yes") == 1
    assert "elements" not in printed
    summary.add(marked(bulk("Cu"), 2))
    summary.show(Path("a.extxyz"))
    assert "errors are about 0.05 for known crystals, 0.15 for others, of elements up to 0.5" in capsys.readouterr().out
