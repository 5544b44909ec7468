"""What a property network sees in a crystal."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from ase import Atoms

from asegen.errors import InputError
from asegen.metrics.cache import Row, RowCache, content_key
from asegen.metrics.inputs import Embedder, Floats, Inputs
from asegen.models.header import read_model_header
from asegen.parallel.files import sha256
from asegen.structures.atoms import crystals_from_atoms
from asegen.trained.predictor import load_predictor
from asegen.trained.weights import find_weights
from asegen.training.registry import PREDICTORS

_AT_ONCE = 64


class NetworkEmbedder:
    """Embeds crystals with a property network of this package, and predicts with it.

    Args:
        model: a shipped model's name or the path of weights.
        kind: the class that the network must be of; any without it.

    Attributes:
        name: the network's.
        digest: SHA-256 of its weights' file, hexadecimal.

    Raises:
        InputError: no such model, one of another class, or a network that reduces cells first (its embedding depends
            on more than the crystal here).
        CheckpointError: weights that can't be read.
    """

    def __init__(self, model: str, kind: str = "") -> None:
        path = find_weights(model, *PREDICTORS)
        self._predictor = load_predictor(model, "auto")
        if self._predictor.needs_primitive or self._predictor.is_classifier:
            raise InputError(f"{model} cannot embed crystals for a metric: use one like alignn-formation-energy")
        found = read_model_header(path)["model"]["class"]
        if kind and found != kind:
            raise InputError(f"{model} holds a network of the class {found}, not {kind}")
        self.name = self._predictor.name
        self.digest = _digest(path)

    def rows(self, structures: Sequence[Atoms], inputs: Inputs, task: str) -> Floats:
        """The network's first prediction and the embedding of each crystal.

        Args:
            structures: each passes the validity gate.
            inputs: told of progress; its cache keeps the rows.
            task: its name.

        Returns:
            (n, 1 + d): the prediction, in the unit of the network's training data, then the embedding. NaN throughout
            for a crystal with an element that the network never saw.
        """
        familiar = [atoms for atoms in structures if set(atoms.numbers.tolist()) <= self._predictor.elements]
        return _kept_rows(self.digest, structures, familiar, self._compute, inputs, task)

    def _compute(self, structures: Sequence[Atoms]) -> Floats:
        crystals = crystals_from_atoms(structures)
        value = self._predictor.predict(crystals).value[:, :1].numpy()
        rows: Floats = np.concatenate([value, self._predictor.embed(crystals).numpy()], 1)
        return rows


class FunctionEmbedder:
    """Embeds crystals with any function, such as one around the official pretrained ALIGNN.

    Args:
        name: of the network.
        checkpoint: the file of its weights, whose hash pins the metric.
        function: of one crystal that passes the validity gate, to (1 + d,): formation energy, eV/atom, and embedding.
            For a crystal where it raises an exception there is no row.

    Attributes:
        name: as given.
        digest: SHA-256 of the checkpoint, hexadecimal.

    Raises:
        InputError: the checkpoint can't be read.
    """

    def __init__(
        self, name: str, checkpoint: str | Path, function: Callable[[Atoms], Sequence[float] | Floats]
    ) -> None:
        self.name, self._function = name, function
        self.digest = _digest(Path(checkpoint))

    def rows(self, structures: Sequence[Atoms], inputs: Inputs, task: str) -> Floats:
        """(n, 1 + d), what the function makes of each crystal; NaN throughout where it raises an exception."""
        return _kept_rows(self.digest, structures, structures, self._compute, inputs, task)

    def _compute(self, structures: Sequence[Atoms]) -> list[Row]:
        return [self._try(atoms) for atoms in structures]

    def _try(self, atoms: Atoms) -> Row:
        try:
            return np.asarray(self._function(atoms), np.float32)
        except Exception:  # foreign code meets generated structures: one of them must not cost the others their figures
            return np.full(1, np.nan, np.float32)


def load_embedder(name: str) -> Embedder:
    """An embedder by what a command line says.

    Args:
        name: a shipped model, the path of weights, or `FILE.py:NAME` of an embedder, or of a function without arguments
            that makes one, in a file of Python code, which is run.

    Raises:
        InputError: there is nothing like that, or it can't embed crystals.
        CheckpointError: weights that can't be read.
    """
    file, _, attribute = name.rpartition(":")
    if not file.endswith(".py"):
        return NetworkEmbedder(name)
    found: Any = getattr(_module(Path(file)), attribute, None)
    embedder: Embedder = found() if callable(found) else found
    if not all(hasattr(embedder, part) for part in ("name", "digest", "rows")):
        raise InputError(f"{name} is no embedder: it lacks name, digest or rows")
    return embedder


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"{path} is no file of Python code")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code meets, such as a package that isn't installed
        raise InputError(f"{path} fails: {type(error).__name__}: {error}") from error
    return module


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _kept_rows(
    digest: str,
    structures: Sequence[Atoms],
    familiar: Sequence[Atoms],
    compute: Callable[[Sequence[Atoms]], Iterable[Row | Floats]],
    inputs: Inputs,
    task: str,
) -> Floats:
    """Rows of structures, computed for those that are familiar and in no cache; NaN for the others."""
    disk = None if inputs.cache is None else RowCache(inputs.cache)
    wanted = {content_key(digest, atoms): atoms for atoms in familiar}
    known = {} if disk is None else disk.read(list(wanted))
    # Similar sizes side by side: a batch's size is bounded by its largest crystal.
    todo = sorted((key for key in wanted if key not in known), key=lambda key: len(wanted[key]))
    for start in range(0, len(todo), _AT_ONCE):
        keys = todo[start : start + _AT_ONCE]
        rows = compute([wanted[key] for key in keys])
        found = {key: np.asarray(row, np.float32) for key, row in zip(keys, rows, strict=True)}
        if disk is not None:
            disk.write(found)
        known |= found
        inputs.report(task, start + len(keys), len(todo))
    width = max((len(row) for row in known.values()), default=1)
    nothing = np.full(width, np.nan, np.float32)
    out = [known.get(content_key(digest, atoms), nothing) for atoms in structures]
    return np.array([row if len(row) == width else nothing for row in out], np.float64).reshape(len(out), width)
