"""The stages that `asegen screen` puts together, from plain settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asegen.errors import InputError
from asegen.screening.calculators import find_engine
from asegen.screening.stages import Compare, Deduplicate, Prerelax, Read, Relax, Stage, Symmetrise

STAGES = ("read", "dedup", "symmetrise", "prerelax", "relax", "compare")
"""Names, in order."""


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
    reference: Path | str | None = None,
    most_seconds: float = 3600.0,
) -> list[Stage]:
    """Stages for `asegen.screening.screen`.

    Args:
        calculator: see `asegen.screening.calculators.find_engine`.
        relaxer: of the pre-relaxation: "empnn", the shipped one; a shipped relaxer's name or a file of weights; None or
            "none" for no pre-relaxation.
        device: of the pre-relaxation.
        stages: names of those that are wanted; their order doesn't matter, and `read` is always there.
        fmax: eV/Å, when a relaxation with the calculator has arrived.
        steps: most of its steps.
        keep_symmetry: space groups stay in it.
        symprec: Å, tolerance of the space groups.
        reference: file of known crystals, to tell the new from the known.
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
    if relaxer in (None, "none"):
        wanted -= {"prerelax"}
    made: list[Stage] = [Read(), Deduplicate(), Symmetrise(symprec)]
    if "prerelax" in wanted:
        made.append(Prerelax(None if relaxer == "empnn" else relaxer, device))
    if "relax" in wanted:
        made.append(Relax(find_engine(calculator), fmax, steps, keep_symmetry, symprec, most_seconds))
    made.append(Compare(None if reference is None else Path(reference)))
    return [stage for stage in made if stage.name in wanted]
