"""Quantum ESPRESSO, where the user has it, through ASE: a section [espresso] of ASE's configuration."""

from __future__ import annotations

import tempfile
from importlib import metadata
from math import pi
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from ase.calculators.espresso import Espresso, EspressoProfile
from ase.calculators.genericfileio import BadConfiguration
from ase.config import cfg
from ase.units import Ry

from asegen.errors import AsegenError, InputError
from asegen.potentials.engine import Engine, settings_hash
from asegen.potentials.pseudopotentials import CUTOFFS, Pseudopotentials, read_pseudopotentials

SETTINGS: dict[str, dict[str, Any]] = {
    "control": {"tprnfor": True, "tstress": True},
    "system": {
        "ecutwfc": CUTOFFS[0],
        "ecutrho": CUTOFFS[1],
        "occupations": "smearing",
        "smearing": "gaussian",
        "degauss": round(0.05 / Ry, 6),
    },
    "electrons": {"conv_thr": 1e-8, "electron_maxstep": 200},
}
"""Plane waves to 80 Ry, 0.05 eV of smearing; k-points no more than 0.22 Å⁻¹ apart, as with VASP here. The functional is
that of the pseudopotentials."""

_SPACING = 0.22 / (2 * pi)  # Å⁻¹ without the factor 2π, as ASE counts here


def find(name: str) -> Engine:
    """Quantum ESPRESSO as ASE's configuration has it.

    Raises:
        AsegenError: it isn't configured, or its folder of pseudopotentials has none.
    """
    potentials = _configured()[1]
    elements = frozenset(symbol for symbol, names in potentials.files.items() if len(names) == 1)
    identity = f"Quantum ESPRESSO (ase {metadata.version('ase')}), settings {settings_hash(SETTINGS)}"
    return Engine(name, f"{identity}, pseudopotentials {potentials.origin}", "Quantum ESPRESSO", elements)


def calculator(name: str, directory: Path | None = None) -> Calculator:
    """A fresh calculator with `SETTINGS`.

    Args:
        name: its own.
        directory: where it works; a temporary folder, removed with the calculator, without it.
    """
    profile, potentials = _configured()
    temporary = tempfile.TemporaryDirectory(prefix="asegen-espresso-") if directory is None else None
    files = {symbol: names[0] for symbol, names in potentials.files.items() if len(names) == 1}
    made: Any = Espresso(
        profile=profile,
        directory=str(directory) if temporary is None else temporary.name,
        input_data={section: dict(values) for section, values in SETTINGS.items()},
        pseudopotentials=files,
        kspacing=_SPACING,
    )
    made.temporary = temporary
    built: Calculator = made
    return built


def _configured() -> tuple[EspressoProfile, Pseudopotentials]:
    try:
        profile = EspressoProfile.from_config(cfg, "espresso")
        return profile, read_pseudopotentials(Path(profile.pseudo_dir))
    except (BadConfiguration, KeyError) as error:
        raise AsegenError(
            f"espresso is not configured: command and pseudo_dir in [espresso] of ASE's configuration ({error})"
        ) from None
    except InputError as error:
        raise AsegenError(f"espresso is not configured: {error}") from None
