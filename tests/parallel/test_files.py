"""Files that are whole or not there."""

import hashlib
from pathlib import Path

import pytest

from asegen.parallel.files import replacing, sha256, write_text


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
