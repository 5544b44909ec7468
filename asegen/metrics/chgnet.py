"""Crystals as CHGNet sees them, for metrics: features and formation energies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from asegen.metrics.cache import content_key
from asegen.metrics.inputs import Floats, Inputs
from asegen.metrics.remembered import remembered_map
from asegen.parallel.timed_map import Failed
from asegen.potentials.chgnet import ELEMENT_ENERGIES, MODEL, N_FEATURES, features, weights_hash

TIME_LIMIT = 60.0
"""Seconds of processor time for one crystal."""


class ChgnetEmbedder:
    """Embeds crystals with CHGNet in worker processes, each crystal under a time limit.

    Attributes:
        name: says which weights.
        digest: SHA-256 of their file, hexadecimal.

    Raises:
        AsegenError: CHGNet isn't installed.
    """

    def __init__(self) -> None:
        self.name = f"CHGNet {MODEL}"
        self.digest = weights_hash()

    def rows(self, structures: Sequence[Atoms], inputs: Inputs, task: str) -> Floats:
        """Formation energy and features of each crystal.

        Args:
            structures: each passes the validity gate.
            inputs: the worker processes, the cache, and whom to tell of progress.
            task: what progress is told of.

        Returns:
            (n, 1 + 64): CHGNet's energy less the `ELEMENT_ENERGIES` of the composition, eV/atom, and its crystal
            features per atom; NaN throughout where it has none: an atom without neighbours, elements that it or the
            table doesn't know, or no answer in time.
        """
        keys = [content_key(f"CHGNet 1, {self.digest}", atoms) for atoms in structures]
        known = remembered_map(features, dict(zip(keys, structures, strict=True)), inputs, task, TIME_LIMIT)
        out = np.full((len(keys), 1 + N_FEATURES), np.nan)
        for k, (key, atoms) in enumerate(zip(keys, structures, strict=True)):
            row = known[key]
            if not isinstance(row, Failed):
                out[k] = row
                out[k, 0] -= np.mean([ELEMENT_ENERGIES.get(symbol, np.nan) for symbol in atoms.symbols])
        return out
