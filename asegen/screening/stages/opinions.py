"""Whether two potentials say the same of a candidate, within their errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import hypot

from asegen.screening.stages.phonon_results import STABLE, UNSTABLE
from asegen.screening.stages.verdicts import WIDTH

AGREE, ENERGIES, PHONONS, BOTH = "agree", "energies differ", "phonons differ", "both differ"
OPINIONS = (AGREE, PHONONS, ENERGIES, BOTH)


def of_energies(first: float | None, second: float | None, errors: tuple[float | None, float | None]) -> str | None:
    """Whether two energies above the known hull agree; None where one of them, or its error, isn't known.

    Args:
        first: eV/atom.
        second: eV/atom.
        errors: mean error of each, eV/atom. They are taken for independent.
    """
    one, other = errors
    if first is None or second is None or one is None or other is None:
        return None
    return ENERGIES if abs(first - second) > WIDTH * hypot(one, other) else AGREE


def with_phonons(opinion: str | None, first: str | None, second: str | None) -> str | None:
    """What two potentials say, dynamic stability included: "stable" against "unstable" is another opinion.

    Args:
        opinion: of the energies.
        first: verdict of the phonons; None where there is none.
        second: likewise.
    """
    if {first, second} != {STABLE, UNSTABLE}:
        return opinion if opinion or not (first and second) else AGREE
    return BOTH if opinion == ENERGIES else PHONONS


def opinion_lines(opinions: Iterable[str | None]) -> list[str]:
    """A line on how often two potentials agree; none where there is one only."""
    found = Counter(opinions)
    told = ", ".join(f"{found[word]} {word}" for word in OPINIONS if found[word])
    return [f"of {sum(found[word] for word in OPINIONS)} with a second opinion: {told}"] if told else []
