"""What is wrong with a command line, found before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asegen.errors import InputError
from asegen.models.header import read_model_header
from asegen.parallel.files import check_writable, place_behind
from asegen.structures.formats import FOLDER, check_replaceable, output_format
from asegen.trained.weights import find_weights


def check_inputs(paths: Sequence[Path]) -> None:
    """Whether there is anything to read; one missing file among several is left to the command.

    Raises:
        InputError: none of the files and folders exists.
    """
    if not any(path.exists() for path in paths):
        raise InputError(f"cannot read {paths[0]}: no such file or folder")


def check_output(path: Path, overwrite: bool) -> None:
    """Whether a file, or a folder of POSCARs where the name has no suffix, can be written there.

    Raises:
        InputError: it exists and isn't to be replaced or can't be, or its folder is a file, or read-only.
    """
    place_behind(path)  # refuses what no flag makes replaceable
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists: --overwrite replaces it")
    check_replaceable(path, path.suffix == "" and output_format(str(path)) == FOLDER)
    check_writable(path)


def check_folder(path: Path) -> None:
    """Whether a folder of any content is there, or can be made.

    Raises:
        InputError: it is a file, or can't be written.
    """
    check_writable(path / "x")


def check_weights(name_or_path: str, tasks: Sequence[str]) -> None:
    """Whether weights are there, and of one of some tasks (`asegen.training.registry`).

    Raises:
        InputError: there are none of that name, or they are of another task.
        CheckpointError: the file holds no weights.
    """
    path = find_weights(name_or_path, *tasks)
    kind = read_model_header(path)["process"]["class"]
    if kind not in tasks:
        raise InputError(f"{path} holds weights for {kind}, not for {' or '.join(tasks)}")
