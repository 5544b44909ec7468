"""The index of a split on disk: what can be said of a split without reading its arrays, and without torch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from asegen.errors import InputError

FORMAT = 1
INDEX = "index.json"


def read_index(folder: Path, split: str) -> dict[str, Any]:
    """The index of a split, as `asegen.data.shards` documents it.

    Args:
        folder: where splits live.
        split: name of the split.

    Raises:
        InputError: there is no such split, or its index can't be read or is of another format.
    """
    place = folder / split
    try:
        index = json.loads((place / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{place} holds no crystals: make it with `asegen ingest`{_others(folder)}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {place / INDEX}: {str(error).splitlines()[0]}") from None
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise InputError(f"{place} is not in format {FORMAT}: make it again with `asegen ingest`")
    return index


def _others(folder: Path) -> str:
    names = sorted(path.parent.name for path in folder.glob("[!.]*/index.json"))
    return f" (splits here: {', '.join(names)})" if names else ""


def check_writable(folder: Path, split: str, force: bool) -> None:
    """Fails early where `write_shards` would fail late.

    Args:
        folder: where splits live; made if missing.
        split: name of the split to write.
        force: replace a split that exists.

    Raises:
        InputError: the split exists and `force` is false, its name is no plain name, or the folder cannot be written.
    """
    if not split or split.startswith(".") or Path(split).name != split:
        raise InputError(f"{split!r} cannot be the name of a split")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"cannot write into the folder {folder}")
    if (folder / split).exists() and not force:
        raise InputError(f"{folder / split} exists (force replaces it)", "force")
