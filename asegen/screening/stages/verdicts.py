"""What an energy above the hull says, in words that its error allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

BELOW, WITHIN, ABOVE = "below the known hull", "within the error of the hull", "above the hull"
"""Of a candidate against the known phases."""
KNOWN_CRYSTAL, KNOWN_COMPOSITION = "known crystal, within the error", "known composition, within the error"
"""Of a candidate as near to the hull as `WITHIN` that is hardly news: it is a crystal of the reference that was given,
or one inside the package, or of a composition of which a stable compound is known. What it lies above the hull by is
mostly the potential's error.
"""
KNOWN_ABOVE = "known composition, above the hull"
"""Of the lowest candidate of a composition of which a stable compound is known, where the error doesn't explain that it
lies above the hull: the compound isn't among the candidates, or it is one that the potential gets wrong.
"""
UNKNOWN = "too few known phases"
"""Of a candidate that is on the hull or near it where compounds of one of its elements are mostly lacking."""
NEAR = (WITHIN, KNOWN_COMPOSITION, KNOWN_CRYSTAL)
"""What is said of candidates whose energy above the hull the error could explain."""
LOWEST, NOT_LOWEST = "lowest of these candidates", "not the lowest"
"""Of a candidate where the known phases are lacking: against the elements, what a user gave, and the others alone."""
_UNDECIDED = 1e-3  # eV/atom: what relaxations leave
WIDTH = 2.0
"""Mean errors that still count as "within the error": with CHGNet nine of ten known crystals lie within them."""
VERDICTS = (BELOW, *NEAR, KNOWN_ABOVE, ABOVE, UNKNOWN, LOWEST, NOT_LOWEST)


def verdict(
    e_hull: float | None,
    e_known: float | None,
    error: float | None,
    known_as: str | None = None,
    known_composition: str | None = None,
    *,
    known_crystal: str | None = None,
    unmet: bool = False,
    has_gap: bool = False,
) -> str | None:
    """The verdict on a candidate; None where there is no energy above the hull.

    Args:
        e_hull: eV/atom above the hull of the known phases and the candidates.
        e_known: eV/atom above the hull of the known phases alone.
        error: mean error of both, eV/atom; None where the known phases are lacking.
        known_as: the reference structure that is the same crystal.
        known_crystal: the crystal inside the package that is the same one; it fills no gap of the hull.
        known_composition: see `asegen.screening.stages.known_hull.knowledge`.
        unmet: whether it is the lowest candidate of a composition of which a stable compound is known, but no crystal
            near the hull is at hand to measure it against.
        has_gap: the hull has a gap there, see `asegen.hull.table.HullTable.gap`.
    """
    if e_hull is None or e_known is None:
        return None
    if error is None:
        return LOWEST if e_hull <= _UNDECIDED else NOT_LOWEST
    if e_hull > WIDTH * error:
        return KNOWN_ABOVE if unmet else ABOVE
    if has_gap and known_as is None:
        return UNKNOWN
    if e_known < -WIDTH * error:
        return BELOW
    if known_as is not None or known_crystal is not None:
        return KNOWN_CRYSTAL
    return KNOWN_COMPOSITION if known_composition == "stable" else WITHIN


def counted(verdicts: Iterable[str | None]) -> list[tuple[int, str]]:
    """How many candidates have each verdict, in the order of `VERDICTS`; those that nobody has are left out."""
    found = Counter(verdicts)
    return [(found[word], word) for word in VERDICTS if found[word]]


def lacking_lines(lacking: Mapping[str, Sequence[str]], most: int = 12) -> list[str]:
    """For each chemical system a line that names its known stable compounds without a candidate.

    Args:
        lacking: see `asegen.screening.stages.known_hull.without_candidate`.
        most: formulas of a line.
    """
    lines = []
    for system, formulas in lacking.items():
        more = f" and {len(formulas) - most} more" if len(formulas) > most else ""
        lines.append(f"known to be stable in {system}, without a candidate: {', '.join(formulas[:most])}{more}")
    return lines
