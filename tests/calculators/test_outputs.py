"""Files: every format reads back, and a run that stops anywhere goes on to the same bytes."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import iread, read

from asegen.calculators.outputs import PartialOutput
from asegen.errors import InputError


def batch(first: int, n: int = 3) -> list[Atoms]:
    found = []
    for k in range(first, first + n):
        atoms = bulk("NaCl", "rocksalt", a=5.6 + 0.01 * k)
        atoms.info = {
            "formula": "NaCl", "sample_index": k, "seed": 1, "sample_seed": 2**62 + k, "valid": True,
            "model_version": "7000", "material_id": f"we@ird-{k}", "shortest_distance": np.float64(2.8),
        }  # fmt: skip
        found.append(atoms)
    return found


def run(out: Path, batches: int, **kwargs: bool) -> PartialOutput:
    output = PartialOutput(out, "abc", **kwargs)
    for k in range(output.batches_done, batches):
        output.append(batch(3 * k))
    return output


@pytest.mark.parametrize("name", ["a.extxyz", "a.xyz", "a.cif", "a.traj", "a.db", "folder"])
def test_every_format_reads_back(tmp_path: Path, name: str) -> None:
    out = tmp_path / "new" / name
    run(out, 2).finish()
    assert [p.name for p in (tmp_path / "new").iterdir()] == [name]
    files = sorted(out.iterdir()) if out.is_dir() else [out]
    frames = [atoms for file in files for atoms in iread(file, ":")]
    assert [len(a) for a in frames] == [2] * 6
    np.testing.assert_allclose(
        [a.cell.volume for a in frames], [a.cell.volume for k in (0, 3) for a in batch(k)], rtol=1e-5
    )
    assert {a.get_chemical_formula() for a in frames} == {"ClNa"}
    if name.endswith("xyz"):
        assert [a.info["sample_seed"] for a in frames] == [2**62 + k for k in range(6)]


@pytest.mark.parametrize("rubbish", [b"", b"2\nLattice=", b"\x00" * 1000])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, rubbish: bytes) -> None:
    run(tmp_path / "whole.extxyz", 4).finish()
    killed = run(tmp_path / "killed.extxyz", 2)
    with killed.part.open("ab") as file:  # what a killed process may leave of its next batch
        file.write(rubbish)
    assert len(read(killed.part, ":3", format="extxyz")) == 3
    resumed = run(tmp_path / "killed.extxyz", 4, resume=True)
    resumed.finish()
    assert (tmp_path / "killed.extxyz").read_bytes() == (tmp_path / "whole.extxyz").read_bytes()
    assert run(tmp_path / "killed.extxyz", 0, resume=True).complete


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "a.extxyz"
    run(out, 1).finish()
    before = out.read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        run(out, 1)
    assert out.read_bytes() == before
    run(out, 2, overwrite=True).finish()
    assert len(read(out, ":")) == 6


def test_another_run_s_beginning_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "a.extxyz", 1)
    with pytest.raises(InputError, match="other arguments"):
        PartialOutput(tmp_path / "a.extxyz", "other", resume=True)
    (tmp_path / "a.extxyz.part.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        PartialOutput(tmp_path / "a.extxyz", "abc", resume=True)


def test_full_disk_and_unwritable_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = run(tmp_path / "a.extxyz", 1)
    intact = output.part.read_bytes()
    monkeypatch.setattr("os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match="No space left"):
        output.append(batch(3))
    assert output.part.read_bytes().startswith(intact)
    with pytest.raises(InputError, match="can't write"):
        PartialOutput(Path("/dev/null/a.extxyz"), "abc")
    with pytest.raises(InputError, match="format"):
        PartialOutput(tmp_path / "a.pdf", "abc")
