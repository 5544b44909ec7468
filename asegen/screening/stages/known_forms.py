"""Known crystals of the candidates' compositions, relaxed by the candidates' own potential."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from ase import Atoms

from asegen.errors import AsegenError
from asegen.potentials.engine import Engine
from asegen.prototypes.known_forms import KnownForm, KnownForms
from asegen.screening.stage import Runner
from asegen.screening.stages.known_hull import counts_of
from asegen.screening.stages.references import kept_energy


def known_forms(formulas: Iterable[str], engine: Engine, cache: Path, run: Runner) -> dict[str, KnownForm]:
    """The known crystal that candidates of each composition are measured against.

    Args:
        formulas: of the candidates.
        engine: the candidates' potential.
        cache: folder of relaxed energies, made if it is missing.
        run: where crystals are relaxed.

    Returns:
        Formula -> crystal; formulas without one are left out.

    Raises:
        AsegenError: the potential can't be built.
        InputError: the folder can't be written to.
    """

    def energies(crystals: Sequence[Atoms]) -> list[float | None]:
        found = run(partial(_energy, engine=engine, cache=cache), crystals)
        if (failed := next((one for one in found if isinstance(one, AsegenError)), None)) is not None:
            raise failed
        return [one if isinstance(one, float) else None for one in found]

    different = sorted(set(formulas))
    found = KnownForms(energies).of(map(counts_of, different))
    return {formula: form for formula, form in zip(different, found, strict=True) if form is not None}


def _energy(atoms: Atoms, engine: Engine, cache: Path) -> float | None:
    content = (atoms.numbers.tobytes(), atoms.cell.array.round(6).tobytes(), atoms.positions.round(6).tobytes())
    name = f"{atoms.symbols.formula.reduce()[0]}-{hashlib.sha256(b''.join(content)).hexdigest()[:12]}"
    return kept_energy(name, atoms, engine, cache)[0]
