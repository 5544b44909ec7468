"""Known crystals of the candidates' compositions, by the candidates' own potential, where its errors cancel.

What a potential gets wrong about a compound it mostly gets wrong about all its forms alike. So where crystals of a
composition are inside the package, candidates of this composition are placed by how far they lie above one of these
crystals, relaxed by the same potential: the lowest of those whose energies above the hull are known, or else, where a
stable compound of the composition is known, the lowest of all, which is taken for it. CHGNet's formation energies of
GaAs and Mg2Si are 0.12 and 0.10 eV/atom above the hull; those of their other forms are by as much, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path

from ase import Atoms
from ase.formula import Formula

from asegen.errors import AsegenError
from asegen.hull.table import shipped_hull
from asegen.potentials.engine import Engine
from asegen.potentials.references import ElementReferences
from asegen.screening.stage import Runner
from asegen.screening.stages.known_hull import counts_of
from asegen.screening.stages.references import kept_energy

_FORMS = 3
"""Crystals of a composition that are relaxed, those of lowest known or predicted energy."""
_MOST_ATOMS = 40
_MOST = 0.15
"""eV/atom, more than any potential here errs by for known crystals: if the lowest form is off by more, it isn't the
stable one."""


@dataclass(frozen=True)
class KnownForm:
    """The lowest known crystal of a composition.

    Attributes:
        id: its formula and the number of its space group.
        energy: eV/atom by the potential, relaxed.
        hull: formation energy of the known hull at the composition, eV/atom.
        above: its energy above the hull, eV/atom; None where that isn't known, but a stable compound of the composition
            is: then the lowest crystal of the composition, candidates included, is taken for it.
    """

    id: str
    energy: float
    hull: float
    above: float | None


def known_forms(formulas: Iterable[str], engine: Engine, cache: Path, run: Runner) -> dict[str, KnownForm]:
    """The known crystal that candidates of each composition are measured against.

    Args:
        formulas: of the candidates; elements are left out.
        engine: the candidates' potential.
        cache: folder of relaxed energies, made if it is missing.
        run: where crystals are relaxed.

    Returns:
        Formula -> crystal; formulas without one are left out.

    Raises:
        AsegenError: the potential can't be built.
        InputError: the folder can't be written to.
    """
    crystals = [(formula, *own) for formula in sorted(set(formulas)) for own in _candidates(formula)]
    energies = run(partial(_energy, engine=engine, cache=cache), [atoms for _, _, atoms, _ in crystals])
    found: dict[str, KnownForm] = {}
    for (formula, id, _, above), energy in zip(crystals, energies, strict=True):
        if isinstance(energy, AsegenError):
            raise energy
        if isinstance(energy, float) and (formula not in found or energy < found[formula].energy):
            found[formula] = KnownForm(id, energy, shipped_hull().point(counts_of(formula)).energy, above)
    return found


def corrections(
    forms: Mapping[str, KnownForm], lowest: Mapping[str, float], references: ElementReferences
) -> dict[str, float]:
    """What is added to a potential's formation energies of a composition, so that its known form lies where it should.

    Args:
        forms: by formula.
        lowest: energy of the lowest candidate of each formula, eV/atom; formulas without candidates may be missing.
        references: of the potential.

    Returns:
        Formula -> eV/atom; those without a correction are left out.
    """
    found = {}
    for formula, form in forms.items():
        energy = min(form.energy, lowest.get(formula, form.energy)) if form.above is None else form.energy
        shift = form.hull + (form.above or 0.0) - (energy - references.per_atom(Formula(formula).count()))
        if form.above is not None or abs(shift) <= _MOST:
            found[formula] = shift
    return found


def _candidates(formula: str) -> Sequence[tuple[str, Atoms, float | None]]:
    """Identifiers, crystals and energies above the hull: the lowest known one, or else the likeliest to be stable."""
    from asegen.prototypes.sources import KNOWN, open_library  # loads torch

    counts = counts_of(formula)
    if len(counts) == 1:
        return []
    own = open_library(KNOWN).of_composition(counts, _MOST_ATOMS)
    known = [(id, atoms, above) for id, atoms, above in own if isfinite(above)]
    if known or not shipped_hull().is_stable(counts):
        return sorted(known, key=lambda one: one[2])[:1]
    return [(id, atoms, None) for id, atoms, _ in own[:_FORMS]]


def _energy(atoms: Atoms, engine: Engine, cache: Path) -> float | None:
    content = (atoms.numbers.tobytes(), atoms.cell.array.round(6).tobytes(), atoms.positions.round(6).tobytes())
    name = f"{atoms.symbols.formula.reduce()[0]}-{hashlib.sha256(b''.join(content)).hexdigest()[:12]}"
    return kept_energy(name, atoms, engine, cache)[0]
