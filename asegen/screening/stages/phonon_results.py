"""Phonons as they were found: the verdict on them, and the files that hold them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STABLE, MARGINAL, UNSTABLE = "stable", "marginal", "unstable"
STABLE_ABOVE, UNSTABLE_BELOW = -0.1, -0.5
"""THz, of the lowest frequency; between the two, errors of forces and supercell could decide."""

SUMMARY, PARAMETERS, BANDS, MESH, DOS = (
    "phonons.json", "phonopy_params.yaml", "band.yaml", "mesh.yaml", "total_dos.dat",
)  # fmt: skip
"""Files of a folder of phonons: `Phonons`, and phonopy's own, which its command line reads."""


@dataclass(frozen=True)
class BandSegment:
    """A straight piece of a band path.

    Attributes:
        labels: of its ends; "G" is Γ.
        distance: (n_points,) along the path, 1/Å, from the path's start.
        frequencies: n_bands rows of (n_points,), THz.
    """

    labels: tuple[str, str]
    distance: tuple[float, ...]
    frequencies: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Phonons:
    """What was found.

    Attributes:
        verdict: `STABLE`, `MARGINAL` or `UNSTABLE`; empty where there is none.
        reason: one line `kind: detail` where there is none, or where the displacement or the supercell decides.
        displacement: Å, of all that is here.
        lowest: THz, the lowest frequency on mesh and band path but for the three acoustic modes at Γ.
        lowest_at: fractional coordinates of its wave vector, of the primitive cell.
        supercell: multiples of the three vectors of the relaxed primitive cell.
        n_atoms: of that supercell.
        n_displacements: force calculations.
        lowest_of_larger: THz, `lowest` with the larger supercell, where that was asked for.
        lowest_of_farther: THz, `lowest` with the second displacement, where that only confirms.
        lowest_of_nearer: THz, `lowest` with the first displacement, where the second decides.
        bands: the band structure.
        dos_frequencies: (n,), THz.
        dos: (n,), states per THz and primitive cell.
    """

    verdict: str
    reason: str = ""
    displacement: float | None = None
    lowest: float | None = None
    lowest_at: tuple[float, ...] = ()
    supercell: tuple[int, ...] = ()
    n_atoms: int = 0
    n_displacements: int = 0
    lowest_of_larger: float | None = None
    lowest_of_farther: float | None = None
    lowest_of_nearer: float | None = None
    bands: tuple[BandSegment, ...] = ()
    dos_frequencies: tuple[float, ...] = ()
    dos: tuple[float, ...] = ()


def read_phonons(folder: Path) -> Phonons:
    """What `phonons` wrote."""
    table = json.loads((folder / SUMMARY).read_text())
    bands = tuple(
        BandSegment(tuple(b["labels"]), tuple(b["distance"]), tuple(tuple(row) for row in b["frequencies"]))
        for b in table.pop("bands")
    )
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    return Phonons(**values, bands=bands)


def verdict(lowest: float) -> str:
    """`STABLE`, `MARGINAL` or `UNSTABLE` by the lowest frequency in THz."""
    if lowest > STABLE_ABOVE:
        return STABLE
    return UNSTABLE if lowest < UNSTABLE_BELOW else MARGINAL
