"""What a property network sees in a crystal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from asegen.atoms import crystals_from_atoms
from asegen.errors import InputError
from asegen.metrics.cache import RowCache, content_key
from asegen.metrics.inputs import Floats, Inputs
from asegen.predictors import load_predictor
from asegen.trained import find_weights
from asegen.training.registry import PREDICTORS

_AT_ONCE = 64


class NetworkEmbedder:
    """Embeds crystals with a property network of this package, and predicts with it.

    Args:
        model: a shipped model's name or the path of weights.
        cache: a folder where results are kept, by the content of network and crystal; None keeps nothing.

    Attributes:
        name: the network's.
        digest: SHA-256 of its weights' file, hexadecimal.

    Raises:
        InputError: no such model, a network that reduces cells first (its embedding depends on more than the crystal
            here), or a cache that can't be used.
        CheckpointError: weights that can't be read.
    """

    def __init__(self, model: str, cache: Path | None = None) -> None:
        self._predictor = load_predictor(model, "auto")
        if self._predictor.needs_primitive or self._predictor.is_classifier:
            raise InputError(f"{model} cannot embed crystals for a metric: use one like alignn-formation-energy")
        self.name = self._predictor.name
        self.digest = hashlib.sha256(find_weights(model, *PREDICTORS).read_bytes()).hexdigest()
        self._cache = None if cache is None else RowCache(cache)

    def rows(self, structures: Sequence[Atoms], inputs: Inputs, task: str) -> Floats:
        """The network's first prediction and the embedding of each crystal.

        Args:
            structures: each passes the validity gate.
            inputs: told of progress.
            task: its name.

        Returns:
            (n, 1 + d): the prediction, in the unit of the network's training data, then the embedding. NaN throughout
            for a crystal with an element that the network never saw.
        """
        keys = [content_key(self.digest, atoms) for atoms in structures]
        known = {} if self._cache is None else self._cache.read(keys)
        known |= {k: np.full(1, np.nan, np.float32) for k, a in zip(keys, structures, strict=True) if self._foreign(a)}
        missing = {k: atoms for k, atoms in zip(keys, structures, strict=True) if k not in known}
        # Similar sizes side by side: a batch's size is bounded by its largest crystal.
        todo = sorted(missing.items(), key=lambda item: len(item[1]))
        for start in range(0, len(todo), _AT_ONCE):
            found = self._compute(dict(todo[start : start + _AT_ONCE]))
            if self._cache is not None:
                self._cache.write(found)
            known |= found
            inputs.report(task, min(start + _AT_ONCE, len(todo)), len(todo))
        width = max((len(row) for row in known.values()), default=1)
        rows = [known[key] if len(known[key]) == width else np.full(width, np.nan) for key in keys]
        return np.array(rows, dtype=np.float64).reshape(len(keys), width)

    def _compute(self, structures: dict[str, Atoms]) -> dict[str, np.ndarray]:
        crystals = crystals_from_atoms(list(structures.values()))
        value = self._predictor.predict(crystals).value[:, :1].numpy()
        rows = np.concatenate([value, self._predictor.embed(crystals).numpy()], 1).astype(np.float32)
        return dict(zip(structures, rows, strict=True))

    def _foreign(self, atoms: Atoms) -> bool:
        return not set(atoms.numbers.tolist()) <= self._predictor.elements
