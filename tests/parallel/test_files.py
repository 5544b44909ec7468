"""Files that are whole or not there."""

import hashlib
import os
from pathlib import Path

import pytest

from asegen.errors import InputError
from asegen.parallel.files import check_writable, replacing, sha256, write_text


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "a.txt"
    write_text(place, "old")
    with pytest.raises(RuntimeError), replacing(place) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert place.read_text() == "old" and list(tmp_path.iterdir()) == [place]


def test_a_folder_appears_at_once(tmp_path: Path) -> None:
    with replacing(tmp_path / "folder") as beside:
        beside.mkdir()
        (beside / "x").write_text("1")
        assert not (tmp_path / "folder").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_checksum(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "b") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@pytest.mark.parametrize("name", ["there", "new/one"])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "there").write_text("old")
    link = tmp_path / "link"
    link.symlink_to(name)
    write_text(link, "new")
    assert link.is_symlink() and (tmp_path / name).read_text() == "new" and not (tmp_path / name).is_symlink()
    assert not list(tmp_path.rglob("*.partial"))


def test_a_folder_behind_a_link_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    with replacing(tmp_path / "link") as beside:
        beside.mkdir()
        (beside / "x").write_text("1")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there" / "x").read_text() == "1"


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to-pipe").symlink_to("pipe")
    (tmp_path / "circle").symlink_to("circle")
    before = sorted(tmp_path.iterdir())
    reader, writer = os.pipe()
    try:
        for place in (*before, Path(f"/dev/fd/{writer}")):
            for refused in (check_writable, lambda path: write_text(path, "x")):
                with pytest.raises(InputError, match="no regular file"):
                    refused(place)
    finally:
        os.close(reader)
        os.close(writer)
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "pipe").is_fifo()
