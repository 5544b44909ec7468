"""What another potential says of the best candidates, beside the first one, and whether they agree."""

import csv
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import read

from asegen.errors import InputError, Reason
from asegen.parallel.workforce import Workforce
from asegen.potentials.engine import find_engine
from asegen.screening import Options, screen
from asegen.screening.columns import HEAD
from asegen.screening.records import Candidate
from asegen.screening.registry import chosen
from asegen.screening.stages.finite_displacements import Settings
from asegen.screening.stages.opinions import AGREE, BOTH, ENERGIES, PHONONS, of_energies, opinion_lines, with_phonons
from asegen.screening.stages.phonon_results import read_phonons
from asegen.screening.stages.second_opinion import SecondPhonons

sys.path.insert(0, str(Path(__file__).parents[1]))  # which workers get, too


def test_energies_agree_within_twice_their_errors() -> None:
    errors = (0.03, 0.04)  # 0.05 together
    assert of_energies(0.0, 0.099, errors) == AGREE and of_energies(0.2, 0.099, errors) == ENERGIES
    assert of_energies(None, 0.0, errors) is None and of_energies(0.0, 0.0, (0.03, None)) is None


def test_stable_and_unstable_are_two_opinions() -> None:
    assert [with_phonons(*three) for three in [
        (AGREE, "stable", "unstable"), (ENERGIES, "unstable", "stable"), (ENERGIES, "stable", "stable"),
        (AGREE, "marginal", "unstable"), (None, "stable", "stable"), (None, "stable", "unstable"), (None, None, None),
        (AGREE, "stable", None),
    ]] == [PHONONS, BOTH, ENERGIES, AGREE, AGREE, PHONONS, None, AGREE]  # fmt: skip


def test_opinions_are_counted() -> None:
    assert opinion_lines([AGREE, None, ENERGIES, AGREE]) == ["of 3 with a second opinion: 2 agree, 1 energies differ"]
    assert opinion_lines([None]) == []


def test_its_stages_come_with_the_option() -> None:
    assert "second" not in chosen(Options())
    names = chosen(Options(second_opinion="sevennet"))
    assert [name for name in names if name.startswith("second")] == ["second", "second_hull", "second_phonons"]
    assert names == [*chosen(Options()), "second", "second_hull", "second_phonons"]  # a later call may ask for them
    assert "second_phonons" not in chosen(Options(second_opinion="sevennet", phonons_by="sevennet"))
    assert "second_phonons" not in chosen(Options(second_opinion="sevennet", stages=["relax", "hull"]))
    for options, words in (
        ({"stages": ["relax", "hull", "second"]}, "needs a second_opinion"),
        ({"second_opinion": "sevennet", "stages": ["relax"]}, "needs the stage hull"),
    ):
        with pytest.raises(InputError, match=words):
            chosen(Options(**options))
    with pytest.raises(InputError, match="the first one"):
        Options(second_opinion="chgnet")


def test_its_phonons_stand_beside_the_first_ones(tmp_path: Path) -> None:
    pytest.importorskip("phonopy")
    stage = SecondPhonons(find_engine("emt"), 1, Settings(height=6.0, mesh=20.0))
    copper = Candidate(7, "ok", {"phonons": "unstable", "opinions": AGREE}, bulk("Cu"))
    (found,) = stage.work([copper], tmp_path)
    assert found.found["second_phonons"] == "stable" and found.found["second_lowest_frequency"] > -0.1
    assert found.found["opinions"] == PHONONS and set(found.found) <= {column.name for column in stage.columns}
    assert read_phonons(tmp_path / found.artifacts["second_phonons"]).bands
    lost = stage.gave_up(copper, "failed", Reason("time limit", "too long"))
    assert lost.found == {"second_phonons_reason": "time limit: too long"}


def test_the_best_have_both_opinions_beside_each_other(tmp_path: Path) -> None:
    """Two potentials that differ in what atoms are worth alone: their formation energies are the same."""
    salts = [bulk("NaCl", "rocksalt", 5.6), bulk("KCl", "rocksalt", 6.3), bulk("LiF", "rocksalt", 4.0)]
    asked = {"stages": ["relax", "hull"], "fit_references": True, "cache": tmp_path / "cache", "relaxer": None}
    asked |= {"best": 2, "second_opinion": "atomic:Shifted", "workforce": Workforce(ThreadPoolExecutor(1), lambda: 1)}
    found = screen(salts, tmp_path / "run", "atomic:Atomic", **asked)
    best, others = found[:2], found[2:]
    for one in best:
        assert one["second_energy"] == pytest.approx(2 * one["energy"])
        assert one["opinions"] == AGREE and one["second_e_hull_error"] == pytest.approx(one["e_hull_error"])
        crystal = read(tmp_path / "run" / one.artifacts["second"])
        assert crystal.get_chemical_formula() == salts[one.index].get_chemical_formula()
    assert [one["second_e_hull"] for one in others] == [None] and others[0]["opinions"] is None
    with (tmp_path / "run" / "results.csv").open() as file:
        columns = next(csv.reader(file))
    assert columns[: len(HEAD)] == [column.name for column in HEAD]
    assert {"second_e_hull", "second_e_known", "opinions"} <= set(columns)
