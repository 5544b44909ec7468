"""The verdict of a potential on predicted structures: relaxed, with an energy above the Materials Project's hull."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ase import Atoms

from asegen.errors import InputError
from asegen.hull.table import ENERGY_SCALE, Counts, shipped_hull
from asegen.parallel.files import sha256
from asegen.potentials.engine import find_engine
from asegen.potentials.gate import gate
from asegen.potentials.minimise import minimise
from asegen.potentials.references import computed_references, references_of
from asegen.prototypes.known_forms import KnownForms
from asegen.trained.weights import shipped_catalogue

FMAX = 0.05
"""eV/Å, where a relaxation ends."""


class Verified(NamedTuple):
    """What a potential found.

    Attributes:
        atoms: the relaxed crystal, with the potential's values in `info`; as given where there is no energy.
        e_hull: eV/atom above the hull; NaN where there is no energy.
        reason: one line that says why there is none; empty otherwise.
    """

    atoms: Atoms
    e_hull: float
    reason: str = ""


class Verifier:
    """Relaxes crystals by a potential and places them above the hull.

    Those whose composition is that of crystals inside the package are measured against these, see
    `asegen.prototypes.known_forms`; each is relaxed when its composition first comes.

    Args:
        potential: a name of `asegen.potentials.registry`, or "module:object".
        steps: of the relaxation, at most. What is still moving then counts with the energy it has, an upper bound.

    Raises:
        InputError: no such potential.
        AsegenError: its package is missing.
    """

    def __init__(self, potential: str, steps: int) -> None:
        self._engine = find_engine(potential)
        references = references_of(self._engine) or computed_references(self._engine)
        if references.scale != ENERGY_SCALE:
            raise InputError(f"energies of {potential} are on the scale of {references.scale}, not the hull's")
        self._references, self._steps, self._calculator = references, steps, self._engine.calculator()
        self._forms = KnownForms(self._energies)

    def __getstate__(self) -> dict[str, object]:
        """Without the calculator, which is opened again: not all of them can be pickled."""
        return {name: value for name, value in self.__dict__.items() if name != "_calculator"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Opens the calculator."""
        self.__dict__.update(state)
        self._calculator = self._engine.calculator()

    @property
    def name(self) -> str:
        """Of the potential, with what distinguishes its versions."""
        return self._engine.identity

    @property
    def identity(self) -> dict[str, object]:
        """What decides the energies."""
        own = {"potential": self._engine.identity, "relax_steps": self._steps, "fmax": FMAX}
        return own | {"known_crystals": sha256(shipped_catalogue())[:12]}

    @property
    def error(self) -> float:
        """Mean error of formation energies of known crystals, eV/atom."""
        return self._references.error

    def verify(self, atoms: Atoms) -> Verified:
        """Relaxes a crystal.

        `info` of the result has calculator, formation_energy and e_hull (eV/atom), measured_against (where there is a
        known crystal of its composition), potential_converged, and potential_steps.

        Args:
            atoms: passes the validity gate.
        """
        counts = Counter(atoms.numbers.tolist())
        reason = self._engine.refusal(atoms) or self._references.refusal(atoms) or gate(atoms)
        if (refused := reason or shipped_hull().gap(counts)) is not None:
            return Verified(atoms, float("nan"), str(refused))
        try:
            found = minimise(atoms, self._calculator, FMAX, self._steps)
        except Exception as error:  # calculators fail in their own ways
            return Verified(atoms, float("nan"), f"{type(error).__name__}: {error}".splitlines()[0])
        if (reason := gate(found.atoms)) is not None:
            return Verified(atoms, float("nan"), f"relaxed into nonsense, {reason}")
        energy = self._references.formation_energy(found.energy * len(atoms), atoms.numbers)
        above, measured = self._above(counts, found.energy, energy)
        relaxed = found.atoms
        relaxed.info = atoms.info | measured
        relaxed.info |= {
            "calculator": self._engine.name,
            "formation_energy": round(energy, 4),
            "e_hull": round(above, 4),
            "potential_converged": found.converged,
            "potential_steps": found.steps,
        }
        return Verified(relaxed, above)

    def _above(self, counts: Counts, energy: float, formation: float) -> tuple[float, dict[str, str]]:
        """The energy above the hull, and what it was measured against, if against a known crystal."""
        above, (form,) = shipped_hull().above(counts, formation), self._forms.of([counts])
        shift = None if form is None else form.shift(energy - formation, energy)
        return (above, {}) if form is None or shift is None else (above + shift, {"measured_against": form.id})

    def _energies(self, crystals: Sequence[Atoms]) -> list[float | None]:
        return [self._energy(atoms) for atoms in crystals]

    def _energy(self, atoms: Atoms) -> float | None:
        """Relaxed, eV/atom; None where there is none."""
        if self._engine.refusal(atoms) is not None:
            return None
        try:
            return minimise(atoms, self._calculator, FMAX, self._steps).energy
        except Exception:  # calculators fail in their own ways
            return None
