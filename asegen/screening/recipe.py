"""The stages that `asegen screen` puts together, from plain settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from asegen.errors import InputError
from asegen.potentials.engine import find_engine
from asegen.screening.judging import HandOff, Hull, Phonons
from asegen.screening.phonons import Settings
from asegen.screening.stage import Stage
from asegen.screening.stages import NEAR, Compare, Deduplicate, Prerelax, Read, Relax, Symmetrise

STAGES = ("read", "dedup", "symmetrise", "prerelax", "relax", "compare", "hull", "phonons", "vasp")
"""Names, in order."""
PHONON_SYMPREC = 0.02
"""Å. What `fmax` leaves of a rattled start must not pass for a lower space group, whose phonons are full of noise; real
distortions move atoms farther."""


def recipe(
    calculator: str = "chgnet",
    *,
    relaxer: str | None = "empnn",
    device: str = "auto",
    stages: Sequence[str] = STAGES,
    fmax: float = 0.05,
    steps: int = 500,
    keep_symmetry: bool = False,
    symprec: float = 0.1,
    order: bool = False,
    reference: Path | str | None = None,
    energy_scale: str | None = None,
    online: bool = False,
    cache: Path | str | None = None,
    best: int = 10,
    check_size: bool = False,
    most_seconds: float = 3600.0,
) -> list[Stage]:
    """Stages for `asegen.screening.screen`.

    Args:
        calculator: see `asegen.potentials.engine.find_engine`.
        relaxer: of the pre-relaxation: "empnn", the shipped one; a shipped relaxer's name or a file of weights; None or
            "none" for no pre-relaxation.
        device: of the pre-relaxation.
        stages: names of those that are wanted; their order doesn't matter, and `read` is always there.
        fmax: eV/Å, when a relaxation with the calculator has arrived.
        steps: most of its steps.
        keep_symmetry: space groups stay in it.
        symprec: Å, tolerance of the space groups.
        order: CIFs with partial occupancies are ordered, not refused.
        reference: file of known crystals, to tell the new from the known, and of competing phases; see
            `asegen.screening.references.read_reference`.
        energy_scale: of energies in it that don't name theirs.
        online: competing phases from the Materials Project too, with the key in MP_API_KEY.
        cache: folder of the elements' energies, shared between screenings; one of the user's without it.
        best: how many candidates get phonons.
        check_size: phonons with a larger supercell too.
        most_seconds: for one relaxation.

    Raises:
        InputError: no such calculator, stage, file or model, or a number without meaning.
        AsegenError: the calculator's package is missing.
    """
    wanted = set(stages) | {"read"}
    if unknown := sorted(wanted - set(STAGES)):
        raise InputError(f"no stage {unknown[0]!r}; there are {', '.join(STAGES)}")
    for name, value in (("fmax", fmax), ("symprec", symprec), ("most_seconds", most_seconds), ("steps", steps)):
        if not value > 0:
            raise InputError(f"{name} {value:g}: must be greater than 0")
    if best < 0:
        raise InputError(f"best {best}: must not be negative")
    if relaxer in (None, "none"):
        wanted -= {"prerelax"}
    known = None if reference is None else Path(reference)
    if "relax" not in wanted and (lacking := wanted & set(STAGES[5:])):
        raise InputError(f"the stage {min(lacking)} needs the stage relax")
    near = min(symprec, NEAR) if "symmetrise" in wanted else None
    made: list[Stage] = [Read(order=order), Deduplicate(), Symmetrise(symprec)]
    if "prerelax" in wanted:
        made.append(Prerelax(near, None if relaxer == "empnn" else relaxer, device))
    if "relax" in wanted:
        engine = find_engine(calculator)
        elements = default_cache() if cache is None else Path(cache)
        options = Settings(symprec=PHONON_SYMPREC, check_size=check_size)
        made += [
            Relax(engine, fmax, steps, keep_symmetry, symprec, most_seconds),
            Compare(known),
            Hull(engine, elements.absolute(), known, energy_scale, online),
            Phonons(engine, best, options),
            HandOff(best, options),
        ]
    return [stage for stage in made if stage.name in wanted]


def default_cache() -> Path:
    """Where the elements' energies are kept for all of a user's screenings."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "asegen" / "elements"
