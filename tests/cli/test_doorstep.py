"""What a shell does to commands: pipes and streams that are closed, odd names, outputs that can't be written."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from ase.io import read, write

from asegen.cli.main import main
from asegen.parallel.files import check_writable, replacing

COMMAND = f"{sys.executable} -m asegen.cli.main"


def shell(line: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a line for bash, the code being that of the first command of a pipe."""
    done = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"], cwd=folder, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "a.extxyz", [bulk("NaCl", "rocksalt", a=5.6 + 0.01 * k) for k in range(3)])
    return tmp_path


@pytest.mark.parametrize("line", ["models", "evaluate a.extxyz --metrics validity"])
def test_a_reader_that_has_had_enough_is_no_error(folder: Path, line: str) -> None:
    assert shell(f"{COMMAND} {line} | true", folder) == (0, "", "")


@pytest.fixture
def unread() -> Iterator[int]:
    """A pipe without a reader: every write fails."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_a_table_without_a_reader_is_no_error(folder: Path, forked: Callable[..., Any], unread: int) -> None:
    assert forked(["predict", str(folder / "a.extxyz")], unread).end() == (0, "")


def test_a_run_whose_reader_left_is_whole(folder: Path, forked: Callable[..., Any], unread: int) -> None:
    line = f"generate NaCl --quick --method diffusion --steps 2 -n 2 -o {folder / 'out.extxyz'}"
    code, error = forked(line.split(), unread).end()
    assert code == 0 and "error" not in error and len(read(folder / "out.extxyz", ":")) == 2


def close_stdout() -> None:
    """As Python finds it where a shell has closed it."""
    os.close(1)
    sys.stdout = None


def test_closed_streams_are_one_line(folder: Path, forked: Callable[..., Any]) -> None:
    note = "asegen: note: stdout is closed, so nothing is printed there"
    assert shell(f"{COMMAND} models >&-", folder) == (0, "", f"{note}\n")
    assert shell(f"{COMMAND} models >&- 2>&-", folder) == (0, "", "")
    line = ["symmetrize", str(folder / "a.extxyz"), "-o", str(folder / "out.extxyz")]
    code, error = forked(line, before=close_stdout).end()
    assert code == 0 and error.splitlines()[0] == note and len(read(folder / "out.extxyz", ":")) == 3


@pytest.mark.parametrize(
    "line",
    [
        "predict", "predict -o out.csv", "predict -o out.json", "predict -o out.extxyz", "relax -o out.extxyz",
        "relax -o out.cif --status s.csv", "symmetrize -o out.db", "evaluate --metrics validity --json e.json",
        "ingest -o shards --jobs 1",
    ],
)  # fmt: skip
def test_names_that_are_no_text(
    folder: Path, line: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/d\xff"))
    odd.mkdir()
    (folder / "a.extxyz").rename(odd / os.fsdecode(b"f\xfe.extxyz"))
    monkeypatch.chdir(folder)
    main([*line.split(), str(odd)])
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("generate NaCl -o a.extxyz/x.extxyz", "a.extxyz is no folder"),
        ("generate NaCl -o /proc/x.extxyz", "can't write /proc/x.extxyz"),
        ("generate NaCl -o x.extxyz --plot a.extxyz/x.png", "a.extxyz is no folder"),
        ("generate NaCl -n 2 -o x.vasp", "holds one structure"),
        ("symmetrize a.extxyz -o a.extxyz/x.cif", "a.extxyz is no folder"),
        ("symmetrize a.extxyz -o /proc/x.cif", "can't write /proc/x.cif"),
        ("symmetrize a.extxyz -o full --overwrite", "holds other files (mine)"),
        ("symmetrize a.extxyz -o full.cif --overwrite", "full.cif is a folder already"),
        ("relax a.extxyz -o a.extxyz/x.cif", "a.extxyz is no folder"),
        ("relax a.extxyz -o x.cif --status a.extxyz/s.csv", "a.extxyz is no folder"),
        ("relax a.extxyz -o full --overwrite", "holds other files (mine)"),
        ("predict a.extxyz -o a.extxyz/x.csv", "a.extxyz is no folder"),
        ("evaluate a.extxyz --json a.extxyz/x.json", "a.extxyz is no folder"),
        ("evaluate a.extxyz --cache a.extxyz", "a.extxyz is no folder"),
        ("ingest a.extxyz -o a.extxyz/x", "cannot make the folder"),
        ("train torusflow-mp --data . --out a.extxyz/run", "holds no crystals"),
        ("generate NaCl -o x.cif --multiples 1,1,1", "--multiples 1 is asked for more than once"),
        ("generate NaCl -o x.cif --steps 1000000000", "--steps 1000000000: 1 to 100000 are possible"),
        ("generate NaCl -o x.cif -n 1000000000", "-n 1000000000: 1 to 1000000"),
        (f"generate C{'9' * 4000} -o x.cif", "is too long for a formula: 4001 characters"),
    ],
)
def test_what_can_not_be_is_said_before_the_work(
    folder: Path, line: str, message: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name in ("full", "full.cif"):
        (folder / name).mkdir()
        (folder / name / "mine").write_text("precious")
    before = sorted(folder.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        main(line.split())
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.count("\n") == 1 and message in error
    assert sorted(folder.rglob("*")) == before


def test_a_folder_of_poscars_goes_on_to_every_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    main("generate TiO2 NaCl --quick --method diffusion --steps 2 -o made/".split())
    main("predict made -o out.csv".split())
    main("evaluate made --metrics validity".split())
    main("generate --from made --quick --method diffusion --steps 2 -o again.extxyz".split())
    made = [read(path, format="vasp") for path in sorted(Path("made").iterdir())]
    assert [sorted(atoms.symbols) for atoms in read("again.extxyz", ":")] == [sorted(atoms.symbols) for atoms in made]
    assert len(Path("out.csv").read_text().splitlines()) == 3


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits of file size here")
@pytest.mark.parametrize("line", ["symmetrize -o out.extxyz", "symmetrize -o out.db", "predict -o out.csv"])
def test_a_full_disk_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked: Callable[..., Any], line: str
) -> None:
    import resource

    monkeypatch.chdir(tmp_path)
    write("a.extxyz", [bulk("NaCl", "rocksalt", a=5.6)] * 40)
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (2000, 2000))
    code, error = forked([*line.split(), "a.extxyz"], before=limit).end()
    assert code == 2 and error.startswith(f"asegen: error: {line.split()[-1]}: ") and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.extxyz"]


@pytest.mark.parametrize("line", ["symmetrize {} -o a/b/x.CIF", "evaluate {} --metrics validity --json a/b/x.json"])
def test_folders_of_an_output_are_made(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("salt.extxyz", bulk("NaCl", "rocksalt", a=5.6))
    main(line.format("salt.extxyz").split())
    assert len(list((tmp_path / "a" / "b").iterdir())) == 1


def test_places_are_tried_and_left_as_they_were(tmp_path: Path) -> None:
    check_writable(tmp_path / "x.csv")
    check_writable(tmp_path / "a" / "b" / "x.csv")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match=r"x\.csv") as caught, replacing(tmp_path / "x.csv") as beside:
        beside.write_text("half")
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "x.csv") and not list(tmp_path.iterdir())
