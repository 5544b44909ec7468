"""A run that stops anywhere goes on to the same result, and nothing of the user's is ever lost."""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read

from asegen.errors import InputError
from asegen.generation.outputs import PartialOutput
from asegen.structures.reading_back import read_back

NAMES = ["a.extxyz", "a.xyz", "a.cif", "a.traj", "a.db", "folder"]
SETTINGS = {"seed": 1, "pool": "a" * 64}
SAME_BYTES = ["a.extxyz", "a.cif", "folder"]  # a trajectory and a database hold the time at which they were written


def batch(first: int, n: int = 3) -> list[Atoms]:
    found = []
    for k in range(first, first + n):
        atoms = bulk("NaCl", "rocksalt", a=5.6 + 0.01 * k)
        atoms.info = {
            "formula": "NaCl", "sample_index": 100 - k, "seed": 1, "sample_seed": 2**62 + k, "valid": True,
            "model_version": "7000", "material_id": f"we@ird-{k}", "shortest_distance": np.float64(2.8),
        }  # fmt: skip
        found.append(atoms)
    return found


def run(out: Path, batches: int, resume: bool = False, overwrite: bool = False) -> PartialOutput:
    return go_on(PartialOutput(str(out), SETTINGS, resume, overwrite), batches)


def go_on(output: PartialOutput, batches: int) -> PartialOutput:
    for k in range(output.batches_done, batches):
        output.append(batch(3 * k))
    return output


def stop(output: PartialOutput) -> PartialOutput:
    """As a process that ends does."""
    output.close()
    return output


def content(place: Path) -> dict[str, bytes]:
    return {str(p.relative_to(place)): p.read_bytes() for p in sorted([place, *place.rglob("*")]) if p.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_the_output_appears_in_the_plan_s_order_and_alone(tmp_path: Path, name: str) -> None:
    output = run(tmp_path / "new" / name, 4)
    assert not (tmp_path / "new" / name).exists()
    assert output.finish() == []
    assert [p.name for p in (tmp_path / "new").iterdir()] == [name]
    back = list(read_back(output.out, output.format))
    assert [a.info["sample_index"] for a in back] == list(range(89, 101))
    expected = [a for k in range(4) for a in batch(3 * k)][::-1]
    assert [a.info["sample_seed"] for a in back] == [a.info["sample_seed"] for a in expected]
    np.testing.assert_allclose([a.cell.volume for a in back], [a.cell.volume for a in expected], rtol=1e-6)


@pytest.mark.parametrize("rubbish", [b"", b"2\nLattice=", b"\x00" * 1000])
def test_what_a_killed_process_left_of_its_next_batch_is_cut_off(tmp_path: Path, rubbish: bytes) -> None:
    run(tmp_path / "whole.extxyz", 4).finish()
    killed = stop(run(tmp_path / "killed.extxyz", 2))
    assert len(read(killed.part, ":", format="extxyz")) == 6  # readable while the run goes on
    with killed.part.open("ab") as file:
        file.write(rubbish)
    run(tmp_path / "killed.extxyz", 4, resume=True).finish()
    assert (tmp_path / "killed.extxyz").read_bytes() == (tmp_path / "whole.extxyz").read_bytes()
    assert run(tmp_path / "killed.extxyz", 0, resume=True).complete


CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "sqlite3.connect", "shutil.rmtree"}


def killed_at(call: int, work: Callable[[], object]) -> bool:
    """Does work in a process that is killed just before its `call`-th step on the disk; whether it came to that."""
    child = os.fork()
    if child == 0:
        steps = count(1)

        def kill(event: str, _: object) -> None:
            if event in CHANGES and next(steps) == call:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize(
    ("name", "overwrite"),
    [
        ("a.extxyz", False),
        ("a.extxyz", True),
        pytest.param("a.cif", False, marks=pytest.mark.slow),  # appended to as extxyz is
        ("folder", True),
        *(pytest.param(name, True, marks=pytest.mark.slow) for name in NAMES),
    ],
)
def test_a_run_killed_before_any_step_on_the_disk_resumes(tmp_path: Path, name: str, overwrite: bool) -> None:
    run(tmp_path / "whole" / name, 2).finish()
    for call in range(1, 100):
        out = tmp_path / str(call) / name
        if overwrite:
            run(out, 1).finish()
        if not killed_at(call, lambda out=out: run(out, 2, overwrite=overwrite).finish()):
            break
        output = PartialOutput(str(out), SETTINGS, resume=True)
        if not output.complete:
            go_on(output, 2).finish()
        indices = [a.info["sample_index"] for a in read_back(out, output.format)]
        before = list(range(98, 101)) if overwrite else None  # killed before anything was changed
        assert indices == list(range(95, 101)) or indices == before
        if indices != before and name in SAME_BYTES:
            assert content(out) == content(tmp_path / "whole" / name)
        assert [p.name for p in out.parent.iterdir()] == [name]
    assert call > 12  # steps were counted


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "a.extxyz"
    run(out, 1).finish()
    before = out.read_bytes()
    with pytest.raises(InputError, match="overwrite replaces"):
        run(out, 1)
    begun = run(out, 1, overwrite=True)
    assert out.read_bytes() == before  # until the run is done
    with pytest.raises(InputError, match="resume goes on"):
        run(out, 1)
    for choice in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(InputError, match="another process"):
            run(out, 1, **choice)
    begun.append(batch(3))
    begun.finish()
    assert len(read(out, ":")) == 6


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "POSCAR-000000-NaCl").write_text("ours")
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"thesis\.tex"):
        run(tmp_path, 1, overwrite=overwrite)
    assert content(tmp_path) == {"POSCAR-000000-NaCl": b"ours", "thesis.tex": b"precious"}


def test_files_and_folders_are_not_taken_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.cif").mkdir()
    (tmp_path / "b").write_text("precious")
    for name, kind in (("a.cif", "folder"), ("b", "file")):
        with pytest.raises(InputError, match=f"is a {kind}"):
            run(tmp_path / name, 1, overwrite=True)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    run(tmp_path / "new", 1).finish()
    assert len(content(tmp_path / "new")) == 3


def test_a_smaller_run_leaves_nothing_of_the_folder_it_replaces(tmp_path: Path) -> None:
    run(tmp_path / "a", 3).finish()
    run(tmp_path / "a", 1, overwrite=True).finish()
    assert len(content(tmp_path / "a")) == 3


def test_another_run_s_beginning_is_refused(tmp_path: Path) -> None:
    output = stop(run(tmp_path / "a.extxyz", 1))
    journal = tmp_path / "a.extxyz.part.json"
    with pytest.raises(InputError, match=r"other options \(seed = 1 → 2, pool\): repeat those"):
        PartialOutput(str(output.out), {**SETTINGS, "seed": 2, "pool": "b" * 64}, resume=True)
    state = json.loads(journal.read_text())
    for damaged in ("{", "[]", "{}", json.dumps({**state, "bytes": state["bytes"] + 1})):
        journal.write_text(damaged)
        with pytest.raises(InputError, match="with overwrite"):
            PartialOutput(str(output.out), SETTINGS, resume=True)
    output.part.unlink()
    journal.write_text(json.dumps(state))
    with pytest.raises(InputError, match="shorter"):
        PartialOutput(str(output.out), SETTINGS, resume=True)


@pytest.mark.parametrize("failing", ["os.fsync", "os.replace"])
def test_a_full_disk_costs_the_batch_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    run(tmp_path / "whole.extxyz", 2).finish()
    output = run(tmp_path / "a.extxyz", 1)
    intact = output.part.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(failing, full)
        with pytest.raises(InputError, match="No space left.*intact"):
            output.append(batch(3))
    assert stop(output).part.read_bytes() == intact
    run(tmp_path / "a.extxyz", 2, resume=True).finish()
    assert (tmp_path / "a.extxyz").read_bytes() == (tmp_path / "whole.extxyz").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_place_that_cannot_be_written(name: str) -> None:
    with pytest.raises(InputError, match="can't write"):
        PartialOutput(f"/dev/null/{name}", SETTINGS)


@pytest.mark.parametrize("name", ["a.cif", "folder", "a.extxyz"])
def test_what_cannot_or_must_not_be_written_is_left_out_and_returned(tmp_path: Path, name: str) -> None:
    structures = batch(0)
    structures[0].cell[:] = np.nan
    structures[0].positions[:] = np.nan
    for k in (0, 2):
        structures[k].info["valid"] = False
    for valid_only in (False, True):
        output = PartialOutput(str(tmp_path / name), SETTINGS, overwrite=True)
        output.append(structures)
        left_out = [a.info["sample_index"] for a in output.finish(valid_only)]
        assert left_out == ([98, 100] if valid_only else [100] if name != "a.extxyz" else [])
        kept = [a.info["sample_index"] for a in read_back(output.out, output.format)]
        assert sorted(kept + left_out) == [98, 99, 100]


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits of file size here")
@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_is_full_at_the_end_loses_nothing(tmp_path: Path, name: str) -> None:
    run(tmp_path / name, 1).finish()
    before = content(tmp_path / name)
    output = run(tmp_path / name, 4, overwrite=True)
    drawn = output.part.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with pytest.raises(InputError, match="can't write") as caught:
            output.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert content(tmp_path / name) == before and stop(output).part.read_bytes() == drawn
    resumed = run(tmp_path / name, 4, resume=True)
    resumed.finish()
    assert [a.info["sample_index"] for a in read_back(resumed.out, resumed.format)] == list(range(89, 101))
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.extxyz", "folder"])
@pytest.mark.parametrize("target", ["there", "new/one"])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, name: str, target: str) -> None:
    if name == "folder":
        (tmp_path / "there").mkdir()
    else:
        (tmp_path / "there").write_text("old")
    (tmp_path / name).symlink_to(target)
    run(tmp_path / name, 1, overwrite=True).finish()
    assert (tmp_path / name).is_symlink()
    expected = 3 if name == "folder" else 1
    assert len(content(tmp_path / target)) == expected and b"old" not in content(tmp_path / target).values()
