"""Crystals as CHGNet sees them (Deng et al., Nature Machine Intelligence 5, 1031 (2023)): features and energies."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.metrics.cache import Row, content_key
from asegen.metrics.embedding import file_digest
from asegen.metrics.inputs import Floats, Inputs
from asegen.metrics.remembered import remembered_map
from asegen.parallel.timed_map import Failed
from asegen.potentials.chgnet_elements import ELEMENT_ENERGIES

MODEL = "0.3.0"
"""CHGNet's weights, which come with its package."""
TIME_LIMIT = 60.0
"""Seconds of processor time for one crystal."""


class ChgnetEmbedder:
    """Embeds crystals with CHGNet in worker processes, each crystal under a time limit.

    Attributes:
        name: says which weights.
        digest: SHA-256 of their file, hexadecimal.
    """

    def __init__(self) -> None:
        self.name = f"CHGNet {MODEL}"
        folder = Path(str(files("chgnet"))) / "pretrained" / MODEL
        self.digest = file_digest(next(folder.glob("*.pth.tar")))

    def rows(self, structures: Sequence[Atoms], inputs: Inputs, task: str) -> Floats:
        """Formation energy and features of each crystal.

        Args:
            structures: each passes the validity gate.
            inputs: how many processes there are, the cache, and whom to tell of progress.
            task: what progress is told of.

        Returns:
            (n, 1 + 64): CHGNet's energy less the `ELEMENT_ENERGIES` of the composition, eV/atom, and its crystal
            features per atom; NaN throughout where it has none: an atom without neighbours, elements that it or the
            table doesn't know, or no answer in time.
        """
        keys = [content_key(f"CHGNet 1, {self.digest}", atoms) for atoms in structures]
        known = remembered_map(features, dict(zip(keys, structures, strict=True)), inputs, task, TIME_LIMIT)
        found = [known[key] for key in keys]
        out = np.full((len(keys), 65), np.nan)
        for k, (atoms, row) in enumerate(zip(structures, found, strict=True)):
            elements = [ELEMENT_ENERGIES.get(symbol, np.nan) for symbol in atoms.get_chemical_symbols()]
            if not isinstance(row, Failed):
                out[k] = row
                out[k, 0] -= np.mean(elements)
        return out


def features(atoms: Atoms) -> Row:
    """(1 + 64,): CHGNet's total energy, eV/atom, and the mean of its last atom features.

    What CHGNet returns as `crystal_fea` is a sum over atoms, which a supercell would change.

    Args:
        atoms: a crystal.

    Raises:
        ValueError: an atom without neighbours within 6 Å.
    """
    import torch

    model = _model()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about chgnet's own code
        graph = model.graph_converter(AseAtomsAdaptor.get_structure(atoms))
        found = model.predict_graph(graph, task="e", return_crystal_feas=True)
    row: Row = np.concatenate([[float(found["e"])], found["crystal_fea"] / len(atoms)]).astype(np.float32)
    if not np.isfinite(row).all():
        raise ValueError("CHGNet's features are not finite")
    return row


@cache
def _model() -> Any:
    import torch
    from chgnet.model import CHGNet

    torch.set_num_threads(1)  # one process for each core already
    with redirect_stdout(None):  # it greets, where figures are printed
        return CHGNet.load(model_name=MODEL, use_device="cpu", verbose=False)
