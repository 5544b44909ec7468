"""Energies by which candidates are ranked: of shipped networks, of CHGNet in batches, of any ASE calculator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ase import Atoms

from asegen.calculators.property import predict
from asegen.errors import InputError, Reason
from asegen.generation.ranking import ALIGNN, CHGNET, WITHOUT_FORCES, check_ranking, no_ranking
from asegen.potentials import chgnet
from asegen.potentials.engine import Engine, find_engine
from asegen.potentials.gate import gate
from asegen.potentials.minimise import minimise
from asegen.potentials.references import ElementReferences, references_of
from asegen.trained.loading import pick_device
from asegen.trained.predictor import PropertyPredictor, shared_predictor

_ALIGNN_WEIGHTS = "alignn-formation-energy"
ERROR = 0.03
"""eV/atom between structures of one formula, of a potential whose structures weren't relaxed by it. Of 40 crystals of
mp/val with 10 templates each CHGNet puts 55, 68, 72, 75, 78 % first at 0, 0.01, 0.02, 0.03, 0.05; the score 78 %."""
STEPS_UNDER_PRESSURE = 100
"""Of a relaxation that brings a candidate to its volume at a pressure."""
_FMAX = 0.03
"""eV/Å, where a relaxation by a calculator ends."""


class Judged(NamedTuple):
    """What a ranker found of one candidate.

    Attributes:
        atoms: the candidate, or where the calculator moved it.
        energy: eV per atom, comparable between structures of one formula; NaN where there is none.
        reason: one line that says why there is none; empty otherwise.
    """

    atoms: Atoms
    energy: float
    reason: str = ""


class Ranker(Protocol):
    """Gives candidates their energies.

    Attributes:
        name: what the user asked for.
        identity: what decides the energies: name, version, hash of the weights.
        scale: eV per atom that outweigh a prior probability e times as large; the rougher the energies, the larger.
        error: eV per atom between structures of one formula, within which energies don't tell which is lower.
        references: what makes formation energies of its energies; None where there are none, or where the energies are
            formation energies.
        gives_formation_energies: whether its energies are formation energies on the scale of the shipped hull.
    """

    name: str
    identity: str
    scale: float
    error: float
    references: ElementReferences | None
    gives_formation_energies: bool

    def judge(self, structures: Sequence[Atoms]) -> list[Judged]:
        """One record per candidate, in order; candidates pass the validity gate."""
        ...


def find_ranker(
    name: str, device: str = "auto", relax_steps: int = 0, keep_symmetry: bool = False, pressure: float = 0.0
) -> Ranker | None:
    """Looks a ranker up.

    Args:
        name: "none"; "alignn" (the shipped formation energies); "chgnet"; or any other calculator of
            `asegen.potentials.engine.find_engine`, such as "emt" or "module:object".
        device: where networks compute; calculators choose their own.
        relax_steps: relaxation steps by the calculator before its energy counts; "alignn" allows none.
        keep_symmetry: candidates keep their space groups in these.
        pressure: GPa, of these; there are `STEPS_UNDER_PRESSURE` where none are asked for.

    Returns:
        Nothing for "none".

    Raises:
        InputError: no such name or device, or steps that can't be made.
        AsegenError: its package is missing.
    """
    check_ranking(name, relax_steps)
    if name in WITHOUT_FORCES:
        return _Alignn(shared_predictor(_ALIGNN_WEIGHTS, device)) if name == ALIGNN else None
    try:
        engine = find_engine(name).at_pressure(pressure)
    except InputError as error:
        raise no_ranking(error) from None
    if pressure:
        relax_steps = relax_steps or STEPS_UNDER_PRESSURE
    if name == CHGNET and not relax_steps:
        return _Chgnet(engine, str(pick_device(device)))
    return _ByCalculator(engine, relax_steps, keep_symmetry)


class _Alignn:
    """Formation energies of the shipped ALIGNN.

    Elements, too: of 62 whose ground state is fcc, bcc, hcp or diamond it is the lowest of these four for 39, and lies
    within 0.025 eV/atom of the lowest, less than `error`, for all others.
    """

    name = ALIGNN
    scale = 0.12
    error = 0.05
    references: ElementReferences | None = None
    gives_formation_energies = True

    def __init__(self, predictor: PropertyPredictor) -> None:
        self.identity = predictor.name
        self._predictor = predictor

    def judge(self, structures: Sequence[Atoms]) -> list[Judged]:
        (target,) = self._predictor.targets
        found = predict(structures, self._predictor)
        return [
            Judged(atoms, one.values[target]) if one.values else Judged(atoms, math.nan, one.status)
            for atoms, one in zip(structures, found, strict=True)
        ]


class _Chgnet:
    """Energies of CHGNet alone, many crystals at once: several times faster than its calculator one by one."""

    name = CHGNET
    scale = 0.05
    error = ERROR
    gives_formation_energies = False

    def __init__(self, engine: Engine, device: str) -> None:
        self.identity, self.references = engine.identity, references_of(engine)
        self._engine, self._device = engine, device

    def judge(self, structures: Sequence[Atoms]) -> list[Judged]:
        refusals = [_refusal(self._engine, atoms) for atoms in structures]
        fit = [atoms for atoms, refusal in zip(structures, refusals, strict=True) if refusal is None]
        found = iter(chgnet.energies(fit, self._device))
        return [
            _judged(atoms, next(found)) if refusal is None else Judged(atoms, math.nan, refusal)
            for atoms, refusal in zip(structures, refusals, strict=True)
        ]


def _judged(atoms: Atoms, found: float | Reason) -> Judged:
    return Judged(atoms, math.nan, str(found)) if isinstance(found, Reason) else Judged(atoms, found)


def _refusal(engine: Engine, atoms: Atoms) -> str | None:
    """Why a calculator had better not see a structure; neighbours of what is too dense would fill the memory."""
    reason = gate(atoms) or engine.refusal(atoms)
    return None if reason is None else str(reason)


class _ByCalculator:
    """Energies of an ASE calculator, of the candidates as they are or after some steps of relaxation."""

    scale = 0.05
    error = ERROR
    gives_formation_energies = False

    def __init__(self, engine: Engine, steps: int, keep_symmetry: bool) -> None:
        self.name, self.identity = engine.name, f"{engine.identity}, {steps} steps"
        self._engine, self._steps, self._keep_symmetry = engine, steps, keep_symmetry
        self.references = None if engine.pressure else references_of(engine)
        self._calculator = engine.calculator()

    def __getstate__(self) -> dict[str, object]:
        """Without the calculator, which is opened again: not all of them can be pickled."""
        return {name: value for name, value in self.__dict__.items() if name != "_calculator"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Opens the calculator."""
        self.__dict__.update(state)
        self._calculator = self._engine.calculator()

    def judge(self, structures: Sequence[Atoms]) -> list[Judged]:
        return [self._judge_one(atoms) for atoms in structures]

    def _judge_one(self, atoms: Atoms) -> Judged:
        if (reason := _refusal(self._engine, atoms)) is not None:
            return Judged(atoms, math.nan, reason)
        try:
            return self._relaxed(atoms) if self._steps else Judged(atoms, self._energy(atoms))
        except Exception as error:  # calculators fail in their own ways, and one candidate must not end the run
            return Judged(atoms, math.nan, " ".join(f"{type(error).__name__}: {error}".split()))

    def _energy(self, atoms: Atoms) -> float:
        energy = float(self._calculator.get_potential_energy(atoms.copy())) / len(atoms)
        if not math.isfinite(energy):
            raise ValueError("the calculator gives no finite energy")
        return energy

    def _relaxed(self, atoms: Atoms) -> Judged:
        how, pressure = (_FMAX, self._steps, self._keep_symmetry), self._engine.atomic_pressure
        found = minimise(atoms, self._calculator, *how, pressure=pressure)
        moved = found.atoms
        moved.info = dict(atoms.info) | ({"pressure": self._engine.pressure} if pressure else {})
        return Judged(moved, found.enthalpy)
