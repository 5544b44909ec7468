"""Entries in worker processes: order kept, faults contained."""

import os
from contextlib import suppress

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asegen.errors import InputError
from asegen.ingest import prepare as module
from asegen.ingest.prepare import Prepared, Refused, prepare, prepare_all
from asegen.structures.reading import OTHER, Entry, read_entries

SILICON = bulk("Si")
PATCHES = ["", "nan", "-1", "1e308", "0", " ", "\n", "'", ";", "#", "loop_\n", "é", "\0", "9" * 30, "inf", "?"]


def entry(row: int, content: object = SILICON) -> Entry:
    return Entry(row, f"id-{row}", content, OTHER, {"gap": "1.5", "name": "Si"})


class Crash:
    """Ends the process that unpickles it, as a crash in native code would."""

    def __reduce__(self):
        return os._exit, (1,)


class Slow:
    """A column's name that takes for ever, and swallows exceptions as readers do."""

    def __str__(self) -> str:
        while True:
            with suppress(Exception):
                sum(range(1000))


def test_a_crystal_becomes_arrays():
    outcome = prepare(entry(3), None)
    assert isinstance(outcome, Prepared)
    assert (outcome.row, outcome.id) == (3, "id-3")
    assert outcome.cell.shape == (3, 3) and outcome.scaled_positions.shape == (2, 3)
    assert outcome.numbers.tolist() == [14, 14] and outcome.values == {"gap": 1.5, "name": None}


@pytest.mark.parametrize(
    ("content", "max_atoms", "reason"),
    [
        (SILICON.repeat(2), 15, "too many atoms"),
        (Atoms("Si", [[0, 0, np.nan]], cell=[3, 3, 3], pbc=True), None, "non-finite"),
        (Atoms("Si2", cell=[3, 3, 3], pbc=True), None, "overlapping"),
        (None, None, "unreadable"),
    ],
)
def test_what_is_no_crystal_has_a_reason(content, max_atoms, reason):
    outcome = prepare(entry(1, content), max_atoms)
    assert isinstance(outcome, Refused) and outcome.reason.startswith(reason) and "\n" not in outcome.reason


CIF = (
    "data_x\n_cell_length_a 4.1\n_cell_length_b 4.1\n_cell_length_c 4.1\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
    "_cell_angle_gamma 90\nloop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n'-x, -y, -z'\nloop_\n_atom_site_type_symbol\n"
    "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n_atom_site_occupancy\nCs 0 0 0 1\nCl 0.5 0.5 0.5 1\n"
)
FRAME = '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nCs 0 0 0\nCl 2 2 2\n'
POSCAR = "CsCl\n1.0\n4 0 0\n0 4 0\n0 0 4\nCs Cl\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"


@pytest.mark.parametrize(("text", "name"), [(CIF, "a.cif"), (FRAME, "a.extxyz"), (POSCAR, "POSCAR")])
@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_text_is_a_record(tmp_path, text, name, data):
    """Whatever is cut out or put in: crystals that pass the gate, or one line each with a reason."""
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 9)))
        text = text[:start] + data.draw(st.sampled_from(PATCHES)) + text[end:]
    (tmp_path / name).write_text(text)
    try:
        entries = list(read_entries(tmp_path / name))
    except InputError as error:
        assert name in str(error) and "\n" not in str(error)
        return
    assert entries
    for outcome in (prepare(entry, None) for entry in entries):
        if isinstance(outcome, Refused):
            assert ": " in outcome.reason and "\n" not in outcome.reason
        else:
            assert np.isfinite(outcome.cell).all() and np.linalg.det(outcome.cell) > 0
            assert len(outcome.numbers) == len(outcome.scaled_positions) > 0


def test_a_crash_costs_one_row_and_the_order_is_kept():
    entries = [entry(row) for row in range(150)]
    entries[70] = entry(70, Crash())
    outcomes = list(prepare_all(entries, None, 2))
    assert [outcome.row for outcome in outcomes] == list(range(150))
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert len(refused) == 1 and refused[0].row == 70 and refused[0].reason.startswith("crashed")


def test_time_limit(monkeypatch):
    monkeypatch.setattr(module, "TIME_LIMIT", 0.2)
    entries = [Entry(0, "a", SILICON, OTHER, {Slow(): 1}), entry(1)]
    slow, fine = prepare_all(entries, None, 1)
    assert isinstance(slow, Refused) and slow.reason == "time limit: more than 0.2 s"
    assert isinstance(fine, Prepared)
