"""How the relaxation of a crystal ends, in words; without torch, for processes that only read or pass on records."""

CONVERGED, OUT_OF_STEPS, VOLUME, NOT_FINITE, NO_CELL, FAILED = (
    "converged", "out of steps", "volume", "not finite", "no cell", "failed",
)  # fmt: skip
STATUSES = (CONVERGED, OUT_OF_STEPS, VOLUME, NOT_FINITE, NO_CELL, FAILED)
"""Of a crystal that was moved by a network."""
REFUSED, INVALID = "refused", "invalid"
"""Of structures given as Atoms: not a crystal that can be relaxed; fails the validity gate when it stops."""
