"""Which files of structures make which splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asegen.errors import InputError
from asegen.structures.formats import CIF, POSCAR, file_format, split_name, visible_files

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
"""Of the crystals of a single split, where no name says which one it is."""


def needs_division(splits: Sequence[str], split: str | None) -> bool:
    """Whether there is one split only, whose name is neither given nor one of those that training knows.

    Args:
        splits: the names of those planned.
        split: the name that was asked for, if any.
    """
    return split is None and len(splits) == 1 and splits[0] not in SHARES


def plan_splits(inputs: Sequence[Path], split: str | None) -> tuple[dict[str, list[Path]], list[Path]]:
    """Which files go into which split.

    A folder means the files in it. A file makes the split of its own name; CIF and POSCAR files found in a folder, one
    structure each, make one split of the folder's name.

    Args:
        inputs: files and folders.
        split: name of the one split that all go into.

    Returns:
        split name -> files, in the order given, a folder's in alphabetical order; and files of a folder that no format
        claims.

    Raises:
        InputError: an input is missing, or a folder holds no file of structures.
    """
    splits: dict[str, list[Path]] = {}
    skipped: list[Path] = []
    for path in inputs:
        if not path.exists():
            raise InputError(f"cannot read {path}: no such file or folder")
        if not path.is_dir():
            splits.setdefault(split or split_name(path), []).append(path)
            continue
        files = visible_files(path)
        known = [file for file in files if file_format(file)]
        if not known:
            raise InputError(f"the folder {path} holds no file of structures")
        skipped += [file for file in files if not file_format(file)]
        for file in known:
            single = file_format(file) in (CIF, POSCAR)
            name = split or (path.resolve().name if single else split_name(file))
            splits.setdefault(name, []).append(file)
    return splits, skipped
