"""What an energy above the hull says, in words that its error allows."""

from __future__ import annotations

BELOW, WITHIN, ABOVE = "below the known hull", "within the error of the hull", "above the hull"
"""Of a candidate against the known phases."""
LOWEST, NOT_LOWEST = "lowest of these candidates", "not the lowest of these candidates"
"""Of a candidate where the known phases are lacking: against the elements, what a user gave, and the others alone."""
VERDICTS = (BELOW, WITHIN, ABOVE, LOWEST, NOT_LOWEST)


def verdict(e_hull: float | None, e_known: float | None, error: float | None) -> str | None:
    """The verdict on a candidate; None where there is no energy above the hull.

    Args:
        e_hull: eV/atom above the hull of the known phases and the candidates.
        e_known: eV/atom above the hull of the known phases alone.
        error: of both, eV/atom; None where the known phases are lacking.
    """
    if e_hull is None or e_known is None:
        return None
    if error is None:
        return LOWEST if e_hull <= 0 else NOT_LOWEST
    if e_hull > error:
        return ABOVE
    return BELOW if e_known < -error else WITHIN
