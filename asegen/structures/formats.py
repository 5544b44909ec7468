"""Formats of files of structures, told by their names; imports nothing, so that a bad name is refused at once."""

from __future__ import annotations

import os
import re
from pathlib import Path

from asegen.errors import InputError
from asegen.parallel.files import check_writable, place_behind

CIF, EXTXYZ, DATABASE, POSCAR = "cif", "extxyz", "db", "vasp"
TABLE, JSON, OTHER = "csv", "json", "ase"
"""Read only; `OTHER` is what ASE reads by itself."""
TRAJECTORY, FOLDER = "traj", "folder"
"""Written only; a folder of POSCARs."""
_READ = {
    ".csv": TABLE, ".cif": CIF, ".mcif": CIF, ".extxyz": EXTXYZ, ".xyz": EXTXYZ, ".vasp": POSCAR, ".poscar": POSCAR,
    ".db": DATABASE, ".traj": OTHER, ".json": JSON,
}  # fmt: skip
_WRITTEN = {
    ".extxyz": EXTXYZ, ".xyz": EXTXYZ, ".cif": CIF, ".traj": TRAJECTORY, ".db": DATABASE, ".vasp": POSCAR,
    ".poscar": POSCAR, "": FOLDER,
}  # fmt: skip
_POSCAR_NAME = re.compile(r"(POSCAR|CONTCAR)([._-].*)?")


def file_format(path: Path) -> str | None:
    """The format that a file's name tells (`.gz` is looked through), or None."""
    name = path.name.removesuffix(".gz")
    if name.upper().startswith(("POSCAR", "CONTCAR")):
        return POSCAR
    return _READ.get(Path(name).suffix.lower())


def files_in(path: Path) -> list[Path]:
    """The files of a folder by name, hidden ones left out; of a file, itself.

    Args:
        path: a file or a folder; folders within it aren't entered.

    Raises:
        InputError: a folder without files.
    """
    if not path.is_dir():
        return [path]
    files = visible_files(path)
    if not files:
        raise InputError(f"{path} is a folder without files")
    return files


def visible_files(folder: Path) -> list[Path]:
    """The files of a folder by name, hidden ones left out, and with them links of structures that lead nowhere.

    Such a link is kept so that whatever reads it says what is missing.

    Args:
        folder: those within it aren't entered.
    """
    return sorted(file for file in folder.iterdir() if _is_listed(file) and not file.name.startswith("."))


def _is_listed(file: Path) -> bool:
    return file.is_file() or (file.is_symlink() and not file.exists() and file_format(file) is not None)


def path_text(path: str | Path) -> str:
    """A path as text that any file and terminal can hold: bytes that aren't UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def split_name(path: Path) -> str:
    """A file's name without `.gz` and its format's suffix: `train.csv.gz` gives `train`."""
    name = path_text(path.name).removesuffix(".gz")
    return Path(name).stem if Path(name).suffix.lower() in _READ else name


def output_format(name: str) -> str:
    """The format that a path asks for by its suffix; one without a suffix, or with a slash at its end, is a folder.

    Args:
        name: of the file or folder to write.

    Raises:
        InputError: another suffix, no name at all, or "-", which elsewhere means standard output.
    """
    if name == "-":
        raise InputError("structures aren't written to standard output: name a file or a folder instead of -")
    suffix = "" if name.endswith("/") else Path(name).suffix.lower()
    if not name.endswith("/") and _POSCAR_NAME.fullmatch(Path(name).name):
        return POSCAR
    if suffix not in _WRITTEN:
        raise InputError(
            f"{name}: unknown format {suffix!r}; use .extxyz, .cif, .traj, .db, .vasp (one), or a folder's name"
        )
    if Path(name).name in ("", ".."):
        raise InputError(f"{name!r} names no file or folder to write")
    return _WRITTEN[suffix]


def check_replaceable(out: Path, is_folder: bool) -> None:
    """Refuses to replace what no command of this package has written: a folder by a file, or other files in a folder.

    Args:
        out: the place; nothing needs to be there.
        is_folder: whether a folder of POSCARs is to be written.

    Raises:
        InputError: something else is there, or a device or a pipe.
    """
    if not place_behind(out).exists():
        return
    if out.is_dir() != is_folder:
        raise InputError(f"{out} is a {'folder' if out.is_dir() else 'file'} already")
    foreign = [entry.name for entry in out.iterdir() if not entry.name.startswith("POSCAR-")] if is_folder else []
    if foreign:  # never to be removed, overwritten or not
        raise InputError(f"{out} holds other files ({foreign[0]}): name a folder of its own")


def check_resumable(output: str, begun: Path, resume: bool, overwrite: bool) -> bool:
    """Refuses an output that a run must not write, or go on with.

    Args:
        output: the path that the user asked for.
        begun: where the run keeps what is done.
        resume: go on with what is there.
        overwrite: replace what is there.

    Returns:
        Whether a run to be resumed has nothing left to do: the output is there, and nothing is begun.

    Raises:
        InputError: one of both is there and neither flag is set, or both are; something else is there, the output can't
            be written, or its name has another suffix.
    """
    if resume and overwrite:
        raise InputError("resume and overwrite exclude each other", "resume", "overwrite")
    out, is_folder = Path(output), output_format(output) == FOLDER
    check_replaceable(out, is_folder)
    check_writable(out)
    is_there = out.exists() and not (is_folder and not any(out.iterdir()))
    if (is_there or begun.exists()) and not (resume or overwrite):
        found = out if is_there else begun
        raise InputError(f"{found} exists: resume goes on, overwrite replaces it", "resume", "overwrite")
    return resume and is_there and not begun.exists()


def check_room(kind: str, n_structures: int, name: str) -> None:
    """Refuses to write several structures into the one POSCAR that a path names; to be called before the work.

    Args:
        kind: of the path, as `output_format` tells.
        n_structures: at least so many will be written.
        name: the path.

    Raises:
        InputError: they don't fit.
    """
    if kind == POSCAR and n_structures > 1:
        raise InputError(f"{name} holds one structure; name a folder, or a file of another format, for several")
