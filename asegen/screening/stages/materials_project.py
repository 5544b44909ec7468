"""Competing phases from the Materials Project, for a user who asks for them and has a key."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from itertools import combinations
from math import isfinite
from typing import Any

from asegen.errors import AsegenError
from asegen.potentials.engine import MP2020
from asegen.screening.stages.phases import COMPETING, Phase

SERVER = "https://api.materialsproject.org"

_PAGE = 1000
_SYSTEMS_AT_ONCE = 60


def materials_project(systems: Iterable[Iterable[str]], key: str | None = None, url: str = SERVER) -> list[Phase]:
    """Phases of the Materials Project with its corrected energies (PBE and PBE+U, the corrections of 2020).

    Nothing else in the package uses the network.

    Args:
        systems: chemical systems; their subsystems are asked for too.
        key: the user's; the environment variable MP_API_KEY without it.
        url: of the server.

    Raises:
        AsegenError: no key, a key that the server refuses, or no answer.
    """
    key = key or os.environ.get("MP_API_KEY")
    if not key:
        raise AsegenError("the Materials Project needs your key: set MP_API_KEY (https://materialsproject.org/api)")
    parts = {"-".join(part) for system in systems for part in _subsystems(system)}
    found = []
    for names in _chunks(sorted(parts), _SYSTEMS_AT_ONCE):
        for row in _documents(url, key, names):
            if (energy := row.get("energy_per_atom")) is not None and isfinite(energy):
                found.append(Phase(str(row["material_id"]), row["formula_pretty"], float(energy), MP2020, COMPETING))
    return found


def _subsystems(system: Iterable[str]) -> Iterator[tuple[str, ...]]:
    symbols = sorted(set(system))
    for size in range(1, len(symbols) + 1):
        yield from combinations(symbols, size)


def _chunks(names: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _documents(url: str, key: str, names: list[str]) -> Iterator[dict[str, Any]]:
    """The documents of some chemical systems, page by page."""
    start = 0
    while True:
        query = {
            "chemsys": ",".join(names),
            "thermo_types": "GGA_GGA+U",
            "_fields": "material_id,formula_pretty,energy_per_atom",
            "_limit": _PAGE,
            "_skip": start,
        }
        page = _fetch(f"{url}/materials/thermo/?{urllib.parse.urlencode(query)}", key)
        yield from page
        if len(page) < _PAGE:
            return
        start += _PAGE


def _fetch(address: str, key: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(address, headers={"X-API-KEY": key, "User-Agent": "asegen"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        refused = error.code in (401, 403)
        why = "refuses the key (MP_API_KEY)" if refused else f"answers {error.code} {error.reason}"
        raise AsegenError(f"the Materials Project {why}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AsegenError(f"the Materials Project gives no answer: {getattr(error, 'reason', error)}") from None
    return list(found)
