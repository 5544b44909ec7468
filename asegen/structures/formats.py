"""Formats of files of structures, told by their names; imports nothing, so that a bad name is refused at once."""

from __future__ import annotations

from pathlib import Path

from asegen.errors import InputError

CIF, EXTXYZ, DATABASE = "cif", "extxyz", "db"
TABLE, POSCAR, OTHER = "csv", "vasp", "ase"
"""Read only; `OTHER` is what ASE reads by itself."""
TRAJECTORY, FOLDER = "traj", "folder"
"""Written only; a folder of POSCARs."""
_READ = {
    ".csv": TABLE, ".cif": CIF, ".extxyz": EXTXYZ, ".xyz": EXTXYZ, ".vasp": POSCAR, ".poscar": POSCAR,
    ".db": DATABASE, ".traj": OTHER,
}  # fmt: skip
_WRITTEN = {".extxyz": EXTXYZ, ".xyz": EXTXYZ, ".cif": CIF, ".traj": TRAJECTORY, ".db": DATABASE, "": FOLDER}


def file_format(path: Path) -> str | None:
    """The format that a file's name tells (`.gz` is looked through), or None."""
    name = path.name.removesuffix(".gz")
    if name.upper().startswith(("POSCAR", "CONTCAR")):
        return POSCAR
    return _READ.get(Path(name).suffix.lower())


def files_in(path: Path) -> list[Path]:
    """The files of a folder, by name; of a file, itself."""
    return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]


def split_name(path: Path) -> str:
    """A file's name without `.gz` and its format's suffix: `train.csv.gz` gives `train`."""
    name = path.name.removesuffix(".gz")
    return Path(name).stem if Path(name).suffix.lower() in _READ else name


def output_format(name: str) -> str:
    """The format that a path asks for by its suffix; one without a suffix, or with a slash at its end, is a folder.

    Args:
        name: of the file or folder to write.

    Raises:
        InputError: another suffix, or no name at all.
    """
    suffix = "" if name.endswith("/") else Path(name).suffix
    if suffix not in _WRITTEN:
        raise InputError(f"{name}: unknown format {suffix!r}; use .extxyz, .cif, .traj, .db, or a folder's name")
    if Path(name).name in ("", ".."):
        raise InputError(f"{name!r} names no file or folder to write")
    return _WRITTEN[suffix]
