"""What the output of one calculation by DFT says, and whether it can be trusted."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from asegen.screening.dft_columns import FAILED, FINISHED, UNCONVERGED

_LARGEST_FORCE = 0.15
"""eV/Å. More is left by no relaxation that converged: MPRelaxSet stops at 5e-4 eV per atom."""
_LARGEST_STRESS = 3.0
"""GPa, of a cell that was relaxed, with what too few plane waves leave."""


@dataclass(frozen=True)
class DftRun:
    """What the outputs of one folder say.

    Attributes:
        status: `FINISHED`, `UNCONVERGED`, `UNFINISHED`, `FAILED` or `NOT_RUN`.
        reason: one line, if it isn't finished.
        energy: eV/atom, if it is; with the corrections of MP2020 where the scale is that.
        energy_scale: only energies of the same are compared.
        atoms: the crystal, if it is finished.
        file: that was read; None where there is none.
    """

    status: str
    reason: str = ""
    energy: float | None = None
    energy_scale: str = ""
    atoms: Atoms | None = None
    file: Path | None = None


def judged(atoms: Atoms, energy: float, scale: str, forces: Any, stress: Any) -> DftRun:
    """A calculation that ended, finished if its energy is one and its crystal is relaxed.

    Args:
        atoms: the crystal.
        energy: eV, in total.
        scale: its label.
        forces: (n_atoms, 3), eV/Å, or None.
        stress: of any shape, GPa, or None.
    """
    if not np.isfinite(energy):
        return DftRun(FAILED, "the energy is no number")
    if forces is not None and (most := float(np.linalg.norm(forces, axis=1).max())) > _LARGEST_FORCE:
        return DftRun(UNCONVERGED, f"forces of {most:.2f} eV/Å: the crystal isn't relaxed")
    if stress is not None and (most := float(np.abs(stress).max())) > _LARGEST_STRESS:
        return DftRun(UNCONVERGED, f"stress of {most:.1f} GPa: the cell isn't relaxed, or was so under pressure")
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    return DftRun(FINISHED, energy=energy / len(atoms), energy_scale=scale, atoms=plain)


def text_of(file: Path, most: int = -1) -> str:
    """A text, also a compressed one, or its first characters; nothing of a compressed one that was cut off."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8", errors="replace") as lines:
        try:
            return str(lines.read(most))
        except (EOFError, gzip.BadGzipFile):
            return ""
