"""How much space atoms take: one volume per element, fitted to known crystals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from asegen.crystal import Crystals
from asegen.elements import LAST


class VolumeRule:
    """Volumes per element, Å³, that sum up to the volumes of crystals with the least squared error per atom.

    They aren't negative; an element that no crystal holds takes as much as an atom does on average.

    Args:
        crystals: at least one.
    """

    def __init__(self, crystals: Crystals) -> None:
        counts = np.zeros((len(crystals), LAST + 1))
        np.add.at(counts, (crystals.batch.numpy(), crystals.numbers.numpy()), 1)
        per_atom = 1 / crystals.n_atoms.numpy()
        self.per_element: NDArray[np.float64]
        self.per_element, _ = nnls(counts * per_atom[:, None], crystals.volume.numpy() * per_atom)
        self.per_element[counts.sum(0) == 0] = float(crystals.volume.sum() / crystals.n_atoms.sum())

    def ratio(self, new: NDArray[np.int64], old: NDArray[np.int64]) -> float:
        """By how much the volume grows where atoms are substituted.

        Args:
            new: (n_atoms,), atomic numbers.
            old: (n_atoms,), those before.
        """
        before, after = self.per_element[old].sum(), self.per_element[new].sum()
        return float(after / before) if before > 0 and after > 0 else 1.0
