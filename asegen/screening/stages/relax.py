"""Cells and positions relaxed with an ASE calculator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from typing_extensions import override

from asegen.errors import Reason
from asegen.parallel.files import is_of_the_disk
from asegen.parallel.limits import OutOfTime, time_limit
from asegen.potentials.engine import Engine
from asegen.potentials.gate import gate
from asegen.potentials.minimise import Minimum, OptimizerName, checked_optimizer, minimise
from asegen.potentials.start import better_start
from asegen.screening.claims import Ledger
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import FAILED, OK, UNCONVERGED, UNSUPPORTED, Candidate, Outcome
from asegen.screening.stage import Stage, one_line
from asegen.screening.stages.prerelax import Prerelax
from asegen.screening.stages.shared import ENERGY_SCALE, N_ATOMS, SPACE_GROUP, TIGHT_SYMPREC, engine_of
from asegen.structures.space_groups import EXACT, made_exact, refined, space_group

_NO_ENERGY = 1e-3
"""eV/atom, less than what `fmax` leaves undecided."""
_SECONDS_TO_LOAD = 120.0
_STATUS_OF_KIND = {"isolated atom": UNSUPPORTED, "unknown element": UNSUPPORTED, "non-finite": FAILED}
"""Kinds of reasons that a calculator may give in its error's message -> the status that they mean."""


@dataclass(frozen=True)
class Relax(Stage):
    """Relaxes cell and positions with an ASE calculator: BFGS or FIRE on a FrechetCellFilter.

    A pre-relaxed crystal whose energy is above that of the crystal before is dropped for that one: a force call each
    that keeps the network's errors from the result. A relaxed crystal that is near to a space group is given it exactly
    where that costs no energy: noise of start and forces is left out, a distortion that the calculator wants is kept.

    Attributes:
        engine: see `asegen.potentials.engine.find_engine`.
        fmax: eV/Å, for atoms and cell.
        steps: most steps; candidates that need more are `unconverged`.
        keep_symmetry: the space group stays (FixSymmetry).
        symprec: Å, of the space groups that are kept and reported.
        time_limit: seconds, for one crystal.
        optimizer: see `asegen.potentials.minimise.minimise`.
    """

    name: ClassVar[str] = "relax"
    columns: ClassVar[tuple[Column, ...]] = (
        N_ATOMS,
        Column(
            "energy",
            "of the relaxed crystal; under pressure the enthalpy, as all energies",
            "number",
            "eV/atom",
            "energy",
            table=Shown(30, "eV/atom"),
            tile=Shown(40, "Energy", digits=4),
        ),
        Column("first_energy", "before the first step of the relaxation", "number", "eV/atom", "energy"),
        Column("pressure", "of the relaxation", "number", "GPa", "energy"),
        Column("internal_energy", "of the relaxed crystal, without pV", "number", "eV/atom", "energy"),
        ENERGY_SCALE,
        SPACE_GROUP,
        Column("steps", "of the relaxation with the calculator", "integer", section="relaxation"),
        Column(
            "force_calls",
            "evaluations of energy, forces and stress by the relaxation; one is of the crystal before pre-relaxing",
            "integer",
            section="relaxation",
        ),
        Column("fmax", "largest force, stress included, when it stopped", "number", "eV/Å", "relaxation"),
    )
    engine: Engine
    fmax: float = 0.05
    steps: int = 500
    keep_symmetry: bool = False
    symprec: float = 0.1
    time_limit: float = 3600.0
    optimizer: OptimizerName = "bfgs"

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls.by(engine_of(options), options)

    @classmethod
    def by(cls, engine: Engine, options: Options) -> Self:
        """The stage as the options ask for it, with another calculator.

        Raises:
            InputError: no such optimiser.
        """
        return cls(
            engine,
            options.fmax,
            options.steps,
            options.keep_symmetry,
            options.symprec,
            options.time_limit,
            checked_optimizer(options.optimizer),
        )

    @override
    def settings(self) -> dict[str, Any]:
        # The calculator's identity rather than its name; not the time, which is the machine's matter.
        return {
            "calculator": self.engine.identity,
            "energy_scale": self.engine.energy_scale,
            "fmax": self.fmax,
            "steps": self.steps,
            "keep_symmetry": self.keep_symmetry,
            "symprec": self.symprec,
            "optimizer": self.optimizer,
        }

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        # One by one, the most promising of each formula first, those without a rank last.
        order = sorted(candidates, key=lambda c: (c.found.get("rank_before") or math.inf, c.key))
        return [[candidate.key] for candidate in order]

    @override
    def supply(self, ledger: Ledger, members: Sequence[int]) -> list[Atoms]:
        return [candidate.crystal for candidate in ledger.load(members, Prerelax.name)]  # before they were pre-relaxed

    @override
    def work(self, candidates: Sequence[Candidate], supplied: list[Atoms]) -> list[Outcome]:
        return [self._one(candidate.crystal, before) for candidate, before in zip(candidates, supplied, strict=True)]

    @override
    def seconds(self, members: int) -> float | None:
        return _SECONDS_TO_LOAD + self.time_limit * members

    def _one(self, atoms: Atoms, before: Atoms) -> Outcome:
        if (reason := self.engine.refusal(atoms)) is not None:
            return Outcome(UNSUPPORTED, reason)
        try:
            with time_limit(self.time_limit):
                return self._relaxed(atoms, before)
        except OutOfTime:
            return Outcome(FAILED, Reason("time limit", f"more than {self.time_limit:g} s"))
        except MemoryError:
            return Outcome(FAILED, Reason("out of memory", "more than a worker may have"))
        except Exception as error:  # every calculator fails in its own way
            if is_of_the_disk(error):
                raise
            return _failure(error)

    def _relaxed(self, atoms: Atoms, before: Atoms) -> Outcome:
        calculator = self.engine.calculator()
        pressure = self.engine.atomic_pressure
        start = better_start(atoms, before, calculator, pressure)
        how = (self.fmax, self.steps, self.keep_symmetry, self.symprec, self.optimizer)
        end = minimise(start.atoms, calculator, *how, pressure=pressure)
        end, tried = self._symmetric(end, calculator) if end.converged else (end, 0)
        found: dict[str, Any] = {
            "first_energy": _finite(start.enthalpy),
            "energy": _finite(end.enthalpy),
            "fmax": _finite(end.fmax),
            "steps": end.steps,
            "force_calls": end.steps + 1 + start.compared + tried,
            N_ATOMS.name: len(end.atoms),
            ENERGY_SCALE.name: self.engine.energy_scale,
        }
        if self.engine.pressure:
            found |= {"pressure": self.engine.pressure, "internal_energy": _finite(end.energy)}
        return self._outcome(end, found, (start.note,) if start.note else ())

    def _outcome(self, end: Minimum, found: dict[str, Any], notes: tuple[str, ...]) -> Outcome:
        if reason := gate(end.atoms):
            return Outcome(FAILED, Reason("relaxed into nonsense", str(reason)), found, end.atoms, notes)
        found[SPACE_GROUP.name] = space_group(end.atoms, self.symprec)
        if end.converged:
            return Outcome(OK, None, found, end.atoms, notes)
        reason = Reason.read(end.reason)
        return Outcome(UNCONVERGED if reason.kind == UNCONVERGED else FAILED, reason, found, end.atoms, notes)

    def _symmetric(self, end: Minimum, calculator: Calculator) -> tuple[Minimum, int]:
        """The relaxed crystal with its space group made exact where that costs no energy, and the force calls spent."""
        tried = 0
        for crystal in self._more_symmetric(end.atoms):
            tried += 1
            found = minimise(crystal, calculator, self.fmax, steps=0, pressure=self.engine.atomic_pressure)
            if found.converged and found.enthalpy <= end.enthalpy + _NO_ENERGY:
                return replace(found, steps=end.steps), tried
        return end, tried

    def _more_symmetric(self, atoms: Atoms) -> Iterator[Atoms]:
        """Crystals near to a relaxed one that have a space group exactly, the most symmetric first.

        Also what has its group within a tight tolerance is refined: forces in single precision leave noise of 1e-6 to
        1e-5 Å, which DFT codes take for a lower symmetry.
        """
        group, tight = (space_group(atoms, symprec) for symprec in (self.symprec, TIGHT_SYMPREC))
        if group != tight and not self.keep_symmetry and (crystal := refined(atoms, self.symprec)) is not None:
            yield crystal
        if (crystal := refined(atoms, TIGHT_SYMPREC)) is not None and len(crystal) < len(atoms):
            yield crystal  # a supercell whose crystal only relaxing has brought to light
        if space_group(atoms, EXACT) == tight:
            return
        crystal = made_exact(atoms, TIGHT_SYMPREC)
        if crystal is None and group == tight:
            crystal = made_exact(atoms, self.symprec)
        if crystal is not None:
            yield crystal


def _failure(error: Exception) -> Outcome:
    """What becomes of a candidate whose calculator raised an error."""
    text = one_line(error) or "no message"
    reason = Reason.read(text)
    if reason.kind in _STATUS_OF_KIND:
        return Outcome(_STATUS_OF_KIND[reason.kind], reason)
    return Outcome(FAILED, Reason("calculator", f"{type(error).__name__}: {text}"))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
