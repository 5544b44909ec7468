"""The source "orderings": crystals with partial occupancies as crystals of whole atoms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ase import Atoms

from asegen import __version__
from asegen.elements import LAST
from asegen.errors import InputError
from asegen.generation.plan import Sample
from asegen.generation.source import Identity, Source
from asegen.generation.target import Target
from asegen.structures.fields import NOTE

MOST = 30
"""Orderings of one crystal."""
_MOST_ATOMS = 100


class Orderings(Source):
    """Gives the orderings of the crystals of a request's file, see `asegen.structures.disorder.orderings`.

    The k-th structure of a crystal is its k-th ordering; there may be fewer than are
    asked for. `info` has ordering, a line that says what was done.
    """

    may_lack = True
    chooses_cells = True
    identity = Identity("orderings", __version__, frozenset(range(1, LAST + 1)), _MOST_ATOMS, 1)

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """Refuses targets without a crystal.

        Raises:
            InputError: the request has no file that is to be ordered.
        """
        if any(target.disordered is None for target in targets):
            raise InputError("orderings need a file of crystals, and order", "order")

    def can_draw(self, sample: Sample) -> bool:
        """Whether there are so many orderings."""
        return sample.repeat < len(self._of(sample))

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, each of which there is."""
        found = []
        for sample in samples:
            atoms = self._of(sample)[sample.repeat].copy()
            atoms.info = {"source": "ordering", "ordering": str(atoms.info[NOTE])}
            found.append(atoms)
        return found

    @staticmethod
    def _of(sample: Sample) -> list[Atoms]:
        text = sample.target.disordered
        return [] if text is None else all_orderings(text)


@lru_cache(maxsize=100)
def all_orderings(text: str) -> list[Atoms]:
    """Up to `MOST` orderings of the first crystal of a CIF.

    Raises:
        StructureError: there is none.
    """
    from asegen.structures.disorder import orderings  # loads pymatgen's transformations, for seconds

    return orderings(text, MOST)
