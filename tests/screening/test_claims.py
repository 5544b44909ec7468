"""The ledger: work is claimed once, done once, tried again when it should be, and never lost."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from ase.build import bulk

from asegen.errors import AsegenError, InputError, Reason
from asegen.screening import claims, database
from asegen.screening.claims import Ledger
from asegen.screening.columns import Column, as_json
from asegen.screening.ledger import FILE, funnel, read_atoms
from asegen.screening.records import Input, Outcome
from asegen.screening.result import results

COLUMNS = [Column(name, "of the test") for name in ("formula", "energy", "steps")]


def begun(folder: Path, n: int = 6, size: int = 1) -> Ledger:
    """A ledger with a stage of n inputs in groups."""
    ledger = Ledger(folder)
    ledger.register({"/in": "hash"}, [Input("in", k, f"n{k}", "error", "bad") for k in range(n)])
    keys = list(range(1, n + 1))
    ledger.note(columns=as_json(COLUMNS))
    ledger.begin("one", 0, {"a": 1}, [keys[k : k + size] for k in range(0, n, size)])
    return ledger


def test_a_claim_belongs_to_one(tmp_path: Path) -> None:
    first, second = begun(tmp_path), Ledger(tmp_path)
    mine, others = first.claim("one", 4), second.claim("one", 4)
    assert [unit.members for unit in mine] == [(1,), (2,), (3,), (4,)]
    assert [unit.members for unit in others] == [(5,), (6,)]
    assert not second.finish(mine[0], [Outcome()], 0.0)
    assert first.finish(mine[0], [Outcome()], 0.0)
    assert not first.finish(mine[0], [Outcome()], 0.0)
    assert first.left("one") == 5


def test_claims_of_the_closed_and_of_the_dead_are_free_at_once(tmp_path: Path) -> None:
    begun(tmp_path).close()
    first = Ledger(tmp_path)
    assert len(first.claim("one", 6)) == 6
    first.close()
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom asegen.screening.claims import Ledger\n"
        "assert len(Ledger(Path(sys.argv[1])).claim('one', 4)) == 4\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(Ledger(tmp_path).claim("one", 6)) == 6


def test_a_lease_of_another_machine_runs_out_unless_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = begun(tmp_path), Ledger(tmp_path)
    far.owner = "elsewhere/1/x"
    taken = far.claim("one", 6)
    assert near.claim("one", 6) == []
    now = time.time()
    monkeypatch.setattr(claims.time, "time", lambda: now + 0.9 * claims.LEASE)
    far.renew()
    monkeypatch.setattr(claims.time, "time", lambda: now + 1.8 * claims.LEASE)
    assert near.claim("one", 6) == []
    monkeypatch.setattr(claims.time, "time", lambda: now + 2 * claims.LEASE)
    assert near.claim("one", 6) == taken
    assert not far.finish(taken[0], [Outcome()], 0.0)  # too late: it is somebody else's


def test_tries_are_counted_and_those_that_failed_come_last(tmp_path: Path) -> None:
    ledger = begun(tmp_path, 2)
    (bad, _) = ledger.claim("one", 2)
    assert ledger.fail(bad, crashed=True)
    ledger.close()
    ledger = Ledger(tmp_path)
    good, bad = ledger.claim("one", 1)[0], ledger.claim("one", 1)[0]
    assert good.members == (2,)
    assert not ledger.fail(bad, crashed=True)
    assert ledger.claim("one", 1) == []  # still claimed, to be given up
    assert ledger.finish(bad, [Outcome("quarantined", Reason("crashed", "twice"))], 0.0)
    assert [ledger.fail(good, crashed=False) for _ in range(1)] == [True]
    for expected in (True, False):
        (good,) = ledger.claim("one", 1)
        assert ledger.fail(good, crashed=False) == expected


def test_a_group_is_split(tmp_path: Path) -> None:
    ledger = begun(tmp_path, 6, 3)
    (group, *_) = ledger.claim("one", 1)
    ledger.split(group)
    assert [unit.members for unit in ledger.claim("one", 9)] == [(1,), (2,), (3,), (4, 5, 6)]
    assert ledger.left("one") == 6


def test_many_threads_do_every_piece_once(tmp_path: Path) -> None:
    begun(tmp_path, 200).close()
    done: Counter = Counter()

    def work() -> None:
        ledger = Ledger(tmp_path)
        while units := ledger.claim("one", 3):
            for unit in units:
                if ledger.finish(unit, [Outcome()], 0.0):
                    done[unit.unit] += 1
        ledger.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 200 and set(done.values()) == {1}


def test_what_stages_say_adds_up(tmp_path: Path) -> None:
    ledger = begun(tmp_path, 3)
    crystal = bulk("Cu").repeat((2, 1, 1))
    crystal.rattle(0.1, seed=1)
    said = [
        Outcome("ok", None, {"formula": "Cu", "steps": 1}, crystal, ("a",), {"x": "y"}),
        Outcome("rejected", Reason("bad cell", "flat")),
        Outcome("ok", None, {"formula": "Al", "energy": -1.0}),
    ]
    for unit, outcome in zip(ledger.claim("one", 3), said, strict=True):
        ledger.finish(unit, [outcome], 1.5)
    assert [candidate.key for candidate in ledger.candidates("two")] == [1, 3]
    ledger.begin("two", 1, {}, [[1], [3]])
    first, third = ledger.claim("two", 2)
    (loaded,) = ledger.load(first.members, "two")
    assert (loaded.atoms.positions == crystal.positions).all() and (loaded.atoms.cell == crystal.cell).all()
    ledger.finish(
        first, [Outcome("unconverged", Reason("unconverged", "far"), {"energy": -2.0, "steps": 9}, None, ("b",))], 1.0
    )
    assert {r.status for r in results(tmp_path)} == {"pending", "rejected"}
    ledger.finish(third, [Outcome()], 1.0)
    ledger.note(finished=["one", "two"])
    al, cu, flat = results(tmp_path)
    assert (al.id, al.status, al.rank) == ("c000003", "ok", 1)
    assert (cu.status, cu.text, cu.rank) == ("unconverged", "far", 1)
    assert (cu["steps"], cu["formula"], cu.notes, cu.artifacts) == (9, "Cu", ("a", "b"), {"x": "y"})
    assert (flat.status, flat.reason, flat.rank) == ("rejected", Reason("bad cell", "flat"), None)
    assert (flat["reason"], flat["seconds"], flat["energy"]) == ("bad cell: flat", 1.5, None)
    assert (read_atoms(tmp_path, cu.id).positions == crystal.positions).all()
    assert read_atoms(tmp_path, al.id) is None
    counts = funnel(tmp_path)
    assert [(c.stage, c.entered, c.left, dict(c.stopped), c.waiting, c.seconds) for c in counts] == [
        ("one", 3, 2, {"rejected": 1}, 0, 4.5),
        ("two", 2, 2, {}, 0, 2.0),
    ]


def test_a_folder_goes_on_only_with_what_it_was_begun_with(tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    ledger.register({"/in": "hash"}, iter(()))
    with pytest.raises(InputError, match="is not what it was"):
        ledger.register({"/in": "other"}, [])
    with pytest.raises(InputError, match="other inputs"):
        ledger.register({"/more": "hash"}, [])
    ledger.register({"/in": "hash", "/more": "hash"}, [Input("more", 0, "n", "error", "bad")])
    assert ledger.count() == 7
    ledger.check_stages([("one", {"a": 1}), ("two", {})])
    for stages, message in (
        ([("two", {})], "has already been through one"),
        ([], "has already been through one"),
        ([("one", {"a": 2})], "with a 1, not 2"),
    ):
        with pytest.raises(InputError, match=message):
            ledger.check_stages(stages)


def test_calls_at_once_can_t_have_different_settings(tmp_path: Path) -> None:
    """Both looked at the folder before a stage had begun: the first one's settings hold, and the other one stops."""
    first, other = begun(tmp_path), Ledger(tmp_path)
    first.begin("two", 1, {"fmax": 0.05}, [])
    other.begin("two", 1, {"fmax": 0.05}, [])
    with pytest.raises(InputError, match="two with fmax 0.05, not 0.01: take another folder"):
        other.begin("two", 1, {"fmax": 0.01}, [])
    with pytest.raises(InputError, match="another call has begun other stages"):
        other.begin("three", 1, {}, [])


def test_a_stage_takes_more_candidates_later_but_none_twice(tmp_path: Path) -> None:
    ledger = begun(tmp_path, 2)
    for unit in ledger.claim("one", 2):
        ledger.finish(unit, [Outcome()], 0.0)
    ledger.note(finished=["one"])
    ledger.begin("one", 0, {"a": 1}, [[1], [2]])
    assert ledger.left("one") == 0 and ledger.known("finished") == ["one"]


def test_other_files_and_versions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        Ledger(tmp_path / "file")
    with pytest.raises(InputError, match="no screening"):
        results(tmp_path)
    (tmp_path / FILE).write_text("this is not a database, but a text of some length" * 30)
    with pytest.raises(InputError):
        Ledger(tmp_path)
    (tmp_path / FILE).unlink()
    Ledger(tmp_path).note(ledger_version=99)
    for opening in (Ledger, results):
        with pytest.raises(InputError, match="another version"):
            opening(tmp_path)


def test_a_result_that_is_no_json_is_refused_whole(tmp_path: Path) -> None:
    ledger = begun(tmp_path, 1)
    (unit,) = ledger.claim("one", 1)
    with pytest.raises(ValueError, match="JSON"):
        ledger.finish(unit, [Outcome("ok", None, {"energy": float("nan")})], 0.0)
    assert ledger.finish(unit, [Outcome("failed", Reason("energy", "NaN"))], 0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_full_disk_is_one_line_and_keeps_what_was_done(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from asegen.errors import AsegenError\nfrom asegen.screening.claims import Ledger\n"
        "from asegen.screening.records import Input\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nledger = Ledger(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try: ledger.register({'/in': 'h'}, [Input('in', k, 'n', 'cif', 'x' * 10_000) for k in range(300)])\n"
        "except AsegenError as error: print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "cannot be written" in told.stdout and len(told.stdout.splitlines()) == 1
    ledger = Ledger(tmp_path)
    assert ledger.files() == {} and ledger.candidates(None) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE meta SET value = '{' WHERE key = 'columns'",
        "UPDATE meta SET value = '[1]' WHERE key = 'columns'",
        "UPDATE meta SET value = '{' WHERE key = 'ledger_version'",
        "DELETE FROM meta WHERE key = 'ledger_version'",
        "UPDATE stages SET settings = '[]'",
        "UPDATE units SET members = '[1'",
        "UPDATE units SET members = '[99]'",
        "UPDATE units SET state = 'mine'",
        "UPDATE outcomes SET found = 'x'",
        "UPDATE outcomes SET notes = '{}'",
        "DROP TABLE outcomes",
        "ALTER TABLE units DROP COLUMN crashes",
    ],
)
def test_a_damaged_ledger_is_one_line(tmp_path: Path, damage: str) -> None:
    ledger = begun(tmp_path, 2)
    for unit in ledger.claim("one", 2):
        ledger.finish(unit, [Outcome()], 0.0)
    ledger.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as file:
        file.execute(damage)
        file.commit()
    with pytest.raises(InputError, match=r"damaged|another version|not a screening's ledger") as told:
        Ledger(tmp_path).close()
        results(tmp_path)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("owner", ["elsewhere/1/x", "nobody", "here/1a/x"])
def test_a_lease_that_never_ends_and_odd_owners_block_nobody(tmp_path: Path, owner: str) -> None:
    ledger = begun(tmp_path, 1)
    ledger.claim("one", 1)
    with closing(sqlite3.connect(tmp_path / FILE)) as file:
        file.execute("UPDATE units SET owner = ?, expires = ?", (owner, time.time() + 3e8))
        file.commit()
    assert len(Ledger(tmp_path).claim("one", 1)) == 1


def test_a_locked_ledger_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.1)
    ledger = begun(tmp_path, 1)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as file:
        file.execute("BEGIN EXCLUSIVE")
        with pytest.raises(AsegenError, match="another process keeps it locked"):
            ledger.claim("one", 1)


def test_groups_that_grow_are_done_anew_and_those_alone_go_on(tmp_path: Path) -> None:
    ledger = begun(tmp_path, 4, 2)
    for unit in ledger.claim("one", 2):
        ledger.finish(unit, [Outcome(), Outcome()], 0.0)
    ledger.register({"/in": "hash", "/more": "h"}, [Input("more", 0, "n", "error", "bad")])
    ledger.begin("one", 0, {"a": 1}, [[1, 2], [3, 4, 5]])
    assert [unit.members for unit in ledger.claim("one", 9)] == [(3, 4, 5)]
    ledger.begin("two", 1, {}, [[1, 2]], alone=True)
    ledger.begin("two", 1, {}, [[1, 2, 5]], alone=True)
    assert [unit.members for unit in ledger.claim("two", 9)] == [(1, 2), (5,)]
