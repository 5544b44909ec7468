"""How much space atoms take: one volume per element, fitted to known crystals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from asegen.crystals.crystals import Crystals
from asegen.elements import LAST, TYPICAL_VOLUME

_TRUST = 0.1
"""Weight of what is typical, in crystals' worth of the element: it decides where crystals tell little or nothing."""


class VolumeRule:
    """Volumes per element, Å³, that sum up to the volumes of crystals with the least squared error per atom.

    They aren't negative, and lie near `asegen.elements.TYPICAL_VOLUME` as far as the crystals leave that open.

    Args:
        crystals: at least one, of elements up to lawrencium.
    """

    def __init__(self, crystals: Crystals) -> None:
        per_atom = 1 / crystals.n_atoms.numpy()
        place = crystals.batch.numpy() * (LAST + 1) + crystals.numbers.numpy()
        counts = np.bincount(place, minlength=len(crystals) * (LAST + 1)).reshape(-1, LAST + 1)
        shares = counts * per_atom[:, None]
        weight = np.sqrt(_TRUST)
        rows = np.concatenate([shares, weight * np.eye(LAST + 1)])
        goals = np.concatenate([crystals.volume.numpy() * per_atom, weight * np.array(TYPICAL_VOLUME)])
        self.per_element: NDArray[np.float64]
        q, r = np.linalg.qr(rows)  # the same problem with as many rows as elements
        self.per_element, _ = nnls(r, q.T @ goals)

    def ratio(self, new: NDArray[np.int64], old: NDArray[np.int64]) -> float:
        """By how much the volume grows where atoms are substituted.

        Args:
            new: (n_atoms,), atomic numbers.
            old: (n_atoms,), those before.
        """
        return float(self.per_element[new].sum() / self.per_element[old].sum())
