"""Columns: a stage of one's own declares one, and it is in the table, the structures, the terminal and the report."""

import csv
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import ase.io
import pytest
from ase.build import bulk
from rich.console import Console

from asegen.cli.runs.screen import phonon_lines, ranking_table, show_ranking
from asegen.cli.terminal import print_whole
from asegen.errors import AsegenError
from asegen.parallel.workforce import Workforce
from asegen.screening.columns import Column, Shown, as_json, from_json, merged
from asegen.screening.options import Options
from asegen.screening.pipeline import run_stages
from asegen.screening.records import Outcome
from asegen.screening.registry import columns
from asegen.screening.result import Result
from asegen.screening.result import columns as declared_in
from asegen.screening.run import publish
from asegen.screening.stage import Stage
from asegen.screening.stages.hull import Hull
from asegen.screening.stages.phonons import Phonons
from asegen.screening.stages.properties import Properties
from asegen.screening.stages.read import Read
from asegen.screening.stages.verdicts import KNOWN_COMPOSITION, LOWEST, VERDICTS

THREADS = Workforce(ThreadPoolExecutor(1), lambda: 1)
SHOWN = Shown(45, "Å³/atom", digits=2)


@dataclass(frozen=True)
class Volume(Stage):
    """Computes the volume per atom."""

    name: ClassVar[str] = "volume"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("volume", "volume by atoms", "number", "Å³/atom", table=SHOWN, page=SHOWN, tile=SHOWN),
    )

    def work(self, candidates, supplied):
        return [Outcome(found={"volume": c.crystal.get_volume() / len(c.crystal)}) for c in candidates]


@dataclass(frozen=True)
class Careless(Volume):
    """Declares nothing of what it finds."""

    columns: ClassVar[tuple[Column, ...]] = ()


def test_a_column_is_in_every_view(tmp_path: Path) -> None:
    crystals = [bulk("Cu", a=3.6), bulk("Al", cubic=True)]
    found = run_stages(crystals, tmp_path / "run", [Read(), Volume()], workforce=THREADS)
    assert publish(tmp_path / "run") is None
    volumes = {"Cu": 3.6**3 / 4, "Al": 4.05**3 / 4}
    assert {r["formula"]: r["volume"] for r in found} == pytest.approx(volumes)
    with (tmp_path / "run" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["formula"]: float(row["volume"]) for row in rows} == pytest.approx(volumes)
    assert list(rows[0])[:7] == ["id", "name", "rank", "rank_in_composition", "status", "reason", "formula"]
    assert list(rows[0])[-7:] == ["volume", "stage", "source", "index", "notes", "artifacts", "seconds"]
    frames = ase.io.read(tmp_path / "run" / "results.extxyz", ":")
    assert {a.info["reduced_formula"]: a.info["volume"] for a in frames} == pytest.approx(volumes)
    console = Console(width=120, record=True, file=(tmp_path / "told").open("w"))
    console.print(ranking_table(found, declared_in(tmp_path / "run")))
    text = console.export_text()
    assert "Å³/atom" in text and "11.66" in text and "16.61" in text
    (data,) = re.findall(r'id="data">(.*?)</script>', (tmp_path / "run" / "report.html").read_text())
    told = json.loads(data)
    assert {row["formula"]: row["volume"] for row in told["rows"]} == pytest.approx(volumes)
    (column,) = (column for column in told["columns"] if column["name"] == "volume")
    assert column["page"]["label"] == column["tile"]["label"] == "Å³/atom" and column["unit"] == "Å³/atom"


def test_the_terminal_shows_the_names_that_the_inputs_have(tmp_path: Path) -> None:
    found = run_stages(named := [bulk("Cu"), bulk("Al")], tmp_path / "bare", [Read()], workforce=THREADS)
    assert [column.header for column in ranking_table(found, []).columns][:2] == ["", "candidate"]
    named[0].info["material_id"] = "[red]slag"
    found = run_stages(named, tmp_path / "named", [Read()], workforce=THREADS)
    console = Console(width=120, record=True, file=(tmp_path / "told").open("w"))
    console.print(ranking_table(found, []))
    first = next(line for line in console.export_text().splitlines() if "c000001" in line)
    assert "[red]slag" in first


def test_words_of_a_verdict_are_never_cut(tmp_path: Path) -> None:
    found = run_stages([bulk("Cu")], tmp_path / "run", [Read()], workforce=THREADS)
    values = {**found[0], "rank": 1, "hull_verdict": "known composition, within the error", "formula": 45 * "C"}
    console = Console(width=100, record=True, file=(tmp_path / "told").open("w"))
    console.print(ranking_table([Result(values, None)], columns([])))
    assert "composition," in console.export_text()


def test_verdicts_take_two_lines_on_a_terminal_and_one_elsewhere(tmp_path: Path) -> None:
    found = run_stages([bulk("Cu")], tmp_path / "run", [Read()], workforce=THREADS)
    rows = [
        Result({**found[0], "rank": k, "hull_verdict": word, "e_hull": 0.1}, None) for k, word in enumerate(VERDICTS)
    ]
    for terminal, lines in ((True, 2), (False, 1)):
        file = (tmp_path / "told").open("w")
        console = Console(width=60, record=True, file=file, force_terminal=terminal)
        print_whole(console, ranking_table(rows, columns([])))
        told = console.export_text()
        assert len(told.rstrip().splitlines()) <= 4 + lines * len(rows)
        assert ("known composition, within the error" in told) != terminal


def test_a_narrow_terminal_goes_without_what_says_least(tmp_path: Path) -> None:
    found = run_stages([bulk("Cu")], tmp_path / "run", [Read()], workforce=THREADS)
    values = {**found[0], "rank": 1, "hull_verdict": KNOWN_COMPOSITION, "e_hull": 0.1, "energy": -4.084}
    values |= {"space_group": "I4_1/amd (141)", "name": "mine", "phonons": "stable"}
    for width, status, has, lacks in (
        (120, "ok", ["-4.084", "mine", "status", "(141)"], ["too narrow"]),
        (80, "ok", ["stable", "composition", "0.100", "without energy, name"], ["-4.084", "mine"]),
        (60, "unconverged", ["unconverged", "without energy, name, space_group, for"], ["-4.084", "(141)"]),
    ):
        console = Console(width=width, record=True, file=(tmp_path / "told").open("w"), force_terminal=True)
        show_ranking(console, [Result({**values, "status": status}, None)], columns([]))
        told = console.export_text()
        assert all(word in told for word in has) and not any(word in told for word in lacks), told


def test_unstable_phonons_of_chgnet_leave_a_doubt(tmp_path: Path) -> None:
    (found,) = run_stages([bulk("Cu")], tmp_path / "run", [Read()], workforce=THREADS)
    unstable, stable = (Result({**found, "phonons": word}, None) for word in ("unstable", "stable"))
    (line,) = phonon_lines([unstable, stable], Options("chgnet"))
    assert line.startswith("1 with unstable phonons: CHGNet says so of ")
    asked = Result({**unstable, "second_phonons": "stable"}, None)
    assert not phonon_lines([stable], Options("chgnet")) and not phonon_lines([asked], Options("chgnet"))
    assert not phonon_lines([unstable], Options("emt")) and not phonon_lines([unstable], Options(phonons_by="emt"))


def test_a_table_wider_than_the_console_is_printed_whole(tmp_path: Path) -> None:
    found = run_stages([bulk("Cu")], tmp_path / "run", [Read()], workforce=THREADS)
    values = {**found[0], "rank": 1, "hull_verdict": LOWEST, "e_hull": 0.123456, "formula": 90 * "C", "energy": -1e-4}
    for width in (60, 100):
        console = Console(width=width, record=True, file=(tmp_path / "told").open("w"))
        print_whole(console, ranking_table([Result(values, None)], columns([])))
        told = console.export_text()
        assert "0.000" in told and "-0.000" not in told
        assert 90 * "C" in told and "0.123" in told and "status" in told and "candidates" in told


def test_what_a_stage_finds_has_to_be_declared(tmp_path: Path) -> None:
    with pytest.raises(AsegenError, match="the stage volume finds 'volume', which is none of its columns"):
        run_stages([bulk("Cu")], tmp_path / "run", [Read(), Careless()], workforce=THREADS)


def test_the_table_of_the_stages_here_has_its_order() -> None:
    names = [column.name for column in columns([])]
    expected = (
        "formula space_group hull_verdict e_hull e_hull_error decomposes_into novel phonons"
        " rank_before log_prior vacuum n_atoms energy first_energy pressure internal_energy"
        " formation_energy e_known known_composition measured_against e_hull_reason energy_scale"
        " second_energy second_e_hull second_e_known second_formation_energy second_e_hull_error second_reason opinions"
        " space_group_before second_space_group prerelax_status prerelax_steps steps force_calls fmax"
        " second_force_calls duplicates duplicate_of known_as known_crystal phonons_reason lowest_frequency"
        " dft_phonons second_phonons second_phonons_reason second_lowest_frequency target_probability target_distance "
        + " ".join(column.name for column in Properties.columns)
        + " bulk_modulus shear_modulus mechanical_stability elastic_reason"
        " eos_volume eos_bulk_modulus eos_derivative eos_reason"
        " free_energy_300K heat_capacity_300K thermal_reason"
        " dft_status dft_reason energy_dft e_hull_dft e_hull_dft_reason decomposes_into_dft above_lowest_dft"
        " rank_dft energy_scale_dft dft_output"
    )
    assert names == expected.split()
    assert names == [column.name for column in columns([Read()])]


def test_columns_survive_the_ledger() -> None:
    declared = merged([Hull.columns, Phonons.columns])
    assert from_json(json.loads(json.dumps(as_json(declared)))) == declared
