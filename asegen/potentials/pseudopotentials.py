"""Files of pseudopotentials, which the user has: in a folder, or named by a JSON file such as SSSP's."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from asegen.errors import InputError

CUTOFFS = (80.0, 640.0)
"""Ry, of wave functions and density, where no other is known: enough for nearly all of SSSP's efficient set."""

_SYMBOL = re.compile(r"([A-Za-z]{1,2})(?=[._-])")  # Si.pbe-rrkj.UPF, C_3.98.UPF, fe_pbe_v1.5.uspp.F.UPF


@dataclass(frozen=True)
class Pseudopotentials:
    """Names of files by element.

    Attributes:
        files: symbol -> names; several where it can't be told which is meant.
        folder: where they are, absolute; empty where that isn't known.
        cutoffs: symbol -> Ry, of wave functions and density.
        origin: what was given, with a hash of its names; empty for nothing.
    """

    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder: str = ""
    cutoffs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    origin: str = ""

    def file(self, symbol: str) -> str:
        """Of an element; `X.upf` where none is named.

        Raises:
            InputError: there are several.
        """
        names = self.files.get(symbol) or (f"{symbol}.upf",)
        if len(names) > 1:
            message = f"pseudopotentials: {len(names)} files of {symbol} ({', '.join(names[:3])} …): name one in a JSON"
            raise InputError(message, "pseudopotentials")
        return names[0]

    def cutoffs_of(self, symbols: Collection[str]) -> tuple[float, float]:
        """The highest cut-offs of some elements, Ry; `CUTOFFS` where one of them has none."""
        if not symbols or not set(symbols) <= set(self.cutoffs):
            return CUTOFFS
        wave, density = zip(*(self.cutoffs[symbol] for symbol in symbols), strict=True)
        return max(wave), max(density)


def read_pseudopotentials(path: Path) -> Pseudopotentials:
    """Pseudopotentials of a folder, or of a JSON file.

    Args:
        path: a folder of `.upf` files that begin with the element; or JSON that gives names by symbol, or, like SSSP,
            entries with `filename`, `cutoff_wfc` and `cutoff_rho`.

    Raises:
        InputError: it can't be read, or names none.
    """
    try:
        return _of_folder(path) if path.is_dir() else _of_json(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"pseudopotentials = {path}: neither a folder nor JSON of names by element ({error})"
        raise InputError(message, "pseudopotentials") from None


def _of_folder(path: Path) -> Pseudopotentials:
    files: dict[str, tuple[str, ...]] = {}
    for file in sorted(path.iterdir()):
        found = _SYMBOL.match(file.name)
        if file.suffix.lower() == ".upf" and found and (symbol := found[1].capitalize()) in atomic_numbers:
            files[symbol] = (*files.get(symbol, ()), file.name)
    if not files:
        raise InputError(f"pseudopotentials = {path}: it has no .upf files named by elements", "pseudopotentials")
    return Pseudopotentials(files, str(path.absolute()), {}, _origin(path, files))


def _of_json(path: Path) -> Pseudopotentials:
    files: dict[str, tuple[str, ...]] = {}
    cutoffs: dict[str, tuple[float, float]] = {}
    for symbol, entry in json.loads(path.read_text("utf-8")).items():
        if symbol not in atomic_numbers:
            raise ValueError(f"{symbol!r} is no element")
        if isinstance(entry, str):
            files[symbol] = (entry,)
        else:
            files[symbol] = (str(entry["filename"]),)
            cutoffs[symbol] = (float(entry["cutoff_wfc"]), float(entry["cutoff_rho"]))
    there = any((path.parent / name).is_file() for (name,) in files.values())
    folder = str(path.parent.absolute()) if there else ""
    return Pseudopotentials(files, folder, cutoffs, _origin(path, {"files": files, "cutoffs": cutoffs}))


def _origin(path: Path, content: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{path.name}, {digest[:12]}"
