"""The stages that make candidates comparable: read, without copies, symmetric, relaxed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.io.jsonio import decode

from asegen.parallel.pool import OutOfTime, time_limit
from asegen.potentials.engine import Engine
from asegen.potentials.gate import UNSUPPORTED_KINDS, gate
from asegen.potentials.minimise import Minimum, minimise
from asegen.screening.claims import Ledger
from asegen.screening.known import digest, gather
from asegen.screening.ledger import (
    DUPLICATE,
    FAILED,
    OK,
    REJECTED,
    UNCONVERGED,
    UNSUPPORTED,
    candidate_id,
)
from asegen.screening.records import Candidate, Input, Outcome
from asegen.screening.stage import Runner, Stage, is_of_the_disk
from asegen.structures.cif import NOTE, StructureError
from asegen.structures.disorder import ordered
from asegen.structures.formulas import reduced_formula
from asegen.structures.matching import STRICT, USUAL, Tolerances, same_as
from asegen.structures.reading import CIF, EXTXYZ, POSCAR, Entry, read_entry
from asegen.structures.space_groups import refined, space_group

STRUCTURE, ERROR = "atoms", "error"
"""`Input.format` beside those of `structures.reading`: JSON of an Atoms object; the message of a failed reading."""
RANK = "rank"
"""In `Atoms.info`: the place that a generator gives a candidate among those of its formula, 1 for the best."""
READ_SECONDS = 60.0
"""That one entry may take to be read and checked."""
NEAR = 0.01
"""Å, tolerance of the space groups that a pre-relaxed crystal is given exactly."""
_NO_ENERGY = 1e-3
"""eV/atom, less than what `fmax` leaves undecided."""
AS_CAME = 0.01
"""Å, tolerance of the space group of a crystal as it came."""


@dataclass(frozen=True)
class Read(Stage):
    """Reads entries and lets crystals in (see `asegen.potentials.gate`).

    Attributes:
        at_once: entries of a group.
        order: whether CIFs with partial occupancies are ordered (see `asegen.structures.disorder`), not refused.
    """

    name: ClassVar[str] = "read"
    at_once: int = 16
    order: bool = False

    def settings(self) -> dict[str, Any]:
        """Only what changes results."""
        return {"order": True} if self.order else {}

    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """Neighbours in the files."""
        return _chunks([candidate.key for candidate in candidates], self.at_once)

    def supply(self, ledger: Ledger, members: Sequence[int]) -> list[Input]:
        """The entries."""
        return ledger.inputs(members)

    def work(self, candidates: Sequence[Candidate], supplied: list[Input]) -> list[Outcome]:
        """Each is a crystal, or refused with a reason."""
        return [self._one(entry) for entry in supplied]

    def gave_up(self, candidate: Candidate, status: str, reason: str) -> Outcome:
        """An entry that can't even be read is no crystal, whatever it did to its reader."""
        return Outcome(REJECTED if status == FAILED else status, reason)

    def _one(self, entry: Input) -> Outcome:
        try:
            with time_limit(READ_SECONDS):
                name, atoms = self._atoms(entry)
                reason = gate(atoms)
        except StructureError as error:
            return Outcome(REJECTED, str(error))
        except OutOfTime:
            return Outcome(REJECTED, f"time limit: more than {READ_SECONDS:g} s to read")
        except Exception as error:  # a malformed entry is a record, never the end of the run
            return Outcome(REJECTED, f"unreadable: {type(error).__name__}: {str(error)[:120]!r}")
        found: dict[str, Any] = {"name": name}
        if len(atoms) and np.isfinite(atoms.positions).all():
            found |= {"formula": reduced_formula(atoms), "n_atoms": len(atoms)}
        if (rank := _rank(atoms)) is not None:
            found["rank_before"] = rank
        if note := atoms.info.get(NOTE):
            found["notes"] = [str(note)]
        if reason is not None:
            status = UNSUPPORTED if reason.kind in UNSUPPORTED_KINDS else REJECTED
            return Outcome(status, str(reason), found)
        crystal = plain(atoms)
        found["space_group_before"] = found["space_group"] = space_group(crystal, AS_CAME)
        return Outcome(OK, "", found, crystal)

    def _atoms(self, entry: Input) -> tuple[str, Atoms]:
        try:
            name, atoms, _ = read_entry(_entry(entry))
        except StructureError as error:
            if not (self.order and entry.format == CIF and str(error).startswith("partial occupancy:")):
                raise
            return entry.name, ordered(entry.content)
        return name, atoms


@dataclass(frozen=True)
class Deduplicate(Stage):
    """Drops crystals that plainly are another input's; of the same ones the first input stays."""

    name: ClassVar[str] = "dedup"
    splits: ClassVar[bool] = False

    def settings(self) -> dict[str, Any]:
        """The tolerances."""
        return asdict(STRICT)

    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """By formula; a formula's only candidate passes by."""
        return [group for group in by_formula(candidates) if len(group) > 1]

    def work(self, candidates: Sequence[Candidate], supplied: None) -> list[Outcome]:
        """Each stays or is a duplicate."""
        return _duplicates(candidates, STRICT)

    def seconds(self, members: int) -> float | None:
        """Pairs have their own limit."""
        return None

    def gave_up(self, candidate: Candidate, status: str, reason: str) -> Outcome:
        """All stay."""
        return Outcome(candidate.status, "", {"notes": [f"not compared with others: {reason}"]})


@dataclass(frozen=True)
class Symmetrise(Stage):
    """Makes crystals that nearly have a space group have it exactly, in their standardised primitive cells.

    Attributes:
        symprec: Å, how far an atom may be from where symmetry wants it.
    """

    name: ClassVar[str] = "symmetrise"
    symprec: float = 0.1

    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """Neighbours in the order of inputs."""
        return _chunks([candidate.key for candidate in candidates], 16)

    def work(self, candidates: Sequence[Candidate], supplied: None) -> list[Outcome]:
        """Each goes on, refined or as it was."""
        return [self._one(candidate) for candidate in candidates]

    def gave_up(self, candidate: Candidate, status: str, reason: str) -> Outcome:
        """It goes on as it was."""
        return Outcome(OK, "", {"notes": [f"not symmetrised: {reason}"]})

    def _one(self, candidate: Candidate) -> Outcome:
        crystal = refined(_atoms(candidate), self.symprec)
        if crystal is None:
            return Outcome(OK, "", {"notes": ["not symmetrised: spglib finds no cell that keeps the composition"]})
        found = {"space_group": space_group(crystal, self.symprec), "n_atoms": len(crystal)}
        return Outcome(OK, "", found, crystal)


@dataclass(frozen=True)
class Prerelax(Stage):
    """Pulls crystals to sensible cells with a learned relaxer, in batches, without energies.

    One that the network doesn't know, or leads nowhere, goes on as it was. The others are symmetrised afterwards, with
    a small tolerance: the network keeps space groups no better than its graph's cut-offs do. What it merely brings near
    to a space group isn't forced into it, where forces would vanish on a saddle point of the energy.

    Attributes:
        symprec: Å, see `Symmetrise`; None to leave that.
        model: a shipped relaxer's name or a file of weights; the default one without it.
        device: "auto", "cpu", "cuda" …
        at_once: crystals of a group.
    """

    name: ClassVar[str] = "prerelax"
    symprec: float | None = NEAR
    model: str | None = None
    device: str = "auto"
    at_once: int = 32

    def settings(self) -> dict[str, Any]:
        """The network, by name and by the hash of its weights, and the groups' size, which decides the last digits."""
        from asegen.screening.learned import identity

        return {"model": identity(self.model), "at_once": self.at_once, "symprec": self.symprec}

    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """Similar sizes side by side."""
        order = sorted(candidates, key=lambda c: (c.found.get("n_atoms", 0), c.key))
        return _chunks([candidate.key for candidate in order], self.at_once)

    def work(self, candidates: Sequence[Candidate], supplied: None) -> list[Outcome]:
        """Each goes on, moved or as it was."""
        from asegen.screening.learned import prerelax  # imports torch, which workers of other stages don't need

        found = prerelax([_atoms(candidate) for candidate in candidates], self.model, self.device)
        outcomes = []
        for moved in found:
            values: dict[str, Any] = {"prerelax_status": moved.status, "prerelax_steps": moved.steps}
            crystal = moved.atoms
            if crystal is None:
                values["notes"] = [f"not pre-relaxed: {moved.reason}"]
            elif self.symprec is not None:
                crystal = refined(crystal, self.symprec) or crystal
                values |= {"space_group": space_group(crystal, self.symprec), "n_atoms": len(crystal)}
            outcomes.append(Outcome(OK, "", values, crystal))
        return outcomes

    def seconds(self, members: int) -> float | None:
        """Loading the network included."""
        return 120.0 + 60.0 * members

    def gave_up(self, candidate: Candidate, status: str, reason: str) -> Outcome:
        """It goes on as it was."""
        return Outcome(OK, "", {"prerelax_status": status, "notes": [f"not pre-relaxed: {reason}"]})


@dataclass(frozen=True)
class Relax(Stage):
    """Relaxes cell and positions with an ASE calculator: FIRE on a FrechetCellFilter.

    A pre-relaxed crystal whose energy is above that of the crystal before is dropped for that one: a force call each
    that keeps the network's errors from the result. A relaxed crystal that is near to a space group is given it exactly
    where that costs no energy: noise of the start is left out, a distortion that the calculator wants is kept.

    Attributes:
        engine: see `asegen.potentials.engine.find_engine`.
        fmax: eV/Å, for atoms and cell.
        steps: most steps; candidates that need more are `unconverged`.
        keep_symmetry: the space group stays (FixSymmetry).
        symprec: Å, of the space groups that are kept and reported.
        most_seconds: for one crystal.
    """

    name: ClassVar[str] = "relax"
    engine: Engine
    fmax: float = 0.05
    steps: int = 500
    keep_symmetry: bool = False
    symprec: float = 0.1
    most_seconds: float = 3600.0

    def settings(self) -> dict[str, Any]:
        """The calculator's identity rather than its name; not the time, which is the machine's matter."""
        return {
            "calculator": self.engine.identity,
            "energy_scale": self.engine.energy_scale,
            "fmax": self.fmax,
            "steps": self.steps,
            "keep_symmetry": self.keep_symmetry,
            "symprec": self.symprec,
        }

    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """One by one, the most promising of each formula first, those without a rank last."""
        order = sorted(candidates, key=lambda c: (c.found.get("rank_before") or math.inf, c.key))
        return [[candidate.key] for candidate in order]

    def supply(self, ledger: Ledger, members: Sequence[int]) -> list[Atoms]:
        """The crystals before they were pre-relaxed."""
        return [_atoms(candidate) for candidate in ledger.load(members, Prerelax.name)]

    def work(self, candidates: Sequence[Candidate], supplied: list[Atoms]) -> list[Outcome]:
        """Each is at a minimum, unconverged, or failed with its last finite state kept."""
        return [self._one(_atoms(candidate), before) for candidate, before in zip(candidates, supplied, strict=True)]

    def seconds(self, members: int) -> float | None:
        """Loading the calculator included."""
        return 120.0 + self.most_seconds * members

    def _one(self, atoms: Atoms, before: Atoms) -> Outcome:
        if (reason := self.engine.refusal(atoms)) is not None:
            return Outcome(UNSUPPORTED, str(reason))
        try:
            with time_limit(self.most_seconds):
                return self._minimise(atoms, before)
        except OutOfTime:
            return Outcome(FAILED, f"time limit: more than {self.most_seconds:g} s")
        except MemoryError:
            return Outcome(FAILED, "out of memory: more than a worker may have")
        except Exception as error:  # every calculator fails in its own way
            if is_of_the_disk(error):
                raise
            text = " ".join(str(error).split())[:200] or "no message"
            if text.startswith(("isolated atom:", "unknown element:")):
                return Outcome(UNSUPPORTED, text)
            if text.startswith("non-finite:"):
                return Outcome(FAILED, text)
            return Outcome(FAILED, f"calculator: {type(error).__name__}: {text}")

    def _minimise(self, atoms: Atoms, before: Atoms) -> Outcome:
        calculator = self.engine.calculator()
        checked = before != atoms
        without = _energy_if_any(before, calculator) if checked else np.inf
        first = _energy(atoms, calculator)  # last, so that the relaxation need not compute it again
        notes = []
        if checked and np.isfinite(without) and not first <= without:  # so that NaN is dropped, too
            notes.append(f"not pre-relaxed: {first:.3f} eV/atom then, {without:.3f} as it was")
            atoms, first = before, without
        end = minimise(atoms, calculator, self.fmax, self.steps, self.keep_symmetry, self.symprec)
        tried = None if self.keep_symmetry or not end.converged else self._symmetric(end, calculator)
        if tried is not None and tried.converged and tried.energy <= end.energy + _NO_ENERGY:
            end = replace(tried, steps=end.steps)
        found: dict[str, Any] = {
            "first_energy": _finite(first),
            "energy": _finite(end.energy),
            "fmax": _finite(end.fmax),
            "steps": end.steps,
            "force_calls": end.steps + 1 + checked + (tried is not None),
            "n_atoms": len(end.atoms),
            "energy_scale": self.engine.energy_scale,
        }
        if notes:
            found["notes"] = notes
        if reason := gate(end.atoms):
            return Outcome(FAILED, f"relaxed into nonsense: {reason}", found, end.atoms)
        found["space_group"] = space_group(end.atoms, self.symprec)
        if end.converged:
            return Outcome(OK, "", found, end.atoms)
        if end.reason.startswith("unconverged"):
            return Outcome(UNCONVERGED, end.reason.partition(": ")[2], found, end.atoms)
        return Outcome(FAILED, end.reason, found, end.atoms)

    def _symmetric(self, end: Minimum, calculator: Calculator) -> Minimum | None:
        """The relaxed crystal with its space group made exact, judged by the calculator; None where it is already."""
        if space_group(end.atoms, NEAR) == space_group(end.atoms, self.symprec):
            return None
        crystal = refined(end.atoms, self.symprec)
        return None if crystal is None else minimise(crystal, calculator, self.fmax, steps=0)


@dataclass(frozen=True)
class Compare(Stage):
    """Drops relaxed crystals that are another one's, the lowest in energy stays, and tells the known from the new.

    Attributes:
        reference: file of known crystals; None: novelty isn't asked for.
    """

    name: ClassVar[str] = "compare"
    splits: ClassVar[bool] = False
    reference: Path | None = None

    def settings(self) -> dict[str, Any]:
        """The tolerances, and the reference's hash."""
        return asdict(USUAL) | {"reference": None if self.reference is None else digest(self.reference)}

    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """By formula; within one, converged before unconverged, then by energy, then by input."""
        order = sorted(candidates, key=lambda c: (c.status != OK, c.found.get("energy") or 0.0, c.key))
        return sorted(by_formula(order), key=min)

    def prepare(self, ledger: Ledger, run: Runner) -> None:
        """Reads the reference crystals of the candidates' formulas, once."""
        if self.reference is not None:
            gather(ledger, self.reference, {c.found["formula"] for c in ledger.candidates(self.name)}, run)

    def supply(self, ledger: Ledger, members: Sequence[int]) -> list[tuple[str, Atoms]] | None:
        """The reference crystals of the group's formula."""
        if self.reference is None:
            return None
        (candidate,) = ledger.load(members[:1], self.name)
        return ledger.known_crystals(candidate.found["formula"])

    def work(self, candidates: Sequence[Candidate], supplied: list[tuple[str, Atoms]] | None) -> list[Outcome]:
        """Each stays or is a duplicate."""
        outcomes = _duplicates(candidates, USUAL)
        if supplied is None:
            return outcomes
        references = [atoms for _, atoms in supplied]
        found = []
        for candidate, outcome in zip(candidates, outcomes, strict=True):
            if outcome.status == DUPLICATE:
                found.append(outcome)
                continue
            (same,) = same_as([_atoms(candidate)], references, USUAL) if references else (None,)
            index = None if same is None else same.earlier
            known_as = "" if index is None else supplied[index][0]
            values = {"novel": index is None, "known_as": known_as}
            found.append(Outcome(outcome.status, outcome.reason, {**outcome.found, **values}))
        return found

    def seconds(self, members: int) -> float | None:
        """Pairs have their own limit."""
        return None

    def gave_up(self, candidate: Candidate, status: str, reason: str) -> Outcome:
        """All stay."""
        return Outcome(OK, "", {"notes": [f"not compared with others: {reason}"]})


def _duplicates(candidates: Sequence[Candidate], tolerances: Tolerances) -> list[Outcome]:
    """Each stays, or is a copy of one before it."""
    outcomes = []
    for same in same_as([_atoms(candidate) for candidate in candidates], [], tolerances):
        notes = {"notes": [f"{same.timed_out} comparisons took too long"]} if same.timed_out else {}
        if same.earlier is None:
            outcomes.append(Outcome(OK, "", notes))
        else:
            first = candidate_id(candidates[same.earlier].key)
            outcomes.append(Outcome(DUPLICATE, f"the same crystal as {first}", notes | {"duplicate_of": first}))
    return outcomes


def by_formula(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Keys of candidates, in their order, by reduced formula."""
    bins: defaultdict[str, list[int]] = defaultdict(list)
    for candidate in candidates:
        bins[candidate.found["formula"]].append(candidate.key)
    return list(bins.values())


def plain(atoms: Atoms) -> Atoms:
    """Elements, positions and a right-handed cell of the same lattice, nothing else."""
    cell = atoms.cell.array
    return Atoms(atoms.numbers, atoms.positions, cell=-cell if np.linalg.det(cell) < 0 else cell, pbc=True)


def _entry(entry: Input) -> Entry:
    if entry.format == ERROR:
        return Entry(entry.row, entry.name, StructureError(entry.content), ERROR)
    if entry.format in (CIF, EXTXYZ, POSCAR):
        return Entry(entry.row, entry.name, entry.content, entry.format)
    atoms = decode(entry.content)
    assert isinstance(atoms, Atoms)
    return Entry(entry.row, entry.name, atoms, STRUCTURE)


def _atoms(candidate: Candidate) -> Atoms:
    assert candidate.atoms is not None  # read came first
    return candidate.atoms


def _energy(atoms: Atoms, calculator: Calculator) -> float:
    """Energy in eV per atom."""
    atoms = atoms.copy()
    atoms.calc = calculator
    return float(atoms.get_potential_energy()) / len(atoms)


def _energy_if_any(atoms: Atoms, calculator: Calculator) -> float:
    """Infinite where the calculator fails, which it may do for a crystal that pre-relaxing has mended."""
    try:
        energy = _energy(atoms, calculator)
    except (OutOfTime, MemoryError):
        raise
    except Exception as error:  # every calculator fails in its own way
        if is_of_the_disk(error):
            raise
        return np.inf
    return energy if np.isfinite(energy) else np.inf


def _rank(atoms: Atoms) -> int | None:
    """What a generator says; nothing else that a file may call a rank."""
    value = atoms.info.get(RANK)
    return int(value) if isinstance(value, int | np.integer) and not isinstance(value, bool) and value > 0 else None


def _chunks(keys: Sequence[int], size: int) -> list[list[int]]:
    return [list(keys[start : start + size]) for start in range(0, len(keys), size)]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
