"""Energies of the elements in the Materials Project: total energies less these are formation energies."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from types import MappingProxyType


@cache
def element_energies() -> MappingProxyType[str, float]:
    """Symbol -> eV/atom of the lowest elemental crystal of the Materials Project, PBE; no corrections apply to it."""
    text = (resources.files("asegen.hull") / "mp_elements.json").read_text("utf-8")
    return MappingProxyType(json.loads(text)["energies"])
