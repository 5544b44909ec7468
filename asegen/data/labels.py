"""What a training task learns from beside the crystals themselves."""

from __future__ import annotations

from typing import Literal

Labels = Literal["none", "targets", "site targets", "symmetry"]
"""Nothing; columns of numbers per crystal; columns of numbers per atom; Wyckoff orbits with their free numbers."""
