"""How new the generated crystals are: known, known types with other elements, or types that no known crystal has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from ase import Atoms

from asegen.metrics.cache import Row, content_key
from asegen.metrics.errors import with_errors
from asegen.metrics.inputs import Figures, Inputs
from asegen.metrics.protocols import Protocol
from asegen.metrics.remembered import remembered_map
from asegen.parallel.timed_map import Failed
from asegen.prototypes.novelty import KNOWN, NEW_TYPE, SUBSTITUTION, KnownCrystals
from asegen.prototypes.sources import KNOWN as KNOWN_CRYSTALS
from asegen.prototypes.sources import open_library

TIME_LIMIT = 60.0
"""Seconds of processor time for one structure; one that takes longer counts as not new."""
_KINDS = (KNOWN, SUBSTITUTION, NEW_TYPE)


class Newness(NamedTuple):
    """How new a structure is, as `asegen.prototypes.novelty.Novelty` has it."""

    kind: str
    known_composition: bool
    structures_at_hand: bool

    @property
    def is_novel(self) -> bool:
        """Whether the structure is surely none that is known."""
        return self.kind != KNOWN and (self.structures_at_hand or not self.known_composition)


def novelty(inputs: Inputs) -> Figures:
    """Shares of the generated structures by how new they are against the known crystals inside the package."""
    n, found = len(inputs.generated), newness(inputs.valid_generated, inputs)
    answers = [one for one in found if one is not None]
    shares = {
        "known_structure": sum(one.kind == KNOWN for one in answers),
        "substitution": sum(one.kind == SUBSTITUTION for one in answers),
        "new_type": sum(one.kind == NEW_TYPE for one in answers),
        "novel_composition": sum(not one.known_composition for one in answers),
        "novel_structure": sum(one.is_novel for one in answers),
    }
    unsure = sum(one.kind != KNOWN and not one.is_novel for one in answers)
    counts = {"structures": n, "valid": len(found), "without_answer": len(found) - len(answers), "unsure": unsure}
    notes = ("unsure: known compositions whose known structures aren't at hand; not counted as novel structures",)
    return Figures(with_errors({name: count / n for name, count in shares.items()}, n), counts, notes)


def newness(structures: Sequence[Atoms], inputs: Inputs) -> list[Newness | None]:
    """How new each structure is; None where there is no answer.

    Args:
        structures: each passes the gate.
        inputs: protocol, workers and cache.
    """
    method = f"newness {_known(inputs.protocol).identity}"
    keys = [content_key(method, atoms) for atoms in structures]
    items = {key: (inputs.protocol, atoms) for key, atoms in zip(keys, structures, strict=True)}
    rows = remembered_map(_row, items, inputs, "novelty", TIME_LIMIT)
    return [_newness(rows[key]) for key in keys]


def _newness(row: Row | Failed) -> Newness | None:
    if isinstance(row, Failed):
        return None
    return Newness(_KINDS[int(row[0])], bool(row[1]), bool(row[2]))


def _row(item: tuple[Protocol, Atoms]) -> Row:
    protocol, atoms = item
    found = _known(protocol).judge(atoms)
    return np.array([_KINDS.index(found.kind), found.known_composition, found.structures_at_hand], np.float32)


@cache
def _known(protocol: Protocol) -> KnownCrystals:
    return KnownCrystals(open_library(KNOWN_CRYSTALS), None, *protocol.tolerances)
