"""The journal: what was kept is there after a kill, a cut line is dropped, other runs and damage are refused."""

import json
from pathlib import Path

import pytest

from asegen.errors import InputError
from asegen.parallel.journal import Journal

OPTIONS = {"fmax": 0.05, "fix_cell": False}


def begun(path: Path) -> None:
    with Journal(path, OPTIONS, "run", resume=False) as journal:
        journal.add("a", {"x": 1.1})
        journal.add("b", [0.1 + 0.2])


def test_floats_come_back_as_they_were(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    with Journal(tmp_path / "j", OPTIONS, "run", resume=True) as journal:
        assert journal.results == {"a": {"x": 1.1}, "b": [0.1 + 0.2]}
        journal.add("c", float("nan"))
    assert [[*json.loads(line)][-1] for line in (tmp_path / "j").read_text().splitlines()] == [
        "fingerprint",
        *"abc",
    ]


def test_every_cut_leaves_the_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "j"
    begun(path)
    whole = path.read_bytes()
    ends = [k for k, byte in enumerate(whole, 1) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        with Journal(path, OPTIONS, "run", resume=True) as journal:
            assert len(journal.results) == max(sum(end <= size for end in ends) - 1, 0)
            journal.add("z", 0)
        with Journal(path, OPTIONS, "run", resume=True) as journal:
            assert journal.results["z"] == 0


def test_it_begins_anew_unless_told_to_go_on(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    with Journal(tmp_path / "j", OPTIONS, "other", resume=False) as journal:
        assert journal.results == {}
        journal.remove()
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize(("text", "message"), [(None, "other structures"), ("[\n", "damaged"), ("1\n", "damaged")])
def test_another_runs_journal_and_damage_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    begun(tmp_path / "j")
    if text is not None:
        (tmp_path / "j").write_text(text)
    with pytest.raises(InputError, match=message):
        Journal(tmp_path / "j", OPTIONS, "another run", resume=True)


def test_options_that_differ_are_named(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    kept = (tmp_path / "j").read_bytes()
    with pytest.raises(InputError, match=r"options \(fmax = 0.05 → 0.02, steps = None → 5\): repeat those") as error:
        Journal(tmp_path / "j", {"fix_cell": False, "fmax": 0.02, "steps": 5}, "run", resume=True)
    assert error.value.parameters == ("fmax", "steps", "overwrite") and (tmp_path / "j").read_bytes() == kept
    (tmp_path / "j").write_text('{"fingerprint": "run"}\n')  # as earlier versions wrote it
    with pytest.raises(InputError, match="another version"):
        Journal(tmp_path / "j", OPTIONS, "run", resume=True)


def test_two_processes_cannot_have_one(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with Journal(tmp_path / "j", OPTIONS, "run", resume=False), pytest.raises(InputError, match="another process"):
        Journal(tmp_path / "j", OPTIONS, "run", resume=True)


def test_a_folder_is_made_and_a_file_is_none(tmp_path: Path) -> None:
    with Journal(tmp_path / "new" / "j", OPTIONS, "run", resume=False) as journal:
        assert journal.path.is_file()
    with pytest.raises(InputError, match="can't write"):
        Journal(tmp_path / "new" / "j" / "j", OPTIONS, "run", resume=False)
