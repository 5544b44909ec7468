"""What a stage of a screening is: plain values that say what to do, and the work itself, done in any process.

A stage forms groups of candidates, works on each group anywhere, and says for each candidate whether it goes on. Its
results depend on its settings and its candidates alone, never on who works when. To write another one, derive from
`Stage`, list the columns of what it finds, and name it in `asegen.screening.registry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Self

from asegen.errors import Reason
from asegen.screening.claims import Ledger
from asegen.screening.columns import Column
from asegen.screening.options import Options
from asegen.screening.records import Candidate, Outcome

Runner = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
"""Calls a function of each of some arguments, in the workers, and gives the results in order; the exception where one
fails."""


class Stage(ABC):
    """One stage; derive a frozen dataclass from it.

    Attributes:
        name: in the ledger, and in the recipe.
        columns: of the values that its outcomes hold.
        splits: whether the members of a group can be worked on one by one, where the group fails.
        alone: whether what is found for a member of a group doesn't depend on the others: inputs that are added to a
            screening are then worked on by themselves, else with their whole groups.
        adds: whether it only adds to what is known of candidates, ends none and changes no crystal: a later call may
            ask for it where others of the kind have run that usually come behind it.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]] = ()
    splits: ClassVar[bool] = True
    alone: ClassVar[bool] = False
    adds: ClassVar[bool] = False

    @classmethod
    def of(cls, options: Options) -> Self:
        """The stage as the options of a screening ask for it.

        Args:
            options: of the screening.

        Raises:
            InputError: it can't be done so.
        """
        return cls()

    def settings(self) -> dict[str, Any]:
        """What decides the results, JSON values: a folder goes on only with the same."""
        return asdict(self)  # type: ignore[call-overload]

    def check(self, ledger: Ledger) -> None:  # noqa: B027 (most stages need nothing)
        """Raises what the user has to mend, before any stage begins."""

    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """The candidates' keys in groups that are worked on together, the first ones first; one left out passes by.

        Args:
            candidates: all that came so far, by key, without atoms.
        """
        return [[candidate.key] for candidate in candidates]

    def prepare(self, ledger: Ledger, run: Runner) -> None:  # noqa: B027 (most stages need nothing)
        """Computes what all groups need, before any of them; done again by every process that takes part.

        Args:
            ledger: where it may be kept.
            run: calls a function of each of some arguments, in the workers, and gives the results in order.
        """

    def supply(self, ledger: Ledger, members: Sequence[int]) -> Any:
        """What `work` needs beside the candidates; picklable."""
        return None

    @abstractmethod
    def work(self, candidates: Sequence[Candidate], supplied: Any) -> list[Outcome]:
        """The outcomes of a group, in order; runs in any process, and writes nowhere but in files of its own.

        Args:
            candidates: with atoms.
            supplied: what `supply` gave.
        """

    def seconds(self, members: int) -> float | None:
        """After how long a worker with so many members is given up; None: never."""
        return 60.0 * members

    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        """What becomes of a candidate whose work can't be done.

        Args:
            candidate: without atoms.
            status: `quarantined` or `failed`.
            reason: why.
        """
        return Outcome(status, reason)


def reason_of(error: BaseException) -> Reason:
    """An error that nobody expected as a reason: its class, and its message in one line of at most 200 characters."""
    return Reason(type(error).__name__, one_line(error))


def one_line(error: BaseException) -> str:
    """The message of an error in one line of at most 200 characters; empty where it has none."""
    return " ".join(str(error).split())[:200]
