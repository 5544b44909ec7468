"""How much space atoms take: one volume per element, fitted to known crystals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from asegen.crystals.crystals import Crystals
from asegen.elements import LAST

TYPICAL: tuple[float, ...] = (
    0.0,
    7.4, 13.1, 14.1, 7.8, 6.7, 13.6, 10.8, 8.2, 10.7, 13.6, 24.7, 23.0, 17.3, 15.9, 19.5, 23.1, 30.7, 45.0,
    52.4, 29.6, 19.8, 14.5, 16.2, 10.2, 11.6, 10.0, 9.2, 8.8, 16.5, 16.0, 18.2, 19.3, 21.7, 27.7, 37.6, 47.0,
    67.7, 35.4, 27.5, 20.0, 16.0, 18.1, 14.8, 12.0, 11.9, 14.3, 19.3, 24.3, 26.4, 27.8, 29.1, 36.2, 50.4, 68.2,
    63.7, 44.9, 32.3, 28.1, 31.3, 30.4, 32.5, 28.9, 33.2, 26.0, 27.1, 26.2, 27.9, 25.6, 25.5, 28.3, 24.2, 18.6,
    16.5, 19.8, 17.5, 13.0, 12.8, 14.7, 18.6, 29.0, 33.4, 33.4, 34.5, 20.1, 21.7, 21.7, 58.0, 40.6, 44.5, 31.0,
    22.9, 22.1, 21.2, 23.0, 28.0, 25.4, 25.4, 25.4, 25.4, 25.4, 25.4, 25.4, 25.4,
)  # fmt: skip
"""Å³ per atom: the fit below to 17,629 crystals of the Materials Project (training splits of MP-20 and MPTS-52). The 16
elements that don't occur there follow a straight line in the cube of the covalent radius, through the others."""

_TRUST = 0.1
"""Weight of what is typical, in crystals' worth of the element: it decides where crystals tell little or nothing."""


class VolumeRule:
    """Volumes per element, Å³, that sum up to the volumes of crystals with the least squared error per atom.

    They aren't negative, and lie near `TYPICAL` as far as the crystals leave that open.

    Args:
        crystals: at least one, of elements up to lawrencium.
    """

    def __init__(self, crystals: Crystals) -> None:
        shares = np.zeros((len(crystals), LAST + 1))
        per_atom = 1 / crystals.n_atoms.numpy()
        np.add.at(shares, (crystals.batch.numpy(), crystals.numbers.numpy()), 1.0)
        shares *= per_atom[:, None]
        weight = np.sqrt(_TRUST)
        rows = np.concatenate([shares, weight * np.eye(LAST + 1)])
        goals = np.concatenate([crystals.volume.numpy() * per_atom, weight * np.array(TYPICAL)])
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
