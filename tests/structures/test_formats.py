"""What may be written where, and what a resumed run finds."""

from pathlib import Path

import pytest

from asegen.errors import InputError
from asegen.structures.formats import check_resumable, files_in


@pytest.mark.parametrize("name", ["a.extxyz", "folder"])
def test_a_run_is_complete_when_its_output_is_there_and_nothing_is_begun(tmp_path: Path, name: str) -> None:
    out, begun = tmp_path / name, tmp_path / "begun"
    assert not check_resumable(str(out), begun, resume=True, overwrite=False)
    begun.touch()
    with pytest.raises(InputError, match="begun exists: resume goes on"):
        check_resumable(str(out), begun, resume=False, overwrite=False)
    inside = out / "POSCAR-0" if name == "folder" else out
    inside.parent.mkdir(exist_ok=True)
    inside.touch()
    assert not check_resumable(str(out), begun, resume=True, overwrite=False)
    begun.unlink()
    assert check_resumable(str(out), begun, resume=True, overwrite=False)
    assert not check_resumable(str(out), begun, resume=False, overwrite=True)
    with pytest.raises(InputError, match=f"{name} exists"):
        check_resumable(str(out), begun, resume=False, overwrite=False)
    with pytest.raises(InputError, match="exclude each other"):
        check_resumable(str(out), begun, resume=True, overwrite=True)


def test_an_empty_folder_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert not check_resumable(str(tmp_path / "folder"), tmp_path / "begun", resume=False, overwrite=False)
    assert not check_resumable(str(tmp_path / "folder"), tmp_path / "begun", resume=True, overwrite=False)
    (tmp_path / "folder" / "notes.txt").touch()
    with pytest.raises(InputError, match="holds other files"):
        check_resumable(str(tmp_path / "folder"), tmp_path / "begun", resume=False, overwrite=True)


def test_links_of_structures_that_lead_nowhere_are_listed(tmp_path: Path) -> None:
    (tmp_path / "a.cif").touch()
    (tmp_path / "inner").mkdir()
    for name, target in (("b.vasp", "/nonexistent/b.vasp"), ("POSCAR_2", "POSCAR_2"), ("README", "gone"),
                         (".c.cif", "gone"), ("d.cif", "a.cif"), ("e.cif", "inner")):  # fmt: skip
        (tmp_path / name).symlink_to(target)
    assert [file.name for file in files_in(tmp_path)] == ["POSCAR_2", "a.cif", "b.vasp", "d.cif"]
