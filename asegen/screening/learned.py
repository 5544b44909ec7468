"""Learned pre-relaxation: the door to `asegen.trained.relaxer` that a worker opens once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ase import Atoms
from ase.data import chemical_symbols

from asegen.models.checkpoint import read_header
from asegen.potentials.gate import gate
from asegen.relaxation.relax import CONVERGED, OUT_OF_STEPS, Limits
from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms
from asegen.trained.relaxer import DEFAULT_RELAXER, Relaxer, load_relaxer
from asegen.trained.weights import find_weights
from asegen.training.registry import RELAXERS


class Moved(NamedTuple):
    """What became of one crystal; `atoms` is None where it is better left as it was."""

    atoms: Atoms | None
    status: str
    reason: str
    steps: int


def identity(model: str | None) -> str:
    """A relaxer's name and the hash of its weights.

    Raises:
        InputError: no such model.
        CheckpointError: the file holds no weights.
    """
    name = model or DEFAULT_RELAXER
    weights = find_weights(name, *RELAXERS)
    read_header(weights)
    return f"{name}, sha256 {hashlib.sha256(weights.read_bytes()).hexdigest()[:12]}"


def prerelax(structures: Sequence[Atoms], model: str | None, device: str) -> list[Moved]:
    """Relaxes crystals as one batch.

    Args:
        structures: crystals that pass the gate.
        model: name or path; the default relaxer without it.
        device: "auto", "cpu", "cuda" …
    """
    relaxer = _relaxer(model, device)
    moved: dict[int, Moved] = {}
    for k, atoms in enumerate(structures):
        foreign = sorted(set(atoms.numbers.tolist()) - relaxer.elements)
        if foreign:
            reason = f"{relaxer.name} has no training data with {chemical_symbols[foreign[0]]}"
            moved[k] = Moved(None, "refused", reason, 0)
    rest = [k for k in range(len(structures)) if k not in moved]
    if rest:
        found = relaxer.relax(crystals_from_atoms([structures[k] for k in rest]), Limits())
        for row, (k, atoms) in enumerate(zip(rest, atoms_from_crystals(found.crystals), strict=True)):
            status, reason, steps = found.status[row], found.reason[row], int(found.steps[row])
            good = status in (CONVERGED, OUT_OF_STEPS)
            if good and (nonsense := gate(atoms)):
                good, reason = False, str(nonsense)
            moved[k] = Moved(atoms if good else None, status, reason, steps)
    return [moved[k] for k in range(len(structures))]


@lru_cache(1)
def _relaxer(model: str | None, device: str) -> Relaxer:
    return load_relaxer(model, device)
