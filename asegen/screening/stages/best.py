"""Stages that cost so much that only the best candidates come to them."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from asegen.parallel.files import replacing
from asegen.screening.claims import Ledger
from asegen.screening.ranking import in_order
from asegen.screening.records import OK, Candidate, Outcome
from asegen.screening.stage import Stage


class OfTheBest(Stage):
    """For the best candidates alone, one by one, with the screening's folder at hand; the others pass by.

    Known crystals are taken last, see `best`.

    Attributes:
        best: how many.
    """

    adds: ClassVar[bool] = True
    best: int

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        return [[key] for key in best(candidates, self.best)]

    @override
    def supply(self, ledger: Ledger, members: Sequence[int]) -> Path:
        return ledger.workdir

    @override
    def work(self, candidates: Sequence[Candidate], supplied: Path) -> list[Outcome]:
        return [self.one(candidate, supplied) for candidate in candidates]

    @abstractmethod
    def one(self, candidate: Candidate, workdir: Path) -> Outcome:
        """What is found of a candidate, or a note why nothing was; the candidate stands either way.

        Args:
            candidate: with atoms.
            workdir: the screening's folder.
        """


@contextmanager
def fresh_folder(place: Path) -> Iterator[Path]:
    """A folder of a candidate's files, in place of what earlier tries left, even where they were killed.

    Args:
        place: where it lies once the block ends without an error; the folder above it is made.

    Yields:
        An empty folder to write to.
    """
    for old in (place, *place.parent.glob(f".{place.name}.*")):
        shutil.rmtree(old, ignore_errors=True)
    with replacing(place) as beside:
        beside.mkdir()
        yield beside


def best(candidates: Sequence[Candidate], number: int) -> list[int]:
    """Keys of the candidates that rank first, those that are known crystals only after all others.

    Known crystals mostly lie on the hull and would be nearly all of the best, although others have computed them.

    Args:
        candidates: of any status; unconverged ones are not among the best.
        number: how many, at most.
    """
    good = sorted((candidate for candidate in candidates if candidate.status == OK), key=lambda one: one.key)
    order = in_order([candidate.found for candidate in good])
    new_first = sorted(order, key=lambda k: _is_known(good[k].found))
    return sorted(good[k].key for k in new_first[:number])


def _is_known(found: Mapping[str, Any]) -> bool:
    """Whether the stage `compare` found the crystal in a reference file or in the package."""
    return found.get("known_as") is not None or found.get("known_crystal") is not None
